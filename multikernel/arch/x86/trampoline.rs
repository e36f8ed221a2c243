// SPDX-License-Identifier: GPL-2.0

//! The code that runs on a CPU between two owners, and the stub in which an instance ends.
//!
//! Both live in a slot below 1 MiB, at fixed offsets (see [`crate::pure::slot`]):
//!
//! * The *trampoline* is where a SIPI lands: real mode, protected mode, long mode. It stops,
//!   repairs and clears what INIT leaves behind, as the list in its mailbox says, and then either
//!   enters a kernel or parks.
//! * The *stub* is the shutdown entry of the fake tboot page: every restart, halt and power-off of
//!   an unmodified kernel calls it before it touches a reset port. It rings the host and halts.
//!
//! A part of the trampoline is copied to an instance's dock, too, if it has one
//! ([`crate::pure::dock`]): there its further CPUs wait until it calls them.

use crate::pure::dock;
use core::arch::global_asm;

/// Offsets in the mailbox, in bytes; the assembly below reads the same ones.
pub(crate) mod mailbox {
    /// u32: physical address of page tables for the way into long mode.
    pub(crate) const EARLY_CR3: usize = 0x00;
    /// u32: [`super::MODE_BOOT`] or [`super::MODE_PARK`].
    pub(crate) const MODE: usize = 0x04;
    /// u64: physical address of the page tables that the kernel is entered with, or that a parked
    /// CPU is to use; 0: those of the way into long mode.
    pub(crate) const CR3: usize = 0x08;
    /// u64: the kernel's 64-bit entry point.
    pub(crate) const ENTRY: usize = 0x10;
    /// u64: physical address of its boot parameters.
    pub(crate) const BOOT_PARAMS: usize = 0x18;
    /// u32, written by the CPU: one of `PHASE_*`.
    pub(crate) const PHASE: usize = 0x20;
    /// u32, written by the CPU: how many accesses to MSRs faulted.
    pub(crate) const FAULTS: usize = 0x24;
    /// u64: what IA32_APIC_BASE has to be.
    pub(crate) const APIC_BASE: usize = 0x28;
    /// u64: all bits of XCR0 that the CPU has; 0: it has no XSAVE.
    pub(crate) const XCR0: usize = 0x30;
    /// u32: bits to set in CR4 while in the trampoline.
    pub(crate) const CR4: usize = 0x38;
    /// u32: number of entries of the list.
    pub(crate) const COUNT: usize = 0x3c;
    /// u32, written by the CPU: how many MSRs had to be repaired.
    pub(crate) const REPAIRED: usize = 0x40;
    /// u32: not 0 as soon as no INIT is sent any more. A kernel is not entered before: it could not
    /// be entered again.
    pub(crate) const GO: usize = 0x44;
    /// The list: entries of 16 bytes, u32 MSR, u32 operation, u64 value.
    pub(crate) const LIST: usize = 0x100;
    /// So many fit.
    pub(crate) const LIST_CAPACITY: usize = (0x1000 - LIST) / 16;
}

/// Mailbox mode: enter the kernel.
pub(crate) const MODE_BOOT: u32 = 0;
/// Mailbox mode: halt.
pub(crate) const MODE_PARK: u32 = 1;

/// Mailbox phase: the CPU has left the trampoline's work behind it.
pub(crate) const PHASE_DONE: u32 = 3;

/// List operation: write the value.
pub(crate) const OP_WRITE: u32 = 0;
/// List operation: write the value if the MSR holds another one.
pub(crate) const OP_ENSURE: u32 = 1;
/// List operation: clear the bits that the value has.
pub(crate) const OP_CLEAR_BITS: u32 = 2;
/// List operation: as [`OP_ENSURE`], with the caches off (SDM 3A, 12.11.7.2).
pub(crate) const OP_MTRR: u32 = 3;

/// Offset of the stub's data, from its start: u64 CR3, u32 vector, u32 APIC ID of the host,
/// u32 count of CPUs that entered.
pub(crate) const STUB_CR3: usize = 0x100;
pub(crate) const STUB_VECTOR: usize = 0x108;
pub(crate) const STUB_APIC_ID: usize = 0x10c;
pub(crate) const STUB_ENTERED: usize = 0x110;

