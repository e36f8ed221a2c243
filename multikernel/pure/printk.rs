// SPDX-License-Identifier: GPL-2.0

//! The log of another kernel, read from its memory.
//!
//! Linux keeps its log in a lockless ring (`kernel/printk/printk_ringbuffer.c`
//! there): an array of descriptors, one of what is known about each record,
//! and a ring of bytes for their text. A record has a sequence number, which
//! counts from 0, and an ID, which counts from somewhere else (it depends on
//! the version). Both modulo the number of descriptors give its index. The top
//! two bits of the descriptor's state word say how far its writer is, the
//! others are the ID. A reader takes what it wants and then looks at the state
//! word again: if that has not changed, what it took is one record.

use core::sync::atomic::fence;
use core::sync::atomic::Ordering;

use super::memory::Error;
use super::memory::Memory;
use super::pagewalk::PageTables;
use super::range::Range;
use super::vmcoreinfo;
use super::vmcoreinfo::Key;
use super::vmcoreinfo::VmcoreInfo;

/// Bits of an ID; the state is above them.
const ID_BITS: u32 = 62;
const ID_MASK: u64 = (1 << ID_BITS) - 1;

/// States of a descriptor.
const RESERVED: u64 = 0;
const COMMITTED: u64 = 1;
const FINALIZED: u64 = 2;
const REUSABLE: u64 = 3;

/// Bit of a caller ID: it is a CPU.
const CALLER_CPU: u32 = 1 << 31;

/// The kernel's own limits: 2 GiB of text, and a record for each 32 bytes.
const SIZE_BITS_MAX: u32 = 31;
const COUNT_BITS_MAX: u32 = 26;
/// What fits into a structure of a few fields, with much room to grow.
const STRUCT_MAX: u64 = 4096;

/// Positions of text that is nowhere: there is none (an empty line).
const EMPTY_LINE: u64 = 3;
/// Bytes of the ID before a text.
const BLOCK_ID: u64 = 8;

/// How often a record is read again because its writer was at it.
const TRIES: u32 = 8;
/// How many of the latest records are searched for a panic. What follows its
/// message are registers and stacks of each CPU.
const PANIC_SEARCH_MAX: u64 = 1 << 14;

/// How `panic()` begins its message, at once and again when it is done.
const PANIC: &[u8] = b"Kernel panic - not syncing: ";
const PANIC_END: (&[u8], &[u8]) = (b"---[ end ", b" ]---");

/// Who wrote a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The task with this thread ID.
    Task(u32),
    /// This CPU, in an interrupt.
    Cpu(u32),
}

/// A record of the log, without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number. The next to ask for is one more.
    pub seq: u64,
    /// How many records since the one that was asked for are gone.
    pub lost: u64,
    /// When it was written, in nanoseconds of the instance's own clock.
    pub time_ns: u64,
    /// Bytes of text that were put into the buffer.
    pub text_len: usize,
    /// Bytes of text that it has.
    pub full_len: usize,
    /// Level from 0 (emergency) to 7 (debug); `None` if this kernel's layout
    /// does not tell.
    pub level: Option<u8>,
    /// Facility: 0 is the kernel, others are user space.
    pub facility: Option<u8>,
    /// Who wrote it.
    pub caller: Caller,
}

/// What [`Reader::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A record.
    Record(Record),
    /// The record with this sequence number is being written, or may still be
    /// continued. It takes another moment, or for ever if the writer's CPU
    /// stopped: when [`Reader::bounds`] tells of later ones and time has
    /// passed, go on with the next number.
    Pending(u64),
    /// There is no more, for now.
    End,
}

/// A reader of the log of an instance.
///
/// It keeps where the log is, not how far it was read: that is the caller's
/// sequence number.
pub struct Reader<'a, M: ?Sized> {
    mem: &'a M,
    tables: PageTables,
    layout: Layout,
    /// The ID of the record with the sequence number 0.
    first_id: u64,
    stopped: bool,
}

