// SPDX-License-Identifier: GPL-2.0

//! `mkctl check`

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use multikernel::{
    Blocker, CpuList, Device, Errno, Error, Query, Role, Topology, Wish, ABI_VERSION, MEMORY_MIN,
};
use serde::Serialize;

use super::{cpus, write_json};
use crate::cli::Format;
use crate::failure::{Failure, Result};
use crate::host::{self, Root};
use crate::units;

/// Bit of `CAP_SYS_BOOT` in a set of capabilities.
const CAP_SYS_BOOT: u32 = 22;

/// log2 of the pages in 2 MiB: an instance's memory is made of such blocks.
const BLOCK_ORDER: u32 = 9;

const PAGE_SIZE: u64 = 4096;

/// The oldest kernel that the module can be built for.
const OLDEST: (u32, u32) = (7, 3);

/// What the module needs in the configuration of a kernel, and what must not be there.
const OPTIONS: &[(&str, bool)] = &[
    ("CONFIG_RUST=y", true),
    ("CONFIG_HOTPLUG_CPU=y", true),
    ("CONFIG_CONTIG_ALLOC=y", true),
    ("CONFIG_MODVERSIONS=y", false),
];

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    /// It works, but there is something to know.
    Warn,
    /// It keeps instances from being started.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    status: Status,
    found: String,
    advice: Option<String>,
}

/// All that was found out.
#[derive(Debug, Serialize)]
struct Report {
    able: bool,
    kernel: String,
    boot_cpu: u32,
    online_cpus: Vec<u32>,
    lendable_cpus: Vec<u32>,
    memory_total: u64,
    memory_available: u64,
    memory_contiguous: u64,
    slots: u32,
    slots_free: u32,
    checks: Vec<Check>,
}

/// Where the answers come from.
struct Sources {
    root: Root,
    release: String,
    machine: String,
    query: std::result::Result<Query, Error>,
    taken: BTreeSet<u32>,
    topology: Topology,
}

impl Report {
    fn new(sources: &Sources) -> Self {
        let query = sources.query.as_ref().ok();
        let boot_cpu = query.map_or(0, |query| query.boot_cpu);
        let lendable = sources.topology.lendable(&Wish {
            boot_cpu,
            taken: sources.taken.clone(),
            ..Wish::default()
        });
        let meminfo = sources.root.read("proc/meminfo").unwrap_or_default();
        let buddyinfo = sources.root.read("proc/buddyinfo").unwrap_or_default();
        let mut report = Self {
            able: false,
            kernel: sources.release.clone(),
            boot_cpu,
            online_cpus: sources.topology.cpus().to_vec(),
            lendable_cpus: lendable.to_vec(),
            memory_total: meminfo_field(&meminfo, "MemTotal"),
            memory_available: meminfo_field(&meminfo, "MemAvailable"),
            memory_contiguous: free_in_blocks(&buddyinfo),
            slots: query.map_or(0, |query| query.slots),
            slots_free: query.map_or(0, |query| query.slots_free),
            checks: Vec::new(),
        };

        report.kernel(sources);
        report.module(sources);
        report.privileges(sources);
        report.lockdown(sources);
        report.blockers(query);
        report.cpus(&lendable);
        report.memory();
        report.slots(query);
        report.virtualization(sources);
        let fails = |check: &Check| check.status == Status::Fail;
        report.able = !report.checks.iter().any(fails);
        report
    }

    fn add(
        &mut self,
        name: impl Into<String>,
        status: Status,
        found: impl Into<String>,
        advice: Option<String>,
    ) {
        self.checks.push(Check {
            name: name.into(),
            status,
            found: found.into(),
            advice,
        });
    }

    fn kernel(&mut self, sources: &Sources) {
        let found = format!("Linux {} on {}", sources.release, sources.machine);
        let advice = if sources.machine != "x86_64" {
            Some("only 64-bit x86 is supported".to_owned())
        } else if sources.query.is_ok() {
            // It has all that the module needs.
            None
        } else {
            unfit(sources)
        };
        let status = if advice.is_some() {
            Status::Fail
        } else {
            Status::Ok
        };
        self.add("kernel", status, found, advice);
    }

