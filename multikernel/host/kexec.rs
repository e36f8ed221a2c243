// SPDX-License-Identifier: GPL-2.0

//! Loading by `kexec_file_load()`.

use super::{fail::fail, loader::Loaded, registry::Host};
use crate::sys::kexec::{Image, Take};
use kernel::{prelude::*, sync::Arc};

impl Take for Host {
    fn take(self: &Arc<Self>, id: u64, image: &Image<'_>) -> Result {
        let instance = self.instances().find(|instance| instance.id() == id);
        let result = match &instance {
            Some(instance) => instance.load(false, |memory, config, watch| {
                Loaded::from_kexec(memory, image, config, watch)
            }),
            None => Err(fail!(ENOENT, "there is no instance with the id {id}")),
        };
        result.map_err(|fail| {
            // The system call has no room for a text.
            if let Some(text) = &fail.text {
                let name = instance.as_ref().map_or("kexec", |one| one.name().as_str());
                pr_err!("{name}: not loaded: {}\n", &**text);
            }
            fail.errno
        })
    }
}
