//! Two doors on real sockets, real upstream servers on loopback, and everything
//! in between for real: what the attack cases and the tests of the proxy run in.
//!
//! `family` and `work` are two groups with a sandbox each. Names resolve to
//! 127.0.0.10 and up, which the policies exempt one by one; everything else leads
//! to a canary that nobody may reach.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

pub mod certificates;
pub mod client;
pub mod http2;
pub mod packing;
pub mod ports;
pub mod spelled;
pub mod upstream;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use policies::{Authority, Facts, GroupName, Policy, RequestPattern, SandboxId, Source};
use proxy::audit::Identity;
use proxy::ports::Resolved;
use proxy::scan::{Watched, WatchedKind};
use proxy::{
    BasicPart, Credential, Door, Field, Gateway, Grant, Guarded, Keyring, Limits, Mint, Place, Segment, upstream_tls,
};
use rand::RngExt;
use secrecy::SecretString;
use tokio::net::UnixListener;
use tokio::task::AbortHandle;

pub use client::{Answer, Client, PATIENCE};
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

/// Certificates that are wrong, all on the server of `bad.test`.
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
/// What the owner allows for it.
pub const ENDPOINT_RULE: &str =
    "[[allow]]\nhost = \"login.bound.test\"\ndo = [\"POST /token\"]\nprivate = [\"127.0.0.23/32\"]\n";

/// How a world is to be; `Setup::default()` for the usual.
#[derive(Clone)]
pub struct Setup {
    /// Policy of `family`; of `work`.
    pub family: String,
    pub work: String,
    pub limits: Limits,
    /// `false`: nothing is watched and no host is guarded. To prove that tests notice.
    pub guards: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            family: include_str!("../../../tests/vectors/fixture/family.toml").to_owned(),
            work: include_str!("../../../tests/vectors/fixture/work.toml").to_owned(),
            limits: Limits::default(),
            guards: true,
        }
    }
}

/// All of it.
pub struct World {
    pub log: Arc<Log>,
    pub names: Arc<Names>,
    pub wallet: Arc<Wallet>,
    pub desk: Arc<Desk>,
    pub safe: Arc<Safe>,
    pub canary: Canary,
    pub family: OpenDoor,
    pub work: OpenDoor,
    pub gateway: Arc<Gateway>,
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
        let canary = Canary::start().await;
        let mut upstreams = BTreeMap::new();
        for (name, last) in UPSTREAMS {
            upstreams.insert(name, Upstream::start([127, 0, 0, last].into()).await);
        }
        fill(&names, &upstreams, &canary);
        let gateway = Arc::new(Gateway {
            ledger: log.clone(),
            resolver: names.clone(),
            secrets: safe.clone(),
            budget: wallet.clone(),
            internal: desk.clone(),
            today: || policies::Date::new(2026, 11, 23).unwrap(),
            tls: upstream_tls(&[certificates::root()]).unwrap(),
            limits: setup.limits,
            connections: AtomicU64::new(0),
            refreshes: proxy::Refreshes::default(),
        });
        let dir = tempfile::tempdir().unwrap();
        let open = |group: &str, policy: &str, first: &str| {
            OpenDoor::open(&gateway, dir.path(), group, policy, keyring(&values[first], &values, setup.guards))
        };
        let family = open("family", &setup.family, "SUR1");
        let work = open("work", &setup.work, "WORKSUR1");
        World { log, names, wallet, desk, safe, canary, family, work, gateway, upstreams, values, dir }
    }

    /// The server of a name.
    pub fn upstream(&self, name: &str) -> &Upstream {
        &self.upstreams[name]
    }

    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.upstreams.values()
    }

    /// What each query for a name gets; every address with the port of whoever listens there.
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
        let sandbox = if group == "family" { "a1" } else { "b2" };
        let identity = identity(group, sandbox);
        let policy = Arc::new(ArcSwap::from_pointee(compile(group, policy)));
        let door = Door::new(gateway.clone(), identity, policy.clone(), keyring).unwrap();
        let socket = dir.join(format!("{group}.sock"));
        let listener = UnixListener::bind(&socket).unwrap();
        let serving = tokio::spawn(door.clone().serve(listener)).abort_handle();
        OpenDoor { door, policy, socket, serving }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A connection, nothing said yet.
    pub async fn connect(&self) -> Client {
        Client::connect(&self.socket, self.door.ca_pem()).await
    }

    /// The inside of a tunnel.
    pub async fn tunnel(&self, authority: &str) -> Client {
        self.connect().await.tunnel(authority).await
    }

    /// One GET over a tunnel of its own.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        let mut client = self.tunnel(&format!("{host}:443")).await;
        client.send(get(host, path)).await;
        client.answer().await.expect("an answer")
    }

    /// Other rules from now on.
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
    let compiled = Policy::compile(&GroupName::parse(group).unwrap(), &source, None);
    compiled.unwrap_or_else(|problems| panic!("{problems}")).policy
}

