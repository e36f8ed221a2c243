// SPDX-License-Identifier: GPL-2.0

//! What INIT leaves behind in the model-specific registers, and what is done about it.
//!
//! INIT resets a CPU's general state, not its MSRs (SDM 3A, table 11-1). Between two owners the
//! trampoline therefore *stops* what could still write to memory, *repairs* what the next owner
//! takes for granted, from a snapshot of this host, and *clears* what would tell one kernel's
//! secrets to the other.

use super::trampoline::{mailbox::LIST_CAPACITY, OP_CLEAR_BITS, OP_ENSURE, OP_MTRR, OP_WRITE};
use crate::sys::ffi;
use kernel::prelude::*;

/// What to do with a register.
#[derive(Clone, Copy)]
enum Action {
    /// Write 0 if it is not 0.
    Zero,
    /// Write what it held while this host had the CPU.
    Restore,
    /// The same, as the memory type range registers have to be written.
    RestoreMtrr,
    /// Clear these bits.
    ClearBits(u64),
}

/// Registers in a row that are treated alike.
struct Group {
    first: u32,
    count: u32,
    step: u32,
    action: Action,
}

const fn one(msr: u32, action: Action) -> Group {
    row(msr, 1, action)
}

const fn row(first: u32, count: u32, action: Action) -> Group {
    Group {
        first,
        count,
        step: 1,
        action,
    }
}

/// In this order. Numbers: SDM volume 4; AMD APM volume 2, appendix A.
const GROUPS: &[Group] = &[
    // Stop: these write to memory or count on, through addresses of the former owner.
    one(0x570, Action::Zero),          // RTIT_CTL
    one(0x38f, Action::Zero),          // PERF_GLOBAL_CTRL
    one(0x3f1, Action::Zero),          // PEBS_ENABLE
    one(0x3f2, Action::Zero),          // PEBS_DATA_CFG
    one(0x38d, Action::Zero),          // FIXED_CTR_CTRL
    row(0x186, 8, Action::Zero),       // PERFEVTSEL0..7
    one(0x1d9, Action::Zero),          // DEBUGCTL
    one(0x14ce, Action::Zero),         // LBR_CTL
    one(0x600, Action::Zero),          // DS_AREA
    one(0xc000_0301, Action::Zero),    // AMD PerfCntrGlobalCtl
    row(0xc001_0000, 4, Action::Zero), // AMD PERF_EVTSEL0..3
    Group {
        first: 0xc001_0200, // AMD PERF_CTL0..5
        count: 6,
        step: 2,
        action: Action::Zero,
    },
    one(0xc001_1030, Action::Zero), // AMD IBS_FETCH_CTL
    one(0xc001_1033, Action::Zero), // AMD IBS_OP_CTL
    one(0xc000_010f, Action::Zero), // AMD DBG_EXTN_CFG
    // Repair: what a kernel expects of a CPU that it starts.
    one(0x1a0, Action::Restore),                // MISC_ENABLE
    one(0x277, Action::Restore),                // PAT
    one(0x3b, Action::Restore),                 // TSC_ADJUST
    one(0xc8f, Action::Zero),                   // PQR_ASSOC
    one(0x6e0, Action::Zero),                   // TSC_DEADLINE
    one(0x19b, Action::Restore),                // THERM_INTERRUPT
    one(0x1b0, Action::Restore),                // ENERGY_PERF_BIAS
    one(0x774, Action::Restore),                // HWP_REQUEST
    one(0x1a4, Action::Restore),                // MISC_FEATURE_CONTROL: prefetchers
    one(0xe1, Action::Restore),                 // UMWAIT_CONTROL
    one(0xc001_0015, Action::Restore),          // AMD HWCR
    one(0xc001_1020, Action::Restore),          // AMD LS_CFG
    one(0xc001_1029, Action::Restore),          // AMD DE_CFG
    one(0xc001_02b3, Action::Restore),          // AMD CPPC_REQ
    row(0x280, 32, Action::ClearBits(1 << 30)), // MCi_CTL2.CMCI_EN
    row(0x200, 20, Action::RestoreMtrr),        // MTRR_PHYSBASE0..9, PHYSMASK0..9
    one(0x250, Action::RestoreMtrr),            // MTRR_FIX64K
    row(0x258, 2, Action::RestoreMtrr),         // MTRR_FIX16K
    row(0x268, 8, Action::RestoreMtrr),         // MTRR_FIX4K
    one(0x2ff, Action::RestoreMtrr),            // MTRR_DEF_TYPE, last: it enables them
    // Clear: addresses and secrets of the former owner.
    one(0xda0, Action::Zero),          // XSS
    row(0x1c4, 2, Action::Zero),       // XFD, XFD_ERR
    one(0x48, Action::Zero),           // SPEC_CTRL
    one(0x122, Action::Restore),       // TSX_CTRL
    one(0x123, Action::Restore),       // MCU_OPT_CTRL
    row(0x174, 3, Action::Zero),       // SYSENTER_CS, ESP, EIP
    row(0xc000_0081, 4, Action::Zero), // STAR, LSTAR, CSTAR, FMASK
    row(0xc000_0100, 4, Action::Zero), // FS_BASE, GS_BASE, KERNEL_GS_BASE, TSC_AUX
    one(0xd93, Action::Zero),          // PASID
    row(0x985, 6, Action::Zero),       // UINTR
    row(0x1cc, 9, Action::Zero),       // FRED
    one(0x140, Action::Zero),          // MISC_FEATURES_ENABLES
    one(0x6a0, Action::Zero),          // U_CET
    one(0x6a2, Action::Zero),          // S_CET
    row(0x6a4, 5, Action::Zero),       // PL0..3_SSP, INTERRUPT_SSP_TABLE
    one(0xc001_0117, Action::Zero),    // AMD VM_HSAVE_PA
];

