//! Reads a body once, from left to right, and keeps only what each condition needs
//! to know. No tree is built: a body costs its own length, whatever stands in it.

use std::cell::LazyCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use words::{fold_key, key_letters};

use super::condition::{Condition, Words};
use super::field::{Inside, Step};

/// The outcome of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    Holds,
    Fails,
    /// The value at the field is of another type than the condition expects.
    Unclear,
}

/// The conditions and what was seen so far.
pub(crate) struct Reader<'a> {
    conditions: &'a [&'a Condition],
    seen: Vec<Seen>,
}

#[derive(Clone, Copy, Default)]
struct Seen {
    present: bool,
    matched: bool,
    missed: bool,
    unclear: bool,
}

/// Conditions that look at the next value, each with the number of steps already taken.
type Active = Vec<(usize, usize)>;

const MAX_DEPTH: usize = 64;
/// All keys of an open object are held until it closes.
const MAX_KEYS: usize = 4096;

impl<'a> Reader<'a> {
    /// A finding for each condition, or why the body cannot be judged.
    pub(crate) fn read(conditions: &'a [&'a Condition], body: &[u8]) -> Result<Vec<Finding>, String> {
        let mut reader = Reader { conditions, seen: vec![Seen::default(); conditions.len()] };
        let active = (0..conditions.len()).map(|index| (index, 0)).collect();
        let mut json = serde_json::Deserializer::from_slice(body);
        let value = Value { reader: &mut reader, active, depth: 0 };
        let read = value.deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|error| format!("cannot be read as JSON in one way only: {error}"))?;
        Ok(conditions.iter().zip(&reader.seen).map(|(condition, seen)| seen.finding(&condition.words)).collect())
    }

    fn next_step(&self, (condition, steps): (usize, usize)) -> Option<&'a Step> {
        self.conditions[condition].field.steps.get(steps)
    }

    /// A text or a number, which has nothing inside.
    fn scalar(&mut self, active: &Active, is_text: bool, matches: impl Fn(&Condition) -> Option<bool>) {
        for &(index, steps) in active {
            if self.next_step((index, steps)).is_some() {
                let may_be_text = steps > 0 && self.conditions[index].field.steps[steps - 1].or_text;
                self.seen[index].unclear |= !(is_text && may_be_text);
                continue;
            }
            self.leaf(index, matches(self.conditions[index]));
        }
    }

    /// The value at a condition's field: whether it is one of those wanted, or of another type.
    fn leaf(&mut self, index: usize, matched: Option<bool>) {
        let words = &self.conditions[index].words;
        let seen = &mut self.seen[index];
        seen.present = true;
        match matched {
            Some(true) => seen.matched = true,
            Some(false) => seen.missed = true,
            None => seen.unclear |= !matches!(words, Words::Absent | Words::Present),
        }
    }

    /// A list or an object: settles the conditions on it and fails those that expect the other.
    fn container(&mut self, active: &Active, is_list: bool) {
        for &(index, steps) in active {
            match self.next_step((index, steps)) {
                None => self.leaf(index, None),
                Some(step) => self.seen[index].unclear |= matches!(step.into, Inside::Key { .. }) == is_list,
            }
        }
    }

    fn behind_key(&mut self, active: &Active, key: &str) -> Active {
        let mut behind = Vec::new();
        let (as_folded, as_letters) = (LazyCell::new(|| fold_key(key)), LazyCell::new(|| key_letters(key)));
        for &(index, steps) in active {
            let Some(Inside::Key { name, folded, letters }) = self.next_step((index, steps)).map(|step| &step.into)
            else {
                continue;
            };
            if name == key {
                behind.push((index, steps + 1));
            } else if *folded == *as_folded {
                self.seen[index].unclear = true;
            } else if *letters == *as_letters {
                match self.conditions[index].follows {
                    true => behind.push((index, steps + 1)),
                    false => self.seen[index].unclear = true,
                }
            }
        }
        behind
    }

    fn behind_item(&self, active: &Active, item: usize) -> Active {
        let steps_in = |looks: &&(usize, usize)| match self.next_step(**looks).map(|step| &step.into) {
            Some(Inside::Each) => true,
            Some(Inside::Item(wanted)) => *wanted == item,
            _ => false,
        };
        active.iter().filter(steps_in).map(|(index, steps)| (*index, steps + 1)).collect()
    }
}

impl Seen {
    fn finding(self, words: &Words) -> Finding {
        let holds = match words {
            Words::Not(_) => !self.matched,
            Words::Only(_) => !self.missed,
            Words::Any(_) => self.matched,
            Words::Absent => !self.present,
            Words::Present => self.present,
        };
        match (self.unclear, holds) {
            (true, _) => Finding::Unclear,
            (false, true) => Finding::Holds,
            (false, false) => Finding::Fails,
        }
    }
}

/// The next value.
struct Value<'r, 'a> {
    reader: &'r mut Reader<'a>,
    active: Active,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    /// Null counts as no field.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.reader.scalar(&self.active, false, |condition| condition.matches_bool(value));
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.reader.scalar(&self.active, false, |_| None);
        Ok(())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.visit_i64(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_i64(0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.reader.scalar(&self.active, true, |condition| condition.matches_text(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let depth = deeper(self.depth)?;
        self.reader.container(&self.active, true);
        for item in 0.. {
            let active = self.reader.behind_item(&self.active, item);
            if items.next_element_seed(Value { reader: &mut *self.reader, active, depth })?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let depth = deeper(self.depth)?;
        self.reader.container(&self.active, false);
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let active = self.reader.behind_key(&self.active, &key);
            if !keys.insert(key) {
                return Err(Error::custom("a key stands twice in one object"));
            }
            if keys.len() > MAX_KEYS {
                return Err(Error::custom(format!("an object has more than {MAX_KEYS} keys")));
            }
            entries.next_value_seed(Value { reader: &mut *self.reader, active, depth })?;
        }
        Ok(())
    }
}

fn deeper<E: Error>(depth: usize) -> Result<usize, E> {
    if depth >= MAX_DEPTH {
        return Err(Error::custom(format!("it is nested more than {MAX_DEPTH} deep")));
    }
    Ok(depth + 1)
}
