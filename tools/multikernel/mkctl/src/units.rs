// SPDX-License-Identifier: GPL-2.0

//! Sizes and durations, as people write and read them.

use std::time::Duration;

use multikernel::{MEMORY_ALIGN, MEMORY_MIN};

/// Letters of units, the largest first, and the shift that each stands for.
const UNITS: [(&str, u32); 4] = [("T", 40), ("G", 30), ("M", 20), ("K", 10)];

/// Reads a size in bytes: `384M`, `1G`, `402653184`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let malformed = || format!("`{text}` is not a size: give bytes, or K, M, G or T, such as 384M");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let shift = match &text[digits.len()..] {
        "" => 0,
        unit => UNITS
            .iter()
            .find(|(letter, _)| {
                unit.strip_suffix("iB")
                    .unwrap_or(unit)
                    .eq_ignore_ascii_case(letter)
            })
            .map(|(_, shift)| *shift)
            .ok_or_else(malformed)?,
    };
    // parse() alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let number: u64 = digits.parse().map_err(|_| malformed())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("`{text}` is more than any machine has"))
}

/// Reads the size of an instance's memory.
pub fn parse_memory(text: &str) -> Result<u64, String> {
    let bytes = parse_size(text)?;
    let rounded = bytes
        .max(MEMORY_MIN)
        .checked_next_multiple_of(MEMORY_ALIGN)
        .ok_or_else(|| format!("`{text}` is more than any machine has"))?;
    if bytes < MEMORY_MIN {
        return Err(format!(
            "{text} is too little: an instance needs at least {}",
            size_argument(MEMORY_MIN)
        ));
    }
    if bytes != rounded {
        return Err(format!(
            "{text} is not a multiple of {}: the next larger one is {}",
            size_argument(MEMORY_ALIGN),
            size_argument(rounded)
        ));
    }
    Ok(bytes)
}

/// Reads the size of a ring of a channel.
pub fn parse_ring(text: &str) -> Result<u32, String> {
    let bytes = parse_size(text)?;
    u32::try_from(bytes)
        .ok()
        .filter(|bytes| bytes.is_power_of_two())
        .ok_or_else(|| format!("{text} is no power of two from 4K to 16M"))
}

/// A size in the form that [`parse_size`] reads.
pub fn size_argument(bytes: u64) -> String {
    let (letter, shift) = unit(bytes);
    format!("{}{letter}", bytes >> shift)
}

/// A size for people: `384 MiB`.
pub fn size(bytes: u64) -> String {
    match unit(bytes) {
        ("", _) => format!("{bytes} B"),
        (letter, shift) => format!("{} {letter}iB", bytes >> shift),
    }
}

/// The largest unit of which it is a multiple, and its shift.
fn unit(bytes: u64) -> (&'static str, u32) {
    UNITS
        .into_iter()
        .find(|(_, shift)| bytes != 0 && bytes.trailing_zeros() >= *shift)
        .unwrap_or(("", 0))
}

/// Reads a duration: `90`, `1.5s`, `500ms`, `2m`, `1h`; without a unit it is
/// in seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let malformed = || format!("`{text}` is not a duration: give such as 30s, 500ms, 2m or 1h");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(malformed()),
    };
    if !digits
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.')
    {
        return Err(malformed());
    }
    let number: f64 = digits.parse().map_err(|_| malformed())?;
    // More than a century is none that anybody waits.
    Some(number * scale)
        .filter(|seconds| *seconds < 4e9)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| format!("`{text}` is too long"))
}

/// A duration for people, to about three digits: `45.2 ms`, `1 h 05 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        86400.. => format!("{} d {:02} h", seconds / 86400, seconds / 3600 % 24),
        3600.. => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        60.. => format!("{} min {:02} s", seconds / 60, seconds % 60),
        1.. => format!("{:.1} s", duration.as_secs_f64()),
        0 if duration >= Duration::from_millis(1) => {
            format!("{:.1} ms", duration.as_secs_f64() * 1e3)
        }
        0 => format!("{} µs", duration.as_micros()),
    }
}

