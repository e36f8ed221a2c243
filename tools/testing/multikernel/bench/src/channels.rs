// SPDX-License-Identifier: GPL-2.0

//! What messages between kernels cost, beside what they cost within one.
//!
//! [`lab`] runs on the host, [`guest`](job::serve) in each instance, and both do the same jobs. What
//! they are compared with runs in the same rounds, on the same two CPUs, while the host has both.
//! [`within`] does a part of it without a lab.

pub mod job;
pub mod peers;
pub mod within;

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use multikernel::{Agent, Channel, Device, Image, Instance, Lifetime, Rings, Wait};

use crate::lab::Disturbances;
use crate::Result;
use job::{Act, Done, Job, Way};

/// An instance's memory, in bytes.
const MEMORY: u64 = 192 << 20;
/// No instance boots for so long.
const LIMIT: Duration = Duration::from_secs(600);
/// How long an idle instance is watched.
const WATCH: Duration = Duration::from_secs(10);
/// Of the rings: what an instance sends with, and its peer. Blocks of 1 MiB go through them, too.
const RING: u32 = 4 << 20;

/// Sizes of messages, in bytes, that are sent one after the other.
const SIZES: [(usize, &str); 3] = [(64, "64"), (4 << 10, "4K"), (64 << 10, "64K")];

/// Writes a sample for the report.
pub fn sample(name: &str, value: f64) {
    println!("sample {name} {value:.4}");
}

/// The host, and what instances boot.
struct Lab<'a> {
    device: Device,
    kernel: &'a str,
    initrd: &'a str,
}

/// An instance whose guest waits for jobs.
struct Guest {
    instance: Instance,
    control: Channel,
}

impl Lab<'_> {
    /// Makes an instance on one CPU, which does not run yet.
    fn create(&self, name: &str, cpu: u32) -> Result<Instance> {
        let instance = self.device.create(name, Lifetime::Descriptor)?;
        instance.set_memory(MEMORY, None)?;
        instance.set_cpus(&[cpu], false)?;
        let (kernel, initrd) = (File::open(self.kernel)?, File::open(self.initrd)?);
        instance.load(&Image {
            initrd: Some(initrd.as_fd()),
            cmdline: "rdinit=/bench-init",
            ..Image::new(&kernel)
        })?;
        let rings = Rings {
            from_bytes: RING,
            to_bytes: RING,
        };
        instance.create_channel(job::CONTROL, None, Rings::default())?;
        instance.create_channel(job::DATA, None, rings)?;
        Ok(instance)
    }
}

impl Guest {
    fn start(instance: Instance, name: &str) -> Result<Self> {
        instance.start()?;
        instance
            .wait_for(Some(LIMIT), |info| {
                info.agent == Agent::Ready || info.state.has_ended()
            })?
            .filter(|info| info.agent == Agent::Ready)
            .ok_or_else(|| format!("{name}: no agent became ready"))?;
        let control = Channel::open(name, job::CONTROL, Wait::Yes)?;
        Ok(Self { instance, control })
    }

    /// Tells it what to do.
    fn begin(&self, job: &Job) -> Result<()> {
        Ok(self.control.send(&serde_json::to_vec(job)?)?)
    }

    /// Waits until it was done.
    fn end(&self) -> Result<Done> {
        let mut answer = [0; 4096];
        let bytes = self.control.receive(&mut answer)?;
        let bytes = bytes.ok_or("an instance has ended too early")?;
        let done: std::result::Result<Done, String> = serde_json::from_slice(&answer[..bytes])?;
        Ok(done.map_err(|error| format!("in an instance: {error}"))?)
    }
}

/// Does one thing here and the other one in the instance `name`.
fn both(guest: &Guest, name: &str, way: Way, here: Act, there: Act) -> Result<[Done; 2]> {
    guest.begin(&Job::new(job::HOST, job::DATA, way, there))?;
    let here = Job::new(name, job::DATA, way, here).run()?;
    Ok([here, guest.end()?])
}

