//! What the index stores of a record, and its contribution to its hour's sums.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use audit::{Line, Place};
use rusqlite::{Connection, params};

use super::said::Said;
use super::tokens::TokensRow;
use crate::store::Millis;
use crate::store::ledger::effect;

/// A decision with its outcome, or an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) at: Millis,
    /// The positions of its line and of its outcome's.
    pub(super) place: Stands,
    pub(super) end: Option<Stands>,
    /// Whether it was allowed; `None` for an event.
    pub(super) allowed: Option<bool>,
    pub(super) names: Names,
    pub(super) run: Option<u64>,
    /// Whether it is an operation behind a request to the host, and not a request itself.
    pub(super) operation: bool,
    /// Whether it left the house, or would have.
    pub(super) leaves: bool,
    pub(super) writes: bool,
    pub(super) by_wildcard: bool,
    /// Whether it ended without reaching its host: then nothing was sent.
    pub(super) unreached: bool,
    pub(super) times: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) alarm: bool,
    pub(super) abandoned: bool,
    /// Whether it is one of the requests refused at every start of an agent.
    pub(super) routine: bool,
    /// The model tokens that it used.
    pub(super) tokens: TokensRow,
}

/// An entry's texts; empty for none. Entries with the same texts share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    /// The kind of event, if it is not a request.
    pub(super) what: Rc<str>,
    pub(super) group: Rc<str>,
    pub(super) host: Rc<str>,
    /// Why it was refused or broken off.
    pub(super) code: Rc<str>,
    pub(super) ended_code: Rc<str>,
    /// The credential that was put on.
    pub(super) credential: Rc<str>,
}

impl Names {
    pub(super) fn all(&self) -> [&Rc<str>; 6] {
        [&self.what, &self.group, &self.host, &self.code, &self.ended_code, &self.credential]
    }

    pub(super) fn from([what, group, host, code, ended_code, credential]: [Rc<str>; 6]) -> Self {
        Names { what, group, host, code, ended_code, credential }
    }
}

/// A text for an entry, shared with the previous entry's if equal.
fn shared(text: Option<Cow<'_, str>>, before: Option<&Rc<str>>) -> Rc<str> {
    let text = text.unwrap_or_default();
    match before {
        Some(before) if **before == *text => before.clone(),
        _ => text.into(),
    }
}

/// Segment, offset and length of a line.
pub(super) type Stands = (u64, u64, u64);

pub(super) fn stands(place: Place) -> Stands {
    (place.segment, place.offset, place.length)
}

pub(super) fn place((segment, offset, length): Stands) -> Place {
    Place { segment, offset, length }
}

