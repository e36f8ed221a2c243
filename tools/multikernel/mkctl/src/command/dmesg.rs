// SPDX-License-Identifier: GPL-2.0

//! `mkctl dmesg`

use std::io::Write;

use multikernel::{Device, Instance, Record};

use crate::cli::{Dmesg, Format};
use crate::failure::{Failure, Result};
use crate::follow::{self, Follower};
use crate::record;

/// Shows the log of an instance.
pub fn dmesg(device: &Device, arguments: &Dmesg, out: &mut dyn Write) -> Result<()> {
    let instance = device.instance(&arguments.name)?;
    if arguments.follow {
        return match follow(&instance, &arguments.format, out) {
            Err(Failure::Removed(_)) => Ok(()),
            result => result,
        };
    }
    if !follow::has_run(&follow::info(&instance)?) {
        return Err(Failure::NeverRan(arguments.name.clone()));
    }
    let mut log = instance.log()?;
    log.snapshot();
    let records = log.read().map_err(|source| Failure::Log {
        name: arguments.name.clone(),
        source,
    })?;
    write(&records, &arguments.format, out)
}

fn follow(instance: &Instance, format: &Format, out: &mut dyn Write) -> Result<()> {
    let mut follower = Follower::new(instance, None);
    loop {
        let news = follower.look()?;
        write(&news.records, format, out)?;
        out.flush()?;
        follower.wait(None)?;
    }
}

fn write(records: &[Record], format: &Format, out: &mut dyn Write) -> Result<()> {
    for record in records {
        if format.json {
            // One line each, so that they can be read while they come.
            serde_json::to_writer(&mut *out, &record::Json::from(record))
                .map_err(std::io::Error::from)?;
            writeln!(out)?;
        } else {
            out.write_all(record::lines(record).as_bytes())?;
        }
    }
    Ok(())
}
