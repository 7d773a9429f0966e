//! A chart as a picture: both axes count in tenfolds, so that what grows as the number does rises by one step a step,
//! and what grows with its square by two.

use std::fmt::Write;

use crate::chart::{Chart, Line};

const WIDTH: f64 = 760.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 740.0;
const TOP: f64 = 56.0;
const BOTTOM: f64 = 330.0;

const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8c6d00", "#56b4e9", "#777777"];

const STYLE: &str = "text{font:12px sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}.small{font-size:10px}\
                     .paper{fill:#fff}.grid{stroke:#ddd}\
                     @media(prefers-color-scheme:dark){text{fill:#ddd}.paper{fill:#161b22}.grid{stroke:#333}}";

/// Tenfolds, from one to another, on a stretch of the picture.
struct Axis {
    from: i32,
    to: i32,
    begin: f64,
    end: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Self {
        let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| *value > 0.0) {
            (least, most) = (least.min(value.log10()), most.max(value.log10()));
        }
        let (from, to) = if least.is_finite() { (least.floor() as i32, most.ceil() as i32) } else { (0, 1) };
        Axis { from, to: to.max(from + 1), begin, end }
    }

    fn at(&self, value: f64) -> f64 {
        let part = (value.max(10_f64.powi(self.from)).log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        self.begin + part * (self.end - self.begin)
    }

    fn steps(&self) -> impl Iterator<Item = f64> {
        (self.from..=self.to).map(|power| 10_f64.powi(power))
    }
}

/// The picture; `below` says where and when it was measured.
pub(crate) fn drawn(chart: &Chart, below: &str) -> String {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let across = Axis::over(points().map(|point| point.0), LEFT, RIGHT);
    let up = Axis::over(points().map(|point| point.1), BOTTOM, TOP);
    let height = BOTTOM + 70.0 + 18.0 * chart.lines.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n<title>{0}</title>\n\
         <style>{STYLE}</style>\n<rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
         <text class=\"title\" x=\"16\" y=\"24\">{0}</text>\n<text x=\"16\" y=\"44\">{1}</text>\n",
        escaped(chart.title),
        escaped(chart.up),
    );
    for step in across.steps() {
        let x = across.at(step);
        // Writing to a String cannot fail.
        _ = writeln!(out, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{BOTTOM}\"/>");
        _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>", BOTTOM + 18.0, number(step));
    }
    for step in up.steps() {
        let y = up.at(step);
        _ = writeln!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{RIGHT}\" y2=\"{y:.1}\"/>");
        _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            y + 4.0,
            number(step)
        );
    }
    _ = writeln!(
        out,
        "<text x=\"{:.0}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 38.0,
        escaped(chart.across)
    );
    for (index, line) in chart.lines.iter().enumerate() {
        let y = BOTTOM + 60.0 + 18.0 * index as f64;
        out += &one(line, COLOURS[index % COLOURS.len()], &across, &up, y);
    }
    _ = writeln!(out, "<text class=\"small\" x=\"16\" y=\"{:.0}\">{}</text>\n</svg>", height - 8.0, escaped(below));
    out
}

/// A line, and at `y` its name with how it ends.
fn one(line: &Line, colour: &str, across: &Axis, up: &Axis, y: f64) -> String {
    let places: Vec<_> = line.points.iter().map(|(size, cost)| (across.at(*size), up.at(*cost))).collect();
    let path: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut out =
        format!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\n", path.join(" "));
    for (x, y) in places {
        _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    let grows = line.last_tenfold().map_or(String::new(), |(more, costs)| {
        format!("; ×{} at its end costs ×{}", number(more.round()), rounded(costs))
    });
    _ = writeln!(out, "<rect x=\"{LEFT}\" y=\"{:.0}\" width=\"12\" height=\"4\" fill=\"{colour}\"/>", y - 6.0);
    _ = writeln!(out, "<text x=\"{}\" y=\"{y:.0}\">{}{grows}</text>", LEFT + 20.0, escaped(&line.name));
    out
}

/// 12345 is 12,345.
pub(crate) fn number(value: f64) -> String {
    if value < 1.0 {
        return format!("{value}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Two figures that count.
pub(crate) fn rounded(value: f64) -> String {
    match value {
        100.0.. => number(value),
        10.0.. => format!("{value:.0}"),
        1.0.. => format!("{value:.1}"),
        0.1.. => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
