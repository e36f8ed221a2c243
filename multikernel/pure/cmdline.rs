// SPDX-License-Identifier: GPL-2.0

//! The command line of an instance: the user's, and what the loader adds.
//!
//! The loader's options come last, before any `--`: of most options the last
//! value counts, so these hold whatever the user wrote. In particular
//! `panic=N` and `sysctl.kernel.panic=N` of the user are accepted, and have no
//! effect: until the tboot page is in use a panic must not restart (it would
//! reset the machine), from then on it must restart at once (which ends in the
//! tboot stub, so that the host learns of it). The second is set when the
//! kernel applies `sysctl.` options, right before it runs init.
//!
//! Two options are merged with the user's, since only one value counts:
//! `clearcpuid=` and `module_blacklist=`. Options that would reach the host
//! whatever the loader adds are refused.
//!
//! Sources: `next_arg()` in lib/cmdline.c (words and quotes), kernel/params.c
//! (`-` and `_` are the same in names, `--` ends the kernel's part), and
//! `cmdline_find_option()` in arch/x86/lib/cmdline.c, which knows neither
//! quotes nor `--`.

use super::lockdown::Lockdown;
use core::fmt::{self, Write};

/// Linux ignores what is longer (`COMMAND_LINE_SIZE`, with the NUL).
pub const MAX: usize = 2047;

/// What differs between hosts and instances.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Frequency of the time stamp counter.
    pub tsc_khz: u32,
    /// An APIC ID that no processor of the machine has: first in the MADT.
    pub spare_apic_id: u8,
    /// The host runs on Intel processors without hardware P-states (HWP): to
    /// turn them on would turn them on for the host's processors, too.
    pub without_hwp: bool,
    /// The instance has the machine's UARTs.
    pub uart: bool,
    /// How far the host is locked down, and so the instance.
    pub lockdown: Lockdown,
}

/// Why there is no command line. `'a` is that of the user's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<'a> {
    /// A character that does not belong there, and its offset.
    Character {
        /// Which one.
        byte: u8,
        /// Where.
        at: usize,
    },
    /// A quote that is not closed: it would take in the loader's options.
    Quote {
        /// Offset of the word that has it.
        at: usize,
    },
    /// An option that would reach the host.
    Refused {
        /// What the user wrote.
        option: &'a [u8],
        /// What it would do.
        why: &'static str,
    },
    /// A merged value that is longer than the kernel takes.
    List {
        /// Of which option, with its equals sign.
        option: &'static str,
        /// Its length, with the loader's own.
        have: usize,
        /// The longest that the kernel takes.
        limit: usize,
    },
    /// It does not fit.
    TooLong {
        /// Its length, with the loader's options.
        have: usize,
        /// The longest that the kernel takes.
        limit: usize,
    },
}

/// Composes the command line in `out` from that of the `user`, adds a NUL, and
/// returns its length without that. `limit` is the longest that the kernel
/// takes ([`super::bzimage::Image::cmdline_size`]).
pub fn compose<'a>(
    out: &mut [u8],
    user: &'a [u8],
    limit: usize,
    config: &Config,
) -> Result<usize, Error<'a>> {
    // For the kernel 0xa0 is a space, as in Latin-1; UTF-8 has it in letters.
    let is_wrong = |b: &u8| b.is_ascii_control() || *b == 0xa0;
    if let Some(at) = user.iter().position(is_wrong) {
        return Err(Error::Character { byte: user[at], at });
    }

    let mut line = Output { out, len: 0 };
    let mut init: Option<&[u8]> = None;
    for word in Words::new(user) {
        if word.is_open {
            return Err(Error::Quote { at: word.at });
        }
        if word.ends_options() {
            init = user.get(word.at..);
            break;
        }
        refuse(word.text, word.name, word.value, config, |_| true)?;
        let list = List::of(&word);
        if list.is_some() && word.text.iter().any(|b| b"\" ".contains(b)) {
            return Err(Error::Refused {
                option: word.text,
                why: "its value must have no quotes, to be joined with the loader's",
            });
        }
        if list.is_none() {
            line.word(word.text);
        }
    }
    for (name, value, word) in raw_options(user) {
        refuse(word, name, Some(value), config, |rule| rule.anywhere)?;
    }
    let mut after = raw_options(init.unwrap_or(b""));
    if let Some((_, _, option)) = after.find(|(name, ..)| *name == b"clearcpuid") {
        return Err(Error::Refused {
            option,
            why: "after \"--\" it would replace the loader's",
        });
    }

    line.options(config);
    for list in [List::Features, List::Modules] {
        let values = Words::new(user)
            .take_while(|word| !word.ends_options())
            .filter(|word| List::of(word) == Some(list))
            .filter_map(|word| word.value)
            .filter(|value| !value.is_empty());
        line.list(list, values)?;
    }
    if let Some(init) = init {
        line.word(init);
    }
    line.finish(limit.min(MAX))
}