/// Where everything is, as virtual addresses and offsets.
#[derive(Clone, Copy, Debug)]
struct Layout {
    head_id: u64,
    tail_id: u64,
    count_bits: u32,
    descs: u64,
    desc_size: u64,
    desc_state: u64,
    desc_begin: u64,
    desc_next: u64,
    infos: u64,
    info_size: u64,
    info_seq: u64,
    info_time: u64,
    info_text_len: u64,
    info_caller: u64,
    /// Facility and level lie between the length of the text and the caller.
    has_level: bool,
    size_bits: u32,
    data: u64,
}

/// One look at a place in the ring.
enum Slot {
    Record(Record),
    Pending,
    Lost,
}

/// Where the text of a record is, in bytes from the start of the text ring.
struct Text {
    offset: u64,
    bytes: u64,
}

impl<'a, M: Memory + ?Sized> Reader<'a, M> {
    /// Finds the log of the kernel that runs, or ran, in `ranges`.
    ///
    /// Takes a look at each page, so keep the reader while that kernel runs.
    pub fn find(mem: &'a M, ranges: impl IntoIterator<Item = Range>) -> Result<Self, Error> {
        vmcoreinfo::find(mem, ranges, |info| Self::new(mem, info))
    }

    /// Opens the log of the kernel that wrote `info`.
    pub fn new(mem: &'a M, info: &VmcoreInfo) -> Result<Self, Error> {
        let tables = PageTables::new(info)?;
        let layout = Layout::new(mem, &tables, info)?;
        let mut reader = Reader {
            mem,
            tables,
            layout,
            first_id: 0,
            stopped: false,
        };
        reader.first_id = reader.find_first_id()?;
        reader.bounds()?;
        Ok(reader)
    }

    /// For a kernel that no longer runs: nobody finishes what it was writing.
    ///
    /// A record that could have been continued is read as it is, and one that
    /// was not finished counts as lost. [`Next::Pending`] does not come.
    pub fn stopped(mut self) -> Self {
        self.stopped = true;
        self
    }

    /// The sequence numbers of the oldest record and of the next to come.
    pub fn bounds(&self) -> Result<(u64, u64), Error> {
        let layout = &self.layout;
        // The tail first: it never passes the head.
        let tail = self.read_u64(layout.tail_id)? & ID_MASK;
        fence(Ordering::Acquire);
        let head = self.read_u64(layout.head_id)? & ID_MASK;
        if distance(tail, head) > ID_MASK / 2 {
            return Err(Error::Damaged("the distance of head and tail", head));
        }
        let end = distance(self.first_id, head).wrapping_add(1) & ID_MASK;
        // Until the ring was full once its tail is the record before 0.
        let first = match distance(self.first_id, tail) {
            ID_MASK => 0,
            seq => seq,
        };
        // More than that has passed since the tail was read, or it is wrong.
        let first = first.max(end.saturating_sub(layout.count()));
        Ok((first.min(end), end))
    }

    /// Reads the record with the sequence number `seq`, or the oldest after
    /// it that is still there, and puts its text into `text`, cut to fit.
    pub fn next(&self, seq: u64, text: &mut [u8]) -> Result<Next, Error> {
        let (first, end) = self.bounds()?;
        if seq > end {
            return Err(Error::Replaced(seq, end));
        }
        let mut at = seq.max(first);
        // There are not more, unless a writer is faster than this.
        for _ in 0..self.layout.count() {
            if at >= end {
                break;
            }
            match self.look(at, text)? {
                Slot::Record(mut record) => {
                    record.lost = at.saturating_sub(seq);
                    return Ok(Next::Record(record));
                }
                Slot::Pending => return Ok(Next::Pending(at)),
                Slot::Lost => at = at.saturating_add(1),
            }
        }
        Ok(Next::End)
    }

