// SPDX-License-Identifier: GPL-2.0

//! Choosing CPUs for an instance.

use std::collections::BTreeSet;

use multikernel::{Device, Errno, Instance, Operation, Topology, Wish};

use crate::cli::Resources;
use crate::failure::Result;

/// How often others may be faster. Each time somebody else got CPUs, so this
/// is more than a host of that many CPUs ever sees.
const ATTEMPTS: usize = 64;

/// Reserves the CPUs that `resources` names, or chooses.
pub fn reserve(
    device: &Device,
    boot_cpu: u32,
    instance: &Instance,
    resources: &Resources,
) -> Result<()> {
    let split_cores = resources.split_cores;
    if let Some(cpus) = &resources.cpus {
        return Ok(instance.set_cpus(cpus, split_cores)?);
    }
    let wanted = resources.ncpus.unwrap_or_default();
    let mut attempt = 1;
    loop {
        let topology = Topology::read()?;
        let wish = Wish {
            boot_cpu,
            taken: reserved(device)?,
            split_cores,
            node: resources.node,
        };
        let cpus = topology.pick(wanted, &wish)?;
        match instance.set_cpus(&cpus, split_cores) {
            // Somebody else was faster, and may have started already.
            Err(error)
                if matches!(error.errno(), Errno::BUSY | Errno::NODEV) && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            result => return Ok(result?),
        }
    }
}

/// The CPUs that instances have or will have.
pub fn reserved(device: &Device) -> multikernel::Result<BTreeSet<u32>> {
    let mut cpus = BTreeSet::new();
    for entry in device.list()? {
        let info = device
            .instance(&entry.name)
            .and_then(|instance| instance.info());
        match info {
            Ok(info) => cpus.extend(info.cpus),
            // It was removed meanwhile.
            Err(error) if error.operation() == Operation::Open => (),
            Err(error) if error.errno() == Errno::NODEV => (),
            Err(error) => return Err(error),
        }
    }
    Ok(cpus)
}
