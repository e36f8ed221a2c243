// SPDX-License-Identifier: GPL-2.0

//! Lists of CPUs in the form that the kernel uses: `1-3,5`.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// More CPUs than any kernel is built for: the largest number is one less.
const MAX_CPUS: u32 = 8192;

/// CPUs, each once, in the order in which they were given. An instance boots
/// on the first.
///
/// ```
/// let cpus: multikernel::CpuList = "5,1-3".parse()?;
/// assert_eq!(*cpus, [5, 1, 2, 3]);
/// assert_eq!(cpus.to_string(), "5,1-3");
/// # Ok::<(), multikernel::CpuListError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuList(Vec<u32>);

/// What is wrong with a list of CPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpuListError {
    /// There is nothing in it.
    #[error("the list of CPUs is empty: give numbers and ranges such as 1-3,5")]
    Empty,
    /// A part is neither a number nor a range.
    #[error("`{0}` is neither a CPU number nor a range: give numbers and ranges such as 1-3,5")]
    Malformed(String),
    /// A range ends before it begins.
    #[error("the range `{0}` ends before it begins: give the smaller number first")]
    Reversed(String),
    /// No kernel has a CPU of such a number.
    #[error("CPU {0} cannot exist: the largest number is {max}", max = MAX_CPUS - 1)]
    TooLarge(u64),
    /// A CPU is there twice.
    #[error("CPU {0} is in the list twice: give each CPU once")]
    Repeated(u32),
}

impl CpuList {
    /// Reads a list that may be empty, as those in `/sys` may be.
    pub(crate) fn parse_any(text: &str) -> Result<Self, CpuListError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        text.parse()
    }
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<Self, CpuListError> {
        if text.trim().is_empty() {
            return Err(CpuListError::Empty);
        }
        let mut seen = BTreeSet::new();
        let mut cpus = Vec::new();
        for part in text.trim().split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first, part)?, number(last, part)?);
            if first > last {
                return Err(CpuListError::Reversed(part.to_owned()));
            }
            for cpu in first..=last {
                if !seen.insert(cpu) {
                    return Err(CpuListError::Repeated(cpu));
                }
                cpus.push(cpu);
            }
        }
        Ok(Self(cpus))
    }
}

/// Reads one CPU number of a part of a list.
fn number(text: &str, part: &str) -> Result<u32, CpuListError> {
    let malformed = || CpuListError::Malformed(part.to_owned());
    // parse() alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: u64 = text.parse().map_err(|_| malformed())?;
    u32::try_from(number)
        .ok()
        .filter(|&cpu| cpu < MAX_CPUS)
        .ok_or(CpuListError::TooLarge(number))
}

impl FromIterator<u32> for CpuList {
    /// Keeps the first of each CPU.
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        let mut seen = BTreeSet::new();
        Self(cpus.into_iter().filter(|&cpu| seen.insert(cpu)).collect())
    }
}

impl Deref for CpuList {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self
            .0
            .chunk_by(|&cpu, &next| cpu.checked_add(1) == Some(next));
        let runs: Vec<String> = runs
            .map(|run| match run {
                [cpu] => cpu.to_string(),
                [first, .., last] => format!("{first}-{last}"),
                [] => String::new(),
            })
            .collect();
        f.pad(&runs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Vec<u32>, CpuListError> {
        text.parse::<CpuList>().map(|list| list.0)
    }

    #[test]
    fn lists_are_read_in_their_order() {
        assert_eq!(parse("3"), Ok(vec![3]));
        assert_eq!(parse("1-3,5"), Ok(vec![1, 2, 3, 5]));
        assert_eq!(parse("5,1-3\n"), Ok(vec![5, 1, 2, 3]));
        assert_eq!(parse("7-7"), Ok(vec![7]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", " ", "\n"] {
            assert_eq!(parse(text), Err(CpuListError::Empty), "{text:?}");
        }
        for text in [
            "x", "1,", ",1", "1-", "-1", "1--2", "1-2-3", "+1", "1 2", "0x1", "1;2",
        ] {
            assert!(
                matches!(parse(text), Err(CpuListError::Malformed(_))),
                "{text:?}"
            );
        }
        assert_eq!(parse("1,x"), Err(CpuListError::Malformed("x".into())));
        assert_eq!(parse("3-1"), Err(CpuListError::Reversed("3-1".into())));
    }

    #[test]
    fn a_repeated_cpu_is_refused() {
        assert_eq!(parse("1,1"), Err(CpuListError::Repeated(1)));
        assert_eq!(parse("1-3,2"), Err(CpuListError::Repeated(2)));
    }

    #[test]
    fn a_huge_range_is_refused_at_once() {
        assert_eq!(
            parse("0-4294967295"),
            Err(CpuListError::TooLarge(4294967295))
        );
        assert_eq!(parse("8192"), Err(CpuListError::TooLarge(8192)));
        assert_eq!(parse("8191"), Ok(vec![8191]));
        assert!(parse("99999999999999999999999").is_err());
    }

    #[test]
    fn an_empty_list_is_read_where_it_may_be() {
        assert_eq!(CpuList::parse_any("\n"), Ok(CpuList::default()));
        assert!(CpuList::parse_any("x").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(cpus in prop::collection::vec(0..MAX_CPUS, 1..60)) {
            let list: CpuList = cpus.into_iter().collect();
            prop_assert_eq!(list.to_string().parse::<CpuList>(), Ok(list));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9,-]{0,20}|.{0,20}") {
            if let Ok(list) = text.parse::<CpuList>() {
                prop_assert!(!list.is_empty());
                prop_assert_eq!(list.iter().copied().collect::<CpuList>(), list);
            }
        }
    }
}
