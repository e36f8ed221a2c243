// SPDX-License-Identifier: GPL-2.0

//! `/dev/multikernel` in an instance.

use super::session::Session;
use crate::{
    host::{
        fail::{fail, Outcome},
        ioctl,
        registry::valid,
    },
    pure::{message::Body, name::Name},
    uapi::*,
};
use kernel::{
    bindings,
    fs::File,
    miscdevice::{MiscDevice, MiscDeviceRegistration},
    prelude::*,
    sync::{Arc, ArcBorrow},
};

#[vtable]
impl MiscDevice for Session {
    type Ptr = Arc<Session>;

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result<Arc<Session>> {
        // SAFETY: It may be called from any task.
        if !unsafe { bindings::capable(bindings::CAP_SYS_BOOT as c_int) } {
            return Err(EPERM);
        }
        crate::session().ok_or(ENODEV)
    }

    fn ioctl(
        session: ArcBorrow<'_, Session>,
        _file: &File,
        command: u32,
        arg: usize,
    ) -> Result<isize> {
        match command {
            MK_QUERY => ioctl::call(arg, 0, |query: &mut mk_query| {
                query.abi_version = MK_ABI_VERSION;
                query.features = MK_FEATURE_CHANNELS.into();
                query.spare_apic_id = u32::MAX;
                query.role = MK_ROLE_INSTANCE;
                Ok(0)
            }),
            MK_CHANNEL_CREATE => ioctl::call(arg, 0, |channel: &mut mk_channel_call| {
                let (name, peer) = names(channel)?;
                if channel.from_bytes != channel.to_bytes {
                    return Err(fail!(
                        EINVAL,
                        "an instance can only ask for rings of one size, not of {} and {} bytes",
                        channel.from_bytes,
                        channel.to_bytes
                    ));
                }
                let ring_bytes = channel.from_bytes;
                session
                    .ask(Body::Create {
                        ring_bytes,
                        name,
                        peer,
                    })
                    .map(|()| 0)
            }),
            MK_CHANNEL_REMOVE => ioctl::call(arg, 0, |channel: &mut mk_channel_call| {
                let (name, peer) = names(channel)?;
                session.ask(Body::Remove { name, peer }).map(|()| 0)
            }),
            MK_CHANNEL_LIST => ioctl::call(arg, 0, |list: &mut mk_list| {
                let entries = session.channels()?;
                ioctl::write_list(list, entries.into_iter()).map(|()| 0)
            }),
            _ => Err(ENOTTY),
        }
    }
}

/// The name of a channel, and of the instance at its other end.
fn names(channel: &mk_channel_call) -> Outcome<(Name, Option<Name>)> {
    if channel.reserved != 0 || channel.peer_fd != -1 {
        return Err(fail!(
            EINVAL,
            "peer_fd has to be -1 and reserved 0: an instance has no descriptors of others"
        ));
    }
    let peer = match channel.peer {
        [0, ..] => None,
        _ => Some(valid(&channel.peer)?),
    };
    Ok((valid(&channel.name)?, peer))
}
