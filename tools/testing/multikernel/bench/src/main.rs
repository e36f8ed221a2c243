// SPDX-License-Identifier: GPL-2.0

//! Measures what `make bench` shows. `run`, next to this crate, calls its parts where they belong:
//!
//! * `lab KERNEL INITRD WORDS FILE TURNS ROUNDS` in the lab, on the host of the instances;
//! * `peer NAME MACHINE CPUS ACCELERATOR CPU MEMORY TSC_KHZ KERNEL INITRD WORDS` beside it, in each
//!   turn;
//! * `channels KERNEL INITRD ROUNDS` in the lab, with `guest` in its instances;
//! * `within ROUNDS` beside it;
//! * `report PART SAMPLES OUT` at the end of each part.
//!
//! All but the last write lines `sample NAME VALUE`, which that one reads.

mod channels;
mod lab;
mod peer;
mod report;
mod svg;

use std::process::ExitCode;

/// All failures end the program; their text says all there is to say.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What init writes, before the value of its time stamp counter.
const MARK: &str = "mk-bench: init tsc=";

fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["lab", kernel, initrd, words, file, turns, rounds] => lab::run(
            &lab::Files {
                kernel,
                initrd,
                words,
                file,
            },
            turns.as_ref(),
            rounds.parse()?,
        ),
        ["peer", name, machine, cpus, accelerator, cpu, memory, tsc_khz, kernel, initrd, words] => {
            peer::run(
                name,
                &peer::Peer {
                    machine,
                    accelerator,
                    cpu,
                    cpus,
                    memory,
                    tsc_khz,
                    kernel,
                    initrd,
                    words,
                },
            )
        }
        ["channels", kernel, initrd, rounds] => channels::lab(kernel, initrd, rounds.parse()?),
        ["within", rounds] => channels::within::run(rounds.parse()?),
        ["guest"] => channels::job::serve(),
        ["peer-process", role, cpu, bytes] => {
            channels::peers::process(role, cpu.parse()?, bytes.parse()?)
        }
        ["report", part, samples, out] => report::run(part, samples.as_ref(), out.as_ref()),
        _ => Err("this is a part of tools/testing/multikernel/bench/run".into()),
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
