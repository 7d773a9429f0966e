//! A place in a JSON body: a field, by its keys (`api_key`, `auth.token`).
//!
//! The body is parsed strictly along the way to the field: a key that occurs twice, or in two
//! cases, would be read in two ways.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use policies::{fold_key, key_letters};
use serde::de::{DeserializeOwned, IgnoredAny};

/// The path to a field, from the outermost object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    steps: Arc<[Step]>,
    /// Whether its name must have exactly this spelling.
    exact: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    /// Into the value behind this key.
    Key(Box<str>),
    /// Into the value behind each key.
    AnyKey,
    /// Into each value of a list.
    Items,
}

/// The value of a field.
pub(crate) struct Value {
    /// Its position, quotes included.
    pub(crate) at: Range<usize>,
    /// The text; `None` if the value is not a string.
    pub(crate) text: Option<String>,
}

const MOST_STEPS: usize = 8;

impl Field {
    /// Reads `auth.token`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let plain =
            |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let steps = text.split('.').map(|key| plain(key).then(|| Step::Key(key.into()))).collect::<Option<Arc<_>>>();
        steps.filter(|steps| steps.len() <= MOST_STEPS).map(|steps| Field { steps, exact: true }).ok_or_else(|| {
            "`json:` wants the keys to the field, parted by dots: \"json:api_key\", \"json:auth.token\"".to_owned()
        })
    }

    /// Reads `objects[*].actions.*.header.Authorization`: fields of an answer, also in lists and
    /// behind any key.
    pub fn parse_many(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        for part in text.split('.') {
            let key = part.trim_end_matches("[*]");
            match key {
                "*" => steps.push(Step::AnyKey),
                // The answer is itself a list.
                "" if steps.is_empty() && !part.is_empty() => {}
                _ => steps.extend(Field::parse(key)?.steps.iter().cloned()),
            }
            steps.extend(part.as_bytes()[key.len()..].chunks(3).map(|_| Step::Items));
        }
        match steps.len() <= MOST_STEPS {
            true => Ok(Field { steps: steps.into(), exact: false }),
            false => Err(format!("at most {MOST_STEPS} steps lead to a field")),
        }
    }

    /// Whether the path may match no field or several: in a list, behind any key.
    pub(crate) fn is_of_many(&self) -> bool {
        self.steps.iter().any(|step| !matches!(step, Step::Key(_)))
    }

    /// Finds the field. Nothing if it, or one on the way, is missing.
    pub(crate) fn find(&self, body: &[u8]) -> Result<Option<Value>, &'static str> {
        Ok(self.find_all(body)?.pop())
    }

    /// Finds all of these fields, in order.
    pub(crate) fn find_all(&self, body: &[u8]) -> Result<Vec<Value>, &'static str> {
        let mut reader = Reader { body, at: 0, exact: self.exact, found: Vec::new() };
        let in_list = matches!(&self.steps[..], [Step::Items, ..]);
        match in_list {
            true => reader.list(&self.steps[1..])?,
            false => reader.object(&self.steps)?,
        }
        reader.blanks();
        if reader.at == body.len() { Ok(reader.found) } else { Err(UNREADABLE) }
    }
}

const UNREADABLE: &str = "is no JSON object that can be read in one way only";

struct Reader<'b> {
    body: &'b [u8],
    at: usize,
    exact: bool,
    found: Vec<Value>,
}

