//! A chart: its figures, as a table, as JSON, and as a picture in docs/curves/.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::svg;

/// Lines over what there is more and more of.
pub(crate) struct Chart {
    /// The name of its files.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What there is more of.
    pub(crate) across: &'static str,
    /// What is measured, with its unit.
    pub(crate) up: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// One of them.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Line {
    pub(crate) fn new(name: &str) -> Self {
        Line { name: name.to_owned(), points: Vec::new() }
    }

    pub(crate) fn add(&mut self, size: u64, cost: f64) {
        self.points.push((size as f64, cost));
    }

    /// How many times as much it is at its end as where there was a tenth, or at its beginning.
    pub(crate) fn last_tenfold(&self) -> Option<(f64, f64)> {
        let (size, cost) = *self.points.last()?;
        let (before, was) =
            *self.points.iter().rev().find(|(before, _)| before * 9.9 <= size).or(self.points.first())?;
        (before < size).then_some((size / before, cost / was))
    }
}

impl Chart {
    /// Adds one more point to each line.
    pub(crate) fn add<const N: usize>(&mut self, size: u64, costs: [f64; N]) {
        self.lines.iter_mut().zip(costs).for_each(|(line, cost)| line.add(size, cost));
    }

    pub(crate) fn table(&self) -> String {
        let mut text = format!("\n{} ({})\n| {} |", self.title, self.up, self.across);
        let sizes = self.lines.first().map(|line| line.points.as_slice()).unwrap_or_default();
        sizes.iter().for_each(|(size, _)| text += &format!(" {} |", svg::number(*size)));
        for line in &self.lines {
            text += &format!("\n| {} |", line.name);
            line.points.iter().for_each(|(_, cost)| text += &format!(" {} |", svg::rounded(*cost)));
        }
        text + "\n"
    }

    /// Writes the picture and the figures.
    pub(crate) fn keep(&self) {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/curves"));
        std::fs::create_dir_all(&folder).unwrap();
        let measured = Measured::here();
        let lines: Vec<Value> =
            self.lines.iter().map(|line| json!({ "name": line.name, "points": line.points })).collect();
        let figures = json!({ "title": self.title, "across": self.across, "up": self.up, "machine": measured.machine,
                              "load": measured.load, "commit": measured.commit, "date": measured.date, "lines": lines });
        std::fs::write(folder.join(format!("{}.json", self.name)), format!("{figures:#}\n")).unwrap();
        let Measured { machine, load, commit, date } = measured;
        let below = format!("{machine}; load {load}; commit {commit}; {date}");
        std::fs::write(folder.join(format!("{}.svg", self.name)), svg::drawn(self, &below)).unwrap();
    }
}

/// Where and when.
struct Measured {
    machine: String,
    load: String,
    commit: String,
    date: String,
}

impl Measured {
    fn here() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let processors = read("/proc/cpuinfo");
        let model = processors.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let git = |arguments: &[&str]| {
            let said = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
            said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
        };
        let changes = if git(&["status", "--porcelain", "--untracked-files=no", "--", ":!docs"]).is_empty() {
            ""
        } else {
            " and changes"
        };
        Measured {
            machine: format!("{model}, {cores} cores, Linux {}", kernel.trim().split('-').next().unwrap_or_default()),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            commit: git(&["rev-parse", "--short", "HEAD"]) + changes,
            date: jiff::Timestamp::now().strftime("%F").to_string(),
        }
    }
}
