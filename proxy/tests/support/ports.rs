//! Stand-ins for the proxy's ports: the log, names, secrets. Each can be told to fail, and counts
//! its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use bytes::Bytes;
use policies::{Authority, Code, GroupName, Host, HostName, Limits, Refusal};
use proxy::audit::{Allowed, Decision, Identity, Ledger, LedgerDown, Noted, Operation, Outcome, Seq, Tokens};
use proxy::ports::{
    Budget, Caller, Internal, Meter, Pending, Resolved, Resolver, SecretUnavailable, Secrets, TokenRequest, Unresolved,
};
use scan::{Watched, Watchlist};
use secrecy::{ExposeSecret, SecretString};

/// A path on the host, which no sandbox may learn.
pub const HOST_PATH: &str = "/home/owner/.local/share/doorward";

/// The log, in memory.
#[derive(Default)]
pub struct Log {
    rows: Mutex<Vec<Row>>,
    noted: Mutex<Vec<Noted>>,
    pub down: AtomicBool,
}

/// A decision and, once known, its outcome.
#[derive(Clone, Debug)]
pub struct Row {
    pub decision: Decision,
    pub outcome: Option<Outcome>,
}

impl Log {
    pub fn rows(&self) -> Vec<Row> {
        self.rows.lock().unwrap().clone()
    }

    /// The noted events.
    pub fn noted(&self) -> Vec<Noted> {
        self.noted.lock().unwrap().clone()
    }

    /// The only row.
    pub fn only(&self) -> Row {
        let rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows[0].clone()
    }

    pub fn codes(&self) -> Vec<Option<Code>> {
        self.rows().iter().map(Row::code).collect()
    }

    /// Whether every allowed request has an outcome.
    pub fn is_settled(&self) -> bool {
        self.rows().iter().all(|row| !row.is_allowed() || row.outcome.is_some())
    }
}

impl Row {
    pub fn is_allowed(&self) -> bool {
        self.decision.verdict == Allowed::Allow
    }

    /// Why it was refused, before or after the verdict.
    pub fn code(&self) -> Option<Code> {
        self.decision.code.or(self.outcome.as_ref().and_then(|outcome| outcome.code))
    }

    pub fn alarm(&self) -> bool {
        self.decision.alarm || self.outcome.as_ref().is_some_and(|outcome| outcome.alarm)
    }

    pub fn outcome(&self) -> &Outcome {
        self.outcome.as_ref().expect("an outcome")
    }
}

impl Ledger for Log {
    fn decided(&self, decision: &Decision) -> Result<Seq, LedgerDown> {
        if self.down.load(Ordering::SeqCst) {
            return Err(LedgerDown(format!("{HOST_PATH}/audit.db: no space left on device")));
        }
        let mut rows = self.rows.lock().unwrap();
        rows.push(Row { decision: decision.clone(), outcome: None });
        Ok(Seq(rows.len() as u64 - 1))
    }

    fn ended(&self, seq: Seq, outcome: &Outcome) -> Result<(), LedgerDown> {
        let row = &mut self.rows.lock().unwrap()[seq.0 as usize];
        assert!(row.is_allowed(), "only what was allowed has an outcome");
        assert!(row.outcome.replace(outcome.clone()).is_none(), "a second outcome");
        Ok(())
    }

    fn noted(&self, noted: &Noted) -> Result<(), LedgerDown> {
        self.noted.lock().unwrap().push(noted.clone());
        Ok(())
    }
}

/// Runs while a name is being resolved: after the verdict, before the dial.
type Meanwhile = Box<dyn Fn() + Send + Sync>;

