//! Tells a chat what a run that is not repeated had sent. Whether it is repeated is decided elsewhere
//! ([`Shared::wrote_upstream`]); these are only the words, and they are accurate: what the door stopped was not sent,
//! and asking the model is not writing to anybody.

use std::collections::BTreeSet;

use policies::GroupName;
use proxy::audit::Seq;

use super::shared::Shared;
use crate::agents;
use crate::phrases::Phrases;
use crate::store::ledger::{AuditEntry, Filter, may_have_written};
use crate::store::{MessageRow, StoreError};

/// The most records of a run that are read for this.
const MOST_READ: u32 = 1000;

/// The most hosts that are named.
const MOST_NAMED: usize = 3;

/// The codes with which the door breaks off a request because of its content: it was never complete, so nobody upstream
/// has carried it out.
const STOPPED: [&str; 13] = [
    "secret_in_request",
    "surrogate_unbound",
    "surrogate_location",
    "surrogate_foreign",
    "surrogate_retired",
    "body_condition",
    "body_unreadable",
    "too_large",
    "limit_exceeded",
    "used_up",
    "unresolved",
    "resolved_private",
    "tls_verify",
];

/// What was sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    model: bool,
    message: bool,
    hosts: BTreeSet<String>,
}

/// Why the messages of a run are not repeated; empty if nothing was sent.
pub(super) fn words<S>(shared: &Shared<S>, group: &GroupName, first: MessageRow) -> Phrases {
    match sent(shared, group, first) {
        Ok(sent) => sent.words(),
        Err(error) => {
            tracing::error!(%group, %error, "what a run had sent cannot be read");
            Phrases::new("sent-not-known")
        }
    }
}

fn sent<S>(shared: &Shared<S>, group: &GroupName, first: MessageRow) -> Result<Sent, StoreError> {
    let mut sent = Sent::default();
    for run in shared.store.runs_over(group, first)? {
        let filter = Filter { run: Some(run), after: Some(Seq(0)), limit: Some(MOST_READ), ..Filter::default() };
        shared.ledger.entries(&filter)?.iter().for_each(|entry| sent.add(entry));
    }
    Ok(sent)
}

impl Sent {
    fn add(&mut self, entry: &AuditEntry) {
        let decision = &entry.decision;
        if !may_have_written(decision) {
            return;
        }
        if decision.operation.is_some() {
            self.message = true;
            return;
        }
        let stopped = |outcome: &crate::store::ledger::OutcomeRecord| {
            outcome.status.is_none() && outcome.code.as_deref().is_some_and(|code| STOPPED.contains(&code))
        };
        if entry.outcome.as_ref().is_some_and(stopped) {
            return;
        }
        let host = decision.host.as_deref().unwrap_or("a host");
        match agents::is_model_call(host, decision.path.as_deref().unwrap_or_default()) {
            true => self.model = true,
            false => drop(self.hosts.insert(host.to_owned())),
        }
    }

    fn words(&self) -> Phrases {
        match (self.hosts.is_empty(), self.message, self.model) {
            (false, _, _) => {
                let named: Vec<&str> = self.hosts.iter().take(MOST_NAMED).map(String::as_str).collect();
                let hosts = named.join(", ");
                match self.hosts.len() > named.len() {
                    true => Phrases::new("sent-to-hosts-and-others").with("hosts", hosts),
                    false => Phrases::new("sent-to-hosts").with("hosts", hosts),
                }
            }
            (true, true, _) => Phrases::new("sent-a-message"),
            (true, false, true) => Phrases::new("asked-its-model"),
            (true, false, false) => Phrases::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_say_what_left_and_no_more() {
        let hosts = |hosts: &[&str]| hosts.iter().map(ToString::to_string).collect();
        assert!(Sent::default().words().is_empty());
        let asked = Sent { model: true, ..Sent::default() }.words().in_english();
        assert!(asked.starts_with("Its model had been asked") && !asked.contains("sent something out"), "{asked}");
        let wrote =
            Sent { model: true, hosts: hosts(&["a.example", "b.example", "c.example", "d.example"]), message: true };
        let wrote = wrote.words().in_english();
        assert!(wrote.contains("to a.example, b.example, c.example and others"), "{wrote}");
        assert!(Sent { message: true, ..Sent::default() }.words().in_english().contains("sent a message"));
    }
}
