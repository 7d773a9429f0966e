//! Two doors on real sockets, real upstream servers on loopback, and everything real in between:
//! the environment of the attack cases and the proxy's tests.
//!
//! `family` and `work` are two groups with a sandbox each. Names resolve to 127.0.0.10 and up,
//! which the policies exempt one by one; everything else leads to a canary that must not be
//! reached.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "tests come through a door")]

pub mod certificates;
pub mod client;
pub mod http2;
mod keys;
#[path = "../../../scan/tests/support/packing.rs"]
pub mod packing;
pub mod owner;
pub mod ports;
pub mod raw_http2;
pub mod spelled;
pub mod upstream;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use policies::{Date, GroupName, Moment, Policy, SandboxId, TimeOfDay};
use policy_file::Source;
use proxy::audit::Identity;
use proxy::ports::Resolved;
use proxy::{Door, Gateway, Keyring, Limits, Revocations, upstream_tls_with};
use rustls::pki_types::CertificateRevocationListDer;
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

pub use client::{Answer, Client, PATIENCE};
use keys::{keyring, safe, values};
use owner::{Says, Somebody};
use ports::{Desk, Log, Names, Safe, Wallet};
use upstream::{Canary, Upstream};

/// Names of upstream servers, and the last byte of their addresses.
const UPSTREAMS: [(&str, u8); 14] = [
    ("api.bound.test", 10),
    ("other.bound.test", 11),
    ("cdn.allowed.test", 12),
    ("ro.allowed.test", 13),
    ("ok.glob.test", 14),
    ("model.bound.test", 15),
    ("bad.test", 16),
    ("git.allowed.test", 17),
    ("git.bound.test", 18),
    ("query.bound.test", 19),
    ("path.bound.test", 20),
    ("json.bound.test", 21),
    ("oauth.bound.test", 22),
    ("login.bound.test", 23),
];

/// How many of a body's last bytes are held at the door until more arrive: `proxy::scan` says why.
pub const HELD: usize = 511;

/// Wrong certificates, all on the server of `bad.test`.
pub const BAD_CERTIFICATES: [&str; 5] =
    ["expired.bad.test", "future.bad.test", "wronghost.bad.test", "selfsigned.bad.test", "unknownca.bad.test"];

/// Where each credential belongs.
const FIRST_HOSTS: [&str; 7] = [
    "api.bound.test:443",
    "model.bound.test:443",
    "expired.bad.test:443",
    "future.bad.test:443",
    "wronghost.bad.test:443",
    "selfsigned.bad.test:443",
    "unknownca.bad.test:443",
];
const SECOND_HOSTS: [&str; 1] = ["other.bound.test:443"];
/// In the password of Basic credentials; in the parameter `key`.
const THIRD_HOSTS: [&str; 1] = ["git.bound.test:443"];
const FOURTH_HOSTS: [&str; 1] = ["query.bound.test:443"];
/// In a segment of the path, `/bot…` or `/file/bot…`.
const FIFTH_HOSTS: [&str; 1] = ["path.bound.test:443"];
/// In the field `auth.api_key` of a JSON body.
const SIXTH_HOSTS: [&str; 1] = ["json.bound.test:443"];
/// An access token, which the endpoint gives for the refresh token.
const SEVENTH_HOSTS: [&str; 1] = ["oauth.bound.test:443"];
const ENDPOINT: &str = "https://login.bound.test/token";
/// The owner's rule for it.
pub const ENDPOINT_RULE: &str =
    "[[allow]]\nhost = \"login.bound.test\"\ndo = [\"POST /token\"]\nprivate = [\"127.0.0.23/32\"]\n";

/// The settings of a world; `Setup::default()` for the usual.
#[derive(Clone)]
pub struct Setup {
    /// The policies of `family` and `work`.
    pub family: String,
    pub work: String,
    pub limits: Limits,
    /// `false`: nothing is watched and no host is guarded. To prove that tests would notice.
    pub guards: bool,
    /// Revocation lists.
    pub lists: Vec<CertificateRevocationListDer<'static>>,
    /// The owner's answer when asked.
    pub owner: Says,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            family: include_str!("../../../tests/vectors/fixture/family.toml").to_owned(),
            work: include_str!("../../../tests/vectors/fixture/work.toml").to_owned(),
            limits: Limits::default(),
            guards: true,
            lists: Vec::new(),
            owner: Says::default(),
        }
    }
}