/// What is the same for all, and why:
///
/// * `no_ipi_broadcast`: a broadcast reaches the host's processors.
/// * `pci=off`: the configuration ports are the host's.
/// * `panic`: see above; `mce=nobootlog` keeps machine checks from changing it.
/// * `kexec_load_disabled`: a next kernel would have none of these options.
/// * `mce=ignore_ce`: polling clears errors that are the host's to see.
/// * `nosgx`: Linux clears all of the enclave memory at boot.
/// * `no5lvl`: the switch needs low memory, and falls back to the host's.
/// * `apic_extnmi`: a NMI of the board is for the host.
/// * `dis_ucode_ldr`: microcode is shared by a core, and cannot be taken back.
/// * `kvm.enable_virt_at_load`: as for `kvm_intel`, where it is built in.
/// * `rdt`: Linux resets the cache allocation of the whole package.
/// * `initcall_blacklist`: these look at the machine's firmware tables, and
///   make a device of the speaker's port.
///
/// A word that a kernel does not know becomes an argument of its init, which a
/// shell does not bear. `no5lvl` and `dis_ucode_ldr` are looked for without
/// regard to quotes, and known to nothing else: so they are in the value of an
/// option with a dot in its name, which a kernel takes for one of a module. A
/// value makes `nosgx` a variable of init's environment at worst.
const FIXED: &str = "no_ipi_broadcast=1 pci=off panic=0 sysctl.kernel.panic=-1 \
    sysctl.kernel.kexec_load_disabled=1 mce=nobootlog mce=ignore_ce nosgx=1 \
    apic_extnmi=none kvm.enable_virt_at_load=0 \
    multikernel-loader.early=\" no5lvl dis_ucode_ldr \" \
    rdt=!cmt,!mbmtotal,!mbmlocal,!l3cat,!l3cdp,!l2cat,!l2cdp,!mba,!smba,!bmec,!abmc,!sdciae \
    initcall_blacklist=dmi_id_init,add_pcspkr";

/// When a rule refuses its option.
#[derive(Clone, Copy)]
enum When {
    /// Whatever its value.
    Always,
    /// If its value is this.
    Is(&'static str),
    /// Unless its value is a number above 0.
    NotPositive,
    /// If its value starts with one of these, and the instance has no UART.
    NoUart(&'static [&'static str]),
    /// Unless its value is this, or the instance has UARTs.
    NoUartOr(&'static str),
    /// Unless its value starts with one of these, and the instance has UARTs.
    NoUartOrNot(&'static [&'static str]),
    /// If the instance has to lock itself down.
    LockedDown,
}

/// Options that are refused.
struct Rule {
    /// A name that ends in `*` stands for all that start so.
    names: &'static [&'static str],
    when: When,
    /// Whether the kernel finds them within quotes and after `--`, too.
    anywhere: bool,
    why: &'static str,
}

impl Rule {
    const fn new(names: &'static [&'static str], when: When, why: &'static str) -> Self {
        Self {
            names,
            when,
            anywhere: false,
            why,
        }
    }

    const fn anywhere(self) -> Self {
        Self {
            anywhere: true,
            ..self
        }
    }

    fn hits(&self, name: &[u8], value: Option<&[u8]>, config: &Config) -> bool {
        let value = value.unwrap_or(b"");
        let is_named = |rule: &str| match rule.strip_suffix('*') {
            Some(start) => name
                .get(..start.len())
                .is_some_and(|name| same(name, start.as_bytes())),
            None => same(name, rule.as_bytes()),
        };
        let starts = |starts: &[&str]| starts.iter().any(|s| value.starts_with(s.as_bytes()));

        self.names.iter().any(|name| is_named(name))
            && match self.when {
                When::Always => true,
                When::Is(wrong) => value == wrong.as_bytes(),
                When::NotPositive => !is_positive(value),
                When::NoUart(values) => !config.uart && starts(values),
                When::NoUartOr(right) => !config.uart && value != right.as_bytes(),
                When::NoUartOrNot(values) => !config.uart || !starts(values),
                When::LockedDown => config.lockdown != Lockdown::None,
            }
    }
}

const READS: &str = "it would read memory of the host";
const WRITES: &str = "it would write to memory of the host";
const TAKES: &str = "it would give the instance memory of the host";
const TABLES: &str = "the instance depends on the ACPI tables that the loader makes";
const IRQS: &str = "it would lead the instance to the host's interrupt controllers";
const PCI: &str = "the ports of PCI configuration are the host's";
const RESET: &str = "it could reset the host";
const CRASH: &str = "a crash kernel would have none of the loader's options";
const CACHES: &str = "it would reset the host's cache allocation";
const FEATURES: &str = "it could turn on what the loader has to turn off";
const ENCRYPT: &str = "the host could not read the instance's log";
const UART: &str = "the UARTs and the screen are the host's";
const MODULES: &str = "it could leave lockdown out, and the host is locked down";

