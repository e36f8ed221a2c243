// SPDX-License-Identifier: GPL-2.0

//! Where things are in an instance's memory, and what does not fit there.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_layout))]
mod suite {
    use crate::pure::layout::{Error, Layout, Request, What, RANGES_MAX};
    use crate::pure::paging;
    use crate::pure::range::Range;

    const MIB: u64 = 1 << 20;

    fn range(start: u64, bytes: u64) -> Range {
        Range::new(start, bytes).unwrap()
    }

    fn request(ranges: &[Range], init_size: u64, initrd_size: u64) -> Request<'_> {
        Request {
            ranges,
            alignment: 2 * MIB,
            init_size,
            pref_address: 16 * MIB,
            initrd_size,
            has_dock: false,
            random: None,
        }
    }

    #[test]
    fn a_usual_instance() -> Result<(), Error> {
        let ranges = [range(0x4000_0000, 384 * MIB)];
        let layout = Layout::plan(&request(&ranges, 0x3c3_9000, 30_000_001))?;
        assert_eq!(layout.acpi(), range(0x4000_0000, 0x1000));
        assert_eq!(layout.boot_params(), range(0x4000_1000, 0x1000));
        assert_eq!(layout.cmdline(), range(0x4000_2000, 0x1000));
        assert_eq!(layout.setup_data(), range(0x4000_3000, 0x1000));
        assert_eq!(layout.tables(), range(0x4000_4000, 0x5000));
        assert_eq!(layout.private(), range(0x4000_1000, 0x8000));
        assert_eq!(layout.ram_start(), 0x4000_9000);
        assert_eq!(layout.kernel(), range(0x4020_0000, 0x3c3_9000));
        assert_eq!(layout.below_kernel(&ranges), 0x1f_7000);
        // At the top, from a page's start on.
        assert_eq!(layout.initrd(), Some(range(0x5636_3000, 30_000_001)));
        Ok(())
    }

    #[test]
    fn a_kernel_stays_above_where_it_would_move_itself() {
        let ranges = [range(2 * MIB, 128 * MIB)];
        let start = |pref_address| {
            let request = Request {
                pref_address,
                ..request(&ranges, 60 * MIB, 0)
            };
            Layout::plan(&request).map(|layout| layout.kernel().start())
        };
        // What its header says counts more, but not less.
        assert_eq!(start(2 * MIB), Ok(16 * MIB));
        assert_eq!(start(32 * MIB), Ok(32 * MIB));
        let error = Error::TooLarge {
            what: What::Kernel,
            need: 60 * MIB,
            have: 50 * MIB,
        };
        assert_eq!(start(80 * MIB), Err(error));
    }

    #[test]
    fn what_is_too_large_is_told_with_sizes() {
        let ranges = [range(1024 * MIB, 64 * MIB)];
        let plan = |init_size, initrd_size| {
            let layout = Layout::plan(&request(&ranges, init_size, initrd_size));
            match layout {
                Err(Error::TooLarge { what, need, have }) => Some((what, need, have)),
                _ => None,
            }
        };
        let kernel = (What::Kernel, 62 * MIB + 4096, 62 * MIB);
        assert_eq!(plan(62 * MIB + 1, 0), Some(kernel));
        // The initrd fits up to the last page.
        assert_eq!(plan(40 * MIB, 22 * MIB), None);
        let initrd = (What::Initrd, 22 * MIB + 1, 22 * MIB);
        assert_eq!(plan(40 * MIB, 22 * MIB + 1), Some(initrd));
        // Nothing is left beside the kernel but less than its alignment.
        let left = plan(62 * MIB, 3 * MIB);
        assert!(matches!(left, Some((What::Initrd, _, have)) if have < 2 * MIB));
        for huge in [u64::MAX, u64::MAX - 4096, 1 << 63] {
            assert!(matches!(plan(huge, 0), Some((What::Kernel, ..))));
            assert!(matches!(plan(MIB, huge), Some((What::Initrd, ..))));
        }
        let tables = Error::TooLarge {
            what: What::Tables,
            need: 0x9000,
            have: 8192,
        };
        let small = [range(1024 * MIB, 8192)];
        assert_eq!(Layout::plan(&request(&small, 1, 0)), Err(tables));
    }

    #[test]
    fn wrong_ranges_are_refused() {
        let plan = |ranges: &[Range]| Layout::plan(&request(ranges, MIB, 0)).err();
        assert_eq!(plan(&[]), Some(Error::Empty));
        let descending = [range(64 * MIB, MIB), range(32 * MIB, MIB)];
        assert_eq!(plan(&descending), Some(Error::Ranges));
        let overlapping = [range(64 * MIB, 2 * MIB), range(65 * MIB, MIB)];
        assert_eq!(plan(&overlapping), Some(Error::Ranges));
        assert_eq!(plan(&[range(64 * MIB + 1, MIB)]), Some(Error::Ranges));
        assert_eq!(plan(&[range(64 * MIB, MIB + 1)]), Some(Error::Ranges));
        let high = range(1 << 47, MIB);
        let error = Error::Paging(paging::Error::TooHigh(high));
        assert_eq!(plan(&[high]), Some(error));
    }

    #[test]
    fn so_many_ranges_fit_and_no_more() {
        let pieces: [Range; RANGES_MAX + 1] =
            core::array::from_fn(|n| range((64 + 4 * n as u64) * MIB, 2 * MIB));
        let most = Layout::plan(&request(&pieces[1..], MIB, MIB));
        assert!(most.is_ok());
        let more = Layout::plan(&request(&pieces, MIB, 0));
        assert_eq!(more, Err(Error::Pieces(RANGES_MAX + 1)));
    }
}
