// SPDX-License-Identifier: GPL-2.0

//! From samples to figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::Result;

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
}

/// Name, source, unit and aim of each figure.
const FIGURES: [(&str, Source, &str, Aim); 12] = [
    (
        "start to init / microvm",
        Source::Ratio("start", "microvm"),
        "ratio",
        Aim::AtMost(0.6),
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
    ("start to init", Source::Of("start"), "s", Aim::None),
    ("microvm to init", Source::Of("microvm"), "s", Aim::None),
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

fn figures(samples: &Samples) -> Result<Vec<Figure>> {
    let figure = |&(name, source, unit, wanted): &(_, _, _, Aim)| {
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
    FIGURES.iter().map(figure).collect()
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

/// Writes the table, and the figures to the file `results`. Fails if one misses its aim.
pub fn run(samples: &Path, results: &Path) -> Result<()> {
    let figures = figures(&parse(&fs::read_to_string(samples)?)?)?;
    fs::write(results, serde_json::to_string_pretty(&figures)? + "\n")?;
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
        for (_, source, ..) in FIGURES {
            match source {
                Source::Of(name) => {
                    samples.insert(name.to_owned(), vec![0.0]);
                }
                Source::Ratio(name, other) => {
                    samples.insert(name.to_owned(), vec![1.0]);
                    samples.insert(other.to_owned(), vec![2.0]);
                }
            }
        }
        samples
    }

    fn value(samples: &Samples, name: &str) -> (f64, bool) {
        let figures = figures(samples).unwrap();
        let figure = figures.iter().find(|figure| figure.name == name).unwrap();
        (figure.value, figure.ok)
    }

    #[test]
    fn ratios_are_of_medians() {
        let mut samples = samples();
        samples.insert("start".to_owned(), vec![1.0, 20.0, 3.0]);
        samples.insert("run".to_owned(), vec![1.0, 20.0, 3.0]);
        samples.insert("microvm".to_owned(), vec![2.0, 60.0, 6.0]);
        samples.insert("q35".to_owned(), vec![2.0, 60.0, 6.0]);
        assert_eq!(value(&samples, "start to init / microvm"), (0.5, true));
        samples.insert("start".to_owned(), vec![2.0, 60.0, 6.0]);
        assert_eq!(value(&samples, "start to init / microvm"), (1.0, false));
        samples.insert("start".to_owned(), vec![2.0]);
        assert!(figures(&samples).is_err());
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
        let error = figures(&samples).err().unwrap().to_string();
        assert!(error.contains("cp"), "{error}");
    }

    #[test]
    fn results_have_what_is_promised() {
        let figures = figures(&samples()).unwrap();
        let json = serde_json::to_value(&figures).unwrap();
        for figure in json.as_array().unwrap() {
            let keys: Vec<_> = figure.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["aim", "name", "ok", "unit", "value"]);
        }
    }
}
