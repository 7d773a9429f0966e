//! What the index knows of a record, and what it adds to the sums of its hour.

use std::borrow::Cow;
use std::collections::HashMap;

use audit::{Line, Place};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row, params};
use serde::Deserialize;

use super::tokens::{TokensRow, Used};
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
    /// Which credential was put on; empty for none.
    credential: String,
    run: Option<u64>,
    /// Whether it is what a request to the host asked for, and none of its own.
    operation: bool,
    /// Whether it left the house, or would have.
    leaves: bool,
    writes: bool,
    by_wildcard: bool,
    /// Whether it ended without having reached its host: then nothing of it went up.
    unreached: bool,
    times: u64,
    up: u64,
    down: u64,
    alarm: bool,
    abandoned: bool,
    routine: bool,
    /// What a model used up for it.
    tokens: TokensRow,
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
    credential: Option<Cow<'a, str>>,
    #[serde(borrow)]
    address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    what: Option<Cow<'a, str>>,
    #[serde(borrow)]
    path: Option<Cow<'a, str>>,
    #[serde(borrow)]
    rule: Option<Rule<'a>>,
    query_bytes: Option<u64>,
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
    reserves: Option<Used>,
    tokens: Option<Used>,
}

#[derive(Deserialize)]
struct Rule<'a> {
    #[serde(borrow)]
    file: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Operation {
    #[serde(default)]
    effect: bool,
}

/// What Claude Code asks at each of its starts, whatever it is told: settings of an organisation, and what that allows.
/// The preset closes both, and it works without.
const AT_EACH_START: [&str; 2] = ["/api/claude_code/settings", "/api/claude_code/policy_limits"];

impl Said<'_> {
    /// Whether this is one of those two refusals, to the letter: it says nothing about what an agent does.
    fn is_routine(&self) -> bool {
        let is = |said: &Option<Cow<'_, str>>, wanted: &str| said.as_deref() == Some(wanted);
        is(&self.code, "denied_by_rule")
            && is(&self.host, "api.anthropic.com")
            && is(&self.method, "GET")
            && self.path.as_deref().is_some_and(|path| AT_EACH_START.contains(&path))
            && self.rule.as_ref().is_some_and(|rule| rule.file == "preset claude")
            && self.query_bytes.is_none_or(|bytes| bytes == 0)
            && !self.alarm
    }
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
        let routine = said.is_routine();
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
            credential: owned(said.credential).filter(|_| allowed == Some(true)).unwrap_or_default(),
            run: said.run,
            by_wildcard: said.by_wildcard,
            unreached: false,
            times: said.repeated.or(said.count).unwrap_or(1),
            up: said.head_bytes.or(said.bytes).unwrap_or(0),
            down: 0,
            alarm: said.alarm,
            abandoned: false,
            routine,
            tokens: TokensRow::of(said.reserves),
        })
    }

    /// Adds how it ended.
    pub(super) fn end(&mut self, line: &Line<'_>) {
        let Ok(said) = serde_json::from_slice::<Said<'_>>(line.text) else { return };
        self.end = Some(stands(line.place));
        self.ended_code = said.code.map(Cow::into_owned);
        self.unreached = said.address.is_none();
        self.up = self.up.saturating_add(said.bytes_up.unwrap_or(0));
        self.down = said.bytes_down.unwrap_or(0);
        self.alarm |= said.alarm;
        self.abandoned = said.abandoned;
        self.tokens.end(said.tokens);
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
            credential: row.get(14)?,
            run: row.get::<_, Option<i64>>(15)?.map(i64::unsigned_abs),
            operation: row.get(16)?,
            leaves: row.get(17)?,
            writes: row.get(18)?,
            by_wildcard: row.get(19)?,
            unreached: row.get(20)?,
            times: number(21)?,
            up: number(22)?,
            down: number(23)?,
            alarm: row.get(24)?,
            abandoned: row.get(25)?,
            routine: row.get(26)?,
            tokens: TokensRow::Stored,
        })
    }

    /// What writes entries.
    pub(super) fn insert(index: &Connection) -> rusqlite::Result<CachedStatement<'_>> {
        index.prepare_cached(&format!("INSERT OR REPLACE INTO entries ({COLUMNS}) VALUES ({VALUES})"))
    }

    pub(super) fn write(&self, insert: &mut CachedStatement<'_>, index: &Connection) -> rusqlite::Result<()> {
        let end = self.end.map(|(segment, offset, length)| (to_row(segment), to_row(offset), to_row(length)));
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
            self.credential,
            self.run.map(to_row),
            self.operation,
            self.leaves,
            self.writes,
            self.by_wildcard,
            self.unreached,
            to_row(self.times),
            to_row(self.up),
            to_row(self.down),
            self.alarm,
            self.abandoned,
            self.routine,
        ])?;
        self.tokens.write(index, self.seq, self.at, &self.group)
    }
}

