//! Floods of denials: after the first of a minute they are only counted, and one record states the count. A sandbox
//! that asks for the same thing, or for different things, a hundred thousand times cannot fill the disk or delay others
//! (attack L06).
//!
//! Never only counted: an allow, and, up to [`OF_ONE_SANDBOX`] in a minute, anything that differs in group, sandbox,
//! run, reason, operation, host, port, method or path. Beyond that, a sandbox's denials are the same if their reason
//! is. Followers of the log get every alarm.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use desk::{Counted, Pace};
use policies::SandboxId;
use proxy::audit::{Allowed, Decision};
use serde_json::json;
use sha2::{Digest, Sha256};

/// How many of a kind get their own record each minute.
pub(super) const WRITTEN: u64 = 20;

/// How long denials are counted before the count is written.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// How many records a minute say exactly what a sandbox was denied.
pub(super) const OF_ONE_SANDBOX: u64 = 200;

/// The denials of the last minute.
#[derive(Debug)]
pub(super) struct Floods {
    /// By kind, with one denial standing for those that are only counted.
    kinds: Pace<[u8; 32], Decision>,
    sandboxes: HashMap<SandboxId, Minute>,
}

impl Default for Floods {
    fn default() -> Self {
        Floods { kinds: Pace::new(WRITTEN, EVERY), sandboxes: HashMap::new() }
    }
}

/// How much of a sandbox was written.
#[derive(Debug)]
struct Minute {
    since: Instant,
    written: u64,
}

impl Floods {
    /// Whether this one is only counted and gets no record. `filled`: its group has filled its share of the log.
    pub(super) fn counts(&mut self, decision: &Decision, filled: bool, now: Instant) -> bool {
        if decision.verdict != Allowed::Deny {
            return false;
        }
        let minute = self.sandboxes.entry(decision.identity.sandbox.clone());
        let minute = minute.or_insert(Minute { since: now, written: 0 });
        if now >= minute.since + EVERY {
            *minute = Minute { since: now, written: 0 };
        }
        let mut shown = decision.clone();
        let mut kind = kind_of(&shown);
        if (filled || minute.written >= OF_ONE_SANDBOX) && !self.kinds.has(&kind) {
            shown = reason_alone(decision);
            kind = kind_of(&shown);
        }
        let most = if filled { 1 } else { WRITTEN };
        let written = self.kinds.passes_of(most, kind, now, |first| first.unwrap_or(shown));
        minute.written += u64::from(written);
        !written
    }

    /// Whether there is a count that no record states yet.
    pub(super) fn owes(&self) -> bool {
        self.kinds.owes()
    }

    /// The records of counts whose minute is over; all of them with `None`.
    pub(super) fn due(&mut self, now: Option<Instant>) -> Vec<serde_json::Value> {
        self.sandboxes.retain(|_, minute| now.is_some_and(|now| now < minute.since + EVERY));
        let due = self.kinds.due(now).into_iter();
        due.filter_map(|(_, Counted { count, kept })| record(&kept, count)).collect()
    }
}

/// What different denials have in common: who was denied, and why. Built from scratch, so that no field of one of them
/// stands for all.
fn reason_alone(decision: &Decision) -> Decision {
    let Decision { identity, run, connection, protocol, .. } = decision;
    Decision {
        code: decision.code,
        why: Some("more was denied in this minute than is written down one by one".to_owned()),
        policy: decision.policy.clone(),
        alarm: decision.alarm,
        ..Decision::bare(identity.clone(), *run, *connection, *protocol)
    }
}

/// The decision as it is otherwise stored, with the number it stands for.
fn record(decision: &Decision, repeated: u64) -> Option<serde_json::Value> {
    let mut record = serde_json::to_value(decision).ok()?;
    record.as_object_mut()?.insert("repeated".to_owned(), json!(repeated));
    Some(record)
}

/// Identifies a kind of denial at a fixed size, since paths can be long.
fn kind_of(decision: &Decision) -> [u8; 32] {
    let identity = &decision.identity;
    let same = (
        (identity, decision.run, decision.code, decision.alarm, decision.operation),
        (&decision.scheme, &decision.host, decision.port, &decision.method, &decision.path),
    );
    // Debug quotes and escapes text, so different kinds never read the same.
    Sha256::digest(format!("{same:?}")).into()
}