/// IBPB and L1D flush.
const FLUSHES: usize = 2;

/// So many steps a plan has at most.
const fn steps_max() -> usize {
    let (mut steps, mut n) = (FLUSHES, 0);
    while n < GROUPS.len() {
        steps += GROUPS[n].count as usize;
        n += 1;
    }
    steps
}

const APIC_BASE: u32 = 0x1b;
const APIC_BASE_BSP: u64 = 1 << 8;
const PRED_CMD: u32 = 0x49;
const FLUSH_CMD: u32 = 0x10b;

/// One step of the trampoline.
#[derive(Clone, Copy)]
pub(crate) struct Step {
    pub(crate) msr: u32,
    pub(crate) operation: u32,
    pub(crate) value: u64,
}

/// What has to be done on one CPU between two owners.
pub(crate) struct Plan {
    pub(crate) steps: KVec<Step>,
    pub(crate) apic_base: u64,
}

impl Plan {
    /// Reads the registers of `cpu`, which this host runs. Those that do not exist are left out.
    pub(crate) fn of(cpu: u32) -> Result<Self> {
        const { assert!(steps_max() <= LIST_CAPACITY) };
        let mut values = KVec::with_capacity(steps_max(), GFP_KERNEL)?;
        let ask = |msr| ffi::MsrValue {
            msr,
            exists: 0,
            value: 0,
        };
        for (_, msr) in registers() {
            values.push(ask(msr), GFP_KERNEL)?;
        }
        values.push(ask(APIC_BASE), GFP_KERNEL)?;
        let mut list = ffi::MsrList {
            count: values.len() as u64,
            entries: values.as_mut_ptr(),
        };
        // SAFETY: The list has `count` entries, and the call waits until the CPU has filled them.
        kernel::error::to_result(unsafe { ffi::mk_read_msrs(cpu, &mut list) })?;

        let apic_base = values.pop().ok_or(EINVAL)?.value & !APIC_BASE_BSP;
        let mut steps = KVec::with_capacity(values.len() + FLUSHES, GFP_KERNEL)?;
        for ((action, msr), read) in registers().zip(values.iter()) {
            if read.exists == 0 {
                continue;
            }
            let (operation, value) = match action {
                Action::Zero => (OP_ENSURE, 0),
                Action::Restore => (OP_ENSURE, read.value),
                Action::RestoreMtrr => (OP_MTRR, read.value),
                Action::ClearBits(bits) => (OP_CLEAR_BITS, bits),
            };
            steps.push(
                Step {
                    msr,
                    operation,
                    value,
                },
                GFP_KERNEL,
            )?;
        }
        // SAFETY: It only reads what the kernel found out about the CPUs.
        let features = unsafe { ffi::mk_cpu_features() };
        for (feature, msr) in [(ffi::HAS_IBPB, PRED_CMD), (ffi::HAS_FLUSH_L1D, FLUSH_CMD)] {
            if features & feature != 0 {
                steps.push(
                    Step {
                        msr,
                        operation: OP_WRITE,
                        value: 1,
                    },
                    GFP_KERNEL,
                )?;
            }
        }
        Ok(Self { steps, apic_base })
    }
}

fn registers() -> impl Iterator<Item = (Action, u32)> {
    GROUPS
        .iter()
        .flat_map(|group| (0..group.count).map(|n| (group.action, group.first + n * group.step)))
}