const COLUMNS: &str = "seq, at_ms, segment, offset, length, end_segment, end_offset, end_length, what, group_name, host, \
     allowed, code, ended_code, credential, run, operation, leaves, writes, by_wildcard, unreached, times, up, down, \
     alarm, abandoned, routine";

const VALUES: &str = "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, \
     ?22, ?23, ?24, ?25, ?26, ?27";

/// What is added up together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Of {
    /// An event, or a request.
    pub(super) event: bool,
    pub(super) group: String,
    /// The host, or the kind of event.
    pub(super) what: String,
    /// Why it was refused; empty for not at all.
    pub(super) reason: String,
    /// Which credential was put on; empty for none.
    pub(super) credential: String,
}

/// Times, bytes up and down, alarms, without an outcome, abandoned.
pub(super) type Counts = [i64; 6];

/// The reason under which refusals of an agent's start are added up: it is no code.
pub(super) const ROUTINE: &str = "at each start";

/// What is added to the sums of the hours, or taken off.
#[derive(Debug, Default)]
pub(super) struct Sums(HashMap<(Millis, Of), Counts>);

pub(super) const HOUR: Millis = 3_600_000;

impl Sums {
    /// Adds an entry (1), or takes it off (-1).
    pub(super) fn add(&mut self, entry: &Entry, sign: i64) {
        let reason = match entry.allowed {
            None => None,
            Some(false) if entry.routine => Some(ROUTINE),
            Some(false) => Some(entry.code.as_deref().unwrap_or("denied")),
            Some(true) => entry.ended_code.as_deref(),
        };
        if entry.what.is_none() && !entry.leaves {
            return;
        }
        let (times, sent) = (to_row(entry.times), entry.allowed != Some(false) && !entry.unreached);
        let open = entry.allowed == Some(true) && entry.end.is_none();
        let add = [
            times,
            if sent { to_row(entry.up) } else { 0 },
            to_row(entry.down),
            if entry.alarm { times } else { 0 },
            i64::from(open),
            i64::from(entry.abandoned),
        ];
        let of = Of {
            event: entry.what.is_some(),
            group: entry.group.clone(),
            what: entry.what.as_deref().unwrap_or(&entry.host).to_owned(),
            reason: reason.unwrap_or_default().to_owned(),
            credential: entry.credential.clone(),
        };
        let sums = self.0.entry((entry.at.div_euclid(HOUR), of)).or_default();
        sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += sign * add);
    }

    pub(super) fn write(&self, index: &Connection) -> rusqlite::Result<()> {
        let mut add = index.prepare_cached(
            "INSERT INTO sums (hour, event, group_name, what, reason, credential, times, up, down, alarms, open, abandoned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET times = times + ?7, up = up + ?8, down = down + ?9, alarms = alarms + ?10,
                 open = open + ?11, abandoned = abandoned + ?12",
        )?;
        for ((hour, of), [times, up, down, alarms, open, abandoned]) in &self.0 {
            let Of { event, group, what, reason, credential } = of;
            add.execute(params![
                hour, event, group, what, reason, credential, times, up, down, alarms, open, abandoned
            ])?;
        }
        Ok(())
    }

    /// All that is added, of what the digest does not read from the hours.
    pub(super) fn into_rows(self) -> impl Iterator<Item = (Of, Counts)> {
        self.0.into_iter().map(|((_, of), counts)| (of, counts))
    }
}

/// SQLite counts in `i64`; a log never gets that long.
pub(super) fn to_row(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