/// A moment since 1970, for people: `2020-09-13T12:26:40.250000Z`.
pub fn utc(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (mut days, time) = (seconds / 86400, seconds % 86400);
    let is_leap = |year: u64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1970;
    loop {
        let length = 365 + u64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!(
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        days + 1,
        time / 3600,
        time / 60 % 60,
        time % 60,
        since_1970.subsec_micros()
    )
}

/// Nanoseconds, for programs.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(parse_size("402653184"), Ok(384 << 20));
        assert_eq!(parse_size("384M"), Ok(384 << 20));
        assert_eq!(parse_size("384m"), Ok(384 << 20));
        assert_eq!(parse_size("384MiB"), Ok(384 << 20));
        assert_eq!(parse_size("1G"), Ok(1 << 30));
        assert_eq!(parse_size("2T"), Ok(2 << 40));
        assert_eq!(parse_size("64K"), Ok(64 << 10));
        assert_eq!(parse_size("0"), Ok(0));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "", "M", "-1", "+1", "1.5G", "384MB", "1 G", "0x10", "1GG", "12iB", "1MiBiB", "ä",
        ] {
            let error = parse_size(text).unwrap_err();
            assert!(error.contains("is not a size"), "{text:?}: {error}");
        }
        for text in ["16777216T", "99999999999T"] {
            assert!(
                parse_size(text).unwrap_err().contains("more than"),
                "{text}"
            );
        }
    }

    #[test]
    fn memory_is_a_multiple_and_enough() {
        assert_eq!(parse_memory("384M"), Ok(384 << 20));
        assert_eq!(parse_memory("64M"), Ok(64 << 20));
        assert_eq!(
            parse_memory("385M"),
            Err("385M is not a multiple of 2M: the next larger one is 386M".into())
        );
        assert_eq!(
            parse_memory("1073741825"),
            Err("1073741825 is not a multiple of 2M: the next larger one is 1026M".into())
        );
        for text in ["0", "1", "2M", "62M"] {
            let error = parse_memory(text).unwrap_err();
            assert!(error.ends_with("an instance needs at least 64M"), "{error}");
        }
        assert!(parse_memory("18446744073709551615").is_err());
    }

    #[test]
    fn sizes_are_written_exactly() {
        assert_eq!(size(0), "0 B");
        assert_eq!(size(1000), "1000 B");
        assert_eq!(size(64 << 10), "64 KiB");
        assert_eq!(size(384 << 20), "384 MiB");
        assert_eq!(size(1536 << 20), "1536 MiB");
        assert_eq!(size(1 << 30), "1 GiB");
        for bytes in [1, 4096, 384 << 20, 1 << 30, 3 << 40, u64::MAX] {
            assert_eq!(parse_size(&size_argument(bytes)), Ok(bytes));
        }
    }

    #[test]
    fn durations_are_read() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse_duration("1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for text in [
            "",
            "s",
            "-1",
            "1d",
            "1.2.3",
            "inf",
            "nan",
            "1e3",
            "99999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn moments_are_written() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_600_000_000, "2020-09-13T12:26:40.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(utc(Duration::from_secs(seconds)), text);
        }
        let text = utc(Duration::from_micros(86_400_000_001));
        assert_eq!(text, "1970-01-02T00:00:00.000001Z");
    }

    #[test]
    fn durations_are_written() {
        let written = |ns| duration(Duration::from_nanos(ns));
        assert_eq!(written(0), "0 µs");
        assert_eq!(written(12_345), "12 µs");
        assert_eq!(written(45_230_000), "45.2 ms");
        assert_eq!(written(3_210_000_000), "3.2 s");
        assert_eq!(written(65_000_000_000), "1 min 05 s");
        assert_eq!(written(3_900_000_000_000), "1 h 05 min");
        assert_eq!(written(90_000_000_000_000), "1 d 01 h");
    }
}