/// All of it.
pub struct World {
    pub log: Arc<Log>,
    pub names: Arc<Names>,
    pub wallet: Arc<Wallet>,
    clock: Arc<Mutex<Moment>>,
    pub desk: Arc<Desk>,
    pub safe: Arc<Safe>,
    pub canary: Canary,
    pub family: OpenDoor,
    pub work: OpenDoor,
    pub gateway: Arc<Gateway>,
    pub revocations: Arc<Revocations>,
    upstreams: BTreeMap<&'static str, Upstream>,
    /// Every value that a case can name: `REAL1`, `SUR1`, …
    pub values: BTreeMap<&'static str, String>,
    dir: tempfile::TempDir,
}

/// A door being served.
pub struct OpenDoor {
    pub door: Arc<Door>,
    pub policy: Arc<ArcSwap<Policy>>,
    socket: PathBuf,
    serving: AbortHandle,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Setup::default()).await
    }

    pub async fn with(setup: Setup) -> Self {
        LazyLock::force(&TRACES);
        let values = values();
        let safe = Arc::new(safe(&values, setup.guards));
        let (log, names, wallet) = (Arc::new(Log::default()), Arc::new(Names::default()), Arc::new(Wallet::default()));
        let desk = Arc::new(Desk::default());
        let clock = Arc::new(Mutex::new(Moment::new(Date::new(2026, 11, 23).unwrap(), TimeOfDay::NOON)));
        let canary = Canary::start().await;
        let mut upstreams = BTreeMap::new();
        for (name, last) in UPSTREAMS {
            upstreams.insert(name, Upstream::start([127, 0, 0, last].into()).await);
        }
        fill(&names, &upstreams, &canary);
        let (tls, revocations) = upstream_tls_with(&[certificates::root()], &setup.lists).unwrap();
        let gateway = Arc::new(Gateway {
            ledger: log.clone(),
            resolvers: {
                let names = names.clone();
                Arc::new(move || names.clone())
            },
            secrets: safe.clone(),
            budget: wallet.clone(),
            meter: wallet.clone(),
            internal: desk.clone(),
            owner: Arc::new(Somebody::who(setup.owner)),
            now: {
                let clock = clock.clone();
                Arc::new(move || *clock.lock().unwrap())
            },
            latch: Arc::default(),
            tls,
            limits: setup.limits,
            connections: AtomicU64::new(0),
            refreshes: proxy::Refreshes::default(),
            tags: proxy::TagSecret::random(),
        });
        let dir = tempfile::tempdir().unwrap();
        let open = |group: &str, policy: &str, first: &str| {
            OpenDoor::open(&gateway, dir.path(), group, policy, keyring(&values[first], &values, setup.guards))
        };
        let family = open("family", &setup.family, "SUR1");
        let work = open("work", &setup.work, "WORKSUR1");
        World {
            log,
            names,
            wallet,
            clock,
            desk,
            safe,
            canary,
            family,
            work,
            gateway,
            revocations,
            upstreams,
            values,
            dir,
        }
    }

    /// A door of a group without any credential.
    pub fn without_credentials(&self, policy: &str) -> OpenDoor {
        OpenDoor::open(&self.gateway, self.dir.path(), "bare", policy, Keyring::default())
    }

    /// A door of a group with its own credentials.
    pub fn with_keyring(&self, group: &str, policy: &str, keyring: Keyring) -> OpenDoor {
        OpenDoor::open(&self.gateway, self.dir.path(), group, policy, keyring)
    }

    /// Sets the owner's clock to another time of the same day, which is a Monday.
    pub fn turn_clock(&self, time: &str) {
        let mut clock = self.clock.lock().unwrap();
        *clock = Moment::new(clock.date(), TimeOfDay::parse(time).unwrap());
    }

    /// The owner locks this, and nothing else.
    pub fn lock(&self, locked: proxy::Locked) {
        self.gateway.latch.set(locked);
        [&self.family, &self.work].iter().for_each(|open| open.door.cut_if_locked());
    }

    pub fn away(&self, away: bool) {
        self.gateway.latch.set_away(away);
        [&self.family, &self.work].iter().for_each(|open| open.door.cut_if_locked());
    }

    /// The server of a name.
    pub fn upstream(&self, name: &str) -> &Upstream {
        &self.upstreams[name]
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.values()
    }

    /// The answers to queries for a name; every address gets the port of its listener.
    pub fn resolves(&self, name: &str, answers: &[Vec<IpAddr>]) {
        let listeners = || self.upstreams().map(|upstream| upstream.address).chain([self.canary.address]);
        let port = |ip: IpAddr| listeners().find(|address| address.ip() == ip).map(|address| address.port());
        let resolved = |ips: &Vec<IpAddr>| ips.iter().map(|ip| Resolved { ip: *ip, port: port(*ip) }).collect();
        self.names.set(name, answers.iter().map(resolved).collect());
    }

    pub fn real(&self) -> &str {
        &self.values["REAL1"]
    }

    pub fn surrogate(&self) -> &str {
        &self.values["SUR1"]
    }

    /// Waits until every allowed request has its outcome.
    pub async fn settled(&self) {
        until("every outcome is stored", || self.log.is_settled()).await;
    }
}

