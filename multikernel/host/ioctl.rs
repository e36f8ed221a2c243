// SPDX-License-Identifier: GPL-2.0

//! Arguments of ioctls: extensible structures, copied in and out.

use super::fail::{fail, Outcome};
use crate::uapi::mk_header;
use kernel::{
    prelude::*,
    transmute::{AsBytes, FromBytes},
    uaccess::{UserPtr, UserSlice},
};

/// No structure is ever longer than this.
const SIZE_MAX: usize = 4096;

/// An argument structure, which begins with a header.
///
/// # Safety
///
/// It is `repr(C)`, has no padding, begins with a [`mk_header`], and every pattern of bits is valid.
pub(crate) unsafe trait Argument: Sized + Copy + pin_init::Zeroable {
    fn header(&self) -> &mk_header {
        // SAFETY: It begins with one.
        unsafe { &*core::ptr::from_ref(self).cast() }
    }
}

/// Plain bytes, for the copies to and from user space.
#[repr(transparent)]
pub(crate) struct Plain<T>(pub(crate) T);

// SAFETY: By the contract of `Argument`.
unsafe impl<T: Argument> FromBytes for Plain<T> {}
// SAFETY: By the contract of `Argument`.
unsafe impl<T: Argument> AsBytes for Plain<T> {}

/// Copies the argument at `address` in, calls `f` with it, and copies out what `f` made of it; and on
/// failure the text for the user. `flags` are those that the call knows.
pub(crate) fn call<T: Argument>(
    address: usize,
    flags: u32,
    f: impl FnOnce(&mut T) -> Outcome<isize>,
) -> Result<isize> {
    let (mut argument, size) = read::<T>(address)?;
    let header = *argument.0.header();
    let unknown = header.flags & !flags;
    let result = if unknown != 0 {
        Err(fail!(EINVAL, "flags {unknown:#x} are not known"))
    } else if header.reserved != 0 {
        Err(fail!(
            EINVAL,
            "header.reserved is {:#x}, it has to be 0",
            header.reserved
        ))
    } else {
        f(&mut argument.0)
    };
    // What is told on failure, too: how much memory could be had.
    let bytes = argument.as_bytes();
    let out = &bytes[..bytes.len().min(size)];
    UserSlice::new(UserPtr::from_addr(address), out.len())
        .writer()
        .write_slice(out)?;
    result.map_err(|fail| {
        if let Some(text) = &fail.text {
            tell(&header, text.to_bytes());
        }
        fail.errno
    })
}

/// The argument, and how much of it the caller knows.
fn read<T: Argument>(address: usize) -> Result<(Plain<T>, usize)> {
    let start = UserPtr::from_addr(address);
    let size = UserSlice::new(start, 4).reader().read::<u32>()? as usize;
    if size < size_of::<mk_header>() {
        return Err(EINVAL);
    }
    if size > SIZE_MAX {
        return Err(E2BIG);
    }
    let mut argument = Plain(T::zeroed());
    let known = size_of::<T>().min(size);
    let mut reader = UserSlice::new(start, size).reader();
    // SAFETY: Every pattern of bits is valid, and there is no padding.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut((&raw mut argument).cast::<u8>(), size_of::<T>())
    };
    reader.read_slice(&mut bytes[..known])?;
    while !reader.is_empty() {
        if reader.read::<u8>()? != 0 {
            return Err(E2BIG);
        }
    }
    Ok((argument, size))
}

/// Puts `text` where the header wants it, cut to fit. If it cannot be put there, it is lost: the
/// errno is told anyway.
fn tell(header: &mk_header, text: &[u8]) {
    let room = header.message_size as usize;
    if header.message == 0 || room == 0 {
        return;
    }
    let cut = text.len().min(room - 1);
    let mut writer = UserSlice::new(UserPtr::from_addr(header.message as usize), room).writer();
    let _ = writer
        .write_slice(&text[..cut])
        .and_then(|()| writer.write_slice(&[0]));
}

/// The array of `T` at `address` in user space, `count` elements long.
pub(crate) fn read_array<T: FromBytes>(address: u64, count: usize) -> Result<KVec<T>> {
    let size = count.checked_mul(size_of::<T>()).ok_or(EINVAL)?;
    let mut reader = UserSlice::new(UserPtr::from_addr(address as usize), size).reader();
    let mut array = KVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        array.push(reader.read::<T>()?, GFP_KERNEL)?;
    }
    Ok(array)
}

/// Writes at most `room` of `items` to the array at `address` in user space, each in `stride` bytes.
///
/// A null address is one without room.
pub(crate) fn write_array<T: AsBytes>(
    address: u64,
    room: usize,
    stride: usize,
    items: impl Iterator<Item = T>,
) -> Result {
    if address == 0 {
        return Ok(());
    }
    for (n, item) in items.take(room).enumerate() {
        let bytes = item.as_bytes();
        let bytes = &bytes[..bytes.len().min(stride)];
        let at = UserPtr::from_addr(address as usize).wrapping_byte_add(n * stride);
        UserSlice::new(at, bytes.len()).writer().write_slice(bytes)?;
    }
    Ok(())
}
