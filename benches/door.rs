//! What the door costs: a real door process with a real policy, vault and audit log,
//! a real TLS origin, and a client, all on loopback.
//!
//! `cargo bench --bench door` prints a table, `cargo bench --bench door -- chats` the line
//! about chats alone, `-- log` what the audit log alone costs at a million records, `-- load keyed` and
//! `-- connections` those for a profiler. The program starts itself anew
//! as each door and as origin, so that the CPU and memory of the door alone can be read
//! from /proc. Figures are of this machine at this hour: read ratios first.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::time::Duration;

#[path = "door/chats.rs"]
mod chats;
#[path = "door/client.rs"]
mod client;
#[path = "door/log.rs"]
mod log;
#[path = "door/origin.rs"]
mod origin;
#[path = "door/processes.rs"]
mod processes;
#[path = "door/serve.rs"]
mod serve;

use client::{Client, Via};
use processes::Setup;

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let role = arguments.next();
    let place = arguments.next().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match role.as_deref() {
        Some("door") => runtime.block_on(serve::door(place.as_ref())),
        Some(role @ ("bare" | "unaudited")) => runtime.block_on(serve::unscanned(place.as_ref(), role)),
        Some("origin") => runtime.block_on(origin::serve(place.as_ref())),
        Some("chats") => runtime.block_on(chats_alone()),
        Some("log") => log::measure(tempfile::tempdir().unwrap().path()),
        Some("load") => runtime.block_on(load_alone(&place)),
        Some("connections") => runtime.block_on(connections_alone()),
        _ => runtime.block_on(measure()),
    }
}

async fn chats_alone() {
    let mut setup = Setup::start().await;
    let client = Client::new(&setup, Via::Door { role: "door", host: "plain.bench" });
    beside_chats(&mut setup, &client).await;
}

/// The load with a credential on the host alone, or on another: for a profiler.
async fn load_alone(host: &str) {
    let setup = Setup::start().await;
    let host = if host == "plain" { "plain.bench" } else { "keyed.bench" };
    load(&setup, host, &Client::new(&setup, Via::Door { role: "door", host })).await;
}

/// New connections alone: for a profiler.
async fn connections_alone() {
    let setup = Setup::start().await;
    connections(&setup, "door", &Client::new(&setup, Via::Door { role: "door", host: "plain.bench" })).await;
}

async fn connections(setup: &Setup, name: &str, client: &Client) {
    let before = setup.cpu(client.via.role());
    let run = client.load(16, WARM_UP, MEASURED, false, false).await;
    let cpu = (setup.cpu(client.via.role()) - before) / run.all() as f64 * 10_000.0;
    println!(
        "| {name}: new TLS connection and GET, 16 at a time | {:.0}/s, door CPU {cpu:.2} s per 10,000 |",
        run.per_second()
    );
}

async fn load(setup: &Setup, name: &str, client: &Client) {
    for (what, kibibyte) in [("GET", false), ("POST", true)] {
        let before = setup.cpu(client.via.role());
        let run = client.load(32, WARM_UP, MEASURED, true, kibibyte).await;
        let cpu = (setup.cpu(client.via.role()) - before) / run.all() as f64 * 10_000.0;
        println!(
            "| {name}: 1 KiB {what}, kept alive, 32 at a time | {:.0}/s, p99 {:.2} ms, door CPU {cpu:.2} s per 10,000 |",
            run.per_second(),
            run.p99()
        );
    }
}

async fn measure() {
    let mut setup = Setup::start().await;
    let door = |role, host| Client::new(&setup, Via::Door { role, host });
    let direct = Client::new(&setup, Via::Direct);
    let plain = door("door", "plain.bench");
    let all = [
        ("direct", direct.clone()),
        ("door, unscanned and unaudited", door("unaudited", "plain.bench")),
        ("door, unscanned", door("bare", "plain.bench")),
        ("door", plain.clone()),
        ("door, credential and scan", door("door", "keyed.bench")),
    ];
    println!("\n| measurement | result |\n|---|---|");
    println!("| door at rest | {:.1} MiB |", setup.door_memory());
    for (name, client) in &all {
        let run = client.keep_alive(1, WARM_UP, MEASURED).await;
        println!("| {name}: 1 KiB GET, kept alive, 1 at a time | p50 {:.3} ms, p99 {:.3} ms |", run.p50(), run.p99());
    }
    beside_chats(&mut setup, &plain).await;
    for (name, client) in &all {
        load(&setup, name, client).await;
    }
    for (name, client) in [("direct", &direct), ("door", &plain)] {
        connections(&setup, name, client).await;
    }
    for (name, client) in &all {
        println!("| {name}: download | {:.0} MB/s |", client.download(512 << 20).await);
        println!("| {name}: upload | {:.0} MB/s |", client.upload(256 << 20).await);
    }
    for (name, client) in &all {
        let run = client.events(200).await;
        println!(
            "| {name}: event stream, age of an event on arrival | p50 {:.3} ms, p99 {:.3} ms |",
            run.p50(),
            run.p99()
        );
    }
    let before = setup.door_memory();
    let tunnels = plain.idle_tunnels(400).await;
    let each = (setup.door_memory() - before) * 1024.0 / tunnels.len() as f64;
    println!("| idle tunnel (used once, then held), of {} | {each:.0} KiB |", tunnels.len());
}

/// In many short turns, so that whatever else the machine does falls on both; the median of
/// what each pair kept, so that one that it fell on alone does not count.
async fn beside_chats(setup: &mut Setup, client: &Client) {
    const TURN: Duration = Duration::from_millis(600);
    let (mut alone, mut kept) = (Vec::new(), Vec::new());
    for _ in 0..25 {
        let before = client.keep_alive(1, TURN / 6, TURN).await.per_second();
        setup.chats(chats::WRITE);
        kept.push(client.keep_alive(1, TURN / 6, TURN).await.per_second() / before);
        setup.chats(chats::REST);
        alone.push(before);
    }
    alone.sort_by(f64::total_cmp);
    kept.sort_by(f64::total_cmp);
    println!(
        "| door: the same while three chats of other groups write as fast as they can | {:.0} % of its {:.0}/s |",
        100.0 * kept[kept.len() / 2],
        alone[alone.len() / 2]
    );
}
