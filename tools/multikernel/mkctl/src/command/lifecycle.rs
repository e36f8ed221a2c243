// SPDX-License-Identifier: GPL-2.0

//! `mkctl load`, `start`, `kill` and `rm`

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use multikernel::{Device, Instance};

use super::await_line::await_line;
use super::for_each;
use crate::cli::{Image, Load, Names, Remove, Start};
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// What is loaded into an instance, opened.
pub struct Files<'a> {
    kernel: File,
    initrd: Option<File>,
    image: &'a Image,
}

impl<'a> Files<'a> {
    /// Opens the files.
    pub fn open(image: &'a Image) -> Result<Self> {
        let initrd = image.initrd.as_deref();
        Ok(Self {
            kernel: open("the kernel", &image.kernel)?,
            initrd: initrd.map(|path| open("the initrd", path)).transpose()?,
            image,
        })
    }

    /// Loads them.
    pub fn load(&self, instance: &Instance) -> Result<()> {
        let _progress = Progress::new(format!("loading {}", instance.name()));
        Ok(instance.load(&multikernel::Image {
            kernel: self.kernel.as_fd(),
            initrd: self.initrd.as_ref().map(AsFd::as_fd),
            cmdline: &self.image.cmdline,
            uart: self.image.uart,
        })?)
    }
}

fn open(what: &'static str, path: &Path) -> Result<File> {
    File::open(path).map_err(|source| Failure::File {
        what,
        path: path.to_owned(),
        source,
    })
}

/// Loads a kernel into an instance.
pub fn load(device: &Device, arguments: &Load) -> Result<()> {
    let files = Files::open(&arguments.image)?;
    files.load(&device.instance(&arguments.name)?)
}

/// Starts instances.
pub fn start(device: &Device, arguments: &Start) -> Result<()> {
    for_each(device, &arguments.names.names, |instance| {
        {
            let _progress = Progress::new(format!("starting {}", instance.name()));
            instance.start()?;
        }
        await_line(instance, &arguments.wait, None)
    })
}

/// Ends instances.
pub fn kill(device: &Device, arguments: &Names) -> Result<()> {
    for_each(device, &arguments.names, |instance| Ok(instance.kill()?))
}

/// Removes instances.
pub fn remove(device: &Device, arguments: &Remove) -> Result<()> {
    for_each(device, &arguments.names.names, |instance| {
        Ok(instance.destroy(arguments.force)?)
    })
}
