// SPDX-License-Identifier: GPL-2.0

//! `mkctl ping`

use std::io::Write;

use multikernel::Device;
use serde::Serialize;

use super::write_json;
use crate::cli::Ping;
use crate::failure::Result;
use crate::units::{self, nanoseconds};

#[derive(Serialize)]
struct Json<'a> {
    name: &'a str,
    answers_ns: &'a [u64],
}

/// Asks an instance for answers.
pub fn ping(device: &Device, arguments: &Ping, out: &mut dyn Write) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    let mut answers = Vec::new();
    for _ in 0..arguments.count {
        let time = instance.ping(arguments.timeout)?;
        if !arguments.format.json {
            writeln!(
                out,
                "{}: answered in {}",
                arguments.name,
                units::duration(time)
            )?;
        }
        answers.push(nanoseconds(time));
    }
    if arguments.format.json {
        let (name, answers_ns) = (arguments.name.as_str(), answers.as_slice());
        write_json(out, &Json { name, answers_ns })?;
    }
    Ok(())
}
