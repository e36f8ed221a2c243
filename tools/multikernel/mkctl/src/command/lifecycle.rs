// SPDX-License-Identifier: GPL-2.0

//! `mkctl load`, `start`, `kill` and `rm`

use std::borrow::Cow;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use multikernel::{Device, Feature, Instance};

use super::await_line::await_line;
use super::for_each;
use crate::cli::{Image, Load, Names, Remove, Start};
use crate::failure::{Failure, Result};
use crate::progress::Progress;

/// What is loaded into an instance, opened.
pub struct Files<'a> {
    kernel: File,
    initrd: Option<File>,
    cmdline: Cow<'a, str>,
    uart: bool,
    kexec: bool,
}

impl<'a> Files<'a> {
    /// Opens the files.
    pub fn open(device: &Device, image: &'a Image) -> Result<Self> {
        if image.kexec && !device.query()?.features.contains(&Feature::Kexec) {
            return Err(Failure::NoKexec);
        }
        let initrd = image.initrd.as_deref();
        Ok(Self {
            kernel: open("the kernel", &image.kernel)?,
            initrd: initrd.map(|path| open("the initrd", path)).transpose()?,
            cmdline: Cow::Borrowed(&image.cmdline),
            uart: image.uart,
            kexec: image.kexec,
        })
    }

    /// Lets the kernel print to its terminal, if nobody has said where to.
    pub fn show_console(&mut self) {
        if let Some(cmdline) = with_console(&self.cmdline) {
            self.cmdline = Cow::Owned(cmdline);
        }
    }

    /// Loads them.
    pub fn load(&self, instance: &Instance) -> Result<()> {
        let _progress = Progress::new(format!("loading {}", instance.name()));
        let image = multikernel::Image {
            kernel: self.kernel.as_fd(),
            initrd: self.initrd.as_ref().map(AsFd::as_fd),
            cmdline: &self.cmdline,
            uart: self.uart,
        };
        match self.kexec {
            true => instance.load_by_kexec(&image)?,
            false => instance.load(&image)?,
        }
        Ok(())
    }
}

/// The command line with the console that a person wants to see; none: it has one.
fn with_console(cmdline: &str) -> Option<String> {
    let words = cmdline.split_ascii_whitespace();
    // What follows is for init.
    let mut own = words.take_while(|word| *word != "--");
    if own.any(|word| word.starts_with("console=")) {
        return None;
    }
    // Until the module is loaded there is no hvc0, and something has to be /dev/console.
    Some(
        format!("console=tty0 console=hvc0 {cmdline}")
            .trim_end()
            .to_owned(),
    )
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
    let files = Files::open(device, &arguments.image)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_console_is_added_where_none_is() {
        let added = |cmdline| with_console(cmdline);
        assert_eq!(added("").unwrap(), "console=tty0 console=hvc0");
        assert_eq!(added("quiet").unwrap(), "console=tty0 console=hvc0 quiet");
        assert_eq!(added("quiet console=hvc0"), None);
        assert_eq!(added("console=ttyS0,115200 -- x"), None);
        assert!(added("netconsole=x -- console=hvc0").is_some());
    }
}
