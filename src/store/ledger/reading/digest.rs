//! The log summed up: for each group, where its requests went and how much data.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use policies::GroupName;
use rusqlite::types::Value;
use serde::Serialize;

use super::entries::{Counts, HOUR, Of, ROUTINE, Sums};
use super::{AuditReader, Filter};
use crate::store::{Millis, StoreError};

/// The sums of a part of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Each group with each host that it asked for.
    pub ways: Vec<Way>,
    /// Other events.
    pub events: Vec<Happened>,
    /// The last record of the whole log, to be kept elsewhere; `None` while there is none.
    pub head: Option<Head>,
}

/// One group's traffic with one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The group.
    pub group: String,
    /// The host; `None` for connections in which none could be read.
    pub host: Option<String>,
    /// All requests, refused or not.
    pub requests: u64,
    /// Bytes sent: heads and bodies of allowed requests.
    pub bytes_up: u64,
    /// Bytes of response bodies.
    pub bytes_down: u64,
    /// Requests denied, or broken off after the verdict.
    pub refused: u64,
    /// Refusals at every start of an agent, whatever it does; they do not count as refused.
    pub routine: u64,
    /// The most frequent reason.
    pub reason: Option<String>,
    /// Answers that the client abandoned: each is a signal to the host.
    pub abandoned: u64,
    /// Requests that alarmed the owner.
    pub alarms: u64,
    /// Allowed requests without an outcome: in flight or interrupted. Their bodies are not counted.
    pub open: u64,
    /// The share with each credential, by its name.
    pub credentials: BTreeMap<String, Credited>,
}

/// One group's traffic with one host and one credential.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Credited {
    /// All such requests, refused or not.
    pub requests: u64,
    /// Bytes sent.
    pub bytes_up: u64,
    /// Bytes of response bodies.
    pub bytes_down: u64,
    /// Requests broken off after the verdict.
    pub refused: u64,
}

/// Events of one kind in one group, other than requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The group; `None` for the whole installation.
    pub group: Option<String>,
    /// Its kind, as in the log.
    pub what: String,
    /// How many.
    pub times: u64,
    /// Bytes sent.
    pub bytes: u64,
}

/// The last record of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Head {
    /// Its number.
    pub seq: u64,
    /// Its chain, in hex.
    pub hash: String,
}

impl AuditReader {
    /// Sums up what a group, or all, did since a moment: whole hours from the index, and the part of an hour before
    /// them from entries.
    pub fn digest(&self, group: Option<&GroupName>, since: Option<Millis>) -> Result<Digest, StoreError> {
        let since = since.unwrap_or(Millis::MIN);
        let hour = since.div_euclid(HOUR) + i64::from(since.rem_euclid(HOUR) > 0);
        let mut sums = Sums::default();
        let until = hour.saturating_mul(HOUR);
        let part = Filter { until: Some(until), ..Filter::since(since) };
        self.each(&part, |entry| {
            sums.add(&entry, 1);
            true
        })?;
        let mut parts = Parts::new();
        sums.into_rows().for_each(|(of, counts)| add(&mut parts, of, counts));
        let sql = "SELECT event, group_name, what, reason, credential, sum(times), sum(up), sum(down), sum(alarms), \
                          sum(open), sum(abandoned) FROM sums WHERE hour >= ?1 GROUP BY 1, 2, 3, 4, 5";
        let whole = self.rows(sql, vec![Value::Integer(hour)], |row| {
            let of = Of {
                event: row.get(0)?,
                group: row.get(1)?,
                what: row.get(2)?,
                reason: row.get(3)?,
                credential: row.get(4)?,
            };
            let mut counts = Counts::default();
            for (index, count) in counts.iter_mut().enumerate() {
                *count = row.get(5 + index)?;
            }
            Ok((of, counts))
        })?;
        whole.into_iter().for_each(|(of, counts)| add(&mut parts, of, counts));
        if let Some(only) = group {
            parts.retain(|of, _| of.group == only.as_str());
        }
        let head = Some(self.head()?).filter(|head| head.seq > 0);
        let head = head.map(|head| Head { seq: head.seq, hash: head.chain.to_string() });
        Ok(Digest { ways: ways(&parts), events: happened(&parts), head })
    }
}

type Parts = BTreeMap<Of, [u64; 6]>;

fn add(parts: &mut Parts, of: Of, counts: Counts) {
    let sums = parts.entry(of).or_default();
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add_signed(count));
}

/// How often each reason occurs.
type Reasons<'a> = BTreeMap<&'a str, u64>;

/// Merges the parts per reason and credential into one way per group and host.
fn ways(parts: &Parts) -> Vec<Way> {
    let mut ways: BTreeMap<(&str, &str), (Way, Reasons<'_>)> = BTreeMap::new();
    for (of, [times, up, down, alarms, open, abandoned]) in parts.iter().filter(|(of, _)| !of.event) {
        let (way, reasons) = ways.entry((&of.group, &of.what)).or_default();
        way.group.clone_from(&of.group);
        way.host = Some(of.what.clone()).filter(|host| !host.is_empty());
        way.requests += times;
        way.bytes_up += up;
        way.bytes_down += down;
        way.alarms += alarms;
        way.open += open;
        way.abandoned += abandoned;
        let (refused, routine) = match of.reason.as_str() {
            "" => (0, 0),
            ROUTINE => (0, *times),
            _ => (*times, 0),
        };
        way.refused += refused;
        way.routine += routine;
        *reasons.entry(&of.reason).or_default() += refused;
        if !of.credential.is_empty() && *times > 0 {
            let with = way.credentials.entry(of.credential.clone()).or_default();
            with.requests += times;
            with.bytes_up += up;
            with.bytes_down += down;
            with.refused += refused;
        }
    }
    let ways = ways.into_values().map(|(way, reasons)| {
        let most = reasons
            .into_iter()
            .filter(|(_, times)| *times > 0)
            .max_by_key(|(reason, times)| (*times, Reverse(*reason)));
        Way { reason: most.map(|(reason, _)| reason.to_owned()), ..way }
    });
    ways.filter(|way| way.requests > 0).collect()
}

fn happened(parts: &Parts) -> Vec<Happened> {
    let events = parts.iter().filter(|(of, counts)| of.event && counts[0] > 0);
    let happened = events.map(|(of, counts)| Happened {
        group: Some(of.group.clone()).filter(|group| !group.is_empty()),
        what: of.what.clone(),
        times: counts[0],
        bytes: counts[1],
    });
    happened.collect()
}