/// The resolver: a table, with a count of queries.
#[derive(Default)]
pub struct Names {
    /// One list of addresses for each query; the last is repeated.
    table: Mutex<BTreeMap<String, Vec<Vec<Resolved>>>>,
    asked: Mutex<Vec<String>>,
    meanwhile: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl Names {
    /// Sets the answers to queries for the name, in order.
    pub fn set(&self, name: &str, answers: Vec<Vec<Resolved>>) {
        self.table.lock().unwrap().insert(name.to_owned(), answers);
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn meanwhile(&self, then: impl Fn() + Send + Sync + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Arc::new(then));
    }

    fn answer(&self, name: &str) -> Result<Vec<Resolved>, Unresolved> {
        let mut asked = self.asked.lock().unwrap();
        asked.push(name.to_owned());
        let time = asked.iter().filter(|one| *one == name).count();
        let table = self.table.lock().unwrap();
        let answers = table.get(name).ok_or_else(|| Unresolved("no such name".to_owned()))?;
        Ok(answers.get(time - 1).or(answers.last()).cloned().unwrap_or_default())
    }
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, name: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>> {
        Box::pin(async move {
            let answer = self.answer(name.as_str());
            let then = self.meanwhile.lock().unwrap().clone();
            if let Some(then) = then {
                then();
            }
            answer
        })
    }
}

/// The one credential whose secret is a refresh token.
const GRANTED: &str = "seventh";

/// The vault: real secrets by name, and the real watchlist over them.
#[derive(Default)]
pub struct Safe {
    pub secrets: BTreeMap<String, String>,
    pub locked: AtomicBool,
    /// Called before a secret is given out.
    pub meanwhile: Mutex<Option<Meanwhile>>,
    /// The keys that hosts will make, each with its surrogate.
    made: BTreeMap<String, String>,
    /// The token from the endpoint for `seventh`; until then one is due.
    token: Mutex<Option<String>>,
    /// Which groups get no more credentials, and where.
    set_aside: Mutex<BTreeSet<(GroupName, Authority)>>,
    watchlist: ArcSwap<Watchlist>,
}

impl Safe {
    pub fn new(secrets: BTreeMap<String, String>, made: BTreeMap<String, String>, watched: Vec<Watched>) -> Self {
        let watchlist = Watchlist::build(watched).expect("values long enough");
        Safe { secrets, made, watchlist: ArcSwap::from_pointee(watchlist), ..Safe::default() }
    }
}

impl Secrets for Safe {
    fn reveal(&self, credential: &str) -> Result<SecretString, SecretUnavailable> {
        if let Some(then) = &*self.meanwhile.lock().unwrap() {
            then();
        }
        if self.locked.load(Ordering::SeqCst) {
            return Err(SecretUnavailable::new(format!(
                "credential {credential}: {HOST_PATH}/secrets/{credential} cannot be read"
            )));
        }
        if let (GRANTED, Some(token)) = (credential, &*self.token.lock().unwrap()) {
            return Ok(token.clone().into());
        }
        let secret = self.secrets.get(credential).ok_or_else(|| SecretUnavailable::new("not defined".to_owned()))?;
        Ok(SecretString::from(secret.clone()))
    }

    fn held(&self, credential: &str) -> Vec<SecretString> {
        self.secrets.get(credential).map(|secret| SecretString::from(secret.clone())).into_iter().collect()
    }

    fn minted(&self, _: &Identity, _: &str, key: &SecretString) -> Result<SecretString, SecretUnavailable> {
        let made =
            self.made.get(key.expose_secret()).ok_or_else(|| SecretUnavailable::new("no such key".to_owned()))?;
        Ok(SecretString::from(made.clone()))
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        self.watchlist.load_full()
    }

    fn set_aside(&self, sandbox: &Identity, host: &Authority) {
        self.set_aside.lock().unwrap().insert((sandbox.group.clone(), host.clone()));
    }

    fn is_set_aside(&self, group: &GroupName, host: &Authority) -> bool {
        self.set_aside.lock().unwrap().contains(&(group.clone(), host.clone()))
    }

    fn due(&self, credential: &str) -> Result<Option<TokenRequest>, SecretUnavailable> {
        let is_due = credential == GRANTED && self.token.lock().unwrap().is_none();
        let request = || TokenRequest {
            content_type: "application/x-www-form-urlencoded",
            body: format!("grant_type=refresh_token&refresh_token={}", self.secrets[GRANTED]).into(),
        };
        Ok(is_due.then(request))
    }

    fn granted(&self, _: &str, _: u16, answer: &[u8]) -> Result<(), SecretUnavailable> {
        let answer: serde_json::Value = serde_json::from_slice(answer).unwrap();
        *self.token.lock().unwrap() = Some(answer["access_token"].as_str().unwrap().to_owned());
        Ok(())
    }
}

/// The budget: counts calls, and refuses where it was told to.
#[derive(Default)]
pub struct Wallet {
    requests: AtomicU64,
    bytes: AtomicU64,
    settled: Mutex<Vec<Option<Tokens>>>,
}

impl Wallet {
    /// What requests to models used, in the order of their ends.
    pub fn settled(&self) -> Vec<Option<Tokens>> {
        self.settled.lock().unwrap().clone()
    }

    /// Requests and bytes (heads and bodies together) that were let through.
    pub fn spent(&self) -> (u64, u64) {
        (self.requests.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst))
    }

