// SPDX-License-Identifier: GPL-2.0

//! What is measured on the host of the instances.

use std::arch::x86_64::_rdtsc;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use multikernel::{Device, Image, Instance, Lifetime, Reason};

use crate::{Result, MARK};

/// An instance's memory, in bytes: as much as a peer has.
const MEMORY: u64 = 256 << 20;
/// And where little is enough.
const MEMORY_SMALL: u64 = 128 << 20;

/// No instance boots for so long, and no peer.
const LIMIT: Duration = Duration::from_secs(600);
/// How long an idle instance is watched.
const WATCH: Duration = Duration::from_secs(10);

/// What is loaded.
pub struct Files<'a> {
    /// The kernel.
    pub kernel: &'a str,
    /// The initrd whose init tells when it begins.
    pub initrd: &'a str,
    /// What is on the command line of those whose boot is measured, and on that of their peers.
    pub words: &'a str,
    /// Something that is as large as initrds are.
    pub file: &'a str,
}

/// The host.
struct Lab<'a> {
    device: Device,
    files: &'a Files<'a>,
    /// Of the time stamp counter.
    khz: u32,
    /// The CPU that is lent.
    cpu: u32,
}

/// Measures everything, `rounds` times. After each boot the peers have their turn, so that all meet
/// the same load. Its end is a file in `turns`, called as the round is, or `failed`.
pub fn run(files: &Files<'_>, turns: &Path, rounds: u32) -> Result<()> {
    let device = Device::open()?;
    let query = device.query()?;
    let lab = Lab {
        device,
        files,
        khz: query.tsc_khz,
        cpu: if query.boot_cpu == 1 { 0 } else { 1 },
    };
    println!("tsc_khz {}", lab.khz);
    for round in 1..=rounds {
        lab.boot(files.words, ["start", "run"])?;
        lab.boot("", ["start-tested", "run-tested"])?;
        println!("turn {round}");
        wait_until("the end of the peers' turn", || {
            if turns.join("failed").exists() {
                return Err("the peers failed".into());
            }
            Ok(turns.join(round.to_string()).exists().then_some(()))
        })?;
    }
    for _ in 0..2 * rounds {
        lab.cpu()?;
    }
    let copies = Copies::new(files)?;
    for _ in 0..rounds {
        lab.load(&copies)?;
    }
    drop(copies);
    // The first time, much is allocated that stays for the next.
    lab.memory()?;
    for _ in 0..rounds {
        let (lost, kept) = lab.memory()?;
        sample("memory", lost);
        sample("memory-kept", kept);
    }
    lab.idle()
}

fn sample(name: &str, value: f64) {
    println!("sample {name} {value:.4}");
}