/// Where the gates of an IDT for the trampoline lead.
pub(crate) struct Handlers {
    pub(crate) nmi: usize,
    pub(crate) general_protection: usize,
    pub(crate) machine_check: usize,
    pub(crate) other: usize,
}

global_asm!(
    r#"
    .pushsection .rodata
    .balign 16
    .globl mk_trampoline_start, mk_trampoline_end
    .globl mk_trampoline_nmi, mk_trampoline_gp, mk_trampoline_mc, mk_trampoline_other
    .globl mk_dock, mk_dock_call
    .globl mk_stub_start, mk_stub_end

mk_trampoline_start:
    .code16
    cli
    cld
    movw    %cs, %ax
    movw    %ax, %ds
    xorl    %ebp, %ebp
    movw    %ax, %bp
    shll    $4, %ebp                        /* ebp: linear address of this page */
    leal    (mk_gdt - mk_trampoline_start)(%ebp), %eax
    movl    %eax, (mk_gdtr + 2 - mk_trampoline_start)
    leal    (mk_32 - mk_trampoline_start)(%ebp), %eax
    movl    %eax, (mk_to_32 - mk_trampoline_start)
    leal    (mk_64 - mk_trampoline_start)(%ebp), %eax
    movl    %eax, (mk_to_64 - mk_trampoline_start)
    lgdtl   (mk_gdtr - mk_trampoline_start)
    movl    %cr0, %eax
    andl    $0x9fffffff, %eax               /* INIT leaves CD and NW as they were */
    orl     $1, %eax
    movl    %eax, %cr0
    ljmpl   *(mk_to_32 - mk_trampoline_start)

    .code32
mk_32:
    movw    $0x18, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    %ax, %fs
    movw    %ax, %gs
    movl    $0x20, %eax                     /* PAE */
    orl     0x1038(%ebp), %eax
    movl    %eax, %cr4
    movl    0x1000(%ebp), %eax
    movl    %eax, %cr3
    movl    $0xc0000080, %ecx               /* EFER: nothing but LME survives */
    xorl    %edx, %edx
    movl    $0x100, %eax
    wrmsr
    movl    $0x80000021, %eax               /* PG, NE, PE; no EM, no TS */
    movl    %eax, %cr0
    ljmpl   *(mk_to_64 - mk_trampoline_start)(%ebp)

    .code64
mk_64:
    movw    $0x18, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    %ebp, %ebp
    leaq    0x2ff0(%rbp), %rsp
    leaq    0x1000(%rbp), %rbx              /* rbx: the mailbox */
    leaq    0x2800(%rbp), %rax              /* the IDT, 32 gates */
    pushq   %rax
    pushw   $511
    lidt    (%rsp)
    addq    $10, %rsp
    movl    $1, 0x20(%rbx)

    /* The mode of the local APIC: a step from x2APIC back leads over disabled. */
    movl    $0x1b, %ecx
    rdmsr
    shlq    $32, %rdx
    orq     %rdx, %rax
    andq    $~0x100, %rax                   /* the BSP bit is the hardware's */
    movq    0x28(%rbx), %rsi
    cmpq    %rsi, %rax
    je      3f
    testl   $0x400, %eax
    jz      2f
    testl   $0x400, %esi
    jnz     2f
    movq    %rsi, %rax
    andq    $~0xc00, %rax
    movq    %rax, %rdx
    shrq    $32, %rdx
    wrmsr
2:  movq    %rsi, %rax
    movq    %rax, %rdx
    shrq    $32, %rdx
    wrmsr
3:
    /* First pass: everything but the MTRRs, in the order of the list. */
    xorl    %r12d, %r12d                    /* MTRRs that differ */
    movl    0x3c(%rbx), %r8d
    leaq    0x100(%rbx), %r9
    testl   %r8d, %r8d
    jz      10f
4:  movl    (%r9), %ecx
    movl    4(%r9), %r10d
    movq    8(%r9), %r11
    testl   %r10d, %r10d
    jz      7f
    rdmsr
    shlq    $32, %rdx
    orq     %rdx, %rax
    cmpl    $2, %r10d
    jne     5f
    notq    %r11
    andq    %rax, %r11
5:  cmpq    %rax, %r11
    je      8f
    cmpl    $3, %r10d
    jne     6f
    incl    %r12d
    jmp     8f
6:  incl    0x40(%rbx)
7:  movq    %r11, %rax
    movq    %rax, %rdx
    shrq    $32, %rdx
    wrmsr
8:  addq    $16, %r9
    decl    %r8d
    jnz     4b

    /* Second pass, rarely: the MTRRs, all of them, with the caches off. */
    testl   %r12d, %r12d
    jz      10f
    addl    %r12d, 0x40(%rbx)
    movq    %cr0, %rax
    orl     $0x40000000, %eax
    movq    %rax, %cr0
    wbinvd
    movq    %cr3, %rax
    movq    %rax, %cr3
    movl    $0x2ff, %ecx
    rdmsr
    andl    $~0x800, %eax
    wrmsr
    movl    0x3c(%rbx), %r8d
    leaq    0x100(%rbx), %r9
9:  cmpl    $3, 4(%r9)
    jne     11f
    movl    (%r9), %ecx
    movl    8(%r9), %eax
    movl    12(%r9), %edx
    wrmsr
11: addq    $16, %r9
    decl    %r8d
    jnz     9b
    wbinvd
    movq    %cr3, %rax
    movq    %rax, %cr3
    movq    %cr0, %rax
    andl    $0x9fffffff, %eax
    movq    %rax, %cr0
10:
    /* x87, SSE, AVX, AMX, protection keys: all in their initial state. */
    fninit
    movq    0x30(%rbx), %rax
    testq   %rax, %rax
    jz      12f
    movq    %cr4, %rcx
    orl     $0x40600, %ecx                  /* OSFXSR, OSXMMEXCPT, OSXSAVE */
    movq    %rcx, %cr4
    movq    %rax, %rdx
    shrq    $32, %rdx
    xorl    %ecx, %ecx
    xsetbv
    leaq    0x2400(%rbp), %rdi
    xrstor  (%rdi)
    movl    $1, %eax
    xorl    %edx, %edx
    xsetbv
    movq    %cr4, %rcx
    andl    $~0x40600, %ecx
    movq    %rcx, %cr4
12:
    /* Flush what buffers hold for the next owner to see, where the CPU knows how. */
    movw    $0x18, %ax
    pushw   %ax
    verw    (%rsp)
    addq    $2, %rsp
    xorl    %eax, %eax
    movq    %rax, %dr7
    movq    %rax, %dr0
    movq    %rax, %dr1
    movq    %rax, %dr2
    movq    %rax, %dr3
    movq    %rax, %cr2
    xorl    %edx, %edx
    xorl    %edi, %edi
    xorl    %r8d, %r8d
    xorl    %r9d, %r9d
    xorl    %r10d, %r10d
    xorl    %r11d, %r11d
    xorl    %r12d, %r12d
    xorl    %r13d, %r13d
    xorl    %r14d, %r14d
    xorl    %r15d, %r15d
    cmpl    ${park}, 0x04(%rbx)
    je      13f
17: pause
    cmpl    $0, 0x44(%rbx)
    je      17b
    movq    0x10(%rbx), %rcx
    movq    0x18(%rbx), %rsi
    movq    0x08(%rbx), %rax
    movq    %rax, %cr3
    movl    ${done}, 0x20(%rbx)
    movq    %cr4, %rax
    andl    $0x20, %eax                     /* the kernel sets up its own #MC */
    movq    %rax, %cr4
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %ebp, %ebp
    jmp     *%rcx

    /*
     * Parked, with a handler for machine checks. All that are parked here are in the same state, so
     * that they can share a stack: what one of them pushes is what the others would.
     */
13: movq    0x08(%rbx), %rax
    testq   %rax, %rax
    jz      15f
    movq    %rax, %cr3                      /* tables that stay while the instance runs */
15: xorl    %eax, %eax
    xorl    %ecx, %ecx
    movl    ${done}, 0x20(%rbx)
    xorl    %ebx, %ebx
14: hlt
    jmp     14b

    /* An MSR that is not there: skip the RDMSR or WRMSR, both are two bytes. */
mk_trampoline_gp:
    movq    8(%rsp), %rax
    cmpw    $0x300f, (%rax)
    je      16f
    cmpw    $0x320f, (%rax)
    jne     mk_trampoline_other
16: incl    0x24(%rbx)
    addq    $2, 8(%rsp)
    addq    $8, %rsp
    xorl    %eax, %eax
    xorl    %edx, %edx
    iretq

    /* A machine check that was broadcast: not this CPU's. Let it be signalled again. */
mk_trampoline_mc:
    pushq   %rax
    pushq   %rcx
    pushq   %rdx
    movl    $0x17a, %ecx
    xorl    %eax, %eax
    xorl    %edx, %edx
    wrmsr
    popq    %rdx
    popq    %rcx
    popq    %rax
    iretq

    /* Somebody else's. */
mk_trampoline_nmi:
    iretq

mk_trampoline_other:
    hlt
    jmp     mk_trampoline_other

    /*
     * A CPU comes to its berth, which is at rsi: from the trampoline, or from the instance's
     * kernel. It is on page tables that map both this page and the berth.
     */
mk_dock:
    endbr64
    cli
    cld
    leaq    {berth_bytes}(%rsi), %rsp
    leaq    mk_gdt(%rip), %rax
    pushq   %rax
    pushw   $(mk_gdt_end - mk_gdt - 1)
    lgdt    (%rsp)
    leaq    mk_dock_idt(%rip), %rax
    movq    %rax, 2(%rsp)
    movw    $511, (%rsp)
    lidt    (%rsp)
    addq    $10, %rsp
    movw    $0x18, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movl    $1, %eax
    cpuid
    andl    $0x80, %edx                     /* MCE, which is one bit lower in CR4 */
    shrl    $1, %edx
    orl     $0x20, %edx
    movq    %rdx, %cr4
mk_dock_wait:
    cmpl    ${go}, {command}(%rsi)
    je      mk_dock_called
    hlt
    jmp     mk_dock_wait
mk_dock_called:
    movl    ${go}, %eax
    movl    ${ready}, %ecx
    lock cmpxchgl %ecx, {command}(%rsi)
    jne     mk_dock_wait                    /* it was taken back */
25: pause
    cmpl    ${run}, {command}(%rsi)
    jne     25b
    movl    $0xc0000080, %ecx
    movl    {efer}(%rsi), %eax
    movl    {efer} + 4(%rsi), %edx
    wrmsr
    movq    {entry}(%rsi), %rcx
    movl    $0, {command}(%rsi)
    xorl    %eax, %eax
    xorl    %ebx, %ebx
    xorl    %edx, %edx
    xorl    %ebp, %ebp
    jmp     *%rcx

    /* The call may have come between the look at the command and HLT: look again. */
mk_dock_call:
    pushq   %rax
    leaq    mk_dock_called(%rip), %rax
    cmpq    %rax, 8(%rsp)
    jae     26f
    leaq    mk_dock_wait(%rip), %rax
    cmpq    %rax, 8(%rsp)
    jb      26f
    movq    %rax, 8(%rsp)
26: popq    %rax
    iretq

    .balign 16
mk_gdt:
    .quad   0
    .quad   0
    .quad   0x00af9a000000ffff              /* 0x10: 64-bit code */
    .quad   0x00cf92000000ffff              /* 0x18: data */
    .quad   0x00cf9a000000ffff              /* 0x20: 32-bit code */
mk_gdt_end:
mk_gdtr:
    .word   mk_gdt_end - mk_gdt - 1
    .long   0
    .balign 4
mk_to_32:
    .long   0
    .word   0x20
    .balign 4
mk_to_64:
    .long   0
    .word   0x10
mk_trampoline_end:
    /* It must not be longer: there the gates are, where it is copied to. */
    .org    mk_trampoline_start + {dock_idt}
mk_dock_idt:

mk_stub_start:
    endbr64
    cli
    leaq    mk_stub_start(%rip), %rbx
    cmpl    $5, 0x101c(%rbx)                /* TB_SHUTDOWN_WFS: a CPU was taken offline */
    je      20f
    movl    $1, %eax
    lock xaddl %eax, {entered}(%rbx)
    testl   %eax, %eax
    jnz     24f
    movl    $0x1b, %ecx
    rdmsr
    testl   $0x400, %eax
    jz      21f
    movl    $0x830, %ecx
    movl    {apic_id}(%rbx), %edx
    movl    {vector}(%rbx), %eax
    orl     $0x4000, %eax
    mfence
    lfence
    wrmsr
    jmp     24f
20: lock incl 0x1234(%rbx)                  /* tboot.num_in_wfs */
    jmp     24f
21: shlq    $32, %rdx
    orq     %rdx, %rax
    andq    $~0xfff, %rax
    movl    $1000000, %ecx
    movq    %cr3, %rsi
    movq    {cr3}(%rbx), %rdi               /* maps the APIC, as the caller's does not */
    movq    %rdi, %cr3
22: testl   $0x1000, 0x300(%rax)
    jz      23f
    pause
    decl    %ecx
    jnz     22b
23: movl    {apic_id}(%rbx), %edx
    shll    $24, %edx
    movl    %edx, 0x310(%rax)
    movl    {vector}(%rbx), %edx
    orl     $0x4000, %edx
    movl    %edx, 0x300(%rax)
    movq    %rsi, %cr3                      /* has what an NMI or a machine check needs */
24: hlt
    jmp     24b
mk_stub_end:
    .popsection
    "#,
    park = const MODE_PARK,
    done = const PHASE_DONE,
    entered = const STUB_ENTERED,
    cr3 = const STUB_CR3,
    apic_id = const STUB_APIC_ID,
    vector = const STUB_VECTOR,
    berth_bytes = const dock::BERTH_BYTES,
    command = const dock::COMMAND,
    entry = const dock::ENTRY,
    efer = const dock::EFER,
    go = const dock::GO,
    ready = const dock::READY,
    run = const dock::RUN,
    dock_idt = const dock::IDT - dock::CODE,
    options(att_syntax)
);