/// What an early console on a UART starts with.
const SERIAL: &[&str] = &["serial", "ttyS"];

const RULES: [Rule; 21] = [
    Rule::new(&["memmap", "initrdmem"], When::Always, TAKES),
    Rule::new(&["elfcorehdr"], When::Always, READS),
    Rule::new(&["ramoops.mem_address"], When::Always, WRITES),
    Rule::new(&["update_mptable", "alloc_mptable"], When::Always, WRITES),
    Rule::new(&["acpi_rsdp"], When::Always, TABLES).anywhere(),
    Rule::new(&["acpi*"], When::Always, TABLES),
    Rule::new(&["noapic", "nolapic", "disableapic"], When::Always, IRQS),
    Rule::new(&["nosmp"], When::Always, IRQS),
    Rule::new(&["maxcpus"], When::NotPositive, IRQS),
    Rule::new(&["pci"], When::Always, PCI),
    Rule::new(&["reboot"], When::Always, RESET),
    Rule::new(&["mce"], When::Is("off"), RESET),
    Rule::new(&["nomce"], When::Always, RESET),
    Rule::new(&["crashkernel"], When::Always, CRASH),
    Rule::new(&["rdt*"], When::Always, CACHES),
    Rule::new(&["setcpuid"], When::Always, FEATURES).anywhere(),
    Rule::new(&["mem_encrypt"], When::Is("on"), ENCRYPT).anywhere(),
    Rule::new(&["earlyprintk"], When::NoUartOrNot(SERIAL), UART).anywhere(),
    Rule::new(&["console"], When::NoUart(&["uart"]), UART).anywhere(),
    Rule::new(&["earlycon"], When::NoUartOr("mk"), UART),
    Rule::new(&["lsm"], When::LockedDown, MODULES),
];

/// Options of which the values are merged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    /// Features that an instance must not use: with LASS, the kernel cannot
    /// call the tboot stub in low memory; HFI's table is shared by a package.
    Features,
    /// Modules that an instance must not load: VMX blocks the INIT that takes
    /// a processor back; the others come for the machine's firmware tables or
    /// model, and talk to hardware of the host.
    Modules,
}

impl List {
    /// Of which list the value of `word` is a part.
    fn of(word: &Word<'_>) -> Option<Self> {
        // The first is looked for byte by byte.
        if word.name == b"clearcpuid" {
            Some(Self::Features)
        } else if same(word.name, b"module_blacklist") {
            Some(Self::Modules)
        } else {
            None
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Features => "clearcpuid=",
            Self::Modules => "module_blacklist=",
        }
    }

    /// What the loader puts there.
    fn own(self) -> &'static str {
        match self {
            Self::Features => "lass,hfi",
            Self::Modules => {
                "kvm_intel,ipmi_si,ipmi_ssif,dell_smm_hwmon,dcdbas,intel_uncore,\
                 x86_pkg_temp_thermal,intel_pmc_core,parport_pc"
            }
        }
    }

    /// The longest value that the kernel takes: a buffer of its own
    /// (`cpu_parse_early_param()`), and `param_set_charp()`.
    fn limit(self) -> usize {
        match self {
            Self::Features => 127,
            Self::Modules => 1024,
        }
    }
}

/// Fails if a rule that `applies` is against this option.
fn refuse<'a>(
    option: &'a [u8],
    name: &[u8],
    value: Option<&[u8]>,
    config: &Config,
    applies: impl Fn(&Rule) -> bool,
) -> Result<(), Error<'a>> {
    let is_against = |rule: &&Rule| applies(rule) && rule.hits(name, value, config);
    match RULES.iter().find(is_against) {
        Some(rule) => Err(Error::Refused {
            option,
            why: rule.why,
        }),
        None => Ok(()),
    }
}

/// The options with values, as `cmdline_find_option()` sees them: name, value,
/// and both.
fn raw_options(line: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    line.split(|b| *b == b' ').filter_map(|word| {
        let equals = word.iter().position(|b| *b == b'=')?;
        Some((word.get(..equals)?, word.get(equals + 1..)?, word))
    })
}

/// Whether two names are the same for the kernel.
fn same(a: &[u8], b: &[u8]) -> bool {
    let dash = |c: &u8| if *c == b'-' { b'_' } else { *c };
    a.iter().map(dash).eq(b.iter().map(dash))
}

/// Whether `value` is a number above 0, as the kernel reads it.
fn is_positive(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"0x").unwrap_or(value);
    !digits.is_empty()
        && digits.len() <= 8
        && digits.iter().all(u8::is_ascii_digit)
        && digits.iter().any(|b| *b != b'0')
}

