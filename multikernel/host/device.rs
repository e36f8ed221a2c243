// SPDX-License-Identifier: GPL-2.0

//! `/dev/multikernel`.

use super::{
    events::Reader,
    fail::Outcome,
    handle::Handle,
    ioctl, memory,
    registry::{permit, Host},
};
use crate::uapi::*;
use kernel::{
    bindings,
    fs::File,
    miscdevice::{MiscDevice, MiscDeviceRegistration},
    prelude::*,
    sync::{Arc, ArcBorrow},
};

#[vtable]
impl MiscDevice for Host {
    type Ptr = Arc<Host>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Arc<Host>> {
        // SAFETY: It may be called from any task.
        if !unsafe { bindings::capable(bindings::CAP_SYS_BOOT as c_int) } {
            return Err(EPERM);
        }
        crate::host().ok_or(ENODEV)
    }

    fn ioctl(host: ArcBorrow<'_, Host>, _file: &File, command: u32, arg: usize) -> Result<isize> {
        match command {
            MK_QUERY => ioctl::call(arg, 0, |query: &mut mk_query| {
                host.query(query);
                Ok(0)
            }),
            MK_LIST => ioctl::call(arg, 0, |arg: &mut mk_list| list(&host, arg).map(|()| 0)),
            MK_POOLS => ioctl::call(arg, 0, |arg: &mut mk_list| {
                let entries = Iterator::chain(host.pools().entries(), memory::entries());
                ioctl::write_list(arg, entries).map(|()| 0)
            }),
            MK_EVENTS => ioctl::call(arg, 0, |arg: &mut mk_events| {
                ioctl::reserved(arg.reserved)?;
                Ok(Reader::open(host.into(), arg.event_size)?.install() as isize)
            }),
            MK_CREATE => ioctl::call(arg, MK_CREATE_AUTO_DESTROY, |name: &mut mk_name| {
                permit()?;
                let auto_destroy = name.header.flags & MK_CREATE_AUTO_DESTROY != 0;
                let instance = Host::create(&host.into(), &name.name)?;
                let file = Handle::open(instance.clone(), auto_destroy).inspect_err(|_| {
                    // Somebody may have opened it by its name.
                    instance.destroy_when_idle();
                })?;
                Ok(file.install() as isize)
            }),
            MK_OPEN => ioctl::call(arg, 0, |name: &mut mk_name| {
                permit()?;
                let instance = host.find(&name.name)?;
                Ok(Handle::open(instance, false)?.install() as isize)
            }),
            _ => Err(ENOTTY),
        }
    }
}

fn list(host: &Host, list: &mut mk_list) -> Outcome {
    let entries = host.instances().map(|instance| {
        instance.with_status(|status| mk_list_entry {
            name: *instance.name().as_bytes(),
            state: status.life.state() as u32,
            reason: status.life.reason() as u32,
            nr_cpus: status.cpus.len() as u32,
            agent: status.agent.state(),
            memory: status.memory.as_ref().map_or(0, |memory| memory.bytes()),
        })
    });
    ioctl::write_list(list, entries)
}
