// SPDX-License-Identifier: GPL-2.0

//! Command lines, read the way that a kernel reads them.

mod common;

use multikernel_pure::pure::cmdline::{compose, Config, Error, MAX};
use multikernel_pure::pure::lockdown::Lockdown;
use proptest::prelude::*;

const CONFIG: Config = Config {
    tsc_khz: 2_400_000,
    spare_apic_id: 254,
    without_hwp: false,
    uart: false,
    lockdown: Lockdown::None,
};

const UART: Config = Config {
    uart: true,
    ..CONFIG
};

fn with<'a>(user: &'a str, limit: usize, config: &Config) -> Result<String, Error<'a>> {
    let mut out = [0xaa; MAX + 1];
    let len = compose(&mut out, user.as_bytes(), limit, config)?;
    assert_eq!(out[len], 0, "the NUL");
    Ok(String::from_utf8(out[..len].to_vec()).unwrap())
}

fn line(user: &str) -> Result<String, Error<'_>> {
    with(user, MAX, &CONFIG)
}

/// The option that is refused, and why.
fn refused<'a>(user: &'a str, config: &Config) -> Option<(&'a str, String)> {
    match with(user, MAX, config) {
        Err(error @ Error::Refused { option, .. }) => {
            Some((std::str::from_utf8(option).unwrap(), error.to_string()))
        }
        Err(other) => panic!("{user}: {other}"),
        Ok(_) => None,
    }
}

/// What a kernel makes of a line: its options, and what init gets. Written
/// from the description of quotes in Documentation/admin-guide, apart from the
/// code under test.
fn parse(line: &str) -> (Vec<(String, Option<String>)>, Option<String>) {
    let mut options = vec![];
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let mut quoted = false;
        let end = rest
            .find(|c: char| {
                quoted ^= c == '"';
                c == ' ' && !quoted
            })
            .unwrap_or(rest.len());
        let word: String = rest[..end].chars().filter(|c| *c != '"').collect();
        let next = rest[end..].trim_start();
        // Quotes within a name are part of it.
        if ["--", "\"--\""].contains(&&rest[..end]) {
            return (options, Some(next.to_string()));
        }
        options.push(match word.split_once('=') {
            Some((name, value)) => (name.replace('-', "_"), Some(value.to_string())),
            None => (word.replace('-', "_"), None),
        });
        rest = next;
    }
    (options, None)
}

/// The value that counts, of an option of which the last one does.
fn last(line: &str, name: &str) -> Option<String> {
    let (options, _) = parse(line);
    options
        .into_iter()
        .rfind(|(n, _)| n == name)
        .map(|(_, value)| value.unwrap_or_default())
}

/// As the parts of the kernel that know neither quotes nor `--` see it.
fn raw<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ')
        .filter_map(|word| word.split_once('='))
        .rfind(|(n, _)| *n == name)
        .map(|(_, value)| value)
}

/// All that the loader must add holds.
fn check(line: &str) {
    for (name, value) in [
        ("no_ipi_broadcast", "1"),
        ("pci", "off"),
        ("tsc_early_khz", "2400000"),
        ("8250.nr_uarts", "0"),
        ("disable_cpu_apicid", "254"),
        ("panic", "0"),
        ("sysctl.kernel.panic", "-1"),
        ("sysctl.kernel.kexec_load_disabled", "1"),
        ("nosgx", "1"),
        ("apic_extnmi", "none"),
        ("kvm.enable_virt_at_load", "0"),
    ] {
        assert_eq!(last(line, name).as_deref(), Some(value), "{name} in {line}");
    }
    // Found by their names alone, and no arguments of init.
    let (options, _) = parse(line);
    for name in ["no5lvl", "dis_ucode_ldr"] {
        assert!(line.split(' ').any(|word| word == name), "{name} in {line}");
        assert!(options.iter().all(|(n, _)| n != name), "{name} in {line}");
    }
    for (name, value) in [
        ("mce", "nobootlog"),
        ("mce", "ignore_ce"),
        ("initcall_blacklist", "dmi_id_init,add_pcspkr"),
    ] {
        let option = (name.to_string(), Some(value.to_string()));
        assert!(options.contains(&option), "{name}={value} in {line}");
    }
    let rdt = last(line, "rdt").unwrap();
    assert!(rdt.split(',').all(|name| name.starts_with('!')), "{rdt}");
    assert_eq!(rdt.split(',').count(), 12);
    let features = raw(line, "clearcpuid").unwrap();
    assert!(features.len() <= 127);
    assert!(features.starts_with("lass,hfi"), "{features}");
    let modules = last(line, "module_blacklist").unwrap();
    for module in ["kvm_intel", "ipmi_si", "intel_uncore", "parport_pc"] {
        assert!(modules.split(',').any(|m| m == module), "{modules}");
    }
}

