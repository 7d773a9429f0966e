//! The log added up: for each group, where its requests went and how much went with them.

use std::collections::BTreeMap;

use policies::GroupName;
use rusqlite::types::Value;
use serde::Serialize;

use super::AuditReader;
use super::entries::{Entry, HOUR, Sums};
use crate::store::{Millis, StoreError};

/// What a part of the log comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digest {
    /// Each group with each host it asked for.
    pub ways: Vec<Way>,
    /// What happened besides.
    pub events: Vec<Happened>,
    /// The last record of the whole log, to be kept elsewhere; `None` while there is none.
    pub head: Option<Head>,
}

/// What one group sent to, and got from, one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Way {
    /// The group.
    pub group: String,
    /// The host; `None` for connections in which none could be read.
    pub host: Option<String>,
    /// Everything that was asked, refused or not.
    pub requests: u64,
    /// Bytes that went up: heads and bodies of what was allowed.
    pub bytes_up: u64,
    /// Bytes of bodies that came back.
    pub bytes_down: u64,
    /// What was denied, or broken off after the verdict.
    pub refused: u64,
    /// The reason that stands there most often.
    pub reason: Option<String>,
    /// Answers that the client left before they were whole: each is a sign to the host.
    pub abandoned: u64,
    /// Requests of which the owner was to be told at once.
    pub alarms: u64,
    /// Allowed requests that have no outcome: under way or interrupted. What their
    /// bodies held is not counted.
    pub open: u64,
}

/// Events of one kind in one group that are no requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Happened {
    /// The group; `None` for what concerns the whole installation.
    pub group: Option<String>,
    /// What it was, as in the log.
    pub what: String,
    /// How often.
    pub times: u64,
    /// How much went out by it.
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
    /// Adds up what a group, or all, did since a moment: whole hours as the index has them, and
    /// what stands in the part of one before them.
    pub fn digest(&self, group: Option<&GroupName>, since: Option<Millis>) -> Result<Digest, StoreError> {
        let since = since.unwrap_or(Millis::MIN);
        let hour = since.div_euclid(HOUR) + i64::from(since.rem_euclid(HOUR) > 0);
        let mut sums = Sums::default();
        let part = Entry::select("WHERE at_ms >= ?1 AND at_ms < ?2");
        let until = hour.saturating_mul(HOUR);
        for entry in self.rows(&part, vec![Value::Integer(since), Value::Integer(until)], Entry::from)? {
            sums.add(&entry, 1);
        }
        let mut parts = BTreeMap::new();
        for ((_, event, group, what, reason), counts) in sums.into_rows() {
            add(&mut parts, (event, group, what, reason), counts);
        }
        let sql = "SELECT event, group_name, what, reason, sum(times), sum(up), sum(down), sum(alarms), sum(open), \
                          sum(abandoned) FROM sums WHERE hour >= ?1 GROUP BY 1, 2, 3, 4";
        let whole = self.rows(sql, vec![Value::Integer(hour)], |row| {
            let mut counts = [0; 6];
            for (index, count) in counts.iter_mut().enumerate() {
                *count = row.get(4 + index)?;
            }
            Ok(((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?), counts))
        })?;
        whole.into_iter().for_each(|(of, counts)| add(&mut parts, of, counts));
        if let Some(only) = group {
            parts.retain(|(_, group, ..), _| group == only.as_str());
        }
        let head = Some(self.head()?).filter(|head| head.seq > 0);
        let head = head.map(|head| Head { seq: head.seq, hash: head.chain.to_string() });
        Ok(Digest { ways: ways(&parts), events: happened(&parts), head })
    }
}

/// By kind (request or event), group, host or kind of event, and reason.
type Parts = BTreeMap<(bool, String, String, String), [u64; 6]>;

fn add(parts: &mut Parts, of: (bool, String, String, String), counts: [i64; 6]) {
    let sums = parts.entry(of).or_default();
    sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add_signed(count));
}

/// One way per group and host, out of one per reason.
fn ways(parts: &Parts) -> Vec<Way> {
    let mut ways: BTreeMap<(&str, &str), (Way, u64)> = BTreeMap::new();
    for ((_, group, host, reason), counts) in parts.iter().filter(|((event, ..), _)| !event) {
        let [times, up, down, alarms, open, abandoned] = *counts;
        let (way, most) = ways.entry((group, host)).or_default();
        way.group.clone_from(group);
        way.host = Some(host.clone()).filter(|host| !host.is_empty());
        way.requests += times;
        way.bytes_up += up;
        way.bytes_down += down;
        way.alarms += alarms;
        way.open += open;
        way.abandoned += abandoned;
        if !reason.is_empty() {
            way.refused += times;
            if times > *most {
                (*most, way.reason) = (times, Some(reason.clone()));
            }
        }
    }
    ways.into_values().map(|(way, _)| way).filter(|way| way.requests > 0).collect()
}

fn happened(parts: &Parts) -> Vec<Happened> {
    let events = parts.iter().filter(|((event, ..), counts)| *event && counts[0] > 0);
    let happened = events.map(|((_, group, what, _), counts)| Happened {
        group: Some(group.clone()).filter(|group| !group.is_empty()),
        what: what.clone(),
        times: counts[0],
        bytes: counts[1],
    });
    happened.collect()
}