    fn module(&mut self, sources: &Sources) {
        match &sources.query {
            Ok(query) if query.role == Role::Instance => {
                let advice = "run this on its host, which starts others";
                self.add(
                    "module",
                    Status::Fail,
                    "this kernel is an instance itself",
                    Some(advice.to_owned()),
                );
            }
            Ok(query) if query.abi_version == ABI_VERSION => {
                let found = format!("loaded, version {ABI_VERSION} of the interface");
                self.add("module", Status::Ok, found, None);
            }
            Ok(query) => self.add(
                "module",
                Status::Warn,
                format!(
                    "version {} of the interface, this command is for {ABI_VERSION}",
                    query.abi_version
                ),
                Some("use the module and the command of one version".to_owned()),
            ),
            Err(error) => {
                let advice = match error.errno() {
                    Errno::ACCESS | Errno::PERM => host::PRIVILEGE_ADVICE.to_owned(),
                    _ => sources.root.module_advice(&sources.release),
                };
                self.add("module", Status::Fail, error.to_string(), Some(advice));
            }
        }
    }

    fn privileges(&mut self, sources: &Sources) {
        let status = sources.root.read("proc/self/status").unwrap_or_default();
        if (effective_capabilities(&status) >> CAP_SYS_BOOT) & 1 != 0 {
            self.add("privileges", Status::Ok, "CAP_SYS_BOOT", None);
        } else {
            let advice = Some(host::PRIVILEGE_ADVICE.to_owned());
            self.add("privileges", Status::Fail, "no CAP_SYS_BOOT", advice);
        }
    }

    fn lockdown(&mut self, sources: &Sources) {
        let file = sources.root.read("sys/kernel/security/lockdown");
        let mode = file.as_deref().map_or("none", lockdown_mode);
        let query = sources.query.as_ref();
        let blocked = query.map_or(mode != "none", |query| {
            query.blockers.contains(&Blocker::Lockdown)
        });
        if blocked {
            let (what, advice) = host::blocker(Blocker::Lockdown);
            let found = format!("{what} ({mode})");
            self.add("lockdown", Status::Fail, found, Some(advice.to_owned()));
        } else {
            let found = match mode {
                "none" => mode.to_owned(),
                _ => format!("{mode}: only signed kernels, with `--kexec`"),
            };
            self.add("lockdown", Status::Ok, found, None);
        }
    }

    /// Those that no other check is about.
    fn blockers(&mut self, query: Option<&Query>) {
        let blockers = query.map_or(&[][..], |query| &query.blockers);
        let others = |blocker: &&Blocker| !matches!(blocker, Blocker::Lockdown | Blocker::NoSlot);
        for blocker in blockers.iter().filter(others) {
            let (what, advice) = host::blocker(*blocker);
            let advice = Some(advice.to_owned());
            self.add(blocker.to_string(), Status::Fail, what, advice);
        }
    }

    fn cpus(&mut self, lendable: &CpuList) {
        let online = self.online_cpus.len();
        let found = format!(
            "{} of {online} can be lent{}",
            lendable.len(),
            if lendable.is_empty() {
                String::new()
            } else {
                format!(" ({lendable})")
            }
        );
        if lendable.is_empty() {
            let advice = "only whole cores can be lent, and never the one of the boot CPU: \
                          bring CPUs online, or remove an instance (or allow --split-cores)";
            self.add("cpus", Status::Fail, found, Some(advice.to_owned()));
        } else {
            self.add("cpus", Status::Ok, found, None);
        }
    }

    fn memory(&mut self) {
        let found = format!(
            "{} of {} available, {} of it in free blocks of 2 MiB or more",
            mebibytes(self.memory_available),
            mebibytes(self.memory_total),
            mebibytes(self.memory_contiguous)
        );
        let (status, advice) = if self.memory_available < MEMORY_MIN {
            (Status::Fail, Some("free memory, or remove an instance"))
        } else if self.memory_contiguous < MEMORY_MIN {
            (
                Status::Warn,
                Some(
                    "it is fragmented: the rest must be moved first, which takes time and may \
                     fail; echo 1 >/proc/sys/vm/compact_memory helps",
                ),
            )
        } else {
            (Status::Ok, None)
        };
        self.add("memory", status, found, advice.map(str::to_owned));
    }