impl Lab<'_> {
    /// An instance that is gone when it is dropped.
    fn create(&self, name: &str, memory: u64) -> Result<Instance> {
        let instance = self.device.create(name, Lifetime::Descriptor)?;
        instance.set_memory(memory, None)?;
        Ok(instance)
    }

    /// One that can be started.
    fn prepare(&self, cmdline: &str, memory: u64) -> Result<Instance> {
        let instance = self.create("bench", memory)?;
        instance.set_cpus(&[self.cpu], false)?;
        load(&instance, self.files.kernel, self.files.initrd, cmdline)?;
        ready(&instance)?;
        Ok(instance)
    }

    /// From the start of an instance to its init, which both read the same counter; and from its
    /// creation. The samples are called so.
    fn boot(&self, words: &str, [started, ran]: [&str; 2]) -> Result<()> {
        let begin = Instant::now();
        let instance = self.prepare(words, MEMORY)?;
        let prepared = begin.elapsed().as_secs_f64();

        let start = tsc();
        instance.start()?;
        // It halts when it has told. Nobody looks at it before: that would slow it down.
        let info = instance
            .wait_for(Some(LIMIT), |info| info.state.has_ended())?
            .ok_or("the instance did not halt")?;
        if info.reason != Reason::Halt {
            return Err(format!("the instance ended by {}: {}", info.reason, info.text).into());
        }
        let init = init_tsc(&instance)?.ok_or("the instance's init did not tell when it began")?;
        let start = init
            .checked_sub(start)
            .ok_or("init began before the start")?;
        let start = start as f64 / (f64::from(self.khz) * 1e3);
        sample(started, start);
        sample(ran, prepared + start);
        Ok(())
    }

    /// A CPU goes to an instance and comes back; and the same without an instance.
    fn cpu(&self) -> Result<()> {
        let online = self.online();
        let begin = Instant::now();
        fs::write(&online, "0")?;
        fs::write(&online, "1")?;
        sample("offline-online", begin.elapsed().as_secs_f64());

        let instance = self.prepare("", MEMORY_SMALL)?;
        instance.start()?;
        instance.kill()?;
        let info = instance.info()?;
        sample("take-give", (info.take + info.give).as_secs_f64());
        Ok(())
    }

    /// A kernel and an initrd into an instance; and the same files to another directory.
    fn load(&self, copies: &Copies) -> Result<()> {
        let instance = self.create("bench", MEMORY)?;
        let (kernel, initrd) = (copies.file("from/kernel"), copies.file("from/initrd"));
        let begin = Instant::now();
        load(&instance, &kernel, &initrd, "")?;
        sample("load", begin.elapsed().as_secs_f64());
        // It takes the processor that cp is to have.
        sample("ready", ready(&instance)?.as_secs_f64());

        let to = copies.file("to");
        fs::create_dir(&to)?;
        let begin = Instant::now();
        command(Command::new("cp").args([&kernel, &initrd, &to]))?;
        sample("cp", begin.elapsed().as_secs_f64());
        fs::remove_dir_all(&to)?;
        Ok(())
    }

    /// What an instance that runs costs its host beyond its memory, and what of that does not come
    /// back, in KiB. What goes and comes with a CPU that is offline is not counted.
    fn memory(&self) -> Result<(f64, f64)> {
        let before = self.free_without_cpu()?;
        let instance = self.prepare("mk_bench=stay", MEMORY)?;
        instance.start()?;
        wait_until("the instance's init", || init_tsc(&instance))?;
        let lost = before - free_memory()? - (MEMORY >> 10) as f64;
        drop(instance);
        Ok((lost, before - self.free_without_cpu()?))
    }

    /// The file that switches the CPU.
    fn online(&self) -> String {
        format!("/sys/devices/system/cpu/cpu{}/online", self.cpu)
    }

    fn free_without_cpu(&self) -> Result<f64> {
        let online = self.online();
        fs::write(&online, "0")?;
        let free = free_memory();
        fs::write(&online, "1")?;
        free
    }

    /// What an instance that has nothing to do makes the host do.
    fn idle(&self) -> Result<()> {
        let instance = self.prepare("mk_bench=stay", MEMORY)?;
        instance.start()?;
        wait_until("the instance's init", || init_tsc(&instance))?;
        let workers = Workers::watch()?;
        let before = Disturbances::read()?;
        sleep(WATCH);
        let after = Disturbances::read()?;
        sample("interrupts", after.interrupts - before.interrupts);
        sample(
            "wake-ups",
            after.wake_ups - before.wake_ups + workers.woken()?,
        );
        instance.kill()?;
        Ok(())
    }
}

fn tsc() -> u64 {
    // SAFETY: All x86-64 processors have it, and Linux lets user space use it.
    unsafe { _rdtsc() }
}

/// Polls for something that ends by itself.
fn wait_until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < LIMIT {
        if let Some(found) = look()? {
            return Ok(found);
        }
        sleep(Duration::from_millis(200));
    }
    Err(format!("{what} did not come within {LIMIT:?}").into())
}

/// The counter at the beginning of an instance's init, if that has told.
fn init_tsc(instance: &Instance) -> Result<Option<u64>> {
    let mut log = instance.log()?;
    let records = match log.read() {
        Ok(records) => records,
        Err(multikernel::LogError::NotYet) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let tsc = records
        .iter()
        .find_map(|record| record.text.strip_prefix(MARK));
    Ok(tsc.map(|tsc| tsc.trim().parse()).transpose()?)
}

fn load(instance: &Instance, kernel: &str, initrd: &str, cmdline: &str) -> Result<()> {
    let (kernel, initrd) = (File::open(kernel)?, File::open(initrd)?);
    Ok(instance.load(&Image {
        initrd: Some(initrd.as_fd()),
        cmdline,
        ..Image::new(&kernel)
    })?)
}

/// Waits until its kernel is unpacked; returns how long after the begin of the load that was.
fn ready(instance: &Instance) -> Result<Duration> {
    wait_until("an unpacked kernel", || Ok(instance.info()?.ready))
}

fn command(command: &mut Command) -> Result<()> {
    let status = command.status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// Files in a file system in memory, so that no disk is measured.
struct Copies(PathBuf);

impl Copies {
    fn new(files: &Files<'_>) -> Result<Self> {
        let copies = Self(std::env::temp_dir().join("multikernel-bench"));
        fs::create_dir(&copies.0)?;
        command(
            Command::new("mount")
                .args(["-t", "tmpfs", "bench"])
                .arg(&copies.0),
        )?;
        fs::create_dir(copies.file("from"))?;
        fs::copy(files.kernel, copies.file("from/kernel"))?;
        fs::copy(files.file, copies.file("from/initrd"))?;
        Ok(copies)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_string_lossy().into_owned()
    }
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let Err(error) = command(Command::new("umount").arg(&self.0)) {
            eprintln!("bench: {error}");
        }
    }
}

/// Free memory of the host in KiB, with what it would give back when asked.
fn free_memory() -> Result<f64> {
    fs::write("/proc/sys/vm/drop_caches", "3")?;
    // Adds up what single CPUs have counted.
    fs::write("/proc/sys/vm/stat_refresh", "1")?;
    free_pages(&fs::read_to_string("/proc/zoneinfo")?).map(|pages| pages * 4.0)
}

/// Free pages of all zones, as /proc/zoneinfo tells, and those on the lists of single CPUs, which
/// it does not count as free.
fn free_pages(zoneinfo: &str) -> Result<f64> {
    let mut pages = 0.0;
    for line in zoneinfo.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        if let ["nr_free_pages" | "count:", value] = words[..] {
            pages += value.parse::<f64>()?;
        }
    }
    Ok(pages)
}

