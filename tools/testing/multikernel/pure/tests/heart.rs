// SPDX-License-Identifier: GPL-2.0

//! When an instance counts as hung.

use multikernel_pure::pure::heart::{Pace, Pulse, Watch, HUNG_MS, HUNG_MS_MAX, HUNG_MS_MIN};

const SECOND: u64 = 1_000_000_000;
/// When the watch begins.
const START: u64 = 1000 * SECOND;

fn pace() -> Pace {
    Pace::new(HUNG_MS).unwrap()
}

fn watch() -> Watch {
    Watch::new(pace(), START, 1)
}

/// Looks when it is due and `late` nanoseconds later, at an instance that beats no more, until it
/// counts as hung.
fn silence(watch: &mut Watch, late: u64, looks: usize) -> Option<(u64, u64)> {
    (0..looks).find_map(|_| {
        let now = watch.due() + late;
        match watch.look(now, 1) {
            Pulse::Beats => None,
            Pulse::Hung(ns) => Some((now, ns)),
        }
    })
}

#[test]
fn paces() {
    for ms in [HUNG_MS_MIN, HUNG_MS, HUNG_MS_MAX] {
        let pace = Pace::new(ms).unwrap();
        assert_eq!(pace.hung_ms(), ms);
        assert!(pace.beat_ns() <= SECOND);
        assert!(2 * pace.beat_ns() <= pace.look_ns());
        assert!(pace.look_ns() < u64::from(ms) * 1_000_000);
    }
    assert_eq!(pace().beat_ns(), SECOND);
    assert_eq!(pace().look_ns(), 2 * SECOND);
    for ms in [0, HUNG_MS_MIN - 1, HUNG_MS_MAX + 1, u32::MAX] {
        assert_eq!(Pace::new(ms), None);
    }
}

#[test]
fn one_that_beats() {
    let mut watch = watch();
    for beats in 2..1000 {
        assert_eq!(watch.look(watch.due(), beats), Pulse::Beats);
    }
}

#[test]
fn one_that_hangs() {
    // The last beat was up to a period before the first look.
    let (now, ns) = silence(&mut watch(), 0, 100).unwrap();
    assert_eq!((now, ns), (START + 10 * SECOND, 10 * SECOND));
    // A little late is in time.
    let (now, ns) = silence(&mut watch(), SECOND / 10, 100).unwrap();
    assert_eq!(now - START, ns);
    assert!((10 * SECOND..12 * SECOND).contains(&ns));
}

#[test]
fn one_that_goes_on() {
    let mut watch = watch();
    let (now, ns) = silence(&mut watch, 0, 100).unwrap();
    // It stays hung, as long as it was found to be, however late somebody looks.
    assert_eq!(watch.look(now + 1, 1), Pulse::Hung(ns));
    assert_eq!(watch.look(watch.due(), 1), Pulse::Hung(ns));
    assert_eq!(watch.look(now + 1000 * SECOND, 1), Pulse::Hung(ns));
    // A beat is a beat, whenever it is seen.
    assert_eq!(watch.look(now + 1000 * SECOND + 1, 2), Pulse::Beats);
    assert_eq!(watch.due(), now + 1002 * SECOND + 1);
    let mut silent = 0;
    while watch.look(watch.due(), 2) == Pulse::Beats {
        silent += 1;
    }
    assert_eq!(silent, 4);
}

#[test]
fn looks_that_are_not_due() {
    let mut watch = watch();
    for ns in 0..1000 {
        assert_eq!(watch.look(START + ns, 1), Pulse::Beats);
        assert_eq!(watch.due(), START + 2 * SECOND);
    }
    assert_eq!(
        silence(&mut watch, 0, 100),
        Some((START + 10 * SECOND, 10 * SECOND))
    );
}

/// A host that is never in time draws no conclusion.
#[test]
fn a_loaded_host() {
    for late in [SECOND + 1, 2 * SECOND, 100 * SECOND] {
        assert_eq!(silence(&mut watch(), late, 1000), None, "{late}");
    }
    // Nor does one that is late now and then.
    let mut watch = watch();
    for n in 0..1000 {
        let late = if n % 5 == 4 { 3 * SECOND } else { 0 };
        assert_eq!(watch.look(watch.due() + late, 1), Pulse::Beats, "{n}");
    }
    // It does when it is idle again, and knows how long it was.
    let begin = watch.due() - 2 * SECOND;
    let (now, ns) = silence(&mut watch, 0, 100).unwrap();
    assert_eq!((now, ns), (begin + 10 * SECOND, now - START));
}

/// The counter that times are made from is set, or the machine has slept.
#[test]
fn a_clock_that_jumps() {
    let mut watch = watch();
    for _ in 0..4 {
        assert_eq!(watch.look(watch.due(), 1), Pulse::Beats);
    }
    assert_eq!(watch.look(START + 1_000_000 * SECOND, 1), Pulse::Beats);
    for _ in 0..4 {
        assert_eq!(watch.look(watch.due(), 1), Pulse::Beats);
    }
    // Backwards: as if it was looked at for the first time.
    assert_eq!(watch.look(5, 1), Pulse::Beats);
    assert_eq!(watch.due(), 5 + 2 * SECOND);
    assert_eq!(
        silence(&mut watch, 0, 100).map(|(now, _)| now),
        Some(5 + 10 * SECOND)
    );
    // To where there is no later.
    let mut watch = Watch::new(pace(), u64::MAX, 1);
    for _ in 0..100 {
        watch.look(u64::MAX, 1);
    }
    assert_eq!(watch.look(0, 2), Pulse::Beats);
}

/// A count that falls, or jumps, is another one.
#[test]
fn odd_beats() {
    let mut watch = watch();
    for beats in [u64::MAX, 0, 1, 0, u64::MAX] {
        assert_eq!(watch.look(watch.due(), beats), Pulse::Beats);
    }
    for beats in (0..100).rev() {
        assert_eq!(watch.look(watch.due(), beats), Pulse::Beats);
    }
}