impl Reader<'_> {
    fn object(&mut self, steps: &[Step]) -> Result<(), &'static str> {
        self.expect(b'{')?;
        let (mut seen, mut named) = (HashSet::new(), 0);
        if self.next() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            let key: String = self.value()?;
            self.expect(b':')?;
            self.blanks();
            // `api_key` and `apiKey` are one field to some servers, and different ones to others.
            named += usize::from(self.behind(&key, steps)?);
            if named > 1 || !seen.insert(fold_key(&key)) {
                return Err(UNREADABLE);
            }
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                _ => return Err(UNREADABLE),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn list(&mut self, steps: &[Step]) -> Result<(), &'static str> {
        self.expect(b'[')?;
        if self.next() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            self.on(steps, true)?;
            match self.next() {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err(UNREADABLE),
            }
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the value of a key, and looks into it if it is on the path. Returns whether the key is
    /// the last one.
    fn behind(&mut self, key: &str, steps: &[Step]) -> Result<bool, &'static str> {
        match steps {
            [Step::Key(last)] if key_letters(key) == key_letters(last) => {
                // Some servers accept another spelling: so it counts, but it is not the surrogate's place.
                self.on(&[], !self.exact || key == &**last)?;
                Ok(true)
            }
            [Step::Key(first), rest @ ..] if key == &**first => self.on(rest, true).map(|()| false),
            [Step::Key(first), ..] if key_letters(key) == key_letters(first) => Err(UNREADABLE),
            [Step::AnyKey, rest @ ..] => self.on(rest, true).map(|()| false),
            _ => self.value::<IgnoredAny>().map(|_| false),
        }
    }

    /// Follows the path into this value, or takes it at the end of the path.
    fn on(&mut self, steps: &[Step], is_text: bool) -> Result<(), &'static str> {
        let start = self.at;
        match (steps, self.next()) {
            ([], Some(b'"')) if is_text => {
                let text = Some(self.value()?);
                self.found.push(Value { at: start..self.at, text });
            }
            ([], _) => {
                self.value::<IgnoredAny>()?;
                self.found.push(Value { at: start..self.at, text: None });
            }
            ([Step::Items, rest @ ..], Some(b'[')) => self.list(rest)?,
            ([Step::Key(_) | Step::AnyKey, ..], Some(b'{')) => self.object(steps)?,
            _ => drop(self.value::<IgnoredAny>()?),
        }
        Ok(())
    }

    /// One complete value.
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
        for (n, step) in self.steps.iter().enumerate() {
            match step {
                Step::Key(key) => write!(f, "{}{key}", if n > 0 { "." } else { "" })?,
                Step::AnyKey => write!(f, "{}*", if n > 0 { "." } else { "" })?,
                Step::Items => f.write_str("[*]")?,
            }
        }
        Ok(())
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

    /// Keys in lists and behind any key: a registry's, the headers of git-lfs.
    #[test]
    fn keys_stand_in_lists_and_behind_any_key() {
        let found = |field: &str, body: &str| {
            let found = Field::parse_many(field).unwrap().find_all(body.as_bytes())?;
            Ok(found.into_iter().map(|value| value.text.unwrap_or_default()).collect::<Vec<_>>())
        };
        let lfs = "objects[*].actions.*.header.Authorization";
        let one = |text: &str| {
            format!("{{\"actions\":{{\"download\":{{\"href\":\"x\",\"header\":{{\"Authorization\":\"{text}\"}}}}}}}}")
        };
        let body = format!("{{\"objects\":[{}, {{\"oid\":\"1\"}},{}]}}", one("a"), one("b"));
        assert_eq!(found(lfs, &body), Ok(vec!["a".to_owned(), "b".to_owned()]));
        let both = "{\"objects\":[{\"actions\":{\"upload\":{\"header\":{\"Authorization\":\"a\"}},\"verify\":{\"header\":{\"Authorization\":\"b\"}}}}]}";
        assert_eq!(found(lfs, both), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(
            found("[*].token", "[{\"token\":\"a\"},{\"token\":\"b\"}, 1]"),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(found("keys[*]", "{\"keys\":[\"a\",\"b\"]}"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(found("rows[*][*].key", "{\"rows\":[[{\"key\":\"a\"}],[]]}"), Ok(vec!["a".to_owned()]));
        assert_eq!(found("token", "{\"token\":\"a\"}"), Ok(vec!["a".to_owned()]));
        assert_eq!(
            found("*.key", "{\"a\":{\"key\":\"x\"},\"b\":3,\"c\":{\"key\":\"y\"}}"),
            Ok(vec!["x".to_owned(), "y".to_owned()])
        );
        assert_eq!(found("token", "{\"Token\":\"a\"}"), Ok(vec!["a".to_owned()]), "headers' names have no case");
        for none in ["{}", "{\"objects\":{}}", "{\"objects\":[[]]}", "{\"objects\":[]}", "{\"objects\":\"x\"}"] {
            assert_eq!(found(lfs, none), Ok(vec![]), "{none}");
        }
        for wrong in [
            "[]",
            "{\"objects\":[],\"objects\":[]}",
            "{\"objects\":[],\"Objects\":[]}",
            "{\"objects\":[{\"actions\":{\"a\":{\"header\":{\"Authorization\":\"a\",\"authorization\":\"b\"}}}}]}",
            "{\"objects\":[1,]}",
            "{\"objects\":[1 2]}",
            "{\"objects\":[",
        ] {
            assert_eq!(found(lfs, wrong), Err(UNREADABLE), "{wrong}");
        }
        for text in [lfs, "[*].token", "keys[*]", "rows[*][*].key", "*.key", "data.token"] {
            assert_eq!(Field::parse_many(text).unwrap().to_string(), text);
        }
        for wrong in ["", ".", "a..b", "a[0]", "a[*]b", "a[*", "**", "a.b.c.d.e.f.g.h.i", "a b", "[*"] {
            assert!(Field::parse_many(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a[*]", "*.a", "[*].a"] {
            assert!(Field::parse(wrong).is_err(), "a place is one field: {wrong}");
        }
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