    fn pay(&self, bytes: u64, most: Option<u64>) -> Result<(), Refusal> {
        let fits = |so_far: u64| Some(so_far + bytes).filter(|sum| most.is_none_or(|most| *sum <= most));
        let paid = self.bytes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits);
        paid.map(drop).map_err(|_| Refusal::new(Code::LimitExceeded, "the bytes of the day are used up"))
    }
}

impl Budget for Wallet {
    fn admit<'a>(
        &'a self,
        _: &'a GroupName,
        limits: &Limits,
        _: Option<&'a Host>,
        head: u64,
    ) -> Pending<'a, Result<(), Refusal>> {
        let requests = self.requests.load(Ordering::SeqCst) + 1;
        if limits.requests_per_minute.is_some_and(|most| requests > most) {
            let used_up = Refusal::new(Code::LimitExceeded, "the requests of the minute are used up");
            return Box::pin(ready(Err(used_up)));
        }
        let paid = self.pay(head, limits.upload_per_day);
        if paid.is_ok() {
            self.requests.store(requests, Ordering::SeqCst);
        }
        Box::pin(ready(paid))
    }

    fn spend(&self, _: &GroupName, limits: &Limits, bytes: u64) -> Result<(), Refusal> {
        self.pay(bytes, limits.upload_per_day)
    }
}

impl Meter for Wallet {
    fn reserve<'a>(
        &'a self,
        _: &'a GroupName,
        limits: &'a Limits,
        most: &'a Tokens,
    ) -> Pending<'a, Result<u64, Refusal>> {
        let left = limits.tokens_per_day.unwrap_or(u64::MAX);
        let held = match most.sum() <= left {
            true => Ok(1),
            false => Err(Refusal::new(Code::UsedUp, "the tokens of the day are used up")),
        };
        Box::pin(ready(held))
    }

    fn has_price(&self, model: &str) -> bool {
        model != "of-the-host-alone"
    }

    fn goes_on(&self, _: &GroupName, limits: &Limits, _: u64, so_far: &Tokens) -> Result<(), Refusal> {
        match limits.tokens_per_day.is_some_and(|most| so_far.sum() > most) {
            true => Err(Refusal::new(Code::UsedUp, "the tokens of the day are used up")),
            false => Ok(()),
        }
    }

    fn settle(&self, _: &GroupName, _: u64, used: Option<&Tokens>) {
        self.settled.lock().unwrap().push(used.cloned());
    }
}

/// The host: records the requests, and performs whatever is posted to `/do`.
#[derive(Default)]
pub struct Desk {
    asked: Mutex<Vec<Asked>>,
    performed: AtomicU64,
    /// Called before anything is performed.
    pub meanwhile: Mutex<Option<Meanwhile>>,
}

/// One request as the host got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub group: String,
    pub run: Option<u64>,
    pub request: String,
    pub headers: Vec<String>,
    pub body: Vec<u8>,
}

const OPERATION: Operation = Operation { name: "do", effect: true };

/// The refusal for operations posted to `/refuse` and `/fail`.
pub fn withheld() -> Refusal {
    Refusal::new(Code::SecretInRequest, "the message holds a secret")
}

impl Desk {
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn performed(&self) -> u64 {
        self.performed.load(Ordering::SeqCst)
    }

    fn perform(&self, caller: &Caller) -> Result<&'static str, Refusal> {
        if let Some(then) = &*self.meanwhile.lock().unwrap() {
            then();
        }
        let _intent = caller.intend(OPERATION)?;
        self.performed.fetch_add(1, Ordering::SeqCst);
        Ok("done")
    }
}

impl Internal for Desk {
    fn answer(&self, caller: Caller, request: http::Request<Bytes>) -> Pending<'_, http::Response<Bytes>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(Asked {
                group: caller.identity().group.to_string(),
                run: caller.run(),
                request: format!("{} {}", request.method(), request.uri()),
                headers: request.headers().keys().map(ToString::to_string).collect(),
                body: request.body().to_vec(),
            });
            let answer = match request.uri().path() {
                "/do" => self.perform(&caller).map_err(|refusal| refusal.to_string()),
                "/refuse" => {
                    caller.refuse(OPERATION, &withheld());
                    Err("refused".to_owned())
                }
                "/fail" => caller.intend(OPERATION).map_err(|refusal| refusal.to_string()).and_then(|mut intent| {
                    intent.failed(&withheld());
                    Err("failed".to_owned())
                }),
                "/policy" => Ok("the policy"),
                _ => Err("no such thing".to_owned()),
            };
            let status = if answer.is_ok() { 200 } else { 404 };
            let mut response = http::Response::new(answer.map_or_else(Bytes::from, Bytes::from));
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            response
        })
    }
}