#[test]
fn the_loaders_options_are_there() {
    check(&line("").unwrap());
    let composed = line("console=tty0 quiet").unwrap();
    check(&composed);
    assert!(composed.starts_with("console=tty0 quiet no_ipi_broadcast=1 "));
}

/// A word without a value that a kernel does not know goes to init.
#[test]
fn none_becomes_an_argument_of_init() {
    let (options, _) = parse(&line("").unwrap());
    let plain: Vec<_> = options
        .iter()
        .filter(|(_, value)| value.is_none())
        .collect();
    assert!(plain.is_empty(), "{plain:?}");
}

#[test]
fn they_hold_whatever_the_user_wrote() {
    check(&line("panic=30 sysctl.kernel.panic=5 8250.nr-uarts=4 apic_extnmi=all").unwrap());
    check(
        &line("mce=bootlog no_ipi_broadcast=0 tsc_early_khz=1 kvm.enable_virt_at_load=1").unwrap(),
    );
    check(&line("\"panic=30\" disable-cpu-apicid=2 -- panic=5").unwrap());
}

#[test]
fn they_come_before_what_is_for_init() {
    for (user, init) in [
        ("quiet -- single  verbose", "single  verbose"),
        ("quiet -- ", ""),
        ("-- panic=5 acpi=off", "panic=5 acpi=off"),
        ("quiet \"--\" single", "single"),
    ] {
        let composed = line(user).unwrap();
        check(&composed);
        assert_eq!(parse(&composed).1.as_deref(), Some(init), "{user}");
    }
    // Only the whole word is one.
    assert_eq!(parse(&line("--x=1 ---").unwrap()).1, None);
    assert_eq!(parse(&line("a=\"b -- c\"").unwrap()).1, None);
    check(&line("a=\"b -- c\"").unwrap());
}

#[test]
fn what_differs_between_hosts() {
    let uart = with("", MAX, &UART).unwrap();
    assert_eq!(last(&uart, "8250.nr_uarts"), None);
    assert_eq!(last(&line("").unwrap(), "intel_pstate"), None);
    let config = Config {
        without_hwp: true,
        ..CONFIG
    };
    let disabled = with("intel_pstate=active", MAX, &config).unwrap();
    assert_eq!(last(&disabled, "intel_pstate").as_deref(), Some("disable"));
}

#[test]
fn lists_are_joined() {
    let composed = line("clearcpuid=avx512f,foo x module-blacklist=a,b clearcpuid=bar").unwrap();
    check(&composed);
    assert_eq!(
        raw(&composed, "clearcpuid"),
        Some("lass,hfi,avx512f,foo,bar")
    );
    assert_eq!(composed.matches("clearcpuid=").count(), 1);
    assert_eq!(composed.matches("blacklist=").count(), 2, "and initcall_");
    let modules = last(&composed, "module_blacklist").unwrap();
    assert!(modules.ends_with("parport_pc,a,b"), "{modules}");
    // Without a value they change nothing.
    assert_eq!(
        line("clearcpuid= module_blacklist").unwrap(),
        line("").unwrap()
    );
    // Options whose values all count stay as they are.
    let composed = line("initcall_blacklist=mine").unwrap();
    assert!(composed.starts_with("initcall_blacklist=mine "));
    check(&composed);
}

#[test]
fn a_host_that_is_locked_down_passes_it_on() {
    assert_eq!(last(&line("lsm=yama").unwrap(), "lockdown"), None);
    for (lockdown, value) in [
        (Lockdown::Integrity, "integrity"),
        (Lockdown::Confidentiality, "confidentiality"),
    ] {
        let config = Config { lockdown, ..CONFIG };
        let composed = with("lockdown=none quiet", MAX, &config).unwrap();
        check(&composed);
        assert_eq!(last(&composed, "lockdown").as_deref(), Some(value));
        // Without the module the option does nothing.
        for user in ["lsm=yama", "quiet \"lsm=\"", "lsm"] {
            let (_, why) = refused(user, &config).unwrap();
            assert!(why.contains("lockdown"), "{why}");
        }
        assert_eq!(refused("-- lsm=yama", &config), None);
    }
}

