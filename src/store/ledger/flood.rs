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

use desk::{Counted, Pace};
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
#[derive(Debug)]
pub(super) struct Floods {
    /// Those of one kind, of which one stands for all that are only counted.
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
        if (filled || minute.written >= OF_ONE_SANDBOX) && !self.kinds.has(&kind) {
            shown = reason_alone(decision);
            kind = kind_of(&shown);
        }
        let most = if filled { 1 } else { WRITTEN };
        let written = self.kinds.passes_of(most, kind, now, |first| first.unwrap_or(shown));
        minute.written += u64::from(written);
        !written
    }

    /// Whether something was counted that no record tells yet.
    pub(super) fn owes(&self) -> bool {
        self.kinds.owes()
    }

    /// The records for what was counted and has had its minute; all of it with `None`.
    pub(super) fn due(&mut self, now: Option<Instant>) -> Vec<serde_json::Value> {
        self.sandboxes.retain(|_, minute| now.is_some_and(|now| now < minute.since + EVERY));
        let due = self.kinds.due(now).into_iter();
        due.filter_map(|(_, Counted { count, kept })| record(&kept, count)).collect()
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
