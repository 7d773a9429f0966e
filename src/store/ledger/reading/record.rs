//! A log entry for readers: a decision together with its outcome.

use desk::screen;
use proxy::audit::Seq;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::store::Millis;
use crate::store::ledger::effect;

/// A decision and its outcome, if there is one.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// The number of the decision.
    pub seq: Seq,
    /// When it was made.
    pub at: Millis,
    /// The request and its decision.
    pub decision: DecisionRecord,
    /// How the request ended.
    pub outcome: Option<OutcomeRecord>,
    /// The event, if it is not a request.
    pub event: Option<EventRecord>,
    /// Its state.
    pub ending: Ending,
    /// Both records in full, as stored.
    pub(super) stored: (Value, Option<Value>),
}

/// A request's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It was denied; nothing went out.
    Denied,
    /// It has ended, and the outcome says how.
    Ended,
    /// It was allowed and has not ended.
    UnderWay,
    /// It was allowed, and the daemon died before it ended.
    Interrupted,
    /// It is an event, not a request.
    Noted,
}

/// An event that is not a request: the fields of a notice that requests do not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct EventRecord {
    pub what: String,
    pub text: String,
    pub count: Option<u64>,
    pub bytes: Option<u64>,
}

/// The fields of `proxy::audit::Decision` that people read. Lenient, so that logs of other versions can be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct DecisionRecord {
    pub group: String,
    pub sandbox: String,
    pub run: Option<u64>,
    pub protocol: String,
    pub operation: Option<OperationRecord>,
    pub raw_target: Option<String>,
    pub sni: Option<String>,
    pub scheme: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
    pub method: Option<String>,
    pub path: Option<String>,
    pub query_bytes: Option<usize>,
    pub head_bytes: Option<u64>,
    pub verdict: String,
    pub code: Option<String>,
    pub why: Option<String>,
    pub rule: Option<RuleRecord>,
    pub lift: Vec<String>,
    pub policy: Option<String>,
    pub credential: Option<String>,
    pub swap: Option<String>,
    pub findings: Vec<String>,
    pub alarm: bool,
    /// Allowed only by `mode = "observe"`.
    pub observed: bool,
    /// A model was asked, and nothing else can have happened.
    pub asks_model: bool,
    /// How many denials this record stands for, if it is a flood's count.
    pub repeated: Option<u64>,
}

/// The operation that was asked of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub struct OperationRecord {
    pub name: String,
    pub effect: bool,
}

/// Whether a request was allowed that is not known to only read (invariant 13).
pub fn may_have_written(record: &DecisionRecord) -> bool {
    let effect = record.operation.as_ref().is_some_and(|operation| operation.effect);
    record.verdict == "allow" && effect::writes(&record.protocol, effect, record.asks_model, record.method.as_deref())
}

/// Where the deciding rule is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[allow(missing_docs)]
pub struct RuleRecord {
    pub file: String,
    pub line: u32,
}

/// The fields of `proxy::audit::Outcome` that people read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct OutcomeRecord {
    pub status: Option<u16>,
    pub address: Option<String>,
    pub bytes_up: u64,
    pub bytes_down: u64,
    pub micros: u64,
    pub code: Option<String>,
    pub why: Option<String>,
    pub scrubbed: u64,
    pub abandoned: bool,
    pub findings: Vec<String>,
    pub lift: Vec<String>,
    pub alarm: bool,
}

impl AuditEntry {
    /// Whether it was denied, or broken off after the verdict.
    pub fn is_refusal(&self) -> bool {
        self.code().is_some() || self.ending == Ending::Denied
    }

    /// Whether the owner was told at once.
    pub fn is_alarm(&self) -> bool {
        self.decision.alarm || self.outcome.as_ref().is_some_and(|outcome| outcome.alarm)
    }

    /// Why it was denied or broken off.
    pub fn code(&self) -> Option<&str> {
        let ended = self.outcome.as_ref().and_then(|outcome| outcome.code.as_deref());
        self.decision.code.as_deref().or(ended)
    }

    /// The same in plain words.
    pub fn why(&self) -> Option<&str> {
        let ended = self.outcome.as_ref().and_then(|outcome| outcome.why.as_deref());
        let event = self.event.as_ref().map(|event| event.text.as_str());
        self.decision.why.as_deref().or(ended).or(event)
    }

    /// Bytes sent: the request with its body, once it was sent, or what was said to a chat.
    pub fn bytes_up(&self) -> Option<u64> {
        if let Some(event) = &self.event {
            return event.bytes;
        }
        let outcome = self.outcome.as_ref()?;
        let head = self.decision.head_bytes.filter(|_| outcome.address.is_some()).unwrap_or(0);
        Some(outcome.bytes_up + head)
    }

    /// TOML lines that would lift the refusal.
    pub fn lift(&self) -> &[String] {
        match &self.outcome {
            Some(outcome) if self.decision.lift.is_empty() => &outcome.lift,
            _ => &self.decision.lift,
        }
    }

    /// All of it as one line of JSON: the decision's fields with `seq`, `at_ms`, `ending` and `outcome`, or those of an
    /// event. Safe for a terminal.
    pub fn to_json(&self) -> String {
        let (decision, outcome) = &self.stored;
        let mut whole = match decision {
            Value::Object(fields) => fields.clone(),
            other => [("record".to_owned(), other.clone())].into_iter().collect(),
        };
        whole.insert("seq".into(), json!(self.seq));
        whole.insert("at_ms".into(), json!(self.at));
        whole.insert("ending".into(), json!(self.ending.as_str()));
        if self.event.is_none() {
            whole.insert("outcome".into(), outcome.clone().unwrap_or(Value::Null));
        }
        screen::in_json(Value::Object(whole).to_string())
    }
}

impl Ending {
    /// The stable text form.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Denied => "denied",
            Ending::Ended => "ended",
            Ending::UnderWay => "under_way",
            Ending::Interrupted => "interrupted",
            Ending::Noted => "noted",
        }
    }
}
