//! What idle tunnels cost: the memory of the process that holds their doors. As many doors as it takes, since each has
//! a bound of its own.

use std::path::Path;
use std::sync::Arc;

use doorward::config::Config;
use doorward::gateway::Gateway;
use doorward::home::Home;
use doorward::operations::Operations;
use doorward::store::ledger::AuditLog;
use policies::GroupName;
use proxy::ports::NobodyToAsk;

use crate::chart::{Chart, Line};
use crate::client::{Client, Sender, Via};
use crate::processes::{SURROGATE_VARIABLE, Setup};
use crate::{Reach, sizes};

/// Of one door; it would take some more.
const OF_A_DOOR: u64 = 450;

const DOORS: u64 = 20;

/// Descriptors of this process, of the origin, or half of the doors' that other things need.
const SPARE: u64 = 500;

pub(crate) fn charts(reach: Reach) -> Vec<Chart> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    vec![runtime.block_on(measured(reach))]
}

async fn measured(reach: Reach) -> Chart {
    let mut chart = Chart {
        name: "tunnels",
        title: "Idle tunnels (each used once, then held)",
        across: "tunnels",
        up: "of the process that holds the doors",
        lines: ["resident MiB", "of that, KiB for each tunnel"].map(Line::new).into(),
    };
    let setup = Setup::start().await;
    let clients: Vec<Client> = (0..DOORS).map(|number| Client::new(&setup, via(number))).collect();
    // What the first one brings along is no tunnel's.
    let mut held: Vec<Vec<Sender>> = vec![clients[0].idle_tunnels(1).await];
    let (before, mut count) = (setup.door_memory(), 1);
    // A tunnel is two descriptors to the doors.
    let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = (most.saturating_sub(SPARE) / 2).min(OF_A_DOOR * DOORS);
    for tunnels in sizes(reach, 10, [100, 2_000, 9_000]).into_iter().map(|size| size.min(most)) {
        while count < tunnels {
            let door = count / OF_A_DOOR;
            let more = (tunnels - count).min(OF_A_DOOR * (door + 1) - count);
            held.push(clients[door as usize].idle_tunnels(more as usize).await);
            count += more;
        }
        let now = setup.door_memory();
        chart.add(tunnels, [now, (now - before).max(0.0) * 1024.0 / (tunnels - 1) as f64]);
    }
    chart
}

/// The first has the name that the other bench gives its only one.
fn via(number: u64) -> Via {
    let role = match number {
        0 => "door",
        number => format!("door-{number}").leak(),
    };
    Via::Door { role, host: "plain.bench" }
}

/// Serves all doors until stdin ends, and says the surrogate of the first.
pub(crate) async fn doors(dir: &Path) {
    let home = Home::at(&dir.join("home")).unwrap();
    home.prepare().unwrap();
    let config = Config::load(&home).unwrap();
    let ledger = Arc::new(AuditLog::open(&home.audit_log()).unwrap());
    let gateway =
        Gateway::open(&home, &config, ledger.clone(), Operations::of(ledger, None), Arc::new(NobodyToAsk)).unwrap();
    let group = GroupName::parse("bench").unwrap();
    let open = |number| {
        let Via::Door { role, .. } = via(number) else { unreachable!() };
        let door = gateway.open_door(&group, &dir.join(format!("{role}.sock"))).unwrap();
        std::fs::write(dir.join(format!("{role}-ca.pem")), door.ca_pem()).unwrap();
        door
    };
    let doors: Vec<_> = (0..DOORS).map(open).collect();
    let surrogate = doors[0].environment().iter().find(|(name, _)| name == SURROGATE_VARIABLE);
    println!("{}", surrogate.unwrap().1);
    crate::chats::on_command(&home).await;
}
