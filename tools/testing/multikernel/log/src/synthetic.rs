// SPDX-License-Identifier: GPL-2.0

//! The memory of a kernel that never was: page tables, a VMCOREINFO note and
//! a printk ring, and a writer that logs into it in the order of stores of the
//! kernel's `printk_ringbuffer.c`.

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::pure::memory::Memory;
use crate::pure::range::Range;

const PAGE: u64 = 4096;

/// Where the memory of the machine begins: a gigabyte of its own, so that
/// pages of every size can map it.
pub const BASE: u64 = 1 << 30;
const SIZE: u64 = 6 << 20;
/// Physical places in it.
const TABLES: u64 = BASE;
const NOTES: u64 = BASE + (1 << 20);
const IMAGE: u64 = BASE + (2 << 20);
const DYNAMIC: u64 = BASE + (4 << 20);

/// Virtual places.
const IMAGE_VA: u64 = 0xffff_ffff_8100_0000;
const PHYS_BASE: u64 = IMAGE - 0x100_0000;
const VMALLOC_VA: u64 = 0xffff_c900_0000_0000;

/// In the image.
const TOP_TABLE: u64 = 0x1000;
const PRB: u64 = 0x3018;
/// Begins in one page and ends in the next.
const RING: u64 = 0x3fe0;
const ARRAYS: u64 = 0x8ff8;

const ID_MASK: u64 = (1 << 62) - 1;
const RESERVED: u64 = 0;
const COMMITTED: u64 = 1;
const FINALIZED: u64 = 2;
const REUSABLE: u64 = 3;

/// Bit of a page table entry that says that memory is encrypted.
pub const ENCRYPTED: u64 = 1 << 51;

/// A part of physical memory.
#[derive(Clone)]
pub struct Image {
    base: u64,
    bytes: Vec<u8>,
}

impl Memory for Image {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        assert!(
            pa % PAGE + buf.len() as u64 <= PAGE,
            "a read across a page: {} bytes at {pa:#x}",
            buf.len()
        );
        let at = pa.wrapping_sub(self.base) as usize;
        let Some(bytes) = self.bytes.get(at..at.saturating_add(buf.len())) else {
            return false;
        };
        buf.copy_from_slice(bytes);
        true
    }
}

impl Image {
    /// Changes it.
    pub fn write(&mut self, pa: u64, bytes: &[u8]) {
        let at = (pa - self.base) as usize;
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn u64(&self, pa: u64) -> u64 {
        self.read_u64(pa).expect("in this memory")
    }

    /// All of it.
    pub fn ranges(&self) -> [Range; 1] {
        [Range::new(self.base, self.bytes.len() as u64).unwrap()]
    }

    /// The physical addresses of all words of 8 bytes that are not zero.
    pub fn used(&self) -> Vec<u64> {
        let words = (self.base..).step_by(8).zip(self.bytes.chunks(8));
        words
            .filter(|(_, word)| *word != [0; 8])
            .map(|(pa, _)| pa)
            .collect()
    }
}

/// Offsets and sizes in the structures of one version of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// As `uname -r` tells it.
    pub release: &'static str,
    ring_descs: u64,
    ring_text: u64,
    desc_ring: [u64; 5],
    text_ring: [u64; 2],
    desc_size: u64,
    desc_state: u64,
    desc_lpos: u64,
    lpos: [u64; 2],
    info_size: u64,
    info_seq: u64,
    info_time: u64,
    info_text_len: u64,
    info_caller: u64,
    /// A text that ends just where the ring does begins it again.
    full_wraps: bool,
    /// IDs and positions begin as negative numbers of 32 bits.
    narrow: bool,
}

impl Shape {
    /// As Linux 6.1 has it.
    pub const OLD: Shape = Shape {
        release: "6.1.0-synthetic",
        ring_descs: 0,
        ring_text: 48,
        desc_ring: [0, 8, 16, 24, 32],
        text_ring: [0, 8],
        desc_size: 24,
        desc_state: 0,
        desc_lpos: 8,
        lpos: [0, 8],
        info_size: 88,
        info_seq: 0,
        info_time: 8,
        info_text_len: 16,
        info_caller: 20,
        full_wraps: true,
        narrow: true,
    };

