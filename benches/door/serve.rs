//! The door's process: the daemon's own gateway, without a container in front.

use std::path::Path;
use std::sync::Arc;

use doorward::config::Config;
use doorward::gateway::Gateway;
use doorward::home::Home;
use doorward::store::ledger::AuditLog;
use policies::GroupName;
use tokio::io::AsyncReadExt;

/// Opens a door at `door.sock`, says the surrogate, and serves until stdin ends.
pub(crate) async fn door(dir: &Path) {
    let home = Home::at(&dir.join("home")).unwrap();
    home.prepare().unwrap();
    let config = Config::load(&home).unwrap();
    let ledger = Arc::new(AuditLog::open(&home.audit_db()).unwrap());
    let gateway = Gateway::open(&home, &config, ledger, None).unwrap();
    let group = GroupName::parse("bench").unwrap();
    let door = gateway.open_door(&group, &dir.join("door.sock")).unwrap();
    std::fs::write(dir.join("door-ca.pem"), door.ca_pem()).unwrap();
    let surrogate = door.environment().iter().find(|(name, _)| name == crate::processes::SURROGATE_VARIABLE);
    println!("{}", surrogate.unwrap().1);
    drop(tokio::io::stdin().read(&mut [0]).await);
}
