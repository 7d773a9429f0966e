//! What the index knows of a record, and what it adds to the sums of its hour.

use std::borrow::Cow;
use std::collections::HashMap;

use audit::{Line, Place};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;

use crate::store::Millis;
use crate::store::ledger::effect;

/// A decision with its outcome, or an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) at: Millis,
    /// Where its line stands, and that of its outcome.
    pub(super) place: Stands,
    pub(super) end: Option<Stands>,
    /// What happened, where it is no request.
    pub(super) what: Option<String>,
    group: String,
    host: String,
    /// Whether it was let through; `None` of an event.
    allowed: Option<bool>,
    code: Option<String>,
    ended_code: Option<String>,
    run: Option<u64>,
    /// Whether it is what a request to the host asked for, and none of its own.
    operation: bool,
    /// Whether it left the house, or would have.
    leaves: bool,
    writes: bool,
    by_wildcard: bool,
    times: u64,
    up: u64,
    down: u64,
    alarm: bool,
    abandoned: bool,
}

/// Segment, offset and length of a line.
pub(super) type Stands = (u64, u64, u64);

pub(super) fn stands(place: Place) -> Stands {
    (place.segment, place.offset, place.length)
}

pub(super) fn place((segment, offset, length): Stands) -> Place {
    Place { segment, offset, length }
}

/// The fields of a line that are looked at.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow)]
    group: Option<Cow<'a, str>>,
    #[serde(borrow)]
    host: Option<Cow<'a, str>>,
    #[serde(borrow)]
    verdict: Option<Cow<'a, str>>,
    #[serde(borrow)]
    protocol: Option<Cow<'a, str>>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    what: Option<Cow<'a, str>>,
    run: Option<u64>,
    operation: Option<Operation>,
    #[serde(default)]
    asks_model: bool,
    #[serde(default)]
    by_wildcard: bool,
    #[serde(default)]
    alarm: bool,
    #[serde(default)]
    abandoned: bool,
    head_bytes: Option<u64>,
    repeated: Option<u64>,
    count: Option<u64>,
    bytes: Option<u64>,
    bytes_up: Option<u64>,
    bytes_down: Option<u64>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    effect: bool,
}

impl Entry {
    /// Of a decision or an event; `None` of any other line.
    pub(super) fn of(line: &Line<'_>) -> Option<Self> {
        let notice = match line.kind {
            "decision" => false,
            "notice" => true,
            _ => return None,
        };
        let said: Said<'_> = serde_json::from_slice(line.text).ok()?;
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        let protocol = said.protocol.as_deref().unwrap_or_default();
        let allowed = (!notice).then(|| said.verdict.as_deref() == Some("allow"));
        let effect = said.operation.as_ref().is_some_and(|operation| operation.effect);
        Some(Entry {
            seq: line.seq,
            at: line.at,
            place: stands(line.place),
            end: None,
            allowed,
            operation: protocol == "operation",
            leaves: !notice && (allowed == Some(false) || !matches!(protocol, "internal" | "operation")),
            writes: allowed == Some(true) && effect::writes(protocol, effect, said.asks_model, said.method.as_deref()),
            what: notice.then(|| owned(said.what).unwrap_or_default()),
            group: owned(said.group).unwrap_or_default(),
            host: owned(said.host).unwrap_or_default(),
            code: owned(said.code),
            ended_code: None,
            run: said.run,
            by_wildcard: said.by_wildcard,
            times: said.repeated.or(said.count).unwrap_or(1),
            up: said.head_bytes.or(said.bytes).unwrap_or(0),
            down: 0,
            alarm: said.alarm,
            abandoned: false,
        })
    }

    /// Adds how it ended.
    pub(super) fn end(&mut self, line: &Line<'_>) {
        let Ok(said) = serde_json::from_slice::<Said<'_>>(line.text) else { return };
        self.end = Some(stands(line.place));
        self.ended_code = said.code.map(Cow::into_owned);
        self.up = self.up.saturating_add(said.bytes_up.unwrap_or(0));
        self.down = said.bytes_down.unwrap_or(0);
        self.alarm |= said.alarm;
        self.abandoned = said.abandoned;
    }

    /// The question for those that match.
    pub(super) fn select(which: &str) -> String {
        format!("SELECT {COLUMNS} FROM entries {which}")
    }

    pub(super) fn read(index: &Connection, seq: u64) -> rusqlite::Result<Option<Self>> {
        let mut select = index.prepare_cached(&Self::select("WHERE seq = ?1"))?;
        select.query_row([to_row(seq)], Self::from).optional()
    }