    /// As Linux 7.3 has it, with `CONFIG_PRINTK_EXECUTION_CTX`.
    pub const NEW: Shape = Shape {
        release: "7.3.4-synthetic",
        info_size: 112,
        full_wraps: false,
        narrow: false,
        ..Shape::OLD
    };

    /// As no Linux has it: everything is elsewhere, and where the level is
    /// cannot be known.
    pub const STRANGE: Shape = Shape {
        release: "9.9.9-synthetic",
        ring_descs: 56,
        ring_text: 8,
        desc_ring: [40, 16, 0, 32, 24],
        text_ring: [16, 24],
        desc_size: 48,
        desc_state: 32,
        desc_lpos: 8,
        lpos: [16, 0],
        info_size: 120,
        info_seq: 40,
        info_time: 24,
        info_text_len: 18,
        info_caller: 60,
        full_wraps: false,
        narrow: false,
    };

    /// The bytes that facility and level are in, if that can be known.
    fn has_level(&self) -> bool {
        self.info_caller == self.info_text_len + 4
    }
}

/// What maps the arrays of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The image of the kernel: they are static.
    Static,
    /// The map of all memory, with pages of 4 KiB (0), 2 MiB (1), 1 GiB (2).
    Direct(u32),
    /// Pages in a row that are in reverse order in physical memory.
    Scattered,
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The structures.
    pub shape: Shape,
    /// Where the arrays are.
    pub place: Place,
    /// Whether the page tables have five levels.
    pub five_levels: bool,
    /// Whether page table entries have [`ENCRYPTED`].
    pub encrypted: bool,
    /// log2 of the number of records.
    pub count_bits: u32,
    /// log2 of the bytes of text.
    pub size_bits: u32,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shape: Shape::NEW,
            place: Place::Static,
            five_levels: false,
            encrypted: false,
            count_bits: 4,
            size_bits: 9,
        }
    }
}

/// What a record should be read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its text.
    pub text: Vec<u8>,
    /// Its time.
    pub time_ns: u64,
    /// Its level.
    pub level: u8,
    /// Its facility.
    pub facility: u8,
    /// Who wrote it.
    pub caller: u32,
}

impl Expected {
    /// A line of the kernel.
    pub fn line(text: &str) -> Self {
        Expected {
            text: text.as_bytes().to_vec(),
            time_ns: 0x1234_5678_9abc,
            level: 6,
            facility: 0,
            caller: 1,
        }
    }
}

/// One store to memory: at most 8 bytes.
#[derive(Clone, Debug)]
pub struct Store {
    pa: u64,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Desc {
    id: u64,
    state: u64,
    begin: u64,
    next: u64,
}

/// A kernel with its log.
pub struct Machine {
    /// Its memory.
    pub image: Image,
    /// What it was made from.
    pub options: Options,
    tables: u64,
    /// Virtual addresses of the arrays.
    descs: u64,
    infos: u64,
    data: u64,
    /// Stores that are not made yet.
    pub stores: VecDeque<Store>,
    // What the writer knows.
    first_id: u64,
    head_id: u64,
    tail_id: u64,
    head_lpos: u64,
    tail_lpos: u64,
    model: Vec<Desc>,
    /// What was written, by sequence number: all of it, also what is
    /// overwritten by now.
    pub written: BTreeMap<u64, Expected>,
}

impl Machine {
    /// A kernel with an empty log and its note.
    pub fn new(options: Options) -> Self {
        let mut machine = Self::without_note(options);
        let note = machine.note();
        machine.put_note(7, &note);
        machine
    }

