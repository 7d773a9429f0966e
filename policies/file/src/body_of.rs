//! A body as a sentence or the smallest rule needs it: its JSON, if that has one reading. What it is not:
//! the reading that judges, which is in `policies`.

use std::fmt;

use policies::{Field, Showing, fold_key, key_letters};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A body's JSON; `None` if its head or its bytes are not JSON, or if it has two readings.
pub(crate) struct Body(Option<Value>);

impl Body {
    pub(crate) fn of(showing: Showing<'_>) -> Self {
        let body = if showing.is_json { showing.bytes } else { &[] };
        Body(serde_json::from_slice::<Once>(body).ok().map(|Once(value)| value))
    }

    pub(crate) fn json(&self) -> Option<&Value> {
        self.0.as_ref()
    }

    /// Whether it has a top-level field with this name, in any spelling.
    pub(crate) fn has(&self, name: &str) -> bool {
        let fields = self.0.as_ref().and_then(Value::as_object);
        fields.is_some_and(|fields| fields.keys().any(|key| key_letters(key) == key_letters(name)))
    }

    /// The value of a field: a text as it is, and only the size of a list or object.
    pub(crate) fn value(&self, field: &Field) -> Option<String> {
        let mut at = self.0.as_ref()?;
        for step in field.to_string().replace('[', ".[").split('.').filter(|step| !step.is_empty()) {
            at = match step.strip_prefix('[').and_then(|index| index.strip_suffix(']')) {
                Some(index) => at.get(index.parse::<usize>().ok()?)?,
                None => only(at.as_object()?, step)?,
            };
        }
        match at {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(at.to_string()),
            Value::Array(items) => Some(format!("a list of {}", items.len())),
            Value::Object(fields) => Some(format!("{} fields", fields.len())),
        }
    }
}

/// The value under a key; `None` if another spelling of the key is there too, which some hosts read instead.
fn only<'a>(fields: &'a serde_json::Map<String, Value>, key: &str) -> Option<&'a Value> {
    let letters = key_letters(key);
    let alike = fields.keys().filter(|other| fold_key(other) == fold_key(key) || key_letters(other) == letters).count();
    fields.get(key).filter(|_| alike == 1)
}

/// JSON without duplicate keys.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reads).map(Once)
    }
}

struct Reads;

impl<'de> Visitor<'de> for Reads {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = serde_json::Map::new();
        while let Some((key, Once(value))) = entries.next_entry::<String, Once>()? {
            if fields.insert(key, value).is_some() {
                return Err(Error::custom("a key is there twice"));
            }
        }
        Ok(Value::Object(fields))
    }
}
