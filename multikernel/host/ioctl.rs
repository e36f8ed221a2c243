// SPDX-License-Identifier: GPL-2.0

//! Arguments of ioctls: extensible structures, copied in and out.

use super::fail::{fail, Outcome};
use crate::uapi::{mk_header, mk_list};
use kernel::{
    prelude::*,
    transmute::{AsBytes, FromBytes},
    uaccess::{UserPtr, UserSlice},
};

/// No structure is ever longer than this.
pub(crate) const SIZE_MAX: usize = 4096;

/// An argument structure, which begins with a header.
///
/// # Safety
///
/// It is `repr(C)`, has no padding, begins with a [`mk_header`], and every pattern of bits is
/// valid.
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

/// Copies the argument at `address` in, calls `f` with it, and copies out what `f` made of it; and
/// on failure the text for the user. `flags` are those that the call knows.
pub(crate) fn call<T: Argument>(
    address: usize,
    flags: u32,
    f: impl FnOnce(&mut T) -> Outcome<isize>,
) -> Result<isize> {
    let start = UserPtr::from_addr(address);
    let size = UserSlice::new(start, 4).reader().read::<u32>()? as usize;
    if size < size_of::<mk_header>() {
        return Err(EINVAL);
    }
    let known = size_of::<T>().min(size);
    let mut argument = Plain(T::zeroed());
    // SAFETY: Every pattern of bits is valid, and there is no padding.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut((&raw mut argument).cast::<u8>(), size_of::<T>())
    };
    UserSlice::new(start, known)
        .reader()
        .read_slice(&mut bytes[..known])?;
    let header = *argument.0.header();
    let before = Plain(argument.0);
    let result = check(&header, start, size, known, flags).and_then(|()| f(&mut argument.0));
    // What is told on failure, too: how much memory could be had. What stays as it was may be where
    // the caller cannot write.
    let out = &argument.as_bytes()[..known];
    if out != &before.as_bytes()[..known] {
        UserSlice::new(start, known).writer().write_slice(out)?;
    }
    result.map_err(|fail| {
        if let Some(text) = &fail.text {
            tell(&header, text.to_bytes());
        }
        fail.errno
    })
}

/// Refuses what is not known: of a structure of `size` bytes at `start`, of which `known` have a
/// meaning here.
fn check(header: &mk_header, start: UserPtr, size: usize, known: usize, flags: u32) -> Outcome {
    if size > SIZE_MAX {
        return Err(fail!(
            E2BIG,
            "header.size is {size}; no structure is larger than {SIZE_MAX} bytes"
        ));
    }
    let tail = start.wrapping_byte_add(known);
    let mut tail = UserSlice::new(tail, size - known).reader();
    while !tail.is_empty() {
        if tail.read::<u8>()? != 0 {
            return Err(fail!(
                E2BIG,
                "fields beyond the first {known} bytes are not known, and have to be 0"
            ));
        }
    }
    let unknown = header.flags & !flags;
    if unknown != 0 {
        return Err(fail!(EINVAL, "flags {unknown:#x} are not known"));
    }
    if header.reserved != 0 {
        return Err(fail!(
            EINVAL,
            "header.reserved is {:#x}, it has to be 0",
            header.reserved
        ));
    }
    Ok(())
}

/// Refuses a reserved field that is not 0.
pub(crate) fn reserved(value: u32) -> Outcome {
    if value == 0 {
        Ok(())
    } else {
        Err(fail!(EINVAL, "reserved is {value:#x}, it has to be 0"))
    }
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

/// Writes `items` where `list` has room for them, and how many there are.
pub(crate) fn write_list<T: AsBytes>(
    list: &mut mk_list,
    items: impl Iterator<Item = T>,
) -> Outcome {
    let stride = list.entry_size as usize;
    if stride == 0 && list.nr_entries > 0 {
        return Err(fail!(EINVAL, "entry_size is 0"));
    }
    if stride > SIZE_MAX {
        return Err(fail!(
            E2BIG,
            "entry_size is {stride}; no structure is larger than {} bytes",
            SIZE_MAX
        ));
    }
    let mut count = 0;
    let items = items.inspect(|_| count += 1);
    let (address, room) = (list.entries, list.nr_entries as usize);
    let mut items = items;
    write_array(address, room, stride, items.by_ref())?;
    items.for_each(drop);
    list.nr_entries = count;
    Ok(())
}

/// Writes at most `room` of `items` to the array at `address` in user space, each in `stride`
/// bytes, of which zeros fill what an item does not.
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
        let mut writer = UserSlice::new(at, stride).writer();
        writer.write_slice(bytes)?;
        while !writer.is_empty() {
            writer.write(&0u8)?;
        }
    }
    Ok(())
}