#[test]
fn lists_have_their_limits() {
    let name = "x".repeat(127 - "lass,hfi,".len());
    check(&line(&format!("clearcpuid={name}")).unwrap());
    let long = format!("clearcpuid={name}x");
    let error = line(&long).unwrap_err();
    assert_eq!(
        error,
        Error::List {
            option: "clearcpuid=",
            have: 128,
            limit: 127
        }
    );
    assert!(error.to_string().contains("clearcpuid= has 128 characters"));
    let modules = format!("module_blacklist={}", "m".repeat(1000));
    assert!(matches!(
        line(&modules),
        Err(Error::List {
            option: "module_blacklist=",
            limit: 1024,
            ..
        })
    ));
}

#[test]
fn options_that_reach_the_host_are_refused() {
    for option in [
        "memmap=64M@1G",
        "memmap=exactmap",
        "initrdmem=0x1000,4096",
        "elfcorehdr=0x1000",
        "ramoops.mem_address=0x1000",
        "ramoops.mem-address=0x1000",
        "update_mptable",
        "alloc_mptable=4k",
        "acpi=off",
        "acpi=noirq",
        "acpi=ht",
        "acpi",
        "acpi_rsdp=0xf0000",
        "acpi_apic_instance=2",
        "acpi-apic-instance=2",
        "acpi_force_32bit_fadt_addr",
        "acpi_sleep=s3_bios",
        "noapic",
        "nolapic",
        "disableapic",
        "nosmp",
        "maxcpus=0",
        "maxcpus=00",
        "maxcpus=0x0",
        "maxcpus=none",
        "maxcpus",
        "maxcpus=-1",
        "pci=nomsi",
        "pci=conf1",
        "reboot=pci",
        "reboot=force",
        "mce=off",
        "nomce",
        "crashkernel=256M",
        "crashkernel=64M,high",
        "rdt=l3cat",
        "rdt",
        "setcpuid=lass",
        "mem_encrypt=on",
        "earlyprintk",
        "earlyprintk=vga",
        "earlyprintk=serial,0x3f8,115200",
        "earlycon",
        "earlycon=uart8250,io,0x3f8",
        "earlycon=efifb",
        "earlycon=mk,0x3f8",
        "console=uart8250,io,0x3f8,115200n8",
        "console=uart,io,0x3f8",
    ] {
        for user in [
            option.to_string(),
            format!("quiet {option}"),
            format!("{option} quiet -- single"),
            format!("x=\"a b\"   {option}"),
        ] {
            let (word, message) = refused(&user, &CONFIG).unwrap_or_else(|| panic!("{user}"));
            assert_eq!(word, option);
            assert!(message.contains(&format!("\"{option}\": ")), "{message}");
            assert!(message.ends_with("; leave it out"), "{message}");
        }
        let quoted = format!("\"{option}\"");
        assert_eq!(refused(&quoted, &CONFIG).unwrap().0, quoted);
    }
    assert_eq!(
        refused("mce=off", &CONFIG).unwrap().1,
        "the command line has \"mce=off\": it could reset the host; leave it out"
    );
}

#[test]
fn options_that_only_look_similar_are_taken() {
    for option in [
        "mem=512M",
        "earlycon=mk",
        "memmaps=1",
        "xacpi=off",
        "maxcpus=1",
        "maxcpus=0x10",
        "maxcpus=10",
        "nr_cpus=1",
        "mce=ignore_ce",
        "mce=offline",
        "nosmt",
        "pcie_aspm=off",
        "crashkernels=1",
        "console=ttyS0",
        "console=hvc0",
        "console=tty0",
        "mem_encrypt=off",
        "reboot_panic=1",
        "root=LABEL=\"acpi=off\"",
        "init=/bin/sh",
        "dyndbg=\"file acpi.c +p\"",
        "root=/dev/pci=off",
    ] {
        let composed = line(option).unwrap_or_else(|error| panic!("{option}: {error}"));
        check(&composed);
        assert!(composed.starts_with(option), "{composed}");
    }
}