    /// A kernel that has not come so far as to write its note.
    pub fn without_note(options: Options) -> Self {
        let count = 1u64 << options.count_bits;
        let size = 1u64 << options.size_bits;
        let minus = |n: u64| match options.shape.narrow {
            true => (1 << 32) - n,
            false => 0u64.wrapping_sub(n),
        };
        let arrays = match options.place {
            Place::Static => IMAGE_VA + ARRAYS,
            Place::Direct(_) => direct_map(options.five_levels) + DYNAMIC + 0xff8,
            Place::Scattered => VMALLOC_VA + 0xff8,
        };
        let infos = arrays + count * options.shape.desc_size;
        // So that text crosses pages too.
        let data = (infos + count * options.shape.info_size + 64).next_multiple_of(PAGE) - 64;
        let mut machine = Machine {
            image: Image {
                base: BASE,
                bytes: vec![0; SIZE as usize],
            },
            options,
            tables: TABLES,
            descs: arrays,
            infos,
            data,
            stores: VecDeque::new(),
            first_id: minus(count) & ID_MASK,
            head_id: minus(count + 1) & ID_MASK,
            tail_id: minus(count + 1) & ID_MASK,
            head_lpos: minus(size),
            tail_lpos: minus(size),
            model: vec![Desc::default(); count as usize],
            written: BTreeMap::new(),
        };
        machine.map_all();
        machine.init_ring();
        machine
    }

    fn map_all(&mut self) {
        for page in (0..2 << 20).step_by(PAGE as usize) {
            self.map(IMAGE_VA + page, IMAGE + page, 0);
        }
        match self.options.place {
            Place::Static => (),
            Place::Direct(level) => {
                let bytes = PAGE << (9 * level);
                let va = direct_map(self.options.five_levels);
                let mut pa = DYNAMIC & !(bytes - 1);
                while pa < BASE + SIZE {
                    self.map(va + pa, pa, level);
                    pa += bytes;
                }
            }
            Place::Scattered => {
                for page in (0..1 << 20).step_by(PAGE as usize) {
                    let va = VMALLOC_VA + page;
                    self.map(va, scattered(va), 0);
                }
            }
        }
    }

    /// Maps a page in the page tables: `level` as for [`Place::Direct`].
    pub fn map(&mut self, va: u64, pa: u64, level: u32) {
        let flags = 0x8000_0000_0000_0063 | if self.options.encrypted { ENCRYPTED } else { 0 };
        let mut table = IMAGE + TOP_TABLE;
        let top = if self.options.five_levels { 4 } else { 3 };
        for at in (level..=top).rev() {
            let entry = table + ((va >> (12 + 9 * at)) & 0x1ff) * 8;
            if at == level {
                // For a large page: bit 7, and bit 12 (PAT), which is no part
                // of the address then.
                let large = if level > 0 { 0x1080 } else { 0 };
                self.image.write(entry, &(pa | flags | large).to_le_bytes());
                return;
            }
            if self.image.u64(entry) == 0 {
                let new = self.tables;
                self.tables += PAGE;
                assert!(self.tables <= NOTES);
                self.image.write(entry, &(new | flags).to_le_bytes());
            }
            table = self.image.u64(entry) & 0x0007_ffff_ffff_f000;
        }
    }

    fn init_ring(&mut self) {
        let shape = self.options.shape;
        let count = self.model.len() as u64;
        let ring = IMAGE_VA + RING;
        let descs = ring + shape.ring_descs;
        let text = ring + shape.ring_text;
        self.store(IMAGE_VA + PRB, &ring.to_le_bytes());
        self.store(
            descs + shape.desc_ring[0],
            &self.options.count_bits.to_le_bytes(),
        );
        self.store(descs + shape.desc_ring[1], &self.descs.to_le_bytes());
        self.store(descs + shape.desc_ring[2], &self.infos.to_le_bytes());
        self.store(self.head_id_at(), &self.head_id.to_le_bytes());
        self.store(self.tail_id_at(), &self.tail_id.to_le_bytes());
        self.store(
            text + shape.text_ring[0],
            &self.options.size_bits.to_le_bytes(),
        );
        self.store(text + shape.text_ring[1], &self.data.to_le_bytes());
        // The first tail, and the sequence number of the first record to be.
        self.model[count as usize - 1] = Desc {
            id: self.head_id,
            state: REUSABLE,
            begin: 1,
            next: 1,
        };
        self.store_state(self.head_id);
        self.store_lpos(self.head_id);
        self.store(
            self.info_at(0) + shape.info_seq,
            &0u64.wrapping_sub(count).to_le_bytes(),
        );
        self.settle();
    }