    /// Finds the message of the latest panic, and puts it into `out`, cut to
    /// fit: one line of printable ASCII. Returns its length.
    pub fn find_panic(&self, out: &mut [u8]) -> Option<usize> {
        let (first, end) = self.bounds().ok()?;
        let mut line = [0; 256];
        for back in 1..=PANIC_SEARCH_MAX {
            let seq = end.checked_sub(back).filter(|seq| *seq >= first)?;
            let Ok(Slot::Record(record)) = self.look(seq, &mut line) else {
                continue;
            };
            // User space can write such a line as well.
            if record.facility.unwrap_or(0) != 0 {
                continue;
            }
            let text = line.get(..record.text_len)?;
            if let Some(message) = panic_message(text) {
                let len = message.len().min(out.len());
                for (to, from) in out.iter_mut().zip(message) {
                    *to = match from {
                        b' '..=b'~' => *from,
                        _ => b'?',
                    };
                }
                return Some(len);
            }
        }
        None
    }

    /// Finds the ID of record 0, from a record that holds still meanwhile: the
    /// oldest, or one of those spread over the ring after it.
    fn find_first_id(&self) -> Result<u64, Error> {
        let layout = &self.layout;
        let last = layout.count().wrapping_sub(1);
        let apart = layout.count().div_ceil(u64::from(TRIES));
        let mut at = self.read_u64(layout.tail_id)?;
        for _ in 0..TRIES {
            let state_at = layout.desc(at).wrapping_add(layout.desc_state);
            let word = self.read_u64(state_at)?;
            fence(Ordering::Acquire);
            let seq = self.read_u64(layout.info(at).wrapping_add(layout.info_seq))?;
            fence(Ordering::Acquire);
            let again = self.read_u64(state_at)?;
            // Until the ring was full once, its tail is what would be the
            // record before 0, but has the sequence number 0.
            let seq = match (seq, at & last) {
                (0, index) if index == last => u64::MAX,
                _ => seq,
            };
            let settled = matches!(word >> ID_BITS, FINALIZED | REUSABLE);
            if settled && again == word && (word ^ seq) & last == 0 && (word ^ at) & last == 0 {
                return Ok(distance(seq, word));
            }
            at = at.wrapping_add(apart);
        }
        Err(Error::Damaged("the ID of its oldest record", at))
    }

    /// Reads the record `seq`, if it is in its place.
    fn look(&self, seq: u64, text: &mut [u8]) -> Result<Slot, Error> {
        let layout = &self.layout;
        let id = self.first_id.wrapping_add(seq) & ID_MASK;
        let desc = layout.desc(seq);
        let state_at = desc.wrapping_add(layout.desc_state);
        for _ in 0..TRIES {
            let word = self.read_u64(state_at)?;
            let (found, state) = (word & ID_MASK, word >> ID_BITS);
            if found != id {
                // A descriptor that was never used is all zero, and an older
                // record is still there until the writer has come so far.
                let older = word == 0 || distance(id, found) > ID_MASK / 2;
                return Ok(self.unfinished(older));
            }
            match state {
                RESERVED => return Ok(self.unfinished(true)),
                COMMITTED if !self.stopped => return Ok(Slot::Pending),
                COMMITTED | FINALIZED => (),
                _ => return Ok(Slot::Lost),
            }
            fence(Ordering::Acquire);
            let record = self.copy(seq, desc, text);
            fence(Ordering::Acquire);
            if self.read_u64(state_at)? != word {
                continue;
            }
            return Ok(record?.map_or(Slot::Lost, Slot::Record));
        }
        Ok(self.unfinished(true))
    }

    /// What a record is that is not complete: still to come, if its writer
    /// goes on, or gone.
    fn unfinished(&self, to_come: bool) -> Slot {
        if to_come && !self.stopped {
            Slot::Pending
        } else {
            Slot::Lost
        }
    }

