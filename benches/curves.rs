//! Curves: what things cost as there are more of them. Each is drawn into docs/curves/ as SVG, with the raw figures as
//! JSON beside it; both say on which machine, at which commit and on which day.
//!
//! `cargo bench --bench curves` draws all of them, `-- rules records` those, `-- small` all with few points, `-- large` with
//! more (ten million records, nine thousand tunnels). Read shapes and ratios: figures are of this machine at this hour.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::time::{Duration, Instant};

#[path = "curves/chart.rs"]
mod chart;
#[path = "curves/groups.rs"]
mod groups;
#[path = "curves/records.rs"]
mod records;
#[path = "curves/rules.rs"]
mod rules;
#[path = "curves/secrets.rs"]
mod secrets;
#[path = "curves/svg.rs"]
mod svg;
#[path = "curves/tunnels.rs"]
mod tunnels;

// The door, its client and its origin are those of the other bench.
#[path = "door/chats.rs"]
#[allow(dead_code, reason = "the other bench needs all of it")]
mod chats;
#[path = "door/client.rs"]
#[allow(dead_code, reason = "the other bench needs all of it")]
mod client;
#[path = "door/log.rs"]
#[allow(dead_code, reason = "the other bench needs all of it")]
mod log;
#[path = "door/origin.rs"]
mod origin;
#[path = "door/processes.rs"]
#[allow(dead_code, reason = "the other bench needs all of it")]
mod processes;
#[path = "door/serve.rs"]
#[allow(dead_code, reason = "the other bench needs all of it")]
mod serve;

use chart::Chart;

/// How far a curve goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Small,
    Usual,
    Large,
}

/// Its name, and what draws it.
type Family = (&'static str, fn(Reach) -> Vec<Chart>);

const FAMILIES: [Family; 6] = [
    ("rules", rules::charts),
    ("groups", groups::charts),
    ("records", records::charts),
    ("hosts", records::of_hosts),
    ("secrets", secrets::charts),
    ("tunnels", tunnels::charts),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let place = arguments.get(1).cloned().unwrap_or_default();
    match arguments.first().map(String::as_str) {
        Some("door") => runtime().block_on(tunnels::doors(place.as_ref())),
        Some(role @ ("bare" | "unaudited")) => runtime().block_on(serve::unscanned(place.as_ref(), role)),
        Some("origin") => runtime().block_on(origin::serve(place.as_ref())),
        _ => draw(&arguments),
    }
}

fn draw(arguments: &[String]) {
    let says = |word: &str| arguments.iter().any(|argument| argument == word);
    let reach = match (says("small"), says("large")) {
        (true, _) => Reach::Small,
        (_, true) => Reach::Large,
        _ => Reach::Usual,
    };
    let named = FAMILIES.iter().any(|(name, _)| says(name));
    for (name, charts) in FAMILIES.iter().filter(|(name, _)| !named || says(name)) {
        println!("\n{name}");
        for chart in charts(reach) {
            print!("{}", chart.table());
            chart.keep();
        }
    }
}

/// The sizes up to the one that a curve reaches, about three in each tenfold.
fn sizes(reach: Reach, from: u64, [small, usual, large]: [u64; 3]) -> Vec<u64> {
    let most = match reach {
        Reach::Small => small,
        Reach::Usual => usual,
        Reach::Large => large,
    };
    let steps = (0..12).flat_map(|power| [1, 2, 5].map(|step| step * 10_u64.pow(power)));
    let mut sizes: Vec<u64> = steps.take_while(|size| *size <= most).filter(|size| *size >= from).collect();
    if sizes.last() != Some(&most) {
        sizes.push(most);
    }
    sizes
}

/// The shortest time of several runs, in milliseconds: whatever else the machine does only adds to it.
fn millis(runs: usize, mut work: impl FnMut()) -> f64 {
    let shortest = (0..runs).map(|_| timed(&mut work)).min();
    shortest.unwrap_or_default().as_secs_f64() * 1e3
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