    /// The text of VMCOREINFO.
    pub fn vmcoreinfo(&self) -> String {
        let s = &self.options.shape;
        let mut text = format!("OSRELEASE={}\nBUILD-ID=00ff\nPAGESIZE=4096\n", s.release);
        let mut line = |key: &str, value: u64| text += &format!("{key}={value}\n");
        line("OFFSET(uts_namespace.name)", 0);
        line("OFFSET(printk_ringbuffer.desc_ring)", s.ring_descs);
        line("OFFSET(printk_ringbuffer.text_data_ring)", s.ring_text);
        let names = ["count_bits", "descs", "infos", "head_id", "tail_id"];
        for (name, offset) in names.iter().zip(s.desc_ring) {
            line(&format!("OFFSET(prb_desc_ring.{name})"), offset);
        }
        line("SIZE(prb_desc)", s.desc_size);
        line("OFFSET(prb_desc.state_var)", s.desc_state);
        line("OFFSET(prb_desc.text_blk_lpos)", s.desc_lpos);
        line("OFFSET(prb_data_blk_lpos.begin)", s.lpos[0]);
        line("OFFSET(prb_data_blk_lpos.next)", s.lpos[1]);
        line("SIZE(printk_info)", s.info_size);
        line("OFFSET(printk_info.seq)", s.info_seq);
        line("OFFSET(printk_info.ts_nsec)", s.info_time);
        line("OFFSET(printk_info.text_len)", s.info_text_len);
        line("OFFSET(printk_info.caller_id)", s.info_caller);
        line("OFFSET(prb_data_ring.size_bits)", s.text_ring[0]);
        line("OFFSET(prb_data_ring.data)", s.text_ring[1]);
        line("SIZE(atomic_long_t)", 8);
        line("OFFSET(atomic_long_t.counter)", 0);
        line("NUMBER(phys_base)", PHYS_BASE);
        line(
            "NUMBER(pgtable_l5_enabled)",
            u64::from(self.options.five_levels),
        );
        line("NUMBER(KERNEL_IMAGE_SIZE)", 1 << 30);
        let mask = if self.options.encrypted { ENCRYPTED } else { 0 };
        line("NUMBER(sme_mask)", mask);
        text += &format!("SYMBOL(prb)={:x}\n", IMAGE_VA + PRB);
        text += &format!("SYMBOL(swapper_pg_dir)={:x}\n", IMAGE_VA + TOP_TABLE);
        text += &format!("SYMBOL(init_top_pgt)={:x}\n", IMAGE_VA + TOP_TABLE);
        text
    }

    /// The note that holds [`Machine::vmcoreinfo`].
    pub fn note(&self) -> Vec<u8> {
        note(self.vmcoreinfo().as_bytes())
    }

    /// Puts `bytes` at the start of a page for notes, of which there are 200.
    pub fn put_note(&mut self, page: u64, bytes: &[u8]) {
        self.image.write(NOTES + page * PAGE, bytes);
    }

    /// All memory.
    pub fn ranges(&self) -> [Range; 1] {
        self.image.ranges()
    }

    /// Physical address of the entry that maps `va` at the highest level.
    pub fn top_entry(&self, va: u64) -> u64 {
        let shift = if self.options.five_levels { 48 } else { 39 };
        IMAGE + TOP_TABLE + ((va >> shift) & 0x1ff) * 8
    }

    /// Virtual addresses: of the pointer to the ring, the descriptors, what is
    /// known of each record, and the text.
    pub fn places(&self) -> [u64; 4] {
        [IMAGE_VA + PRB, self.descs, self.infos, self.data]
    }

    /// Makes all stores that were not made yet.
    pub fn settle(&mut self) {
        while self.store_one() {}
    }

