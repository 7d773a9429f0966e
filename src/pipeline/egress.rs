//! Replies are a way out too: what an agent says to its chat is leak-checked and
//! written down like what it sends through its door.

use proxy::ports::Secrets;
use proxy::scan::{Finding, WatchedKind};

use super::shared::Shared;
use crate::store::Group;
use crate::store::ledger::Notice;

/// What a chat gets in place of a reply that would have leaked.
const WITHHELD: &str = "Doorward withheld this answer: it held";

/// The reply as it may be said, with a record of it. One that cannot be recorded is
/// not said: what is left is why.
pub(super) fn say<S>(shared: &Shared<S>, group: &Group, text: String) -> String {
    let finding = leak(&*shared.secrets, group, &text);
    let (what, told) = match &finding {
        None => ("reply", format!("a reply of {} bytes went to the chat of group {}", text.len(), group.name)),
        Some(finding) => {
            ("reply_withheld", format!("a reply of group {} held a {finding} and was withheld", group.name))
        }
    };
    if let Err(down) = shared.ledger.notice(&Notice { what, group: Some(group.name.clone()), text: told }) {
        tracing::error!(error = %down, "Reply withheld: it could not be recorded");
        return format!("Doorward withheld this answer: {down}");
    }
    match finding {
        None => text,
        Some(finding) => format!("{WITHHELD} a {finding}. `doorward audit` has more."),
    }
}

/// A group's own surrogate means nothing outside of its sandbox and may be quoted;
/// a real secret, a bait or another group's surrogate may not.
fn leak(secrets: &dyn Secrets, group: &Group, text: &str) -> Option<Finding> {
    let own = |what: &WatchedKind| matches!(what, WatchedKind::Surrogate { group: owner, .. } if *owner == group.name);
    secrets.watchlist().find_all(text.as_bytes()).into_iter().find(|finding| !own(&finding.what))
}
