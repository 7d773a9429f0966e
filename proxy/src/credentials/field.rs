//! A place in a JSON body: a field, by its keys (`api_key`, `auth.token`).
//!
//! The body is read strictly, and as far as the field: a key that stands twice, or
//! in two cases, would be read in two ways.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use policies::{fold_key, key_letters};
use serde::de::{DeserializeOwned, IgnoredAny};

/// The way to a field, from the outermost object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    keys: Arc<[Box<str>]>,
}

/// What stands in a field.
pub(crate) struct Value {
    /// Where, quotes included.
    pub(crate) at: Range<usize>,
    /// The text; `None` for what is none.
    pub(crate) text: Option<String>,
}

const MOST_KEYS: usize = 8;

impl Field {
    /// Reads `auth.token`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Arc<[Box<str>]> = text.split('.').map(Box::from).collect();
        let plain =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if keys.len() <= MOST_KEYS && keys.iter().all(|key| plain(key)) {
            return Ok(Field { keys });
        }
        Err("`json:` wants the keys to the field, parted by dots: \"json:api_key\", \"json:auth.token\"".to_owned())
    }

    /// Finds the field. Nothing where it or one above it is missing.
    pub(crate) fn find(&self, body: &[u8]) -> Result<Option<Value>, &'static str> {
        let mut reader = Reader { body, at: 0 };
        let found = reader.object(&self.keys)?;
        reader.blanks();
        if reader.at == body.len() { Ok(found) } else { Err(UNREADABLE) }
    }
}

const UNREADABLE: &str = "is no JSON object that can be read in one way only";

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
}

impl Reader<'_> {
    fn object(&mut self, keys: &[Box<str>]) -> Result<Option<Value>, &'static str> {
        self.expect(b'{')?;
        let (mut found, mut seen) = (None, HashSet::new());
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(None);
        }
        loop {
            self.blanks();
            let key: String = self.value()?;
            self.expect(b':')?;
            self.blanks();
            // `api_key` and `apiKey` are one field to some, and either to others.
            match (self.behind(&key, keys)?, &found) {
                (Some(_), Some(_)) => return Err(UNREADABLE),
                (Some(value), None) => found = Some(value),
                (None, _) => {}
            }
            if !seen.insert(fold_key(&key)) {
                return Err(UNREADABLE);
            }
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(UNREADABLE),
            }
        }
        self.at += 1;
        Ok(found)
    }

    /// The value behind a key: looked into where it is on the way.
    fn behind(&mut self, key: &str, keys: &[Box<str>]) -> Result<Option<Value>, &'static str> {
        let start = self.at;
        match keys {
            [last] if key_letters(key) == key_letters(last) => {
                let text = if self.next() == Some(b'"') { Some(self.value()?) } else { None };
                if text.is_none() {
                    self.value::<IgnoredAny>()?;
                }
                // In another spelling some servers take it, so it counts, and is not the surrogate's place.
                let text = text.filter(|_| key == &**last);
                Ok(Some(Value { at: start..self.at, text }))
            }
            [first, rest @ ..] if key == &**first && !rest.is_empty() && self.next() == Some(b'{') => self.object(rest),
            [first, ..] if key != &**first && key_letters(key) == key_letters(first) => Err(UNREADABLE),
            _ => self.value::<IgnoredAny>().map(|_| None),
        }
    }

    /// One whole value.
    fn value<T: DeserializeOwned>(&mut self) -> Result<T, &'static str> {
        let rest = self.body.get(self.at..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<T>();
        let value = values.next().and_then(Result::ok).ok_or(UNREADABLE)?;
        self.at += values.byte_offset();
        Ok(value)
    }

    fn expect(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.next() != Some(byte) {
            return Err(UNREADABLE);
        }
        self.at += 1;
        Ok(())
    }

    fn next(&mut self) -> Option<u8> {
        self.blanks();
        self.body.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.body.get(self.at).is_some_and(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keys.join("."))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(field: &str, body: &str) -> Result<Option<(String, Option<String>)>, &'static str> {
        let found = Field::parse(field).unwrap().find(body.as_bytes())?;
        Ok(found.map(|value| (body[value.at].to_owned(), value.text)))
    }

    #[test]
    fn a_field_has_one_reading() {
        let is = |text: &str| Ok(Some((format!("\"{text}\""), Some(text.to_owned()))));
        assert_eq!(found("api_key", "{\"q\": [1, {\"api_key\": 2}], \"api_key\" : \"x\" , \"n\":1}\n"), is("x"));
        assert_eq!(found("auth.token", " {\"auth\":{\"kind\":\"a\",\"token\":\"x\"}}"), is("x"));
        for none in ["{}", "{\"auth\":\"x\"}", "{\"auth\":{}}", "{\"auth\":[{\"token\":\"x\"}]}", "{\"token\":\"x\"}"] {
            assert_eq!(found("auth.token", none), Ok(None), "{none}");
        }
        assert_eq!(found("a", "{\"a\":{\"b\":1}}"), Ok(Some(("{\"b\":1}".to_owned(), None))));
        assert_eq!(found("a", "{\"A\":\"x\"}"), Ok(Some(("\"x\"".to_owned(), None))));
        assert_eq!(found("key", "{\"\u{212a}ey\":\"x\"}"), Ok(Some(("\"x\"".to_owned(), None))));
        assert_eq!(found("key", "{\"\\u212aey\":\"x\"}"), Ok(Some(("\"x\"".to_owned(), None))));
        assert_eq!(found("api_key", "{\"apiKey\":\"x\"}"), Ok(Some(("\"x\"".to_owned(), None))));
        assert_eq!(found("a", "{\"\\u0061\":\"\\u0078\"}"), Ok(Some(("\"\\u0078\"".to_owned(), Some("x".to_owned())))));
        for wrong in [
            "",
            "[]",
            "[{\"a\":\"x\"}]",
            "{\"a\":\"x\",\"a\":\"y\"}",
            "{\"a\":\"x\",\"A\":\"y\"}",
            "{\"a\":\"x\",\"_a\":\"y\"}",
            "{\"_a\":\"y\",\"a\":\"x\"}",
            "{\"k\":\"x\",\"\u{212a}\":\"y\"}",
            "{\"a\":\"x\"",
            "{\"a\":\"x\"} {}",
            "{\"a\":\"x\",}",
            "a=x",
            "{'a':'x'}",
            "{\"a\":\"x\"}\u{0}",
        ] {
            assert_eq!(found("a", wrong), Err(UNREADABLE), "{wrong}");
        }
        assert_eq!(found("a.b", "{\"A\":{\"b\":\"x\"}}"), Err(UNREADABLE));
        assert_eq!(found("k.b", "{\"\u{212a}\":{\"b\":\"x\"}}"), Err(UNREADABLE));
        for wrong in ["", "a..b", "a[0]", "a b", "a.b.c.d.e.f.g.h.i"] {
            Field::parse(wrong).unwrap_err();
        }
    }
}
