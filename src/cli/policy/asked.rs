//! A group's requests, from the audit log, to be judged again. The log holds no queries, so they are judged without
//! them.

use policies::{Code, Facts, GroupName, Upgrade};

use crate::home::Home;
use crate::store::Millis;
use crate::store::ledger::{AuditReader, DecisionRecord, Filter};

/// A request in the log: refused, allowed by observe mode, or allowed.
pub(super) struct Asked {
    pub(super) facts: Facts,
    pub(super) code: Option<Code>,
    pub(super) observed: bool,
}

/// An owner cares about the newest requests; more would only repeat them.
const AT_MOST: u32 = 20_000;

/// The group's requests, oldest first. Without a log there are none.
pub(super) fn asked(home: &Home, group: &GroupName, since: Option<Millis>) -> anyhow::Result<Vec<Asked>> {
    if !home.audit_log().exists() {
        return Ok(Vec::new());
    }
    let filter = Filter { group: Some(group.clone()), since, limit: Some(AT_MOST), ..Filter::default() };
    let entries = AuditReader::open(&home.audit_log())?.entries(&filter)?;
    Ok(entries.iter().filter_map(|entry| request(&entry.decision, entry.code())).collect())
}

/// The request in a record; `None` if it was refused before it could be parsed.
pub(super) fn request(record: &DecisionRecord, code: Option<&str>) -> Option<Asked> {
    let (scheme, host, port) = (record.scheme.as_deref()?, record.host.as_deref()?, record.port?);
    let url = format!("{scheme}://{host}:{port}{}", record.path.as_deref()?);
    let mut facts = Facts::parse(record.method.as_deref()?, &url).ok()?;
    let code = code.map(|code| serde_json::from_value(code.into())).transpose().ok()?;
    if code == Some(Code::UpgradeDenied) {
        facts.upgrade = Some(Upgrade::WebSocket);
    }
    Some(Asked { facts, code, observed: record.observed })
}