    /// Makes the next of them, if there is one.
    pub fn store_one(&mut self) -> bool {
        let store = self.stores.pop_front();
        if let Some(store) = &store {
            self.image.write(store.pa, &store.bytes);
        }
        store.is_some()
    }

    /// Changes what is at the virtual address `va`, up to the next multiple of
    /// 8 at most.
    pub fn write_va(&mut self, va: u64, bytes: &[u8]) {
        self.image.write(self.pa(va), bytes);
    }

    /// The sequence number of the next record.
    pub fn next_seq(&self) -> u64 {
        self.seq(self.head_id).wrapping_add(1) & ID_MASK
    }

    /// The records that are in the ring, when all stores are made: those that
    /// are complete, and with `open` the last that may be continued too.
    pub fn alive(&self, open: bool) -> Vec<(u64, Expected)> {
        let mut alive: Vec<_> = self
            .model
            .iter()
            .filter(|desc| desc.state == FINALIZED || open && desc.state == COMMITTED)
            .filter(|desc| desc.begin != 1)
            .map(|desc| self.seq(desc.id))
            .map(|seq| (seq, self.written[&seq].clone()))
            .collect();
        alive.sort_by_key(|(seq, _)| *seq);
        alive
    }

    /// Logs a whole record.
    pub fn log(&mut self, record: &Expected) -> u64 {
        let seq = self.reserve(record.text.len() as u64);
        self.fill(seq, record);
        self.set_state(self.id(seq), FINALIZED);
        seq
    }

    /// Logs a record that can be continued.
    pub fn log_open(&mut self, record: &Expected) -> u64 {
        let seq = self.reserve(record.text.len() as u64);
        self.fill(seq, record);
        self.set_state(self.id(seq), COMMITTED);
        seq
    }

    /// Adds to the last record, if it can be continued and there is room.
    pub fn continue_last(&mut self, more: &[u8]) -> bool {
        let id = self.head_id;
        let seq = self.seq(id);
        let at = self.index(id);
        let desc = self.model[at];
        if desc.state != COMMITTED || desc.begin & 1 != 0 || desc.next != self.head_lpos {
            return false;
        }
        let mut record = self.written[&seq].clone();
        record.text.extend_from_slice(more);
        let bytes = block_size(record.text.len() as u64);
        if bytes > self.size() / 2 {
            return false;
        }
        let next = self.next_lpos(desc.begin, bytes);
        let grows = next.wrapping_sub(desc.next).wrapping_sub(1) < self.size();
        if grows && next.wrapping_sub(desc.begin) > self.size() {
            return false;
        }
        self.set_state(id, RESERVED);
        if grows {
            if !self.push_text_tail(next.wrapping_sub(self.size())) {
                unreachable!("only the last record is open, and it is not in the way");
            }
            self.head_lpos = next;
            self.model[at].next = next;
            self.store_lpos(id);
        }
        self.fill(seq, &record);
        self.set_state(id, FINALIZED);
        true
    }

    /// Reserves a record with room for `bytes` of text.
    pub fn reserve(&mut self, bytes: u64) -> u64 {
        let id = (self.head_id + 1) & ID_MASK;
        let before = id.wrapping_sub(self.count()) & ID_MASK;
        if before == self.tail_id {
            let old = self.model[self.index(before)];
            if old.state == FINALIZED {
                self.set_state(before, REUSABLE);
            }
            if old.begin & 1 == 0 {
                assert!(self.push_text_tail(old.next));
            }
            self.tail_id = (before + 1) & ID_MASK;
            self.store(self.tail_id_at(), &self.tail_id.to_le_bytes());
        }
        let last = self.head_id;
        self.head_id = id;
        self.store(self.head_id_at(), &id.to_le_bytes());
        let at = self.index(id);
        self.model[at].id = id;
        self.set_state(id, RESERVED);

        let seq = self.seq(id);
        let info = self.info_at(seq);
        for offset in 0..self.options.shape.info_size {
            self.store(info + offset, &[0]);
        }
        self.store(info + self.options.shape.info_seq, &seq.to_le_bytes());
        if self.model[self.index(last)].state == COMMITTED {
            self.set_state(last, FINALIZED);
        }

        let (begin, next) = self.alloc(bytes, id);
        self.model[at].begin = begin;
        self.model[at].next = next;
        self.store_lpos(id);
        seq
    }

