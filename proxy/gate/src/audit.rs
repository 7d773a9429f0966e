//! What the door writes down, and the port it writes it through.
//!
//! Two kinds of event: what was asked and decided ([`Decision`], stored before a
//! byte goes upstream), and how it ended ([`Outcome`], which names its decision).
//! The log is append-only: an outcome never changes the decision's row.

use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use policies::{Code, GroupName, Refusal, RuleRef, SandboxId};
use serde::Serialize;

/// A future behind a port.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The number of an event in the log; grows by one with each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Seq(pub u64);

/// Who asked: known from the door, never from the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// The group.
    pub group: GroupName,
    /// Its sandbox.
    pub sandbox: SandboxId,
}

/// How the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// A CONNECT that never became a request.
    Connect,
    /// A CONNECT that is passed through without being opened (`tls = "tunnel"`).
    Tunnel,
    /// HTTP/1.1 inside TLS inside CONNECT.
    Https,
    /// Plain HTTP in absolute form.
    Http,
    /// A request for a WebSocket, and what went through it.
    Websocket,
    /// Plain HTTP to the host itself, at `doorward.internal`.
    Internal,
    /// No request of its own: an operation that a request to the host asked for.
    Operation,
    /// Bytes that are none of these.
    Unknown,
}

/// Something that an agent asks of the host itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its name: `send_message`.
    pub name: &'static str,
    /// Whether it changes anything: a run that performed such an operation is not run again.
    pub effect: bool,
}

/// What was asked and decided. One per request, and one per connection that was
/// refused before a request could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Who.
    #[serde(flatten)]
    pub identity: Identity,
    /// The agent's run in progress.
    pub run: Option<u64>,
    /// The connection through the door; several requests may share one.
    pub connection: u64,
    /// How it came.
    pub protocol: Protocol,
    /// The operation that was asked of the host, if this is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// CONNECT target or request target as it came, made visible and cut short;
    /// query values left out.
    pub raw_target: Option<String>,
    /// The server name in the TLS handshake.
    pub sni: Option<String>,
    /// The Host header where it differs from the authority judged.
    pub host_header: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<&'static str>,
    /// The host judged.
    pub host: Option<String>,
    /// The port judged.
    pub port: Option<u16>,
    /// The method; as it came if it is not a known one.
    pub method: Option<String>,
    /// The canonical path, without the query.
    pub path: Option<String>,
    /// How long the query was, if there was one.
    pub query_bytes: Option<usize>,
    /// Total length of the path, query and headers that go upstream.
    pub head_bytes: Option<u64>,
    /// Allowed or denied.
    pub verdict: Allowed,
    /// Why it was denied.
    pub code: Option<Code>,
    /// In plain words.
    pub why: Option<String>,
    /// The rule that decided.
    pub rule: Option<RuleRef>,
    /// TOML lines that would lift a denial.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lift: Vec<String>,
    /// The number of the owner's yes, where the owner was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<u64>,
    /// Whether only `mode = "observe"` let it through.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// Whether the rule names the host by a pattern.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_wildcard: bool,
    /// Whether the request asks a model and can do nothing else at its host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asks_model: bool,
    /// The policy in force, as a hash.
    pub policy: Option<String>,
    /// The credential that is put on.
    pub credential: Option<Arc<str>>,
    /// Where it is put: `header:authorization`.
    pub swap: Option<String>,
    /// What the leak check found: names and places, never values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The most that a model may use for this request, as far as the request says: counted until it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserves: Option<Tokens>,
    /// Whether the owner is alerted at once.
    pub alarm: bool,
}

/// What a model uses up, as its host counts it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// The model; `None` where no name was given, or none that could be a model's.
    pub model: Option<String>,
    /// Input tokens, except those in the next two.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens.
    pub output: u64,
    /// Whether the host has not reported everything, so that part of this is an estimate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Tokens {
    /// The total.
    pub fn sum(&self) -> u64 {
        [self.cache_read, self.cache_write, self.output].into_iter().fold(self.input, u64::saturating_add)
    }
}

impl Decision {
    /// A denial of which only the identity and the protocol are known.
    pub fn bare(identity: Identity, run: Option<u64>, connection: u64, protocol: Protocol) -> Self {
        Decision {
            identity,
            run,
            connection,
            protocol,
            operation: None,
            raw_target: None,
            sni: None,
            host_header: None,
            scheme: None,
            host: None,
            port: None,
            method: None,
            path: None,
            query_bytes: None,
            head_bytes: None,
            verdict: Allowed::Deny,
            code: None,
            why: None,
            rule: None,
            lift: Vec::new(),
            granted: None,
            observed: false,
            by_wildcard: false,
            asks_model: false,
            policy: None,
            credential: None,
            swap: None,
            findings: Vec::new(),
            reserves: None,
            alarm: false,
        }
    }
}

/// The verdict as the log writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowed {
    /// It went upstream.
    Allow,
    /// It did not.
    Deny,
}

/// How an allowed request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The upstream's status.
    pub status: Option<u16>,
    /// The address that was dialled.
    pub address: Option<SocketAddr>,
    /// Bytes of the request's body that went upstream.
    pub bytes_up: u64,
    /// Bytes of the response's body that came back.
    pub bytes_down: u64,
    /// Whether the client went away before it had the whole answer. Where an address was reached,
    /// its host may have been told, for example by an HTTP/2 reset; without one, nothing went out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub abandoned: bool,
    /// From the decision to the last byte, in microseconds.
    pub micros: u64,
    /// Why it was broken off, if it was.
    pub code: Option<Code>,
    /// In plain words.
    pub why: Option<String>,
    /// How often a real secret was removed from the response.
    pub scrubbed: u64,
    /// What the leak check found while the body went by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What a model used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// TOML lines that would lift a refusal that came after the verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lift: Vec<String>,
    /// Whether the owner is alerted at once.
    pub alarm: bool,
}

/// The log cannot be written; nothing may leave.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit log cannot be written: {0}")]
pub struct LedgerDown(pub String);

impl From<LedgerDown> for Refusal {
    /// Why it cannot be written, and where it is, is for the owner alone.
    fn from(down: LedgerDown) -> Self {
        Refusal::new(Code::AuditUnavailable, "the audit log cannot be written").logged_as(down.to_string())
    }
}

/// An event at a door that was not a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Whose door.
    pub identity: Identity,
    /// What happened: a fixed word.
    pub what: &'static str,
    /// How often.
    pub count: u64,
    /// In plain words.
    pub text: String,
}

/// The port to the log. Calls are short (a local write) and may block.
pub trait Ledger: Send + Sync {
    /// Stores a decision; it survives `kill -9` once this returns.
    fn decided(&self, decision: &Decision) -> Result<Seq, LedgerDown>;
    /// The same for a caller that can wait: stored once this resolves. If something must reach the
    /// disk first, such as the mark that a run writes, no thread waits for it.
    fn decided_together<'a>(&'a self, decision: &'a Decision) -> Pending<'a, Result<Seq, LedgerDown>> {
        Box::pin(ready(self.decided(decision)))
    }
    /// Stores how a decision's request ended.
    fn ended(&self, seq: Seq, outcome: &Outcome) -> Result<(), LedgerDown>;
    /// Stores an event that was not a request.
    fn noted(&self, noted: &Noted) -> Result<(), LedgerDown>;
}
