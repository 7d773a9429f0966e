//! Floods of denials: after the first of a minute they are counted, and one record says
//! how many they were. A sandbox that asks for the same thing a hundred thousand times,
//! or for a hundred thousand things, fills no disk with it, and keeps nobody else
//! waiting (attack L06).
//!
//! Never counted only: an allow, and, up to [`OF_ONE_SANDBOX`] in a minute, what differs in
//! group, sandbox, run, reason, operation, host, port, method or path. What a sandbox is
//! denied beyond that is the same where its reason is. Alarms are told one by one to who
//! follows the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use policies::SandboxId;
use proxy::audit::{Allowed, Decision};
use serde_json::json;
use sha2::{Digest, Sha256};

/// So many of a kind have a record of their own in each minute.
pub(super) const WRITTEN: u64 = 20;

/// How long is counted before the count is written.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// So many records tell in each minute what exactly a sandbox was denied.
pub(super) const OF_ONE_SANDBOX: u64 = 200;

/// The denials of the last minute.
#[derive(Debug, Default)]
pub(super) struct Floods {
    kinds: HashMap<[u8; 32], Stretch>,
    sandboxes: HashMap<SandboxId, Minute>,
}

/// Denials of one kind.
#[derive(Debug)]
struct Stretch {
    since: Instant,
    seen: u64,
    written: u64,
    /// One of those that were only counted.
    counted: Option<Decision>,
}

/// How much of a sandbox was written.
#[derive(Debug)]
struct Minute {
    since: Instant,
    written: u64,
}

impl Floods {
    /// Whether this one is only counted, and no record is to be written.
    /// `filled`: its group has filled its share of the log.
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
        if (filled || minute.written >= OF_ONE_SANDBOX) && !self.kinds.contains_key(&kind) {
            shown = reason_alone(decision);
            kind = kind_of(&shown);
        }
        let stretch = self.kinds.entry(kind).or_insert(Stretch { since: now, seen: 0, written: 0, counted: None });
        stretch.seen += 1;
        if stretch.written < if filled { 1 } else { WRITTEN } {
            stretch.written += 1;
            minute.written += 1;
            return false;
        }
        stretch.counted.get_or_insert(shown);
        true
    }

    /// The records for what was counted and has had its minute; all of it with `None`.
    pub(super) fn due(&mut self, now: Option<Instant>) -> Vec<serde_json::Value> {
        let is_over = |since: Instant| now.is_none_or(|now| now >= since + EVERY);
        let mut due = Vec::new();
        self.kinds.retain(|_, stretch| {
            let over = is_over(stretch.since);
            if over {
                due.extend(
                    stretch.counted.take().and_then(|decision| record(&decision, stretch.seen - stretch.written)),
                );
            }
            !over
        });
        self.sandboxes.retain(|_, minute| !is_over(minute.since));
        due
    }
}

/// What many that differ have in common: who was denied, and why. Made from nothing, so
/// that no field of one of them stands for all.
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

/// The decision as it is stored otherwise, with how many it stands for.
fn record(decision: &Decision, repeated: u64) -> Option<serde_json::Value> {
    let mut record = serde_json::to_value(decision).ok()?;
    record.as_object_mut()?.insert("repeated".to_owned(), json!(repeated));
    Some(record)
}

/// What makes two denials the same, at a fixed size: a path can be long.
fn kind_of(decision: &Decision) -> [u8; 32] {
    let identity = &decision.identity;
    let same = (
        (identity, decision.run, decision.code, decision.alarm, decision.operation),
        (&decision.scheme, &decision.host, decision.port, &decision.method, &decision.path),
    );
    // Debug puts text into quotes and escapes them, so no two kinds read the same.
    Sha256::digest(format!("{same:?}")).into()
}