    fn slots(&mut self, query: Option<&Query>) {
        let Some(query) = query else {
            return;
        };
        let found = format!(
            "{} of {} below 1 MiB are free",
            query.slots_free, query.slots
        );
        if query.slots_free == 0 {
            let (_, advice) = host::blocker(Blocker::NoSlot);
            // Kernels that need none can be started.
            self.add("slots", Status::Warn, found, Some(advice.to_owned()));
        } else {
            self.add("slots", Status::Ok, found, None);
        }
    }

    fn virtualization(&mut self, sources: &Sources) {
        let modules = sources.root.read("proc/modules").unwrap_or_default();
        match kvm_in_use(&modules) {
            Some(module) => self.add(
                "kvm",
                Status::Warn,
                format!("{module} is in use: virtual machines run on this host"),
                Some("keep their CPUs off those that are lent (taskset, cpuset)".to_owned()),
            ),
            None => self.add(
                "kvm",
                Status::Ok,
                "no virtual machines run on this host",
                None,
            ),
        }
    }

    fn text(&self) -> String {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or_default();
        let mut text = String::new();
        for check in &self.checks {
            let status = match check.status {
                Status::Ok => "ok",
                Status::Warn => "warn",
                Status::Fail => "FAIL",
            };
            let _ = writeln!(text, "{status:<4}  {:width$}  {}", check.name, check.found);
            if let Some(advice) = &check.advice {
                let _ = writeln!(text, "      {:width$}  -> {advice}", "");
            }
        }
        if self.able {
            text.push_str("This host can start instances.\n");
        }
        text
    }
}

/// What keeps the module from being loaded into this kernel, and what to do.
fn unfit(sources: &Sources) -> Option<String> {
    let release = &sources.release;
    let mut why = Vec::new();
    if version(release).is_some_and(|version| version < OLDEST) {
        why.push(format!("is older than {}.{}", OLDEST.0, OLDEST.1));
    }
    let places = [
        format!("boot/config-{release}"),
        format!("lib/modules/{release}/config"),
    ];
    if let Some(config) = places.iter().find_map(|path| sources.root.read(path)) {
        let has = |option| config.lines().any(|line| line == option);
        let wrong = OPTIONS
            .iter()
            .filter(|(option, is_needed)| has(*option) != *is_needed);
        why.extend(wrong.map(|(option, is_needed)| {
            let with = if *is_needed { "without" } else { "with" };
            format!("was built {with} {option}")
        }));
    }
    if why.is_empty() {
        return None;
    }
    Some(format!(
        "the module cannot be loaded into this kernel, which {}: boot another one, such as \
         Debian's 7.3",
        why.join(", ")
    ))
}

/// The first two numbers of a release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// A field of `/proc/meminfo`, in bytes.
fn meminfo_field(meminfo: &str, field: &str) -> u64 {
    let value = meminfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| *name == field)
        .and_then(|(_, value)| value.trim().trim_end_matches(" kB").parse::<u64>().ok());
    value.unwrap_or_default() << 10
}

/// How many bytes are free in blocks of 2 MiB or more, from `/proc/buddyinfo`:
/// for each zone how many blocks of 1, 2, 4, … pages.
fn free_in_blocks(buddyinfo: &str) -> u64 {
    let zones = buddyinfo.lines().filter_map(|line| line.split_once("zone"));
    let blocks = zones.flat_map(|(_, zone)| {
        let counts = zone.split_whitespace().skip(1);
        counts
            .filter_map(|count| count.parse::<u64>().ok())
            .zip(0u32..)
    });
    blocks
        .filter(|(_, order)| *order >= BLOCK_ORDER)
        .map(|(count, order)| (count << order) * PAGE_SIZE)
        .sum()
}