/// Measures everything `rounds` times.
pub fn lab(kernel: &str, initrd: &str, rounds: u32) -> Result<()> {
    let device = Device::open()?;
    let boot_cpu = device.query()?.boot_cpu;
    let mut others = (0..3).filter(|cpu| *cpu != boot_cpu);
    let cpus = [boot_cpu, others.next().expect("two are left")];
    let third = others.next().expect("one is left");
    let lab = Lab {
        device,
        kernel,
        initrd,
    };
    // The host's doorbell rings there.
    job::pin(boot_cpu)?;
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        peers::measure(cpus)?;
        let blue = lab.create("blue", cpus[1])?;
        let green = lab.create("green", third)?;
        blue.create_channel(job::DATA, Some(&green), Rings::default())?;
        let blue = Guest::start(blue, "blue")?;
        between_host_and(&blue, "blue")?;
        idle()?;
        let green = Guest::start(green, "green")?;
        between_instances(&blue, &green)?;
        for guest in [blue, green] {
            guest.instance.kill()?;
        }
    }
    Ok(())
}

fn between_host_and(guest: &Guest, name: &str) -> Result<()> {
    let ask = |way| both(guest, name, way, Act::Ask { bytes: 64 }, Act::Answer);
    let [done, _] = ask(Way::Polled)?;
    sample("round-trip/polled", done.value);
    sample("round-trip/alone", within::alone()?);
    let [done, _] = ask(Way::Calls)?;
    sample("round-trip/channel", done.value);
    let [done, _] = ask(Way::Mapped)?;
    sample("round-trip/mapped", done.value);
    for (bytes, size) in SIZES {
        let there = Act::Take { is_copied: true };
        let [done, other] = both(guest, name, Way::Patient, Act::Send { bytes }, there)?;
        sample(&format!("stream-{size}/channel"), done.value);
        let rings = (done.rings + other.rings) as f64 / done.messages as f64;
        sample(&format!("doorbells-{size}"), rings);
        let [done, _] = both(
            guest,
            name,
            Way::Calls,
            Act::Send { bytes },
            Act::Take { is_copied: true },
        )?;
        sample(&format!("stream-{size}/calls"), done.value);
    }
    let there = Act::Take { is_copied: false };
    let [done, _] = both(guest, name, Way::Patient, Act::SendBlocks, there)?;
    sample("blocks/channel", done.value);
    Ok(())
}

fn between_instances(blue: &Guest, green: &Guest) -> Result<()> {
    for (way, name) in [
        (Way::Polled, "round-trip/polled-instances"),
        (Way::Calls, "round-trip/channel-instances"),
    ] {
        green.begin(&Job::new("blue", job::DATA, way, Act::Answer))?;
        let ask = Act::Ask { bytes: 64 };
        blue.begin(&Job::new("green", job::DATA, way, ask))?;
        sample(name, blue.end()?.value);
        green.end()?;
    }
    Ok(())
}

/// What an instance with an agent that has nothing to do makes the host do.
fn idle() -> Result<()> {
    let before = Disturbances::read()?;
    let begin = Instant::now();
    sleep(WATCH);
    let after = Disturbances::read()?;
    let seconds = begin.elapsed().as_secs_f64() / WATCH.as_secs_f64();
    sample(
        "idle-interrupts",
        (after.interrupts - before.interrupts) / seconds,
    );
    sample(
        "idle-wake-ups",
        (after.wake_ups - before.wake_ups) / seconds,
    );
    Ok(())
}

/// Whether a file is there, at the latest when an instance has booted.
pub fn until_exists(path: &Path) -> Result<()> {
    let begin = Instant::now();
    while !fs::exists(path)? {
        if begin.elapsed() > LIMIT {
            return Err(format!("{} did not come within {LIMIT:?}", path.display()).into());
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}