/// A word of a command line.
#[derive(Clone, Copy)]
struct Word<'a> {
    /// Its offset.
    at: usize,
    /// All of it.
    text: &'a [u8],
    name: &'a [u8],
    value: Option<&'a [u8]>,
    /// It ends within quotes.
    is_open: bool,
}

impl Word<'_> {
    /// Whether what follows is for init.
    fn ends_options(&self) -> bool {
        self.name == b"--" && self.value.is_none()
    }
}

/// The words of a command line, as the kernel takes them apart.
struct Words<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Words<'a> {
    fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0 }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let rest = self.line.get(self.at..)?;
        let at = self.at + rest.iter().position(|b| *b != b' ')?;
        let rest = self.line.get(at..)?;
        let mut is_open = false;
        let end = rest.iter().position(|b| {
            is_open ^= *b == b'"';
            !is_open && *b == b' '
        });
        let text = rest.get(..end.unwrap_or(rest.len()))?;
        self.at = at + text.len();

        // A quote at the start belongs to the whole word, one after the equals
        // sign to the value; each takes one at the end with it.
        let unquoted = text.strip_prefix(b"\"");
        let mut body = unquoted.unwrap_or(text);
        let equals = body.iter().skip(1).position(|b| *b == b'=').map(|n| n + 1);
        let mut value = equals.and_then(|n| body.get(n + 1..));
        if let Some(inner) = value.and_then(|v| v.strip_prefix(b"\"")) {
            value = Some(inner.strip_suffix(b"\"").unwrap_or(inner));
        } else if unquoted.is_some() {
            body = body.strip_suffix(b"\"").unwrap_or(body);
            value = value.map(|v| v.strip_suffix(b"\"").unwrap_or(v));
        }
        let name = equals.and_then(|n| body.get(..n)).unwrap_or(body);
        Some(Word {
            at,
            text,
            name,
            value,
            is_open,
        })
    }
}

/// Collects text in a buffer, and counts what does not fit.
struct Output<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Output<'_> {
    fn bytes(&mut self, text: &[u8]) {
        let end = self.len.saturating_add(text.len());
        if let Some(room) = self.out.get_mut(self.len..end) {
            room.copy_from_slice(text);
        }
        self.len = end;
    }

    /// Adds a word, with a space if there is one before.
    fn word(&mut self, text: &[u8]) {
        if self.len > 0 {
            self.bytes(b" ");
        }
        self.bytes(text);
    }

    fn options(&mut self, config: &Config) {
        self.word(FIXED.as_bytes());
        // Writing to `self` does not fail.
        let _ = write!(
            self,
            " tsc_early_khz={} disable_cpu_apicid={}",
            config.tsc_khz, config.spare_apic_id
        );
        if !config.uart {
            self.word(b"8250.nr_uarts=0");
        }
        if config.without_hwp {
            self.word(b"intel_pstate=disable");
        }
        if let Some(option) = config.lockdown.option() {
            self.word(option.as_bytes());
        }
    }

    /// Adds the option of `list`, with the loader's value and the user's.
    fn list<'a>(
        &mut self,
        list: List,
        values: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(), Error<'static>> {
        self.word(list.option().as_bytes());
        let start = self.len;
        self.bytes(list.own().as_bytes());
        for value in values {
            self.bytes(b",");
            self.bytes(value);
        }
        let have = self.len - start;
        if have > list.limit() {
            return Err(Error::List {
                option: list.option(),
                have,
                limit: list.limit(),
            });
        }
        Ok(())
    }

    fn finish(self, limit: usize) -> Result<usize, Error<'static>> {
        let limit = limit.min(self.out.len().saturating_sub(1));
        match self.out.get_mut(self.len) {
            Some(end) if self.len <= limit => {
                *end = 0;
                Ok(self.len)
            }
            _ => Err(Error::TooLong {
                have: self.len,
                limit,
            }),
        }
    }
}

impl Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

impl fmt::Display for Error<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Character { byte, at } => write!(
                f,
                "the command line has a byte {byte:#04x} at offset {at}, which a kernel \
                 does not take for a letter; write one line of printable characters"
            ),
            Self::Quote { at } => write!(
                f,
                "the command line has a quote that is not closed, in the word at offset {at}"
            ),
            Self::Refused { option, why } => write!(
                f,
                "the command line has \"{}\": {why}; leave it out",
                option.escape_ascii()
            ),
            Self::List {
                option,
                have,
                limit,
            } => write!(
                f,
                "the command line's {option} has {have} characters with the loader's value, and \
                 {limit} fit; name fewer"
            ),
            Self::TooLong { have, limit } => write!(
                f,
                "the command line has {have} characters with the loader's options, and {limit} \
                 fit; make it {} shorter",
                have.saturating_sub(limit)
            ),
        }
    }
}