    pub(super) fn from(row: &Row<'_>) -> rusqlite::Result<Self> {
        let number = |column| row.get::<_, i64>(column).map(i64::unsigned_abs);
        let end = match row.get::<_, Option<i64>>(5)? {
            Some(segment) => Some((segment.unsigned_abs(), number(6)?, number(7)?)),
            None => None,
        };
        Ok(Entry {
            seq: number(0)?,
            at: row.get(1)?,
            place: (number(2)?, number(3)?, number(4)?),
            end,
            what: row.get(8)?,
            group: row.get(9)?,
            host: row.get(10)?,
            allowed: row.get(11)?,
            code: row.get(12)?,
            ended_code: row.get(13)?,
            run: row.get::<_, Option<i64>>(14)?.map(i64::unsigned_abs),
            operation: row.get(15)?,
            leaves: row.get(16)?,
            writes: row.get(17)?,
            by_wildcard: row.get(18)?,
            times: number(19)?,
            up: number(20)?,
            down: number(21)?,
            alarm: row.get(22)?,
            abandoned: row.get(23)?,
        })
    }

    pub(super) fn write(&self, index: &Connection) -> rusqlite::Result<()> {
        let end = self.end.map(|(segment, offset, length)| (to_row(segment), to_row(offset), to_row(length)));
        let sql = format!("INSERT OR REPLACE INTO entries ({COLUMNS}) VALUES ({VALUES})");
        let mut insert = index.prepare_cached(&sql)?;
        insert.execute(params![
            to_row(self.seq),
            self.at,
            to_row(self.place.0),
            to_row(self.place.1),
            to_row(self.place.2),
            end.map(|end| end.0),
            end.map(|end| end.1),
            end.map(|end| end.2),
            self.what,
            self.group,
            self.host,
            self.allowed,
            self.code,
            self.ended_code,
            self.run.map(to_row),
            self.operation,
            self.leaves,
            self.writes,
            self.by_wildcard,
            to_row(self.times),
            to_row(self.up),
            to_row(self.down),
            self.alarm,
            self.abandoned,
        ])?;
        Ok(())
    }
}

const COLUMNS: &str = "seq, at_ms, segment, offset, length, end_segment, end_offset, end_length, what, group_name, host, \
     allowed, code, ended_code, run, operation, leaves, writes, by_wildcard, times, up, down, alarm, abandoned";

const VALUES: &str = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
     ?22, ?23, ?24";

/// An hour, a group, a host or kind of event, and why it was refused.
type Of = (Millis, bool, String, String, String);

/// What is added to the sums of the hours, or taken off.
#[derive(Debug, Default)]
pub(super) struct Sums(HashMap<Of, [i64; 6]>);

pub(super) const HOUR: Millis = 3_600_000;

impl Sums {
    /// Adds an entry (1), or takes it off (-1).
    pub(super) fn add(&mut self, entry: &Entry, sign: i64) {
        let reason = match entry.allowed {
            None => None,
            Some(false) => Some(entry.code.as_deref().unwrap_or("denied")),
            Some(true) => entry.ended_code.as_deref(),
        };
        if entry.what.is_none() && !entry.leaves {
            return;
        }
        let (times, sent) = (to_row(entry.times), entry.allowed != Some(false));
        let open = entry.allowed == Some(true) && entry.end.is_none();
        let add = [
            times,
            if sent { to_row(entry.up) } else { 0 },
            to_row(entry.down),
            if entry.alarm { times } else { 0 },
            i64::from(open),
            i64::from(entry.abandoned),
        ];
        let what = entry.what.as_deref().unwrap_or(&entry.host).to_owned();
        let of = (
            entry.at.div_euclid(HOUR),
            entry.what.is_some(),
            entry.group.clone(),
            what,
            reason.unwrap_or_default().to_owned(),
        );
        let sums = self.0.entry(of).or_default();
        sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += sign * add);
    }

    pub(super) fn write(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut add = index.prepare_cached(
            "INSERT INTO sums (hour, event, group_name, what, reason, times, up, down, alarms, open, abandoned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT DO UPDATE SET times = times + ?6, up = up + ?7, down = down + ?8, alarms = alarms + ?9,
                 open = open + ?10, abandoned = abandoned + ?11",
        )?;
        for ((hour, event, group, what, reason), [times, up, down, alarms, open, abandoned]) in &self.0 {
            add.execute(params![hour, event, group, what, reason, times, up, down, alarms, open, abandoned])?;
        }
        Ok(())
    }

    /// All that is added, of what the digest does not read from the hours: group, host or kind of
    /// event, reason, and the sums.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (Of, [i64; 6])> {
        self.0.into_iter()
    }
}

/// SQLite counts in `i64`; a log never gets that long.
pub(super) fn to_row(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