    /// Copies the record `seq` out of its places, whatever is there. `None`:
    /// its text is gone.
    fn copy(&self, seq: u64, desc: u64, text: &mut [u8]) -> Result<Option<Record>, Error> {
        let layout = &self.layout;
        let info = layout.info(seq);
        if self.read_u64(info.wrapping_add(layout.info_seq))? != seq {
            return Ok(None);
        }
        let begin = self.read_u64(desc.wrapping_add(layout.desc_begin))?;
        let next = self.read_u64(desc.wrapping_add(layout.desc_next))?;
        let Some(place) = layout.text(begin, next) else {
            return Ok(None);
        };
        let head: [u8; 4] = self
            .tables
            .read_array(self.mem, info.wrapping_add(layout.info_text_len))?;
        let [len_low, len_high, facility, flags] = head;
        let full_len = u16::from_le_bytes([len_low, len_high]);
        if u64::from(full_len) > place.bytes {
            return Ok(None);
        }
        let full_len = usize::from(full_len);
        let text_len = full_len.min(text.len());
        if let Some(text) = text.get_mut(..text_len) {
            self.tables
                .read(self.mem, layout.data.wrapping_add(place.offset), text)?;
        }
        let caller = u32::from_le_bytes(
            self.tables
                .read_array(self.mem, info.wrapping_add(layout.info_caller))?,
        );
        Ok(Some(Record {
            seq,
            lost: 0,
            time_ns: self.read_u64(info.wrapping_add(layout.info_time))?,
            text_len,
            full_len,
            level: layout.has_level.then_some(flags >> 5),
            facility: layout.has_level.then_some(facility),
            caller: match caller & CALLER_CPU {
                0 => Caller::Task(caller),
                _ => Caller::Cpu(caller & !CALLER_CPU),
            },
        }))
    }

    fn read_u64(&self, va: u64) -> Result<u64, Error> {
        self.tables.read_u64(self.mem, va)
    }
}

impl Layout {
    fn new<M: Memory + ?Sized>(
        mem: &M,
        tables: &PageTables,
        info: &VmcoreInfo,
    ) -> Result<Self, Error> {
        let offset = |key| info.get_up_to(key, STRUCT_MAX);
        let size = |key: Key| match info.get_up_to(key, STRUCT_MAX)? {
            0 => Err(Error::Impossible(key.text(), 0)),
            size => Ok(size),
        };
        let prb = tables.read_u64(mem, info.get(Key::Prb)?)?;
        let desc_ring = prb.wrapping_add(offset(Key::RingDescRing)?);
        let text_ring = prb.wrapping_add(offset(Key::RingTextRing)?);
        let word = |base: u64, key| Ok::<_, Error>(base.wrapping_add(offset(key)?));
        let pointer = |base, key| tables.read_u64(mem, word(base, key)?);
        let bits = |base, key, max, what| {
            let value = u32::from_le_bytes(tables.read_array(mem, word(base, key)?)?);
            if value == 0 || value > max {
                return Err(Error::Damaged(what, u64::from(value)));
            }
            Ok(value)
        };

        let counter = offset(Key::AtomicLongCounter)?;
        let long = size(Key::AtomicLongSize)?;
        if long != 8 {
            return Err(Error::Impossible(Key::AtomicLongSize.text(), long));
        }
        let blk_lpos = offset(Key::DescTextBlkLpos)?;
        let text_len = offset(Key::InfoTextLen)?;
        let caller = offset(Key::InfoCallerId)?;
        let layout = Layout {
            head_id: word(desc_ring, Key::DescRingHeadId)?.wrapping_add(counter),
            tail_id: word(desc_ring, Key::DescRingTailId)?.wrapping_add(counter),
            count_bits: bits(
                desc_ring,
                Key::DescRingCountBits,
                COUNT_BITS_MAX,
                "log2 of its number of records",
            )?,
            descs: pointer(desc_ring, Key::DescRingDescs)?,
            desc_size: size(Key::DescSize)?,
            desc_state: offset(Key::DescStateVar)?.wrapping_add(counter),
            desc_begin: blk_lpos.wrapping_add(offset(Key::BlkLposBegin)?),
            desc_next: blk_lpos.wrapping_add(offset(Key::BlkLposNext)?),
            infos: pointer(desc_ring, Key::DescRingInfos)?,
            info_size: size(Key::InfoSize)?,
            info_seq: offset(Key::InfoSeq)?,
            info_time: offset(Key::InfoTsNsec)?,
            info_text_len: text_len,
            info_caller: caller,
            has_level: caller == text_len.wrapping_add(4),
            size_bits: bits(
                text_ring,
                Key::DataRingSizeBits,
                SIZE_BITS_MAX,
                "log2 of the size of its text",
            )?,
            data: pointer(text_ring, Key::DataRingData)?,
        };
        // That all three arrays are mapped proves that this is a log.
        let last = layout.count().wrapping_sub(1);
        for va in [
            layout.desc(0),
            layout.desc(last),
            layout.info(0),
            layout.info(last),
            layout.data,
            layout.data.wrapping_add(layout.text_size()).wrapping_sub(1),
        ] {
            tables.translate(mem, va)?;
        }
        Ok(layout)
    }