/// Waits a little for a condition that may never hold, which is for the caller to judge.
pub async fn until_or_give_up(holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() && started.elapsed() < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits for a condition; what is waited for is in the message when it never holds.
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

/// Random per world: what is found in a log or an answer was put there by this one.
fn values() -> BTreeMap<&'static str, String> {
    let prefixed = |prefix: &str| format!("{prefix}{}", random());
    BTreeMap::from([
        ("REAL1", prefixed("sk-real+/")),
        ("REAL2", prefixed("key real ")),
        ("REAL3", prefixed("ghp_real+/")),
        ("REAL4", prefixed("AIza real&/")),
        ("REAL5", prefixed("110201543:AAreal-")),
        ("REAL6", prefixed("tvly real\\/\"")),
        ("REAL7", prefixed("refresh-real-")),
        ("SUR1", prefixed("sk-sur-")),
        ("SUR6", prefixed("tvly-sur-")),
        ("SUR2", prefixed("key-sur-")),
        ("SUR3", prefixed("ghp_sur")),
        ("SUR4", prefixed("AIzaSur")),
        ("SUR5", prefixed("920347561:AAsur_")),
        ("SUR7", prefixed("access-sur-")),
        ("REFRESHSUR7", prefixed("refresh-sur-")),
        ("WORKSUR1", prefixed("sk-work-")),
        ("RETIREDSUR1", prefixed("sk-old-")),
        ("CANARY", prefixed("CANARY_KEY_")),
        ("ATTACKER", prefixed("sk-attacker-")),
        ("NEW1", prefixed("sk-new+/")),
        ("NEW2", prefixed("sk-new+/")),
        ("NEWSUR1", prefixed("sk-newsur-")),
        ("NEWSUR2", prefixed("sk-newsur-")),
        ("FRESH", format!("ghp_{}x7Kq2Zw9", random())),
    ])
}

fn random() -> String {
    let mut rng = rand::rng();
    (0..28).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

fn safe(values: &BTreeMap<&'static str, String>, guards: bool) -> Safe {
    let secrets = [
        ("first", "REAL1"),
        ("second", "REAL2"),
        ("third", "REAL3"),
        ("fourth", "REAL4"),
        ("fifth", "REAL5"),
        ("sixth", "REAL6"),
        ("seventh", "REAL7"),
    ];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), values[value].clone()));
    let surrogate = |value, credential: &str, group, sandbox, retired| {
        let what = WatchedKind::Surrogate {
            credential: credential.into(),
            sandbox: identity(group, sandbox).sandbox,
            group: identity(group, sandbox).group,
            retired,
        };
        watched(what, &values[value])
    };
    let secret =
        |value, credential: &str| watched(WatchedKind::Secret { credential: credential.into() }, &values[value]);
    let all = vec![
        secret("REAL1", "first"),
        secret("REAL2", "second"),
        secret("REAL3", "third"),
        secret("REAL4", "fourth"),
        secret("REAL5", "fifth"),
        secret("REAL6", "sixth"),
        secret("REAL7", "seventh"),
        surrogate("SUR1", "first", "family", "a1", false),
        surrogate("SUR2", "second", "family", "a1", false),
        surrogate("SUR3", "third", "family", "a1", false),
        surrogate("SUR4", "fourth", "family", "a1", false),
        surrogate("SUR5", "fifth", "family", "a1", false),
        surrogate("SUR6", "sixth", "family", "a1", false),
        surrogate("SUR7", "seventh", "family", "a1", false),
        surrogate("REFRESHSUR7", "seventh", "family", "a1", false),
        surrogate("WORKSUR1", "first", "work", "b2", false),
        surrogate("RETIREDSUR1", "first", "family", "a0", true),
        watched(WatchedKind::Canary { name: "bait".into() }, &values["CANARY"]),
        secret("NEW1", "first"),
        secret("NEW2", "first"),
        surrogate("NEWSUR1", "first", "family", "a1", false),
        surrogate("NEWSUR2", "first", "family", "a1", false),
    ];
    let made = [("NEW1", "NEWSUR1"), ("NEW2", "NEWSUR2")].map(|(key, sur)| (values[key].clone(), values[sur].clone()));
    Safe::new(BTreeMap::from(secrets), made.into(), if guards { all } else { Vec::new() })
}

