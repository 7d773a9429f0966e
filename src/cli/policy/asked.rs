//! What a group asked for, from the audit log, as requests that can be judged again.
//! The log holds no queries, so they are judged without.

use policies::{Code, Facts, GroupName, Upgrade};

use crate::home::Home;
use crate::store::Millis;
use crate::store::ledger::{AuditReader, DecisionRecord, Filter};

/// A request of the log: refused for a reason, let through while observing, or allowed.
pub(super) struct Asked {
    pub(super) facts: Facts,
    pub(super) code: Option<Code>,
    pub(super) observed: bool,
}

/// The newest requests are what an owner has in mind; more would only repeat them.
const AT_MOST: u32 = 20_000;

/// The group's requests, oldest first. No log is an empty one.
pub(super) fn asked(home: &Home, group: &GroupName, since: Option<Millis>) -> anyhow::Result<Vec<Asked>> {
    if !home.audit_log().exists() {
        return Ok(Vec::new());
    }
    let filter = Filter { group: Some(group.clone()), since, limit: Some(AT_MOST), ..Filter::default() };
    let entries = AuditReader::open(&home.audit_log())?.entries(&filter)?;
    Ok(entries.iter().filter_map(|entry| request(&entry.decision, entry.code())).collect())
}

/// What was refused before it could be read is no request.
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