extern "C" {
    static mk_trampoline_start: u8;
    static mk_trampoline_end: u8;
    static mk_trampoline_nmi: u8;
    static mk_trampoline_gp: u8;
    static mk_trampoline_mc: u8;
    static mk_trampoline_other: u8;
    static mk_dock: u8;
    static mk_dock_call: u8;
    static mk_stub_start: u8;
    static mk_stub_end: u8;
}

/// Offset of `symbol` from the start of the trampoline.
fn offset(symbol: *const u8) -> usize {
    symbol as usize - (&raw const mk_trampoline_start) as usize
}

/// The trampoline's code; it runs wherever it is put, at a page below 1 MiB.
pub(crate) fn code() -> &'static [u8] {
    let len = offset(&raw const mk_trampoline_end);
    // SAFETY: The assembly above puts `len` bytes there, and nobody ever writes them.
    unsafe { core::slice::from_raw_parts(&raw const mk_trampoline_start, len) }
}

/// The stub's code; it finds its data and the tboot page relative to itself.
pub(crate) fn stub() -> &'static [u8] {
    let start = &raw const mk_stub_start;
    let len = (&raw const mk_stub_end) as usize - start as usize;
    // SAFETY: As above.
    unsafe { core::slice::from_raw_parts(start, len) }
}

/// Offsets of the handlers in [`code`].
pub(crate) fn handlers() -> Handlers {
    Handlers {
        nmi: offset(&raw const mk_trampoline_nmi),
        general_protection: offset(&raw const mk_trampoline_gp),
        machine_check: offset(&raw const mk_trampoline_mc),
        other: offset(&raw const mk_trampoline_other),
    }
}

/// The same while a CPU waits in a dock: an NMI calls it, and no access is to be skipped.
pub(crate) fn dock_handlers() -> Handlers {
    let handlers = handlers();
    Handlers {
        nmi: offset(&raw const mk_dock_call),
        general_protection: handlers.other,
        ..handlers
    }
}

/// Offset in [`code`] of where a CPU enters a dock.
pub(crate) fn entrance() -> usize {
    offset(&raw const mk_dock)
}
