//! How the index stores entries: many per row, since most of a row's cost does not depend on its content.

use std::collections::HashMap;
use std::rc::Rc;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::entries::{Entry, Names, Stands, to_row};
use super::tokens::TokensRow;

/// The most entries in a block.
pub(super) const MOST: usize = 512;

/// A last block with fewer is extended.
pub(super) const FEW: u64 = 64;

/// Writes a block: entries in order, none of which may be in another block.
pub(super) fn write(index: &Connection, entries: &[&Entry]) -> rusqlite::Result<()> {
    let ([first, ..], [.., last]) = (entries, entries) else { return Ok(()) };
    let times = entries.iter().map(|entry| entry.at);
    let of_them = |is: &dyn Fn(&Entry) -> bool| to_row(entries.iter().filter(|entry| is(entry)).count() as u64);
    let runs = entries.iter().filter_map(|entry| entry.run).map(to_row);
    index
        .prepare_cached(
            "INSERT INTO blocks (first, last, count, since, until, lowest_run, highest_run, events, alarms, routine, entries)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            to_row(first.seq),
            to_row(last.seq),
            to_row(entries.len() as u64),
            times.clone().min(),
            times.max(),
            runs.clone().min(),
            runs.max(),
            of_them(&Entry::is_event),
            of_them(&|entry| entry.alarm),
            of_them(&|entry| entry.routine),
            encoded(entries),
        ])
        .map(drop)
}

/// Takes out the block that contains a number, if any.
pub(super) fn take(index: &Connection, seq: u64) -> rusqlite::Result<Vec<Entry>> {
    let found = holding(index, seq)?;
    if let Some(first) = found.first() {
        index.prepare_cached("DELETE FROM blocks WHERE first = ?1")?.execute([to_row(first.seq)])?;
    }
    Ok(found)
}

/// The block that contains a number.
fn holding(index: &Connection, seq: u64) -> rusqlite::Result<Vec<Entry>> {
    let sql =
        "SELECT entries FROM (SELECT * FROM blocks WHERE first <= ?1 ORDER BY first DESC LIMIT 1) WHERE last >= ?1";
    let found = index.prepare_cached(sql)?.query_row([to_row(seq)], read).optional()?;
    Ok(found.unwrap_or_default())
}

/// The entry with a number.
pub(super) fn one(index: &Connection, seq: u64) -> rusqlite::Result<Option<Entry>> {
    Ok(holding(index, seq)?.into_iter().find(|entry| entry.seq == seq))
}

/// The entries of a row, from its first column.
pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Vec<Entry>> {
    let unread = || rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, "no entries".into());
    decoded(row.get_ref(0)?.as_blob()?).ok_or_else(unread)
}

/// A name is written once, before the first entry that has it, and is a number from then on: 0 for the previous entry's
/// name.
fn encoded(entries: &[&Entry]) -> Vec<u8> {
    let (mut into, mut known) = (Vec::with_capacity(48 * entries.len()), HashMap::new());
    let nothing = Entry::default();
    let mut before = &nothing;
    for entry in entries {
        number(&mut into, entry.seq - before.seq);
        number(&mut into, zigzag(entry.at.wrapping_sub(before.at)));
        number(&mut into, flags(entry));
        for (name, before) in entry.names.all().into_iter().zip(before.names.all()) {
            let next = known.len() as u64 + 1;
            if Rc::ptr_eq(name, before) || name == before {
                number(&mut into, 0);
            } else if let Some(known) = known.get(&**name) {
                number(&mut into, *known);
            } else {
                known.insert(&**name, next);
                number(&mut into, next);
                number(&mut into, name.len() as u64);
                into.extend_from_slice(name.as_bytes());
            }
        }
        put_place(&mut into, entry.place);
        if let Some(end) = entry.end {
            put_place(&mut into, end);
        }
        if let Some(run) = entry.run {
            number(&mut into, run);
        }
        number(&mut into, entry.times);
        number(&mut into, entry.up);
        number(&mut into, entry.down);
        before = entry;
    }
    into
}

