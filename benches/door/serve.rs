//! The door's process, without a container in front: the daemon's own gateway, or one
//! that has nothing to look for, with the audit log or without.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;
use bytes::Bytes;
use doorward::budget::Budgets;
use doorward::clock::OwnersClock;
use doorward::config::{Config, Prices};
use doorward::gateway::Gateway;
use doorward::home::Home;
use doorward::meters::Meters;
use doorward::operations::Operations;
use doorward::resolver::Names;
use doorward::store::ledger::AuditLog;
use policies::{Authority, Date, GroupName, Moment, SandboxId, TimeOfDay};
use policy_file::Source;
use proxy::audit::{Decision, Identity, Ledger, LedgerDown, Noted, Outcome, Seq};
use proxy::ports::{Caller, Internal, NobodyToAsk, Pending, SecretUnavailable, Secrets};
use proxy::{Door, Keyring, Limits, Refreshes};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use scan::Watchlist;
use secrecy::SecretString;
use tokio::io::AsyncReadExt;
use tokio::net::UnixListener;

/// Opens a door at `door.sock`, says the surrogate, and serves until stdin ends; lets chats
/// write beside it where stdin says so.
pub(crate) async fn door(dir: &Path) {
    let (home, config) = home(dir);
    let ledger = Arc::new(AuditLog::open(&home.audit_log()).unwrap());
    let gateway =
        Gateway::open(&home, &config, ledger.clone(), Operations::of(ledger, None), Arc::new(NobodyToAsk)).unwrap();
    let door = gateway.open_door(&group(), &dir.join("door.sock")).unwrap();
    std::fs::write(dir.join("door-ca.pem"), door.ca_pem()).unwrap();
    let surrogate = door.environment().iter().find(|(name, _)| name == crate::processes::SURROGATE_VARIABLE);
    println!("{}", surrogate.unwrap().1);
    crate::chats::on_command(&home).await;
}

/// The same where nothing is secret; `unaudited`: and nothing is written down.
pub(crate) async fn unscanned(dir: &Path, role: &str) {
    let (home, config) = home(dir);
    let log = Arc::new(AuditLog::open(&dir.join(format!("{role}-log"))).unwrap());
    let audited: Arc<dyn Ledger> = log.clone();
    let root = CertificateDer::from_pem_file(dir.join("origin-ca.pem")).unwrap();
    let tls = proxy::upstream_tls(&[root]).unwrap();
    let gateway = proxy::Gateway {
        ledger: if role == "unaudited" { Arc::new(Forgetful) } else { audited },
        resolvers: Names::of_each_door(config.upstream, &tls),
        secrets: Arc::new(NoSecrets),
        budget: Arc::new(Budgets::new(log.clone(), clock())),
        meter: Arc::new(Meters::new(log, clock(), Prices::default())),
        now: Arc::new(|| Moment::new(Date::new(2026, 11, 23).unwrap(), TimeOfDay::NOON)),
        tls,
        internal: Arc::new(NoOperations),
        owner: Arc::new(NobodyToAsk),
        latch: Arc::default(),
        limits: Limits::default(),
        connections: AtomicU64::new(0),
        refreshes: Refreshes::default(),
        tags: proxy::TagSecret::random(),
    };
    let text = std::fs::read_to_string(home.policy_file(&group())).unwrap();
    let policy = policy_file::compile(&group(), &Source { name: "bench".to_owned(), text }, None).unwrap().policy;
    let identity = Identity { group: group(), sandbox: SandboxId::new("b0").unwrap() };
    let policy = Arc::new(ArcSwap::from_pointee(policy));
    let door = Door::new(Arc::new(gateway), identity, policy, Keyring::default()).unwrap();
    std::fs::write(dir.join(format!("{role}-ca.pem")), door.ca_pem()).unwrap();
    tokio::spawn(door.serve(UnixListener::bind(dir.join(format!("{role}.sock"))).unwrap()));
    println!("ready");
    drop(tokio::io::stdin().read(&mut [0]).await);
}

fn clock() -> OwnersClock {
    OwnersClock::new(jiff::tz::TimeZone::UTC)
}

fn home(dir: &Path) -> (Home, Config) {
    let home = Home::at(&dir.join("home")).unwrap();
    home.prepare().unwrap();
    let config = Config::load(&home).unwrap();
    (home, config)
}

fn group() -> GroupName {
    GroupName::parse("bench").unwrap()
}

struct NoSecrets;

impl Secrets for NoSecrets {
    fn reveal(&self, _: &str) -> Result<SecretString, SecretUnavailable> {
        Err(SecretUnavailable::new("there are none".to_owned()))
    }

    fn held(&self, _: &str) -> Vec<SecretString> {
        Vec::new()
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        Arc::default()
    }

    fn set_aside(&self, _: &Identity, _: &Authority) {}

    fn is_set_aside(&self, _: &GroupName, _: &Authority) -> bool {
        false
    }
}

struct NoOperations;

impl Internal for NoOperations {
    fn answer(&self, _: Caller, _: http::Request<Bytes>) -> Pending<'_, http::Response<Bytes>> {
        Box::pin(async { http::Response::new(Bytes::new()) })
    }
}

struct Forgetful;

impl Ledger for Forgetful {
    fn decided(&self, _: &Decision) -> Result<Seq, LedgerDown> {
        Ok(Seq(0))
    }

    fn ended(&self, _: Seq, _: &Outcome) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn noted(&self, _: &Noted) -> Result<(), LedgerDown> {
        Ok(())
    }
}
