//! Replies are a way out too: what an agent says to its chat is leak-checked and
//! written down like what it sends through its door.

use policies::{Code, GroupName, Refusal};
use proxy::ports::Secrets;
use proxy::scan::{Finding, WatchedKind};

use super::shared::Shared;
use crate::store::Group;
use crate::store::ledger::{AuditLog, Notice};

/// The reply as it may be said, with a record of it. What is left of one that may not
/// be said is why.
pub(super) fn say<S>(shared: &Shared<S>, group: &Group, text: String) -> String {
    match check(&*shared.secrets, &shared.ledger, &group.name, &text) {
        Ok(()) => text,
        Err(refusal) => format!("Doorward withheld this answer: {}. `doorward audit` has more.", refusal.why),
    }
}

/// Whether a text of an agent's may go to a chat, with a record of it. What cannot be
/// recorded may not.
pub fn check(secrets: &dyn Secrets, ledger: &AuditLog, group: &GroupName, text: &str) -> Result<(), Refusal> {
    let finding = leak(secrets, group, text);
    let (what, told) = match &finding {
        None => ("reply", format!("a reply of {} bytes went to the chat of group {group}", text.len())),
        Some(finding) => ("reply_withheld", format!("a reply of group {group} held a {finding} and was withheld")),
    };
    if let Err(down) = ledger.notice(&Notice { what, group: Some(group.clone()), text: told }) {
        tracing::error!(error = %down, "Reply withheld: it could not be recorded");
        return Err(Refusal::new(Code::AuditUnavailable, down.to_string()));
    }
    match finding {
        None => Ok(()),
        Some(finding) => Err(Refusal::new(Code::SecretInRequest, format!("it held a {finding}"))),
    }
}

/// What a text holds that may not leave. A group's own surrogate means nothing outside
/// of its sandbox and may be quoted; a real secret, a bait or another group's may not.
pub fn leak(secrets: &dyn Secrets, group: &GroupName, text: &str) -> Option<Finding> {
    let own = |what: &WatchedKind| matches!(what, WatchedKind::Surrogate { group: owner, .. } if owner == group);
    secrets.watchlist().find_all(text.as_bytes()).into_iter().find(|finding| !own(&finding.what))
}
