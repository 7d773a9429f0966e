//! Floods of one and the same denial: after the first of a minute they are counted,
//! and one record says how many they were. A sandbox that asks for the same thing a
//! hundred thousand times fills no disk with it, and keeps nobody else waiting
//! (attack L06).
//!
//! Never counted only: an allow, and what differs in group, sandbox, run, reason,
//! operation, host, port, method or path. Alarms are told one by one to who follows the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use proxy::audit::{Allowed, Decision};
use serde_json::json;
use sha2::{Digest, Sha256};

/// So many of a kind have a record of their own in each minute.
pub(super) const WRITTEN: u64 = 20;

/// How long is counted before the count is written.
pub(super) const EVERY: Duration = Duration::from_secs(60);

/// So many kinds are counted at once; what is beyond has records of its own.
const KINDS_AT_MOST: usize = 2_000;

/// The denials of the last minute.
#[derive(Debug, Default)]
pub(super) struct Floods(HashMap<[u8; 32], Stretch>);

/// Denials of one kind.
#[derive(Debug)]
struct Stretch {
    since: Instant,
    seen: u64,
    /// One of those that were only counted.
    counted: Option<Decision>,
}

impl Floods {
    /// Whether this one is only counted, and no record is to be written.
    pub(super) fn counts(&mut self, decision: &Decision, now: Instant) -> bool {
        if decision.verdict != Allowed::Deny {
            return false;
        }
        let kind = kind(decision);
        if self.0.len() >= KINDS_AT_MOST && !self.0.contains_key(&kind) {
            return false;
        }
        let stretch = self.0.entry(kind).or_insert(Stretch { since: now, seen: 0, counted: None });
        stretch.seen += 1;
        if stretch.seen <= WRITTEN {
            return false;
        }
        if stretch.counted.is_none() {
            stretch.counted = Some(decision.clone());
        }
        true
    }

    /// The records for what was counted and has had its minute; all of it with `None`.
    pub(super) fn due(&mut self, now: Option<Instant>) -> Vec<serde_json::Value> {
        let mut due = Vec::new();
        self.0.retain(|_, stretch| {
            if now.is_some_and(|now| now < stretch.since + EVERY) {
                return true;
            }
            due.extend(stretch.counted.take().and_then(|decision| record(&decision, stretch.seen - WRITTEN)));
            false
        });
        due
    }
}

/// The decision as it is stored otherwise, with how many it stands for.
fn record(decision: &Decision, repeated: u64) -> Option<serde_json::Value> {
    let mut record = serde_json::to_value(decision).ok()?;
    record.as_object_mut()?.insert("repeated".to_owned(), json!(repeated));
    Some(record)
}

/// What makes two denials the same, at a fixed size: a path can be long.
fn kind(decision: &Decision) -> [u8; 32] {
    let identity = &decision.identity;
    let same = (
        (identity, decision.run, decision.code, decision.alarm, decision.operation),
        (&decision.scheme, &decision.host, decision.port, &decision.method, &decision.path),
    );
    // Debug puts text into quotes and escapes them, so no two kinds read the same.
    Sha256::digest(format!("{same:?}")).into()
}
