//! Tells the owner at once: alarms at the door, exhausted budgets and agents' requests for access go to the main
//! group's chat and to a command of the owner's own.
//!
//! What it is not: a way in. Nothing here decides on a request, and no request waits for it; what cannot be told is in
//! the audit log all the same.
//!
//! **Invariants**
//! - One message a minute per kind and group; further alarms are counted.
//! - The command is started without a shell, and its arguments hold nothing from a sandbox.
//! - What the chat cannot be told now (a full disk) it is told later, in order.

mod hook;
mod quiet;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proxy::audit::{Allowed, Decision, Seq};
use serde::Serialize;
use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::phrases::Phrases;
use crate::store::ledger::{AuditLog, Notice, Recorded};
use hook::Hook;
use quiet::Quiet;

pub use hook::program;
pub use words::{advice, words};

/// The events besides alarms that the owner is told; all others are only in the log.
const TOLD: [&str; 7] = ["budget", "access_request", "log_lost", "store_gone", "policy_rejected", "disk", "owner_away"];

/// When a failed message is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The most that wait to be told; the log has the rest.
const MOST_UNTOLD: usize = 100;

/// Something that the owner is told at once. Its JSON is the command's input.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// The reason's code, `reply_withheld`, or the kind of the event.
    pub kind: String,
    /// The group.
    pub group: String,
    /// The host that was asked.
    pub host: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The path, without the query.
    pub path: Option<String>,
    /// The reason, in plain words.
    pub why: String,
    /// What the leak check found: names and places.
    pub findings: Vec<String>,
    /// The record's number in the audit log.
    pub seq: u64,
    /// Whether a part of the request may have gone out before it was stopped.
    pub cut_off: bool,
    /// How many more of this kind there were since the last message.
    pub more: u64,
}

/// Listens for alarms and reports them; ends with [`Alarms::end`].
#[derive(Debug)]
pub struct Alarms {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Alarms {
    /// Starts listening. `tell` sends a text to the owner's chat and returns whether it could; `command` may be empty.
    pub fn start(
        log: Arc<AuditLog>,
        command: Vec<String>,
        tell: impl Fn(&Phrases) -> bool + Send + Sync + 'static,
    ) -> Self {
        // Subscribes first, so that nothing is missed.
        let events = log.subscribe_to_alarms();
        let (end, ending) = oneshot::channel();
        let (hook, quiet, untold) = (Hook::new(command), Quiet::default(), VecDeque::new());
        let owner = Owner { log, tell, hook, quiet, untold };
        Alarms { end, task: tokio::spawn(owner.listen(events, ending)) }
    }

    /// Reports what is left, lets running commands use the rest of their time, and ends.
    pub async fn end(self) {
        let _ = self.end.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "Alarms were not told to their end");
        }
    }
}

struct Owner<T> {
    log: Arc<AuditLog>,
    tell: T,
    hook: Hook,
    quiet: Quiet,
    untold: VecDeque<Phrases>,
}

impl<T: Fn(&Phrases) -> bool> Owner<T> {
    async fn listen(mut self, mut events: broadcast::Receiver<Recorded>, mut ending: oneshot::Receiver<()>) {
        loop {
            let again = (!self.untold.is_empty()).then(|| Instant::now() + AGAIN);
            let next = self.quiet.next().into_iter().chain(again).min();
            let timer = async move {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.hear(&event),
                    Err(broadcast::error::RecvError::Lagged(missed)) => lagged(missed),
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = timer => {
                    let due = self.quiet.due(Instant::now());
                    due.iter().for_each(|alarm| self.tell(alarm));
                    self.tell_waiting();
                }
                _ = &mut ending => break,
            }
        }
        loop {
            match events.try_recv() {
                Ok(event) => self.hear(&event),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => lagged(missed),
                Err(_) => break,
            }
        }
        self.quiet.rest().iter().for_each(|alarm| self.tell(alarm));
        self.tell_waiting();
        self.hook.finish().await;
    }

    fn hear(&mut self, event: &Recorded) {
        if let Some(alarm) = self.alarm(event)
            && let Some(alarm) = self.quiet.admit(alarm, Instant::now())
        {
            self.tell(&alarm);
        }
    }

    fn tell(&mut self, alarm: &Alarm) {
        self.untold.push_back(words(alarm));
        if self.untold.len() > MOST_UNTOLD {
            self.untold.pop_front();
        }
        self.tell_waiting();
        self.hook.run(alarm);
    }

    fn tell_waiting(&mut self) {
        while self.untold.front().is_some_and(|words| (self.tell)(words)) {
            self.untold.pop_front();
        }
    }

    fn alarm(&self, event: &Recorded) -> Option<Alarm> {
        match event {
            Recorded::Decision(seq, decision) if decision.alarm => Some(of_decision(*seq, decision)),
            Recorded::Outcome(seq, outcome) if outcome.alarm => {
                let known =
                    self.log.entry(*seq).inspect_err(|error| tracing::error!(%error, "Alarm without its request"));
                let decision = known.ok().flatten().map(|entry| entry.decision).unwrap_or_default();
                Some(Alarm {
                    kind: outcome.code.map_or_else(|| "leak".to_owned(), |code| code.to_string()),
                    group: decision.group,
                    host: decision.host,
                    method: decision.method,
                    path: decision.path,
                    why: outcome.why.clone().unwrap_or_default(),
                    findings: outcome.findings.clone(),
                    seq: seq.0,
                    // Without an address nothing was dialled.
                    cut_off: outcome.address.is_some(),
                    more: 0,
                })
            }
            Recorded::Notice(seq, notice) if notice.alarm || TOLD.contains(&notice.what) => {
                Some(of_notice(*seq, notice))
            }
            _ => None,
        }
    }
}

fn of_decision(seq: Seq, decision: &Decision) -> Alarm {
    Alarm {
        kind: decision.code.map_or_else(|| "leak".to_owned(), |code| code.to_string()),
        group: decision.identity.group.to_string(),
        host: decision.host.clone(),
        method: decision.method.clone(),
        path: decision.path.clone(),
        why: decision.why.clone().unwrap_or_default(),
        findings: decision.findings.clone(),
        seq: seq.0,
        cut_off: decision.verdict == Allowed::Allow,
        more: 0,
    }
}

fn of_notice(seq: Seq, notice: &Notice) -> Alarm {
    let group = notice.group.as_ref().map(ToString::to_string).unwrap_or_default();
    Alarm { kind: notice.what.to_owned(), group, why: notice.text.clone(), seq: seq.0, ..Alarm::default() }
}

fn lagged(missed: u64) {
    tracing::error!(missed, "Alarms came faster than they could be told; the audit log has them");
}

#[cfg(test)]
mod tests;