fn decoded(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let (bytes, mut all, mut known) = (&mut bytes, Vec::with_capacity(MOST), Vec::new());
    let nothing = Entry::default();
    while !bytes.is_empty() {
        let before = all.last().unwrap_or(&nothing);
        let seq = before.seq.checked_add(take_number(bytes)?)?;
        let at = before.at.wrapping_add(unzigzag(take_number(bytes)?));
        let flags = take_number(bytes)?;
        let mut names = before.names.all().map(Clone::clone);
        for name in &mut names {
            take_name(bytes, name, &mut known)?;
        }
        let place = take_place(bytes)?;
        let is = |flag: u32| flags & (1 << flag) > 0;
        let end = if is(ENDED) { Some(take_place(bytes)?) } else { None };
        let run = if is(RUN) { Some(take_number(bytes)?) } else { None };
        let [times, up, down] = [take_number(bytes)?, take_number(bytes)?, take_number(bytes)?];
        all.push(Entry {
            seq,
            at,
            place,
            end,
            allowed: (!is(EVENT)).then_some(is(ALLOWED)),
            names: Names::from(names),
            run,
            operation: is(4),
            leaves: is(5),
            writes: is(6),
            by_wildcard: is(7),
            unreached: is(8),
            times,
            up,
            down,
            alarm: is(9),
            abandoned: is(10),
            routine: is(11),
            tokens: TokensRow::Stored,
        });
    }
    Some(all)
}

const ENDED: u32 = 0;
const RUN: u32 = 1;
const EVENT: u32 = 2;
const ALLOWED: u32 = 3;

fn flags(entry: &Entry) -> u64 {
    let Entry {
        end, run, allowed, operation, leaves, writes, by_wildcard, unreached, alarm, abandoned, routine, ..
    } = entry;
    let all = [
        end.is_some(),
        run.is_some(),
        allowed.is_none(),
        *allowed == Some(true),
        *operation,
        *leaves,
        *writes,
        *by_wildcard,
        *unreached,
        *alarm,
        *abandoned,
        *routine,
    ];
    all.into_iter().enumerate().fold(0, |flags, (at, set)| flags | u64::from(set) << at)
}

fn take_name(bytes: &mut &[u8], name: &mut Rc<str>, known: &mut Vec<Rc<str>>) -> Option<()> {
    let number = usize::try_from(take_number(bytes)?).ok()?;
    if number > known.len() {
        let length = usize::try_from(take_number(bytes)?).ok()?;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        known.push(str::from_utf8(text).ok()?.into());
    }
    if number > 0 {
        name.clone_from(known.get(number - 1)?);
    }
    Some(())
}

fn put_place(into: &mut Vec<u8>, (segment, offset, length): Stands) {
    number(into, segment);
    number(into, offset);
    number(into, length);
}

fn take_place(bytes: &mut &[u8]) -> Option<Stands> {
    Some((take_number(bytes)?, take_number(bytes)?, take_number(bytes)?))
}

/// Seven bits per byte, lowest first; the last byte has no eighth bit.
fn number(into: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        into.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    into.push(value.to_le_bytes()[0]);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Keeps small numbers small, whatever their sign.
fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(seq: u64) -> Entry {
        let names = ["", "family", if seq.is_multiple_of(3) { "a.example" } else { "b.example" }, "", "", ""];
        let odd = !seq.is_multiple_of(2);
        Entry {
            seq,
            at: 1_795_948_557_123 - i64::try_from(seq % 7).unwrap() * 1_000_000,
            place: (1, seq * 700, 640),
            end: odd.then_some((1, seq * 700 + 641, u64::MAX)),
            allowed: [None, Some(true), Some(false)][usize::try_from(seq % 3).unwrap()],
            names: Names::from(names.map(Into::into)),
            run: odd.then_some(seq),
            writes: odd,
            routine: !odd,
            times: 1,
            up: u64::MAX,
            tokens: TokensRow::Stored,
            ..Entry::default()
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        let all: Vec<Entry> = (1..400).map(|seq| entry(seq * seq)).collect();
        let bytes = encoded(&all.iter().collect::<Vec<_>>());
        assert_eq!(decoded(&bytes).unwrap(), all);
        assert!(decoded(&bytes[..bytes.len() - 1]).is_none());
        assert_eq!([0, -1, i64::MIN, i64::MAX, 7].map(|value| unzigzag(zigzag(value))), [0, -1, i64::MIN, i64::MAX, 7]);
    }
}