#[test]
fn what_is_found_within_quotes_and_behind_dashes_is_refused_there() {
    for option in [
        "acpi_rsdp=0xf0000",
        "setcpuid=lass",
        "mem_encrypt=on",
        "earlyprintk=serial",
        "console=uart,io,0x3f8",
    ] {
        for user in [format!("x=\"a {option} b\""), format!("-- {option}")] {
            let refused = refused(&user, &CONFIG).unwrap_or_else(|| panic!("{user}"));
            assert_eq!(refused.0, option);
        }
    }
}

#[test]
fn a_line_that_is_none_is_told() {
    assert_eq!(
        line("quiet\n").unwrap_err().to_string(),
        "the command line has a byte 0x0a at offset 5, which a kernel does not take for \
         a letter; write one line of printable characters"
    );
    assert_eq!(
        line("quiet x=\"a").unwrap_err().to_string(),
        "the command line has a quote that is not closed, in the word at offset 6"
    );
}

#[test]
fn what_is_for_init_is_its_own_affair() {
    check(&line("-- \"a").unwrap());
    check(&line("x=\"a clearcpuid=foo b\"").unwrap());
    check(&line("-- module_blacklist=foo").unwrap());
    for (user, has_init) in [("\"--\"", true), ("--\"\"", false), ("-\"-\"", false)] {
        let composed = line(user).unwrap();
        check(&composed);
        assert_eq!(parse(&composed).1.is_some(), has_init, "{user}");
    }
}

#[test]
fn a_line_may_be_as_long_as_the_kernel_takes() {
    let own = line("").unwrap().len();
    for limit in [1000, 2047] {
        let longest = "x".repeat(limit - own - 1);
        assert_eq!(with(&longest, limit, &CONFIG).unwrap().len(), limit);
        let longer = "x".repeat(limit - own);
        let error = with(&longer, limit, &CONFIG).unwrap_err();
        assert_eq!(
            error,
            Error::TooLong {
                have: limit + 1,
                limit
            }
        );
        assert!(error.to_string().ends_with(&format!(
            "has {} characters with the loader's options, and {limit} fit; make it 1 shorter",
            limit + 1
        )));
    }
    // Never more than any kernel takes, or than the buffer holds.
    let longer = "x".repeat(MAX - own);
    assert!(matches!(
        with(&longer, 1 << 20, &CONFIG),
        Err(Error::TooLong { limit: MAX, .. })
    ));
    for room in [0, 1, own, own + 1] {
        let mut out = vec![0; room];
        let composed = compose(&mut out, b"", MAX, &CONFIG);
        let limit = room.saturating_sub(1);
        let error = Err(Error::TooLong { have: own, limit });
        assert_eq!(composed, if room > own { Ok(own) } else { error });
    }
}

/// Words that a command line may have, and some that it must not.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[a-z_.-]{1,8}(=[a-z0-9,]{0,6})?",
        "[a-z]{1,4}=\"[a-z =]{0,8}\"",
        "\"[a-z]{1,4}=[a-z =]{0,8}\"",
        "[a-z\" =-]{0,6}",
        Just("--".to_string()),
        Just("clearcpuid=a,b".to_string()),
        Just("module_blacklist=c".to_string()),
        Just("acpi_rsdp=1".to_string()),
        Just("panic=7".to_string()),
        Just("\u{e4}\u{df}".to_string()),
    ];
    proptest::collection::vec(word, 0..10).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn what_is_taken_keeps_everybodys_options(user in words()) {
        let Ok(composed) = line(&user) else { return Ok(()) };
        let (mine, init) = parse(&user);
        let (options, new_init) = parse(&composed);
        prop_assert_eq!(init, new_init);
        let is_list = |(name, _): &&(String, Option<String>)| {
            name == "clearcpuid" || name == "module_blacklist"
        };
        let kept: Vec<_> = mine.iter().filter(|o| !is_list(o)).collect();
        let start: Vec<_> = options.iter().take(kept.len()).collect();
        prop_assert_eq!(start, kept);
        check(&composed);
    }

    #[test]
    fn nothing_panics(
        user in proptest::collection::vec(any::<u8>(), 0..3000),
        room in 0usize..3000,
        limit: usize,
    ) {
        let mut out = vec![0; room];
        match compose(&mut out, &user, limit, &CONFIG) {
            Ok(len) => prop_assert!(len < room && len <= limit && out[len] == 0),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