    fn alloc(&mut self, bytes: u64, id: u64) -> (u64, u64) {
        if bytes == 0 {
            return (3, 3);
        }
        let bytes = block_size(bytes);
        let begin = self.head_lpos;
        let next = self.next_lpos(begin, bytes);
        if next.wrapping_sub(begin) > self.size()
            || !self.push_text_tail(next.wrapping_sub(self.size()))
        {
            return (1, 1);
        }
        self.head_lpos = next;
        self.store_text(begin, &id.to_le_bytes());
        if self.wraps(begin, next) {
            self.store(self.data, &id.to_le_bytes());
        }
        (begin, next)
    }

    fn wraps(&self, begin: u64, next: u64) -> bool {
        let last = if self.options.shape.full_wraps {
            next
        } else {
            next.wrapping_sub(1)
        };
        begin >> self.options.size_bits != last >> self.options.size_bits
    }

    fn next_lpos(&self, begin: u64, bytes: u64) -> u64 {
        let next = begin.wrapping_add(bytes);
        if self.wraps(begin, next) {
            (next & !(self.size() - 1)).wrapping_add(bytes)
        } else {
            next
        }
    }

    /// Frees text up to the position `lpos`.
    fn push_text_tail(&mut self, lpos: u64) -> bool {
        while lpos.wrapping_sub(self.tail_lpos).wrapping_sub(1) < self.size() {
            let Some(at) = self.model.iter().position(|desc| {
                desc.begin == self.tail_lpos && desc.begin & 1 == 0 && desc.begin != desc.next
            }) else {
                panic!("no record has the oldest text");
            };
            let desc = self.model[at];
            match desc.state {
                FINALIZED => self.set_state(desc.id, REUSABLE),
                REUSABLE => (),
                _ => return false,
            }
            self.tail_lpos = desc.next;
        }
        true
    }

    fn fill(&mut self, seq: u64, record: &Expected) {
        let shape = self.options.shape;
        let desc = self.model[self.index(self.id(seq))];
        let info = self.info_at(seq);
        if desc.begin & 1 == 0 {
            let start = if self.wraps(desc.begin, desc.next) {
                0
            } else {
                desc.begin & (self.size() - 1)
            };
            for (n, chunk) in record.text.chunks(8).enumerate() {
                self.store(self.data + start + 8 + 8 * n as u64, chunk);
            }
        }
        let len = record.text.len() as u16;
        self.store(info + shape.info_text_len, &len.to_le_bytes());
        if shape.has_level() {
            let flags = (record.level << 5) | 2;
            self.store(info + shape.info_text_len + 2, &[record.facility, flags]);
        }
        self.store(info + shape.info_time, &record.time_ns.to_le_bytes());
        self.store(info + shape.info_caller, &record.caller.to_le_bytes());
        self.written.insert(seq, record.clone());
    }

    fn set_state(&mut self, id: u64, state: u64) {
        let at = self.index(id);
        self.model[at].state = state;
        self.store_state(id);
    }

    fn store_state(&mut self, id: u64) {
        let word = (self.model[self.index(id)].state << 62) | id;
        self.store(
            self.desc_at(id) + self.options.shape.desc_state,
            &word.to_le_bytes(),
        );
    }

    fn store_lpos(&mut self, id: u64) {
        let shape = self.options.shape;
        let desc = self.model[self.index(id)];
        let lpos = self.desc_at(id) + shape.desc_lpos;
        self.store(lpos + shape.lpos[0], &desc.begin.to_le_bytes());
        self.store(lpos + shape.lpos[1], &desc.next.to_le_bytes());
    }

    fn store_text(&mut self, lpos: u64, bytes: &[u8]) {
        self.store(self.data + (lpos & (self.size() - 1)), bytes);
    }

