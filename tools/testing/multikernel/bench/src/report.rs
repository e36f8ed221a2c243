// SPDX-License-Identifier: GPL-2.0

//! From samples to figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::{svg, Result};

/// What is wanted of a figure.
#[derive(Clone, Copy)]
enum Aim {
    AtMost(f64),
    AtLeast(f64),
    /// It is there to be compared with.
    None,
}

impl Aim {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(aim) => value <= aim,
            Self::AtLeast(aim) => value >= aim,
            Self::None => true,
        }
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::AtMost(aim) | Self::AtLeast(aim) => Some(aim),
            Self::None => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(aim) => format!("<= {aim}"),
            Self::AtLeast(aim) => format!(">= {aim}"),
            Self::None => "-".to_owned(),
        }
    }
}

/// Where a figure comes from.
#[derive(Clone, Copy)]
enum Source {
    /// The median of the samples of that name.
    Of(&'static str),
    /// That of the first name through that of the second.
    Ratio(&'static str, &'static str),
    /// The same, through the least of those that were measured.
    Best(&'static str, &'static [&'static str]),
}

/// A figure to be measured: name, source, unit and aim.
type Plan = (&'static str, Source, &'static str, Aim);

/// What is measured together: its name, and its figures.
const PARTS: [(&str, &[Plan]); 2] = [("instances", &FIGURES), ("channels", &CHANNELS)];

/// Of instances.
const FIGURES: [Plan; 17] = [
    (
        "start to init / microvm",
        Source::Ratio("start", "microvm"),
        "ratio",
        Aim::AtMost(0.6),
    ),
    (
        "start to init / microvm, ciphers tested",
        Source::Ratio("start-tested", "microvm-tested"),
        "ratio",
        Aim::None,
    ),
    (
        "start to init / microvm, CPUs as the lab",
        Source::Ratio("start", "microvm-smp"),
        "ratio",
        Aim::None,
    ),
    (
        "start to init / q35",
        Source::Ratio("start", "q35"),
        "ratio",
        Aim::None,
    ),
    (
        "create, load and start to init / microvm",
        Source::Ratio("run", "microvm"),
        "ratio",
        Aim::None,
    ),
    (
        "create, load and start to init / microvm, ciphers tested",
        Source::Ratio("run-tested", "microvm-tested"),
        "ratio",
        Aim::None,
    ),
    ("start to init", Source::Of("start"), "s", Aim::None),
    ("microvm to init", Source::Of("microvm"), "s", Aim::None),
    (
        "microvm, CPUs as the lab, to init",
        Source::Of("microvm-smp"),
        "s",
        Aim::None,
    ),
    ("q35 to init", Source::Of("q35"), "s", Aim::None),
    (
        "take and give a CPU / offline and online",
        Source::Ratio("take-give", "offline-online"),
        "ratio",
        Aim::AtMost(1.3),
    ),
    (
        "load / cp, by speed",
        Source::Ratio("cp", "load"),
        "ratio",
        Aim::AtLeast(0.5),
    ),
    (
        "load and unpack / cp, by speed",
        Source::Ratio("cp", "ready"),
        "ratio",
        Aim::None,
    ),
    (
        "memory of the host for an instance",
        Source::Of("memory"),
        "KiB",
        Aim::AtMost(256.0),
    ),
    (
        "memory not given back",
        Source::Of("memory-kept"),
        "KiB",
        Aim::None,
    ),
    (
        "interrupts from an idle instance in 10 s",
        Source::Of("interrupts"),
        "count",
        Aim::AtMost(0.0),
    ),
    (
        "wake-ups from an idle instance in 10 s",
        Source::Of("wake-ups"),
        "count",
        Aim::AtMost(0.0),
    ),
];

/// Of channels.
const CHANNELS: [Plan; 22] = [
    (
        "polled round trip / cache line",
        Source::Ratio("round-trip/polled", "round-trip/line"),
        "ratio",
        Aim::AtMost(1.3),
    ),
    (
        "polled round trip",
        Source::Of("round-trip/polled"),
        "ns",
        Aim::None,
    ),
    (
        "polled, code of both sides alone",
        Source::Of("round-trip/alone"),
        "ns",
        Aim::None,
    ),
    (
        "polled / cache line, outside of the lab",
        Source::Ratio("within/polled", "within/line"),
        "ratio",
        Aim::None,
    ),
    (
        "polled, outside of the lab",
        Source::Of("within/polled"),
        "ns",
        Aim::None,
    ),
    (
        "polled, code alone, outside of the lab",
        Source::Of("within/alone"),
        "ns",
        Aim::None,
    ),
    (
        "round trip / best of sockets, pipe, futex",
        Source::Best(
            "round-trip/channel",
            &[
                "round-trip/unix",
                "round-trip/pipe",
                "round-trip/futex",
                "round-trip/tcp",
                "round-trip/vsock",
            ],
        ),
        "ratio",
        Aim::AtMost(0.8),
    ),
    (
        "round trip",
        Source::Of("round-trip/channel"),
        "ns",
        Aim::None,
    ),
    (
        "stream of 64 B / pipe",
        Source::Ratio("stream-64/channel", "stream-64/pipe"),
        "ratio",
        Aim::AtLeast(3.0),
    ),
    (
        "stream of 64 B / AF_UNIX",
        Source::Ratio("stream-64/channel", "stream-64/unix"),
        "ratio",
        Aim::AtLeast(2.0),
    ),
    (
        "stream of 4 KiB / pipe",
        Source::Ratio("stream-4K/channel", "stream-4K/pipe"),
        "ratio",
        Aim::AtLeast(3.0),
    ),
    (
        "stream of 4 KiB / AF_UNIX",
        Source::Ratio("stream-4K/channel", "stream-4K/unix"),
        "ratio",
        Aim::AtLeast(2.0),
    ),
    (
        "stream of 64 KiB / pipe",
        Source::Ratio("stream-64K/channel", "stream-64K/pipe"),
        "ratio",
        Aim::AtLeast(3.0),
    ),
    (
        "stream of 64 KiB / AF_UNIX",
        Source::Ratio("stream-64K/channel", "stream-64K/unix"),
        "ratio",
        Aim::AtLeast(2.0),
    ),
    (
        "zero-copy blocks of 1 MiB / memcpy",
        Source::Ratio("blocks/channel", "blocks/memcpy"),
        "ratio",
        Aim::AtLeast(0.8),
    ),
    (
        "doorbells a message of 64 B",
        Source::Of("doorbells-64"),
        "count",
        Aim::AtMost(0.01),
    ),
    (
        "doorbells a message of 4 KiB",
        Source::Of("doorbells-4K"),
        "count",
        Aim::AtMost(0.01),
    ),
    (
        "doorbells a message of 64 KiB",
        Source::Of("doorbells-64K"),
        "count",
        Aim::AtMost(0.01),
    ),
    (
        "polled, instance to instance / host to instance",
        Source::Ratio("round-trip/polled-instances", "round-trip/polled"),
        "ratio",
        Aim::AtMost(1.1),
    ),
    (
        "instance to instance / host to instance",
        Source::Ratio("round-trip/channel-instances", "round-trip/channel"),
        "ratio",
        Aim::AtMost(1.1),
    ),
    (
        "interrupts from an idle agent in 10 s",
        Source::Of("idle-interrupts"),
        "count",
        Aim::AtMost(10.0),
    ),
    (
        "wake-ups from an idle agent in 10 s",
        Source::Of("idle-wake-ups"),
        "count",
        Aim::None,
    ),
];

/// File, title, unit, what a sample is multiplied with, and samples with their labels.
type Plot = (
    &'static str,
    &'static str,
    &'static str,
    f64,
    &'static [(&'static str, &'static str)],
);

/// What is drawn of channels.
const PLOTS: [Plot; 5] = [
    (
        "round-trip",
        "Round trip of 64 bytes, who waits sleeps",
        "µs",
        1e-3,
        &[
            ("round-trip/channel", "channel"),
            ("round-trip/mapped", "channel, mapped"),
            ("round-trip/channel-instances", "of two instances"),
            ("round-trip/unix", "AF_UNIX"),
            ("round-trip/pipe", "pipe"),
            ("round-trip/futex", "futex"),
            ("round-trip/tcp", "TCP loopback"),
            ("round-trip/vsock", "vsock loopback"),
        ],
    ),
    (
        "round-trip-polled",
        "Round trip of 64 bytes, nobody sleeps",
        "ns",
        1.0,
        &[
            ("round-trip/line", "a cache line"),
            ("round-trip/polled", "channel"),
            ("round-trip/polled-instances", "of two instances"),
        ],
    ),
    (
        "stream-64",
        "Messages of 64 bytes, one after the other",
        "MB/s",
        1e-6,
        &[
            ("stream-64/channel", "channel, mapped"),
            ("stream-64/calls", "channel, by calls"),
            ("stream-64/pipe", "pipe"),
            ("stream-64/unix", "AF_UNIX"),
        ],
    ),
    (
        "stream-4K",
        "Messages of 4 KiB, one after the other",
        "MB/s",
        1e-6,
        &[
            ("stream-4K/channel", "channel, mapped"),
            ("stream-4K/calls", "channel, by calls"),
            ("stream-4K/pipe", "pipe"),
            ("stream-4K/unix", "AF_UNIX"),
        ],
    ),
    (
        "stream-64K",
        "Messages of 64 KiB, and blocks of 1 MiB",
        "MB/s",
        1e-6,
        &[
            ("stream-64K/channel", "channel, mapped"),
            ("stream-64K/calls", "channel, by calls"),
            ("stream-64K/pipe", "pipe"),
            ("stream-64K/unix", "AF_UNIX"),
            ("blocks/channel", "1 MiB, zero-copy"),
            ("blocks/memcpy", "1 MiB, memcpy"),
        ],
    ),
];

type Samples = BTreeMap<String, Vec<f64>>;

/// A figure, as results.json has it.
#[derive(Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    aim: Option<f64>,
    ok: bool,
    #[serde(skip)]
    wanted: Aim,
    /// The least and the most of a single round.
    #[serde(skip)]
    range: [f64; 2],
}

fn parse(text: &str) -> Result<Samples> {
    let mut samples = Samples::new();
    for line in text.lines() {
        let ["sample", name, value] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            return Err(format!("this is no sample: {line}").into());
        };
        samples
            .entry(name.to_owned())
            .or_default()
            .push(value.parse()?);
    }
    Ok(samples)
}

/// The value of a figure, and the least and the most of a single round.
fn measure(samples: &Samples, source: Source) -> Result<(f64, [f64; 2])> {
    let of = |name: &str| {
        let values = samples.get(name).filter(|values| !values.is_empty());
        values.ok_or_else(|| format!("there is no sample of {name}"))
    };
    let (value, rounds) = match source {
        Source::Of(name) => (median(of(name)?), of(name)?.clone()),
        Source::Ratio(name, other) => {
            let (values, others) = (of(name)?, of(other)?);
            if values.len() != others.len() {
                return Err(format!("{name} and {other} were not measured equally often").into());
            }
            let ratios = values
                .iter()
                .zip(others)
                .map(|(value, other)| value / other);
            (median(values) / median(others), ratios.collect())
        }
        Source::Best(name, others) => {
            // Not every kernel has all of them.
            let there = others.iter().filter(|other| of(other).is_ok());
            let median_of = |other: &&&'static str| median(&samples[**other]);
            let best = there.min_by(|a, b| median_of(a).total_cmp(&median_of(b)));
            let best = best.ok_or_else(|| format!("nothing was measured beside {name}"))?;
            return measure(samples, Source::Ratio(name, best));
        }
    };
    let least = rounds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Ok((value, [least, most]))
}

/// Of a list that is not empty.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        (sorted[middle - 1] + sorted[middle]) / 2.0
    }
}