impl Entry {
    /// From a decision or an event; `None` for any other line. `before` is the previous entry.
    pub(super) fn of(line: &Line<'_>, before: Option<&Entry>) -> Option<Self> {
        let notice = match line.kind {
            "decision" => false,
            "notice" => true,
            _ => return None,
        };
        let said = Said::of(line.text)?;
        let routine = said.is_routine();
        let protocol = said.protocol.as_deref().unwrap_or_default();
        let allowed = (!notice).then(|| said.verdict.as_deref() == Some("allow"));
        let before = before.map(|before| &before.names);
        Some(Entry {
            seq: line.seq,
            at: line.at,
            place: stands(line.place),
            end: None,
            allowed,
            operation: protocol == "operation",
            leaves: !notice && (allowed == Some(false) || !matches!(protocol, "internal" | "operation")),
            writes: allowed == Some(true)
                && effect::writes(protocol, said.effect, said.asks_model, said.method.as_deref()),
            names: Names {
                what: shared(said.what.filter(|_| notice), before.map(|names| &names.what)),
                group: shared(said.group, before.map(|names| &names.group)),
                host: shared(said.host, before.map(|names| &names.host)),
                code: shared(said.code, before.map(|names| &names.code)),
                ended_code: shared(None, before.map(|names| &names.ended_code)),
                credential: shared(
                    said.credential.filter(|_| allowed == Some(true)),
                    before.map(|names| &names.credential),
                ),
            },
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

    /// Whether it is not a request.
    pub(super) fn is_event(&self) -> bool {
        self.allowed.is_none()
    }

    /// Adds its outcome.
    pub(super) fn end(&mut self, line: &Line<'_>) {
        let Some(said) = Said::of(line.text) else { return };
        self.end = Some(stands(line.place));
        self.names.ended_code = shared(said.code, Some(&self.names.ended_code));
        self.unreached = said.address.is_none();
        self.up = self.up.saturating_add(said.bytes_up.unwrap_or(0));
        self.down = said.bytes_down.unwrap_or(0);
        self.alarm |= said.alarm;
        self.abandoned = said.abandoned;
        self.tokens.end(said.tokens);
    }
}

/// The key of a sum.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Of {
    /// An event or a request.
    pub(super) event: bool,
    pub(super) group: String,
    /// The host, or the kind of event.
    pub(super) what: String,
    /// Why it was refused; empty if it was not.
    pub(super) reason: String,
    /// The credential put on; empty for none.
    pub(super) credential: String,
}

/// Times, bytes up and down, alarms, without an outcome, abandoned.
pub(super) type Counts = [i64; 6];

/// The reason under which refusals at an agent's start are summed; it is not a code.
pub(super) const ROUTINE: &str = "at each start";

/// Changes to the hourly sums.
#[derive(Debug, Default)]
pub(super) struct Sums {
    all: HashMap<(Millis, Of), Counts>,
    /// What was added last: the next is usually the same.
    last: Option<(Millis, Of, Counts)>,
}

pub(super) const HOUR: Millis = 3_600_000;

impl Sums {
    /// Adds an entry (1) or subtracts it (-1).
    pub(super) fn add(&mut self, entry: &Entry, sign: i64) {
        let names = &entry.names;
        let reason = match entry.allowed {
            None => "",
            Some(false) if entry.routine => ROUTINE,
            Some(false) if names.code.is_empty() => "denied",
            Some(false) => &names.code,
            Some(true) => &names.ended_code,
        };
        if !entry.is_event() && !entry.leaves {
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
        let what = if entry.is_event() { &names.what } else { &names.host };
        let of = (entry.is_event(), &*names.group, &**what, reason, &*names.credential);
        let sums = self.of(entry.at.div_euclid(HOUR), of);
        sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += sign * add);
    }

    fn of(&mut self, hour: Millis, of: (bool, &str, &str, &str, &str)) -> &mut Counts {
        let same = self.last.as_ref().is_some_and(|(at, last, _)| *at == hour && last.is(of));
        if !same {
            self.settle();
        }
        &mut self.last.get_or_insert_with(|| (hour, Of::from(of), Counts::default())).2
    }

    fn settle(&mut self) {
        if let Some((hour, of, counts)) = self.last.take() {
            let sums = self.all.entry((hour, of)).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }

    pub(super) fn write(mut self, index: &Connection) -> rusqlite::Result<()> {
        self.settle();
        let mut add = index.prepare_cached(
            "INSERT INTO sums (hour, event, group_name, what, reason, credential, times, up, down, alarms, open, abandoned)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET times = times + ?7, up = up + ?8, down = down + ?9, alarms = alarms + ?10,
                 open = open + ?11, abandoned = abandoned + ?12",
        )?;
        for ((hour, of), counts) in self.all.iter().filter(|(_, counts)| **counts != Counts::default()) {
            let Of { event, group, what, reason, credential } = of;
            let [times, up, down, alarms, open, abandoned] = counts;
            add.execute(params![
                hour, event, group, what, reason, credential, times, up, down, alarms, open, abandoned
            ])?;
        }
        Ok(())
    }

    /// All sums, for what the digest does not read from the hours.
    pub(super) fn into_rows(mut self) -> impl Iterator<Item = (Of, Counts)> {
        self.settle();
        self.all.into_iter().map(|((_, of), counts)| (of, counts))
    }
}

impl Of {
    fn from((event, group, what, reason, credential): (bool, &str, &str, &str, &str)) -> Self {
        let [group, what, reason, credential] = [group, what, reason, credential].map(str::to_owned);
        Of { event, group, what, reason, credential }
    }

    fn is(&self, of: (bool, &str, &str, &str, &str)) -> bool {
        of == (self.event, &*self.group, &*self.what, &*self.reason, &*self.credential)
    }
}

/// SQLite counts in `i64`; no log gets that long.
pub(super) fn to_row(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
