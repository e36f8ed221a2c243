// SPDX-License-Identifier: GPL-2.0

//! Charts of horizontal bars.

use std::fmt::Write as _;

/// What one bar tells.
pub struct Bar<'a> {
    pub label: &'a str,
    /// The median of all rounds.
    pub value: f64,
    /// The least and the most of a single one.
    pub range: [f64; 2],
}

const WIDTH: f64 = 640.0;
/// Where bars begin.
const LEFT: f64 = 170.0;
/// What is left for the number behind the longest.
const RIGHT: f64 = 110.0;
const TOP: f64 = 44.0;
const ROW: f64 = 26.0;
const COLOURS: [&str; 2] = ["#2b6cb0", "#a0aec0"];

/// Draws them, with a line from the least to the most. Those whose label begins as that of the first
/// bar does are in its colour.
pub fn chart(title: &str, unit: &str, bars: &[Bar<'_>]) -> String {
    let most = bars.iter().map(|bar| bar.range[1]).fold(0.0, f64::max);
    let scale = |value: f64| match most > 0.0 {
        true => value / most * (WIDTH - LEFT - RIGHT),
        false => 0.0,
    };
    let height = TOP + ROW * bars.len() as f64 + 12.0;
    let first = bars.first().map_or("", |bar| bar.label);
    let subject = first.split(',').next().unwrap_or_default();

    let mut svg = format!(
        "<!-- SPDX-License-Identifier: GPL-2.0 -->\n\
         <svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\">{}</text>\n",
        escape(title)
    );
    for (row, bar) in bars.iter().enumerate() {
        let top = TOP + ROW * row as f64;
        let colour = COLOURS[usize::from(!bar.label.starts_with(subject))];
        let [least, most] = bar.range.map(|value| LEFT + scale(value));
        let middle = top + 9.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"18\" fill=\"{colour}\"/>\n\
             <path d=\"M{least:.1} {middle:.1}H{most:.1}\" stroke=\"black\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\">{} {}</text>",
            LEFT - 8.0,
            top + 14.0,
            escape(bar.label),
            scale(bar.value),
            most + 6.0,
            top + 14.0,
            number(bar.value),
            escape(unit),
        );
    }
    svg + "</svg>\n"
}

/// Three digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |label, value| Bar {
            label,
            value,
            range: [value, value],
        };
        let text = chart("a < b", "µs", &[bar("x", 50.0), bar("y", 100.0)]);
        assert!(text.contains("a &lt; b"));
        let widths: Vec<f64> = text
            .lines()
            .filter(|line| line.contains("height=\"18\""))
            .filter_map(|line| {
                line.split("width=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .collect();
        assert_eq!(widths, [180.0, 360.0]);
        assert!(text.contains("50.0 µs") && text.contains("100 µs"));
        assert_eq!(text.matches(COLOURS[0]).count(), 1);
    }

    #[test]
    fn nothing_measured_is_nothing_drawn() {
        let bar = Bar {
            label: "x",
            value: 0.0,
            range: [0.0; 2],
        };
        assert!(!chart("none", "s", &[bar]).contains("NaN"));
        assert!(chart("none", "s", &[]).ends_with("</svg>\n"));
    }
}