    /// How many records the ring can hold.
    fn count(&self) -> u64 {
        1u64.wrapping_shl(self.count_bits)
    }

    /// How many bytes of text it can hold.
    fn text_size(&self) -> u64 {
        1u64.wrapping_shl(self.size_bits)
    }

    /// Where the descriptor of a record is, by sequence number or ID.
    fn desc(&self, n: u64) -> u64 {
        let index = n & self.count().wrapping_sub(1);
        self.descs.wrapping_add(index.wrapping_mul(self.desc_size))
    }

    /// Where the rest of what is known of it is.
    fn info(&self, n: u64) -> u64 {
        let index = n & self.count().wrapping_sub(1);
        self.infos.wrapping_add(index.wrapping_mul(self.info_size))
    }

    /// The text between the logical positions `begin` and `next`, which count
    /// on when the ring wraps. Text never wraps: one that would begins the
    /// ring again, and the rest at its end stays unused.
    fn text(&self, begin: u64, next: u64) -> Option<Text> {
        if begin & 1 != 0 && next & 1 != 0 {
            let empty = begin == EMPTY_LINE && next == EMPTY_LINE;
            return empty.then_some(Text {
                offset: 0,
                bytes: 0,
            });
        }
        let size = self.text_size();
        let index = |lpos: u64| lpos & size.wrapping_sub(1);
        let lap = |lpos: u64| lpos.wrapping_shr(self.size_bits);
        // `next` is not part of it, and may be where the ring wraps.
        let last = next.wrapping_sub(1);
        let (offset, bytes) = if lap(begin) == lap(last) {
            (index(begin), next.wrapping_sub(begin))
        } else if lap(begin.wrapping_add(size)) == lap(last) {
            (0, index(next))
        } else {
            return None;
        };
        let aligned = begin % BLOCK_ID == 0 && next % BLOCK_ID == 0;
        if !aligned || bytes <= BLOCK_ID || bytes > size {
            return None;
        }
        Some(Text {
            offset: offset.wrapping_add(BLOCK_ID),
            bytes: bytes.wrapping_sub(BLOCK_ID),
        })
    }
}

/// How far `to` is after `from`, in IDs, which wrap.
fn distance(from: u64, to: u64) -> u64 {
    to.wrapping_sub(from) & ID_MASK
}

/// The message in a line that `panic()` writes.
fn panic_message(text: &[u8]) -> Option<&[u8]> {
    let line = text.split(|byte| *byte == b'\n').next()?;
    if let Some(message) = line.strip_prefix(PANIC) {
        return Some(message);
    }
    let (begin, end) = PANIC_END;
    let message = line.strip_prefix(begin)?.strip_prefix(PANIC)?;
    Some(message.strip_suffix(end).unwrap_or(message))
}