fn watched(what: WatchedKind, value: &str) -> Watched {
    Watched::new(what, &SecretString::from(value.to_owned()))
}

fn keyring(first: &str, values: &BTreeMap<&str, String>, guards: bool) -> Keyring {
    let authorities =
        |hosts: &[&str]| hosts.iter().map(|host| Authority::parse(host, None).unwrap()).collect::<Vec<_>>();
    let credential = |name: &str, hosts: &[&str], place: Place, only: &[&str], surrogate: &str| Credential {
        name: name.into(),
        hosts: authorities(hosts),
        places: vec![place],
        only: only.iter().map(|pattern| RequestPattern::parse(pattern).unwrap()).collect(),
        surrogate: surrogate.into(),
        grant: None,
        mints: Vec::new(),
        minted: None,
    };
    let header = |name: &'static str| Place::Header(http::HeaderName::from_static(name));
    let segment = |text: &str| Place::Path(Segment::parse(text).unwrap());
    let only = ["GET /**", "HEAD /**", "POST /v1/**"];
    let minting = Mint {
        requests: vec![RequestPattern::parse("POST /v1/api_keys").unwrap()],
        fields: ["key.value", "token"].map(|field| Field::parse(field).unwrap()).into(),
    };
    let held = vec![
        Credential { mints: vec![minting], ..credential("first", &FIRST_HOSTS, header("authorization"), &only, first) },
        credential("second", &SECOND_HOSTS, header("x-api-key"), &[], &values["SUR2"]),
        credential("third", &THIRD_HOSTS, Place::Basic(BasicPart::Password), &[], &values["SUR3"]),
        credential("fourth", &FOURTH_HOSTS, Place::Query("key".into()), &[], &values["SUR4"]),
        credential("sixth", &SIXTH_HOSTS, Place::Json(Field::parse("auth.api_key").unwrap()), &[], &values["SUR6"]),
        Credential {
            places: vec![segment("/bot{}"), segment("/file/bot{}")],
            ..credential("fifth", &FIFTH_HOSTS, segment("/bot{}"), &[], &values["SUR5"])
        },
        Credential {
            grant: Some(Grant {
                endpoint: Facts::parse("POST", ENDPOINT).unwrap(),
                policy: Arc::new(compile("owner", ENDPOINT_RULE)),
                surrogate: values["REFRESHSUR7"].as_str().into(),
            }),
            ..credential("seventh", &SEVENTH_HOSTS, header("authorization"), &[], &values["SUR7"])
        },
    ];
    if !guards {
        return Keyring::default();
    }
    let guard = |one: &Credential, host: &Authority| Guarded {
        authority: host.clone(),
        credential: one.name.clone(),
        places: one.places.clone(),
        harmless: vec![header("x-own-trace")],
    };
    let guarded: Vec<_> = held.iter().flat_map(|one| one.hosts.iter().map(|host| guard(one, host))).collect();
    Keyring::new(held, guarded)
}

fn fill(names: &Names, upstreams: &BTreeMap<&str, Upstream>, canary: &Canary) {
    let at = |address: std::net::SocketAddr| vec![vec![Resolved { ip: address.ip(), port: Some(address.port()) }]];
    for (name, upstream) in upstreams {
        names.set(name, at(upstream.address));
    }
    for name in BAD_CERTIFICATES {
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