impl OpenDoor {
    fn open(gateway: &Arc<Gateway>, dir: &Path, group: &str, policy: &str, keyring: Keyring) -> Self {
        let sandbox = match group {
            "family" => "a1",
            "work" => "b2",
            _ => "c3",
        };
        let identity = identity(group, sandbox);
        let policy = Arc::new(ArcSwap::from_pointee(compile(group, policy)));
        let door = Door::new(gateway.clone(), identity, policy.clone(), keyring).unwrap();
        let socket = dir.join(format!("{group}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = tokio::spawn(door.clone().serve(listener)).abort_handle();
        OpenDoor { door, policy, socket, serving }
    }

    /// The socket's path.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection on which nothing was sent yet.
    pub async fn connect(&self) -> Client {
        Client::connect(&self.socket, self.door.ca_pem()).await
    }

    /// The inside of a tunnel.
    pub async fn tunnel(&self, authority: &str) -> Client {
        self.connect().await.tunnel(authority).await
    }

    /// One GET over a new tunnel.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        let mut client = self.tunnel(&format!("{host}:443")).await;
        client.send(get(host, path)).await;
        client.answer().await.expect("an answer")
    }

    /// Replaces the rules.
    pub fn replace_policy(&self, text: &str) {
        self.policy.store(Arc::new(compile(self.door.identity().group.as_str(), text)));
    }

    /// Stops serving: every connection is cut.
    pub fn shut(&self) {
        self.serving.abort();
    }
}

impl Drop for OpenDoor {
    fn drop(&mut self) {
        self.shut();
    }
}

/// A GET with nothing in it.
pub fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
}

pub fn compile(group: &str, text: &str) -> Policy {
    let source = Source { name: format!("policies/{group}.toml"), text: text.to_owned() };
    let compiled = policy_file::compile(&GroupName::parse(group).unwrap(), &source, None);
    compiled.unwrap_or_else(|problems| panic!("{problems}")).policy
}

/// Waits a little for a condition that may never hold; the caller judges that.
pub async fn until_or_give_up(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() && started.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for a condition; `what` is in the message if it never holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn identity(group: &str, sandbox: &str) -> Identity {
    Identity { group: GroupName::parse(group).unwrap(), sandbox: SandboxId::new(sandbox).unwrap() }
}

fn fill(names: &Names, upstreams: &BTreeMap<&str, Upstream>, canary: &Canary) {
    let at = |address: std::net::SocketAddr| vec![vec![Resolved { ip: address.ip(), port: Some(address.port()) }]];
    for (name, upstream) in upstreams {
        names.set(name, at(upstream.address));
    }
    for name in BAD_CERTIFICATES.into_iter().chain(["revoked.bad.test", "sound.bad.test"]) {
        names.set(name, at(upstreams["bad.test"].address));
    }
    for name in ["evil.test", "denied.glob.test", "x.glob.test", "evilglob.test", "glob.test", "doorward.internal"] {
        names.set(name, at(canary.address));
    }
}

/// Everything the code under test traced, at the finest level.
pub static TRACES: LazyLock<Arc<Mutex<Vec<u8>>>> = LazyLock::new(|| {
    let traces = Arc::new(Mutex::new(Vec::new()));
    let writer = Traces(traces.clone());
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    traces
});

#[derive(Clone)]
struct Traces(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