/// The number after `key` in a file of /proc.
fn number(text: &str, key: &str) -> Result<f64> {
    let mut words = text.split_whitespace();
    words.find(|word| *word == key);
    let value = words.next().ok_or_else(|| format!("there is no {key}"))?;
    Ok(value.parse()?)
}

/// Counters of what an instance can do to its host.
pub struct Disturbances {
    pub interrupts: f64,
    pub wake_ups: f64,
}

impl Disturbances {
    /// Interrupts of the module's lines, those that nobody knows, and non-maskable ones; and how
    /// often the lines' threads ran.
    pub fn read() -> Result<Self> {
        let mut interrupts = None;
        let mut others = 0.0;
        for line in fs::read_to_string("/proc/interrupts")?.lines() {
            let mut words = line.split_whitespace();
            let label = words.next().unwrap_or_default();
            let counts = words.clone().map_while(|word| word.parse::<f64>().ok());
            if words.next_back() == Some("multikernel") {
                *interrupts.get_or_insert(0.0) += counts.sum::<f64>();
            } else if ["NMI:", "SPU:", "ERR:", "MIS:"].contains(&label) {
                others += counts.sum::<f64>();
            }
        }
        let interrupts = interrupts.ok_or("/proc/interrupts does not have the module's lines")?;

        let mut wake_ups = None;
        for process in fs::read_dir("/proc")? {
            let process = process?.path();
            // It may be none, or have ended.
            let Ok(status) = fs::read_to_string(process.join("status")) else {
                continue;
            };
            let name = status.split_whitespace().nth(1).unwrap_or_default();
            if name.starts_with("irq/") && name.contains("-multik") {
                *wake_ups.get_or_insert(0.0) += number(&status, "voluntary_ctxt_switches:")?
                    + number(&status, "nonvoluntary_ctxt_switches:")?;
            }
        }
        Ok(Self {
            interrupts: interrupts + others,
            wake_ups: wake_ups.ok_or("the threads of the module's lines are not there")?,
        })
    }
}

/// What is traced of the host's workers, which do what the module has to do later.
struct Workers;

impl Workers {
    const TRACING: &str = "/sys/kernel/tracing";
    const EVENT: &str = "events/workqueue/workqueue_execute_start/enable";

    fn watch() -> Result<Self> {
        let tracing = Path::new(Self::TRACING);
        if !tracing.join("trace").exists() {
            command(Command::new("mount").args(["-t", "tracefs", "tracefs", Self::TRACING]))?;
        }
        fs::write(tracing.join("trace"), "")?;
        fs::write(tracing.join(Self::EVENT), "1")?;
        Ok(Self)
    }

    /// How often they did something of the module.
    fn woken(self) -> Result<f64> {
        let tracing = Path::new(Self::TRACING);
        fs::write(tracing.join(Self::EVENT), "0")?;
        let trace = fs::read_to_string(tracing.join("trace"))?;
        if !trace.contains("workqueue_execute_start:") {
            return Err("no worker of the host did anything: they are not traced".into());
        }
        Ok(trace.matches("[multikernel]").count() as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:").unwrap(), 7.0);
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:").unwrap(), 3.0);
        assert!(number(status, "ctxt_switches:").is_err());
    }

    #[test]
    fn pages_on_the_lists_of_cpus_are_free() {
        let zoneinfo = "\
Node 0, zone      DMA
      nr_free_pages 100
      nr_free_pages_blocks 90
  pagesets
    cpu: 0
              count:    20
              high:     60
    cpu: 1
              count:    3
Node 0, zone    DMA32
      nr_free_pages 1000
";
        assert_eq!(free_pages(zoneinfo).unwrap(), 1123.0);
    }
}
