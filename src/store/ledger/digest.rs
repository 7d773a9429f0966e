//! The log added up: for each group, where its requests went and how much went with them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::chain::hex;
use super::{AuditReader, Events, Filter};
use crate::store::StoreError;

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
    /// Its hash, in hex.
    pub hash: String,
}

impl AuditReader {
    /// Adds up what matches; `limit` and `after` are for lists and not looked at.
    pub fn digest(&self, filter: &Filter) -> Result<Digest, StoreError> {
        let filter = Filter { after: None, limit: None, events: Events::Without, ..filter.clone() };
        let (conditions, values) = filter.conditions();
        let sql = format!(
            "SELECT d.group_name, d.host, iif(d.verdict = 'deny', coalesce(d.code, 'denied'), o.code) AS reason, \
                    sum({TIMES}), sum(iif(d.verdict = 'deny', 0, ifnull(d.record ->> 'head_bytes', 0) + ifnull(o.record ->> 'bytes_up', 0))), \
                    sum(ifnull(o.record ->> 'bytes_down', 0)), \
                    sum(iif(ifnull(d.record ->> 'alarm', 0) OR ifnull(o.record ->> 'alarm', 0), {TIMES}, 0)), \
                    sum(d.verdict = 'allow' AND o.seq IS NULL), sum(ifnull(o.record ->> 'abandoned', 0)) \
             FROM events d LEFT JOIN events o ON o.about = d.seq AND o.kind = 'outcome' \
             WHERE {conditions} AND {LEAVES} GROUP BY 1, 2, 3 ORDER BY 4 DESC"
        );
        let parts = self.rows(&sql, values, |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            let reason: Option<String> = row.get(2)?;
            let requests = count(3)?;
            Ok(Way {
                group: row.get::<_, Option<String>>(0)?.unwrap_or_default(),
                host: row.get(1)?,
                requests,
                bytes_up: count(4)?,
                bytes_down: count(5)?,
                refused: if reason.is_some() { requests } else { 0 },
                reason,
                alarms: count(6)?,
                open: count(7)?,
                abandoned: count(8)?,
            })
        })?;
        Ok(Digest { ways: joined(parts), events: self.happened(&filter)?, head: self.head()? })
    }

    fn happened(&self, filter: &Filter) -> Result<Vec<Happened>, StoreError> {
        let (conditions, values) = Filter { events: Events::Alone, ..filter.clone() }.conditions();
        let sql = format!(
            "SELECT d.group_name, d.record ->> 'what', sum(ifnull(d.record ->> 'count', 1)), \
                    sum(ifnull(d.record ->> 'bytes', 0)) \
             FROM events d LEFT JOIN events o ON o.about = d.seq AND o.kind = 'outcome' \
             WHERE {conditions} GROUP BY 1, 2 ORDER BY 1, 2"
        );
        self.rows(&sql, values, |row| {
            let count = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
            Ok(Happened {
                group: row.get(0)?,
                what: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
                times: count(2)?,
                bytes: count(3)?,
            })
        })
    }

    fn head(&self) -> Result<Option<Head>, StoreError> {
        let sql = "SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1";
        let found = self.rows(sql, Vec::new(), |row| {
            Ok(Head { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: hex(&row.get::<_, Vec<u8>>(1)?) })
        })?;
        Ok(found.into_iter().next())
    }
}

/// What was asked of the host itself went nowhere.
const LEAVES: &str = "(d.verdict = 'deny' OR ifnull(d.record ->> 'protocol', '') NOT IN ('internal', 'operation'))";

/// How many requests a row stands for.
const TIMES: &str = "ifnull(d.record ->> 'repeated', 1)";

/// One way per group and host, out of one per reason; the parts come most frequent first.
fn joined(parts: Vec<Way>) -> Vec<Way> {
    let mut ways: BTreeMap<(String, Option<String>), Way> = BTreeMap::new();
    for part in parts {
        let way = ways.entry((part.group.clone(), part.host.clone())).or_insert_with(|| Way {
            group: part.group.clone(),
            host: part.host.clone(),
            ..Way::default()
        });
        way.requests += part.requests;
        way.bytes_up += part.bytes_up;
        way.bytes_down += part.bytes_down;
        way.refused += part.refused;
        way.alarms += part.alarms;
        way.open += part.open;
        way.abandoned += part.abandoned;
        way.reason = way.reason.take().or(part.reason);
    }
    ways.into_values().collect()
}
