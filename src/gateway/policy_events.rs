//! Policy events for the log: which policy came into force and what it changed, which was rejected and where it is
//! wrong, which preset was taken.

use policies::{GroupName, Policy};
use policy_file::{Diff, Source};

use crate::store::ledger::Notice;

/// The most characters of a policy's errors in one record; `doorward policy check` prints all of them.
const WRONG_AT_MOST: usize = 2_000;

/// A policy came into force.
pub(super) fn in_force(group: &GroupName, policy: &Policy, change: &Diff, skills: &[Source]) -> Notice {
    let hash = policy.hash().to_string();
    let how = match (change.widens(), change.is_empty()) {
        (_, true) => "with the same rules",
        (true, _) => "which may allow more",
        (false, _) => "which allows nothing more",
    };
    let names: Vec<_> = skills.iter().map(|skill| skill.name.as_str()).collect();
    let skills = if names.is_empty() { String::new() } else { format!("; skills: {}", names.join(", ")) };
    let text = format!(
        "policy {hash} is in force, {how}: {} added, {} removed, {} changed{skills}",
        counted(change.added.len(), "rule"),
        counted(change.removed.len(), "rule"),
        counted(
            change.limits.len() + usize::from(change.observe.is_some()) + usize::from(change.leaks.is_some()),
            "limit"
        ),
    );
    Notice { policy: Some(hash), ..Notice::new("policy_in_force", Some(group), text) }
}

/// A policy does not load; `in_force` stays.
pub(super) fn rejected(group: &GroupName, in_force: &Policy, wrong: &str) -> Notice {
    let hash = in_force.hash().to_string();
    let wrong: String = wrong.lines().collect::<Vec<_>>().join(" | ").chars().take(WRONG_AT_MOST).collect();
    let text = format!("policy {hash} stays in force, the file is rejected: {wrong}");
    Notice { policy: Some(hash), ..Notice::new("policy_rejected", Some(group), text) }
}

/// A preset was taken without a question: it was not used before, or allows nothing more than before.
pub(super) fn preset_taken(name: &str) -> Notice {
    Notice::new("preset_taken", None, format!("preset {name} is taken as this version ships it"))
}

/// The owner accepted a preset.
pub fn preset_accepted(name: &str, change: Option<&Diff>) -> Notice {
    let change = change.map_or_else(
        || "the one before does not load in this version".to_owned(),
        |change| {
            format!("{} added, {} removed", counted(change.added.len(), "rule"), counted(change.removed.len(), "rule"))
        },
    );
    let text = format!("the owner accepted preset {name} as this version ships it: {change}");
    Notice::new("preset_accepted", None, text)
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