/// What is between the brackets in `none [integrity] confidentiality`.
fn lockdown_mode(file: &str) -> &str {
    file.split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("none", |(mode, _)| mode)
}

fn effective_capabilities(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or_default()
}

/// The KVM module that somebody uses, from `/proc/modules`.
fn kvm_in_use(modules: &str) -> Option<&str> {
    modules.lines().find_map(|line| {
        let mut fields = line.split_whitespace();
        let name = fields.next()?;
        let users: u64 = fields.nth(1)?.parse().ok()?;
        (matches!(name, "kvm_intel" | "kvm_amd") && users > 0).then_some(name)
    })
}

/// A size that need not be exact.
fn mebibytes(bytes: u64) -> String {
    units::size(bytes >> 20 << 20)
}

/// Tells whether this host can start instances.
pub fn check(device: &Path, format: &Format, out: &mut dyn Write) -> Result<()> {
    let device = Device::open_at(device);
    let taken = match &device {
        // Where it is locked down not even this can be asked, which is told.
        Ok(device) => cpus::reserved(device).unwrap_or_default(),
        Err(_) => BTreeSet::new(),
    };
    let report = Report::new(&Sources {
        root: Root::default(),
        release: host::release(),
        machine: rustix::system::uname()
            .machine()
            .to_string_lossy()
            .into_owned(),
        query: device.and_then(|device| device.query()),
        taken,
        topology: Topology::read()?,
    });
    if format.json {
        write_json(out, &report)?;
    } else {
        out.write_all(report.text().as_bytes())?;
    }
    if report.able {
        Ok(())
    } else {
        Err(Failure::Unable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::fs;

    use multikernel::{ApicMode, Core, Feature};

    const MEMINFO: &str = "\
MemTotal:        3022012 kB
MemFree:         1022012 kB
MemAvailable:    2097152 kB
";
    const BUDDYINFO: &str = "\
Node 0, zone      DMA      1      0      0      1      2      1      1      0      1      1      3
Node 0, zone    DMA32      3      3      3      1      2      3      4      3      5      8    100
";
    const STATUS: &str = "Name:\tmkctl\nCapEff:\t000001ffffffffff\n";

    fn query() -> Query {
        Query {
            abi_version: ABI_VERSION,
            slots: 8,
            slots_free: 7,
            instances: 1,
            features: vec![Feature::Mmap],
            blockers: Vec::new(),
            tsc_khz: 2_000_000,
            apic_mode: ApicMode::Xapic,
            boot_cpu: 0,
            role: Role::Host,
            spare_apic_id: 9,
        }
    }

    /// A host on which all is well.
    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, Sources) {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::at(dir.path());
        let all = [
            ("proc/meminfo", MEMINFO),
            ("proc/buddyinfo", BUDDYINFO),
            ("proc/self/status", STATUS),
        ];
        for (path, text) in all.iter().chain(files) {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cores = (0..4).map(|cpu| Core {
            cpus: vec![cpu],
            node: Some(0),
        });
        let sources = Sources {
            root,
            release: "7.3.4".into(),
            machine: "x86_64".into(),
            query: Ok(query()),
            taken: [3].into(),
            topology: Topology {
                cores: cores.collect(),
            },
        };
        (dir, sources)
    }

    /// What is not as it should be.
    fn wrong(sources: &Sources) -> Vec<(String, Status)> {
        Report::new(sources)
            .checks
            .into_iter()
            .filter(|check| check.status != Status::Ok)
            .map(|check| (check.name, check.status))
            .collect()
    }

    #[test]
    fn a_host_on_which_all_is_well_is_able() {
        let (_dir, sources) = host(&[]);
        let report = Report::new(&sources);
        assert!(report.able);
        assert_eq!(report.lendable_cpus, [1, 2]);
        assert_eq!(
            report.text(),
            "\
ok    kernel      Linux 7.3.4 on x86_64
ok    module      loaded, version 1 of the interface
ok    privileges  CAP_SYS_BOOT
ok    lockdown    none
ok    cpus        2 of 4 can be lent (1-2)
ok    memory      2 GiB of 2951 MiB available, 430 MiB of it in free blocks of 2 MiB or more
ok    slots       7 of 8 below 1 MiB are free
ok    kvm         no virtual machines run on this host
This host can start instances.
"
        );
    }

    #[test]
    fn it_warns_when_no_slot_is_free() {
        let (_dir, mut sources) = host(&[]);
        let mut query = query();
        query.blockers = vec![Blocker::NoSlot];
        query.slots_free = 0;
        sources.query = Ok(query);
        let report = Report::new(&sources);
        assert!(report.able);
        let slots = report.checks.iter().find(|check| check.name == "slots");
        let slots = slots.expect("it is looked at");
        assert_eq!(slots.status, Status::Warn);
        assert!(slots.advice.is_some());
    }

    #[test]
    fn every_blocker_makes_it_unable() {
        // This one is of some kernels only.
        let all = Blocker::ALL.iter().filter(|it| **it != Blocker::NoSlot);
        for blocker in all {
            let (_dir, mut sources) = host(&[]);
            let mut query = query();
            query.blockers = vec![*blocker];
            sources.query = Ok(query);
            let report = Report::new(&sources);
            assert!(!report.able, "{blocker}");
            let fails = report
                .checks
                .iter()
                .filter(|check| check.status == Status::Fail);
            let fails: Vec<_> = fails.collect();
            assert_eq!(fails.len(), 1, "{blocker}");
            assert!(fails[0].advice.is_some());
            assert!(!report.text().contains("can start"));
        }
    }

    #[test]
    fn a_module_that_is_not_there_is_told_and_the_rest_is_looked_at() {
        let (_dir, mut sources) = host(&[("sys/kernel/security/lockdown", "none [integrity]\n")]);
        let missing = Device::open_at(Path::new("/nonexistent")).map(|_| query());
        sources.query = missing;
        assert_eq!(
            wrong(&sources),
            [
                ("module".into(), Status::Fail),
                ("lockdown".into(), Status::Fail)
            ]
        );
    }

    /// What is said of a kernel that does not have the module.
    fn advice_for(release: &str, files: &[(&str, &str)]) -> Option<String> {
        let (_dir, mut sources) = host(files);
        sources.query = Device::open_at(Path::new("/nonexistent")).map(|_| query());
        sources.release = release.into();
        let kernel = Report::new(&sources).checks.remove(0);
        assert_eq!(kernel.name, "kernel");
        assert_eq!(kernel.status == Status::Fail, kernel.advice.is_some());
        kernel.advice
    }

    const CONFIG: &str = "\
CONFIG_RUST=y
CONFIG_HOTPLUG_CPU=y
# CONFIG_MODVERSIONS is not set
CONFIG_CONTIG_ALLOC=y
";

    #[test]
    fn what_a_kernel_lacks_is_told() {
        let config = "boot/config-7.3.4";
        assert_eq!(advice_for("7.3.4", &[]), None);
        assert_eq!(advice_for("7.3.4", &[(config, CONFIG)]), None);
        for needed in ["CONFIG_RUST", "CONFIG_HOTPLUG_CPU", "CONFIG_CONTIG_ALLOC"] {
            let lacking = CONFIG.replace(&format!("{needed}=y"), &format!("# {needed} is not set"));
            assert_eq!(
                advice_for("7.3.4", &[(config, &lacking)]).unwrap(),
                format!(
                    "the module cannot be loaded into this kernel, which was built without \
                     {needed}=y: boot another one, such as Debian's 7.3"
                )
            );
        }
        let versions = CONFIG.replace("# CONFIG_MODVERSIONS is not set", "CONFIG_MODVERSIONS=y");
        let advice = advice_for("7.3.4", &[("lib/modules/7.3.4/config", &versions)]).unwrap();
        assert!(
            advice.contains("was built with CONFIG_MODVERSIONS=y:"),
            "{advice}"
        );
        // All at once.
        assert_eq!(
            advice_for(
                "6.12-x",
                &[("boot/config-6.12-x", "CONFIG_HOTPLUG_CPU=y\n")]
            )
            .unwrap(),
            "the module cannot be loaded into this kernel, which is older than 7.3, was built \
             without CONFIG_RUST=y, was built without CONFIG_CONTIG_ALLOC=y: boot another one, \
             such as Debian's 7.3"
        );
        // Of another kernel.
        assert_eq!(advice_for("7.3.4", &[("boot/config-7.3.5", "")]), None);
    }

    #[test]
    fn a_kernel_that_has_the_module_has_all_that_it_needs() {
        let (_dir, mut sources) = host(&[("boot/config-7.3.4", "")]);
        assert_eq!(wrong(&sources), []);
        sources.release = "7.2.0".into();
        assert_eq!(wrong(&sources), []);
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("7.3.4+deb13-cloud-amd64"), Some((7, 3)));
        assert_eq!(version("7.10-rc1"), Some((7, 10)));
        assert_eq!(version("7"), None);
        assert_eq!(version("x"), None);
        for fine in ["7.3", "7.10.1", "8.0", "x"] {
            assert_eq!(advice_for(fine, &[]), None, "{fine}");
        }
        for old in ["7.2.99", "6.12.5"] {
            assert!(
                advice_for(old, &[]).unwrap().contains("is older than 7.3"),
                "{old}"
            );
        }
    }

    #[test]
    fn what_a_host_lacks_is_told() {
        let (_dir, mut sources) = host(&[]);
        sources.machine = "aarch64".into();
        assert_eq!(wrong(&sources), [("kernel".into(), Status::Fail)]);

        let (_dir, mut sources) = host(&[]);
        sources.taken = [1, 2, 3].into();
        assert_eq!(wrong(&sources), [("cpus".into(), Status::Fail)]);

        let (_dir, sources) = host(&[("proc/self/status", "CapEff:\t0000000000000000\n")]);
        assert_eq!(wrong(&sources), [("privileges".into(), Status::Fail)]);

        let (_dir, sources) = host(&[("proc/meminfo", "MemAvailable: 65535 kB\n")]);
        assert_eq!(wrong(&sources), [("memory".into(), Status::Fail)]);

        let (_dir, sources) = host(&[("proc/buddyinfo", "Node 0, zone DMA32 9 9 9\n")]);
        assert_eq!(wrong(&sources), [("memory".into(), Status::Warn)]);

        let (_dir, sources) = host(&[("proc/modules", "kvm_intel 400000 2 - Live 0x0\n")]);
        assert_eq!(wrong(&sources), [("kvm".into(), Status::Warn)]);
        let (_dir, sources) = host(&[("proc/modules", "kvm_intel 400000 0 - Live 0x0\n")]);
        assert_eq!(wrong(&sources), []);
    }

    #[test]
    fn lockdown_is_read() {
        assert_eq!(lockdown_mode("[none] integrity confidentiality\n"), "none");
        assert_eq!(
            lockdown_mode("none integrity [confidentiality]\n"),
            "confidentiality"
        );
        assert_eq!(lockdown_mode(""), "none");
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let (_dir, sources) = host(&[("proc/modules", "kvm_amd 400000 1 - Live 0x0\n")]);
        let mut report = Report::new(&sources);
        report.checks.drain(1..report.checks.len() - 1);
        let mut out = Vec::new();
        write_json(&mut out, &report).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{
  "able": true,
  "kernel": "7.3.4",
  "boot_cpu": 0,
  "online_cpus": [
    0,
    1,
    2,
    3
  ],
  "lendable_cpus": [
    1,
    2
  ],
  "memory_total": 3094540288,
  "memory_available": 2147483648,
  "memory_contiguous": 450887680,
  "slots": 8,
  "slots_free": 7,
  "checks": [
    {
      "name": "kernel",
      "status": "ok",
      "found": "Linux 7.3.4 on x86_64",
      "advice": null
    },
    {
      "name": "kvm",
      "status": "warn",
      "found": "kvm_amd is in use: virtual machines run on this host",
      "advice": "keep their CPUs off those that are lent (taskset, cpuset)"
    }
  ]
}
"#
        );
    }
}
