// SPDX-License-Identifier: GPL-2.0

//! Little-endian fields in byte buffers, without panics.

/// The `N` bytes at offset `at`, or `None` if `buffer` ends before.
pub fn array<const N: usize>(buffer: &[u8], at: usize) -> Option<[u8; N]> {
    buffer.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// The 16-bit field at offset `at`.
pub fn u16(buffer: &[u8], at: usize) -> Option<u16> {
    array(buffer, at).map(u16::from_le_bytes)
}

/// The 32-bit field at offset `at`.
pub fn u32(buffer: &[u8], at: usize) -> Option<u32> {
    array(buffer, at).map(u32::from_le_bytes)
}

/// The 64-bit field at offset `at`.
pub fn u64(buffer: &[u8], at: usize) -> Option<u64> {
    array(buffer, at).map(u64::from_le_bytes)
}

/// Two 32-bit fields as the 64-bit one that they are together.
pub fn pair(low: u32, high: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

/// Puts `field` at offset `at`. `None`, and nothing written, if it does not
/// fit into `buffer`.
pub fn put(buffer: &mut [u8], at: usize, field: &[u8]) -> Option<()> {
    buffer
        .get_mut(at..at.checked_add(field.len())?)?
        .copy_from_slice(field);
    Some(())
}
