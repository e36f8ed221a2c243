// SPDX-License-Identifier: GPL-2.0

//! What instances are compared with: QEMU, which boots the same kernel.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::{Result, MARK};

/// No boot takes that long.
const LIMIT: Duration = Duration::from_secs(300);

/// A virtual machine.
pub struct Peer<'a> {
    /// QEMU's name for its kind.
    pub machine: &'a str,
    /// What QEMU runs it with.
    pub accelerator: &'a str,
    /// The kind of its processor: that of the lab.
    pub cpu: &'a str,
    /// How many of them it has, of which the kernel uses one.
    pub cpus: &'a str,
    /// Its size, in MiB.
    pub memory: &'a str,
    /// Frequency of the time stamp counter.
    pub tsc_khz: &'a str,
    /// What it boots.
    pub kernel: &'a str,
    /// And its initrd.
    pub initrd: &'a str,
    /// And what stands on its command line, as on that of an instance.
    pub words: &'a str,
}

impl Peer<'_> {
    /// As an instance has it: one processor, no device, nothing printed on the way. The machine may
    /// have more of them, as that of an instance has. The serial port is for the line of init.
    /// Without KVM's clock, `microvm` has nothing to measure the time stamp counter with, and hangs
    /// unless it is told.
    fn command(&self) -> Command {
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", self.machine, "-accel", self.accelerator])
            .args(["-cpu", self.cpu, "-smp", self.cpus, "-m", self.memory])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-serial", "stdio", "-no-reboot"])
            .args(["-kernel", self.kernel, "-initrd", self.initrd])
            .args([
                "-append",
                &format!("nr_cpus=1 tsc_early_khz={} {}", self.tsc_khz, self.words),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        command
    }

    /// Seconds from the start of QEMU to the line of init.
    fn boot(&self) -> Result<f64> {
        let start = Instant::now();
        let mut qemu = self.command().spawn()?;
        let output = BufReader::new(qemu.stdout.take().expect("it is piped"));
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let came = output
                .split(b'\n')
                .map_while(std::result::Result::ok)
                .any(|line| String::from_utf8_lossy(&line).contains(MARK));
            // Nobody is there any more if it came too late.
            let _ = sender.send(came.then(|| start.elapsed()));
        });
        let came = receiver.recv_timeout(LIMIT);
        qemu.kill()?;
        qemu.wait()?;
        match came {
            Ok(Some(time)) => Ok(time.as_secs_f64()),
            Ok(None) => Err(format!("{}: QEMU ended before init began", self.machine).into()),
            Err(_) => Err(format!("{}: no init after {LIMIT:?}", self.machine).into()),
        }
    }
}

/// Boots it once, and writes how long that took, by this name.
pub fn run(name: &str, peer: &Peer<'_>) -> Result<()> {
    println!("sample {name} {:.4}", peer.boot()?);
    Ok(())
}