    fn store(&mut self, va: u64, bytes: &[u8]) {
        for (n, byte) in bytes.iter().enumerate() {
            let va = va + n as u64;
            let pa = self.pa(va);
            match self.stores.back_mut() {
                // What is in one word is stored at once.
                Some(last) if n > 0 && va % 8 != 0 && last.pa + last.bytes.len() as u64 == pa => {
                    last.bytes.push(*byte)
                }
                _ => self.stores.push_back(Store {
                    pa,
                    bytes: vec![*byte],
                }),
            }
        }
    }

    /// Where `va` is: what the page tables say, but not read from them.
    fn pa(&self, va: u64) -> u64 {
        match self.options.place {
            _ if va >= IMAGE_VA => va - IMAGE_VA + IMAGE,
            Place::Direct(_) => va - direct_map(self.options.five_levels),
            _ => scattered(va),
        }
    }

    fn count(&self) -> u64 {
        self.model.len() as u64
    }

    fn size(&self) -> u64 {
        1 << self.options.size_bits
    }

    fn id(&self, seq: u64) -> u64 {
        seq.wrapping_add(self.first_id) & ID_MASK
    }

    fn seq(&self, id: u64) -> u64 {
        id.wrapping_sub(self.first_id) & ID_MASK
    }

    fn index(&self, id: u64) -> usize {
        (id % self.count()) as usize
    }

    fn desc_at(&self, id: u64) -> u64 {
        self.descs + self.index(id) as u64 * self.options.shape.desc_size
    }

    fn info_at(&self, seq: u64) -> u64 {
        self.infos + seq % self.count() * self.options.shape.info_size
    }

    fn head_id_at(&self) -> u64 {
        IMAGE_VA + RING + self.options.shape.ring_descs + self.options.shape.desc_ring[3]
    }

    fn tail_id_at(&self) -> u64 {
        IMAGE_VA + RING + self.options.shape.ring_descs + self.options.shape.desc_ring[4]
    }
}

fn direct_map(five_levels: bool) -> u64 {
    if five_levels {
        0xff11_0000_0000_0000
    } else {
        0xffff_8880_0000_0000
    }
}

fn scattered(va: u64) -> u64 {
    let page = (va - VMALLOC_VA) / PAGE;
    DYNAMIC + (255 - page) * PAGE + va % PAGE
}

fn block_size(bytes: u64) -> u64 {
    (bytes + 8).next_multiple_of(8)
}

/// An ELF note VMCOREINFO with `text`.
pub fn note(text: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    note.extend(11u32.to_le_bytes());
    note.extend((text.len() as u32).to_le_bytes());
    note.extend(0u32.to_le_bytes());
    note.extend(b"VMCOREINFO\0\0");
    note.extend(text);
    note
}

/// The memory of a machine that goes on while it is read: before each 8 bytes
/// that are read it makes some of its stores.
pub struct Live {
    image: RefCell<Image>,
    stores: RefCell<VecDeque<Store>>,
    random: Cell<u64>,
}

impl Live {
    /// `image`, to which `stores` are made. How many at a time depends on
    /// `seed`.
    pub fn new(image: Image, stores: VecDeque<Store>, seed: u64) -> Self {
        Live {
            image: RefCell::new(image),
            stores: RefCell::new(stores),
            random: Cell::new(seed | 1),
        }
    }

    /// How many stores are still to be made.
    pub fn left(&self) -> usize {
        self.stores.borrow().len()
    }

    fn step(&self) {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        // Mostly none, sometimes a few, rarely many.
        let many = match x % 64 {
            0 => x / 64 % 400,
            1..=15 => x / 64 % 8,
            _ => 0,
        };
        let mut stores = self.stores.borrow_mut();
        for store in (0..many).map_while(|_| stores.pop_front()) {
            self.image.borrow_mut().write(store.pa, &store.bytes);
        }
    }
}

impl Memory for Live {
    fn read(&self, pa: u64, buf: &mut [u8]) -> bool {
        let mut pa = pa;
        buf.chunks_mut(8).all(|chunk| {
            self.step();
            let read = self.image.borrow().read(pa, chunk);
            pa += chunk.len() as u64;
            read
        })
    }
}
