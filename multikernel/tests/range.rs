// SPDX-License-Identifier: GPL-2.0

//! Ranges of memory, up to the end of what 64 bits can say.

#[cfg(not(test))]
use kernel::prelude::kunit_tests;

#[cfg_attr(not(test), kunit_tests(multikernel_range))]
mod suite {
    use crate::pure::range::{align_down, align_up, is_sorted, Range};

    #[test]
    fn numbers_are_aligned() {
        for (value, up, down) in [(0, 0, 0), (1, 4096, 0), (4096, 4096, 4096)] {
            assert_eq!(align_up(value, 4096), Some(up));
            assert_eq!(align_down(value, 4096), down);
        }
        assert_eq!(align_up(u64::MAX, 1), Some(u64::MAX));
        assert_eq!(align_up(u64::MAX, 2), None);
        assert_eq!(align_up((1 << 63) + 1, 1 << 63), None);
        assert_eq!(align_down(u64::MAX, 1 << 63), 1 << 63);
        // No power of two: nothing is a multiple of it.
        assert_eq!(align_up(1, 0), None);
    }

    #[test]
    fn none_is_empty_or_wraps() {
        assert_eq!(Range::new(7, 0), None);
        assert_eq!(Range::new(0, 0), None);
        assert_eq!(Range::new(u64::MAX, 1), None);
        assert_eq!(Range::new(1, u64::MAX), None);
        assert_eq!(Range::between(8, 8), None);
        assert_eq!(Range::between(8, 7), None);
        let last = Range::new(u64::MAX - 1, 1);
        assert_eq!(last.map(Range::end), Some(u64::MAX));
        let all = Range::new(0, u64::MAX);
        assert_eq!(all, Range::between(0, u64::MAX));
        assert_eq!(all.map(Range::bytes), Some(u64::MAX));
    }

    #[test]
    fn neighbours_share_nothing() -> Result<(), ()> {
        let a = Range::new(10, 10).ok_or(())?;
        let b = Range::new(20, 10).ok_or(())?;
        assert!(!a.overlaps(b) && !b.overlaps(a));
        assert!(is_sorted(&[a, b]) && !is_sorted(&[b, a]));
        assert!(is_sorted(&[a]) && is_sorted(&[]) && !is_sorted(&[a, a]));
        for (start, bytes, overlaps, contains) in [
            (0, 10, false, false),
            (0, 11, true, false),
            (0, 100, true, false),
            (10, 10, true, true),
            (10, 1, true, true),
            (19, 1, true, true),
            (19, 2, true, false),
            (20, 1, false, false),
        ] {
            let other = Range::new(start, bytes);
            assert_eq!(other.map(|other| a.overlaps(other)), Some(overlaps));
            assert_eq!(other.map(|other| other.overlaps(a)), Some(overlaps));
            assert_eq!(other.map(|other| a.contains(other)), Some(contains));
        }
        Ok(())
    }
}
