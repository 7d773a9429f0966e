//! Replies are a way out too: what an agent says to its chat is leak-checked and
//! written down like what it sends through its door.

use policies::{Code, GroupName, Refusal};
use proxy::ports::Secrets;
use scan::{Finding, WatchedKind};

use super::notice;
use super::shared::Shared;
use crate::store::Group;
use crate::store::ledger::{AuditLog, Notice};

/// The reply as it may be sent, recorded. Where it must not be sent: the reason instead.
pub(super) fn say<S>(shared: &Shared<S>, group: &Group, text: String) -> String {
    match recorded(&*shared.secrets, &shared.ledger, &group.name, &text, true) {
        Ok(()) => text,
        Err(refusal) => in_its_place(group, &refusal),
    }
}

/// What a chat reads instead of an answer; the owner's own chat gets the whole reason.
pub(super) fn in_its_place(group: &Group, refusal: &Refusal) -> String {
    let why = if notice::is_for(group) { refusal.for_log() } else { &refusal.why };
    format!("Doorward withheld this answer: {why}. `doorward audit` has more.")
}

/// Checks whether an agent's text may go to a chat, and records it. A text that cannot be
/// recorded may not. The caller records the refusal, which alerts the owner.
pub fn check(secrets: &dyn Secrets, ledger: &AuditLog, group: &GroupName, text: &str) -> Result<(), Refusal> {
    recorded(secrets, ledger, group, text, false)
}

/// The same; `alarm`: whether the record of a withheld text alerts the owner at once.
fn recorded(
    secrets: &dyn Secrets,
    ledger: &AuditLog,
    group: &GroupName,
    text: &str,
    alarm: bool,
) -> Result<(), Refusal> {
    let finding = leak(secrets, group, text);
    let notice = match &finding {
        None => Notice {
            bytes: Some(text.len() as u64),
            ..Notice::new("reply", Some(group), format!("a reply of {} bytes went to the chat", text.len()))
        },
        Some(finding) => Notice {
            code: Some(Code::SecretInRequest),
            alarm,
            ..Notice::new("reply_withheld", Some(group), format!("a reply held a {finding} and was withheld"))
        },
    };
    if let Err(down) = ledger.notice(&notice) {
        tracing::error!(error = %down, "Reply withheld: it could not be recorded");
        return Err(down.into());
    }
    finding.map_or(Ok(()), |finding| Err(withheld(&finding)))
}

/// The refusal of a text. What was found, and of which credential, goes to the owner's log
/// alone: others read the chat, and an agent may know only its own credentials.
pub fn withheld(finding: &Finding) -> Refusal {
    let why = "it held something that must not leave";
    Refusal::new(Code::SecretInRequest, why).logged_as(format!("it held a {finding}"))
}

/// What a text holds that must not leave. A group may quote its own surrogates, which mean
/// nothing outside its sandbox, but no real secret, no bait and no other group's surrogate.
pub fn leak(secrets: &dyn Secrets, group: &GroupName, text: &str) -> Option<Finding> {
    let own = |what: &WatchedKind| matches!(what, WatchedKind::Surrogate { group: owner, .. } if owner == group);
    secrets.watchlist().find_all(text.as_bytes()).into_iter().find(|finding| !own(&finding.what))
}