fn figures(plans: &[Plan], samples: &Samples) -> Result<Vec<Figure>> {
    let figure = |&(name, source, unit, wanted): &Plan| {
        let (value, range) = measure(samples, source)?;
        let value = (value * 1000.0).round() / 1000.0;
        Ok(Figure {
            name,
            value,
            unit,
            aim: wanted.number(),
            ok: wanted.is_met(value),
            wanted,
            range,
        })
    };
    plans.iter().map(figure).collect()
}

fn table(figures: &[Figure]) -> String {
    let width = figures
        .iter()
        .map(|figure| figure.name.len())
        .max()
        .unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:>8}        {:>19}  {:>8}\n",
        "FIGURE", "VALUE", "ROUNDS", "AIM"
    );
    for figure in figures {
        let [least, most] = figure.range;
        let verdict = match (figure.wanted, figure.ok) {
            (Aim::None, _) => "",
            (_, true) => "ok",
            (_, false) => "MISSED",
        };
        let _ = writeln!(
            text,
            "{:width$}  {:8.2} {:5}  {least:8.2} to {most:8.2}  {:>8}  {verdict}",
            figure.name,
            figure.value,
            figure.unit,
            figure.wanted.text(),
        );
    }
    text
}

/// Puts figures in place of those of the same names, behind all others.
fn merge(results: &str, figures: &[Figure]) -> Result<String> {
    let mut all: Vec<serde_json::Value> = serde_json::from_str(results)?;
    all.retain(|old| figures.iter().all(|figure| old["name"] != figure.name));
    for figure in figures {
        all.push(serde_json::to_value(figure)?);
    }
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// Draws what was measured, each with the median, the least and the most.
fn draw(samples: &Samples, out: &Path) -> Result<()> {
    for (file, title, unit, factor, names) in PLOTS {
        let bars = names.iter().filter_map(|(name, label)| {
            let source = Source::Of(name);
            let (value, range) = measure(samples, source).ok()?;
            Some(svg::Bar {
                label,
                value: value * factor,
                range: range.map(|value| value * factor),
            })
        });
        let bars: Vec<_> = bars.collect();
        fs::write(
            out.join(format!("{file}.svg")),
            svg::chart(title, unit, &bars),
        )?;
    }
    Ok(())
}

/// Writes the table of a part, its figures to `results.json` in the directory `out`, with those of the
/// other parts that are there, and what can be drawn. Fails if a figure misses its aim.
pub fn run(part: &str, samples: &Path, out: &Path) -> Result<()> {
    let plans = PARTS.iter().find(|(name, _)| *name == part);
    let (_, plans) = plans.ok_or_else(|| format!("there is no part {part}"))?;
    let samples = parse(&fs::read_to_string(samples)?)?;
    let figures = figures(plans, &samples)?;
    let results = out.join("results.json");
    let before = match fs::exists(&results)? {
        true => fs::read_to_string(&results)?,
        false => "[]".to_owned(),
    };
    fs::write(&results, merge(&before, &figures)?)?;
    if part == "channels" {
        draw(&samples, out)?;
    }
    print!("{}", table(&figures));
    let missed = figures.iter().filter(|figure| !figure.ok).count();
    if missed == 0 {
        Ok(())
    } else {
        Err(format!("{missed} figures miss their aims").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Samples {
        let mut samples = Samples::new();
        for (_, source, ..) in PARTS.iter().flat_map(|(_, plans)| *plans) {
            match *source {
                Source::Of(name) => {
                    samples.insert(name.to_owned(), vec![0.0]);
                }
                Source::Ratio(name, other) => {
                    samples.insert(name.to_owned(), vec![1.0]);
                    samples.insert(other.to_owned(), vec![2.0]);
                }
                Source::Best(name, others) => {
                    samples.insert(name.to_owned(), vec![1.0]);
                    for other in others {
                        samples.insert((*other).to_owned(), vec![2.0]);
                    }
                }
            }
        }
        samples
    }

    fn all(samples: &Samples) -> Result<Vec<Figure>> {
        let parts = PARTS.iter().map(|(_, plans)| figures(plans, samples));
        Ok(parts
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect())
    }

    fn value(samples: &Samples, name: &str) -> (f64, bool) {
        let figures = all(samples).unwrap();
        let figure = figures.iter().find(|figure| figure.name == name).unwrap();
        (figure.value, figure.ok)
    }

    #[test]
    fn ratios_are_of_medians() {
        let mut samples = samples();
        samples.insert("start".to_owned(), vec![1.0, 20.0, 3.0]);
        samples.insert("run".to_owned(), vec![1.0, 20.0, 3.0]);
        for peer in ["microvm", "microvm-smp", "q35"] {
            samples.insert(peer.to_owned(), vec![2.0, 60.0, 6.0]);
        }
        assert_eq!(value(&samples, "start to init / microvm"), (0.5, true));
        samples.insert("start".to_owned(), vec![2.0, 60.0, 6.0]);
        assert_eq!(value(&samples, "start to init / microvm"), (1.0, false));
        samples.insert("start".to_owned(), vec![2.0]);
        assert!(all(&samples).is_err());
    }

    #[test]
    fn aims_have_a_direction() {
        let mut samples = samples();
        // The more time cp takes, the better.
        samples.insert("load".to_owned(), vec![1.0]);
        samples.insert("cp".to_owned(), vec![0.4]);
        assert_eq!(value(&samples, "load / cp, by speed"), (0.4, false));
        samples.insert("cp".to_owned(), vec![0.6]);
        assert_eq!(value(&samples, "load / cp, by speed"), (0.6, true));
        samples.insert("wake-ups".to_owned(), vec![1.0]);
        let name = "wake-ups from an idle instance in 10 s";
        assert_eq!(value(&samples, name), (1.0, false));
    }

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
    }

    #[test]
    fn what_is_missing_or_wrong_is_told() {
        assert!(parse("sample a 1\nsample b\n").is_err());
        assert!(parse("sample a x\n").is_err());
        let mut samples = samples();
        samples.remove("cp");
        let error = all(&samples).err().unwrap().to_string();
        assert!(error.contains("cp"), "{error}");
    }

    #[test]
    fn results_have_what_is_promised() {
        let json = serde_json::to_value(all(&samples()).unwrap()).unwrap();
        for figure in json.as_array().unwrap() {
            let keys: Vec<_> = figure.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["aim", "name", "ok", "unit", "value"]);
        }
    }

    #[test]
    fn the_best_of_those_that_are_there_counts() {
        let mut samples = samples();
        let name = "round trip / best of sockets, pipe, futex";
        samples.insert("round-trip/channel".to_owned(), vec![8.0]);
        samples.insert("round-trip/tcp".to_owned(), vec![1.0]);
        assert_eq!(value(&samples, name), (8.0, false));
        samples.remove("round-trip/tcp");
        samples.insert("round-trip/futex".to_owned(), vec![10.0]);
        for other in ["unix", "pipe", "vsock"] {
            samples.insert(format!("round-trip/{other}"), vec![20.0]);
        }
        assert_eq!(value(&samples, name), (0.8, true));
    }

    #[test]
    fn figures_of_other_parts_are_kept() {
        let samples = samples();
        let instances = figures(&FIGURES, &samples).unwrap();
        let channels = figures(&CHANNELS, &samples).unwrap();
        let one = merge("[]", &instances).unwrap();
        let both = merge(&merge(&one, &channels).unwrap(), &channels).unwrap();
        let both: Vec<serde_json::Value> = serde_json::from_str(&both).unwrap();
        assert_eq!(both.len(), FIGURES.len() + CHANNELS.len());
        assert!(merge("{}", &channels).is_err());
    }

    #[test]
    fn what_is_drawn_is_measured() {
        let out = std::env::temp_dir().join(format!("multikernel-bench-{}", std::process::id()));
        fs::create_dir(&out).unwrap();
        let samples = samples();
        draw(&samples, &out).unwrap();
        for (file, _, _, _, names) in PLOTS {
            let text = fs::read_to_string(out.join(format!("{file}.svg"))).unwrap();
            for (name, label) in names {
                let is_there = text.contains(&format!(">{label}<"));
                assert_eq!(is_there, samples.contains_key(*name), "{name}");
            }
        }
        fs::remove_dir_all(&out).unwrap();
    }
}
