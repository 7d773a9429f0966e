//! One table, with what is needed to read it and to report problems.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Reader, Value, Word};
use crate::ValueError;

/// One table of a file.
pub struct Block<'a, 'i, C> {
    /// Collects the problems.
    pub reader: &'a mut Reader<C>,
    /// The contents.
    pub table: &'a DeTable<'i>,
    /// Its place.
    pub span: Range<usize>,
}

const WHOLE: &str = "a whole number, like 120";

impl<'a, 'i, C> Block<'a, 'i, C> {
    /// Whether a key is there.
    pub fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The span of a key's value or, if the key is missing, of the block.
    pub fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or(self.span.clone(), Spanned::span)
    }

    /// A text.
    pub fn string(&mut self, key: &str) -> Option<Word> {
        let value = self.table.get(key)?;
        self.as_string(value, key)
    }

    /// A text that must be there.
    pub fn needed(&mut self, key: &str, block: &str, example: &str) -> Option<Word> {
        if !self.has(key) {
            self.missing(key, block, &format!("\"{example}\""));
        }
        self.string(key)
    }

    /// A text, parsed.
    pub fn read<T, E: Into<ValueError>>(&mut self, key: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let word = self.string(key)?;
        self.meaning(word, read)
    }

    /// Parses a text; adds a problem at its place if that fails.
    pub fn meaning<T, E: Into<ValueError>>(
        &mut self,
        (span, text): Word,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        read(&text).map_err(|error| self.reader.unreadable(span, error)).ok()
    }

    /// Adds a problem: a key is missing. The block may hold a secret.
    pub fn missing(&mut self, key: &str, block: &str, example: &str) {
        let help = Some(format!("add {key} = {example}"));
        self.reader.hidden_problem(self.span.clone(), format!("this {block} has no `{key}`"), help);
    }

    /// A value as a text.
    pub fn as_string(&mut self, value: &Value<'i>, key: &str) -> Option<Word> {
        let DeValue::String(text) = value.get_ref() else {
            self.reader.wrong_type(value, key, "a text in quotes");
            return None;
        };
        Some((value.span(), text.to_string()))
    }

    /// A list of texts, which must not be empty: an empty one could mean "nothing" as well as
    /// "everything".
    pub fn strings(&mut self, key: &str) -> Vec<Word> {
        self.filled(key, "remove it or fill it");
        self.any_strings(key)
    }

    /// The same for a list that must be present.
    pub fn needed_strings(&mut self, key: &str, block: &str, example: &str) -> Vec<Word> {
        if !self.has(key) {
            self.missing(key, block, &format!("[\"{example}\"]"));
        }
        self.filled(key, "name at least one");
        self.any_strings(key)
    }

    /// A list of texts, which may be empty.
    pub fn any_strings(&mut self, key: &str) -> Vec<Word> {
        self.list(key, "a list of texts, like [\"…\"]", Block::as_string)
    }

    fn filled(&mut self, key: &str, help: &str) {
        if let Some(value) = self.table.get(key)
            && let DeValue::Array(items) = value.get_ref()
            && items.is_empty()
        {
            let help = Some(help.to_owned());
            self.reader.problem(value.span(), format!("`{key}` is empty"), help);
        }
    }

    fn list<T>(
        &mut self,
        key: &str,
        wanted: &str,
        mut read: impl FnMut(&mut Self, &Value<'i>, &str) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = self.table.get(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.reader.wrong_type(value, key, wanted);
            return Vec::new();
        };
        items.iter().filter_map(|item| read(self, item, key)).collect()
    }

    /// True or false; false if the key is missing.
    pub fn bool(&mut self, key: &str) -> bool {
        let Some(value) = self.table.get(key) else { return false };
        if let DeValue::Boolean(said) = value.get_ref() {
            return *said;
        }
        self.reader.wrong_type(value, key, "true or false");
        false
    }

    /// A list of ports, sorted.
    pub fn ports(&mut self) -> Vec<u16> {
        const WANTED: &str = "a list of numbers, like [8443]";
        self.filled("ports", "remove it or fill it");
        let mut ports = self.list("ports", WANTED, |block, value, key| {
            let DeValue::Integer(number) = value.get_ref() else {
                block.reader.wrong_type(value, key, WANTED);
                return None;
            };
            let port = number.as_str().parse::<u16>().ok().filter(|port| number.radix() == 10 && *port > 0);
            if port.is_none() {
                block.reader.problem(value.span(), "a port is a number from 1 to 65535", None);
            }
            port
        });
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// A whole number that is not negative, in decimal.
    pub fn count(&mut self, key: &str) -> Option<u64> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<u64>().ok(),
            _ => None,
        };
        if number.is_none() {
            self.reader.wrong_type(value, key, WHOLE);
        }
        number
    }

    /// A whole number in a range, which is described in words and checked by `fits`.
    pub fn whole<T>(&mut self, key: &str, range: &str, fits: impl FnOnce(i64) -> Option<T>) -> Option<T> {
        let value = self.table.get(key)?;
        let DeValue::Integer(number) = value.get_ref() else {
            self.reader.wrong_type(value, key, WHOLE);
            return None;
        };
        let number = i64::from_str_radix(number.as_str(), number.radix()).ok();
        self.in_range(key, number.and_then(fits), range)
    }

    /// The same for a number that may have a fraction.
    pub fn number<T>(&mut self, key: &str, range: &str, fits: impl FnOnce(f64) -> Option<T>) -> Option<T> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.to_string().parse().ok(),
            _ => {
                self.reader.wrong_type(value, key, "a number, like 1.5");
                return None;
            }
        };
        self.in_range(key, number.and_then(fits), range)
    }

    fn in_range<T>(&mut self, key: &str, number: Option<T>, range: &str) -> Option<T> {
        if number.is_none() {
            self.reader.problem(self.span_of(key), format!("`{key}` must be a number {range}"), None);
        }
        number
    }

    /// A table of texts, as pairs.
    pub fn pairs(&mut self, key: &str) -> Option<Vec<(Range<usize>, String, String)>> {
        let value = self.table.get(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.reader.wrong_type(value, key, "a table, like { service = \"x\" }");
            return None;
        };
        let read = |(name, value): (&Spanned<_>, &Value<'i>)| {
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            self.as_string(value, name).map(|(span, text)| (span, name.to_string(), text))
        };
        Some(table.iter().filter_map(read).collect())
    }

    /// A table within this one, written as `header`.
    pub fn section(&mut self, key: &str, header: &str) -> Option<Block<'_, 'i, C>> {
        let value = self.table.get(key)?;
        self.as_section(value, key, header)
    }

    /// A value as a table.
    pub fn as_section<'b>(&'b mut self, value: &'b Value<'i>, key: &str, header: &str) -> Option<Block<'b, 'i, C>> {
        let DeValue::Table(table) = value.get_ref() else {
            self.reader.wrong_type(value, key, &format!("a table, written as {header}"));
            return None;
        };
        Some(Block { reader: self.reader, table, span: value.span() })
    }

    /// The tables of a list, written as `header`, each parsed.
    pub fn each<T>(
        &mut self,
        key: &str,
        header: &str,
        mut read: impl FnMut(&mut Block<'_, 'i, C>) -> Option<T>,
    ) -> Vec<T> {
        let wanted = format!("written as {header}");
        self.list(key, &wanted, |block, item, key| {
            let DeValue::Table(table) = item.get_ref() else {
                block.reader.wrong_type(item, key, &wanted);
                return None;
            };
            read(&mut Block { reader: block.reader, table, span: item.span() })
        })
    }

    /// The entries of a table whose keys are names chosen by the owner, each with its place.
    pub fn entries(&self) -> impl Iterator<Item = (Word, &'a Value<'i>)> + use<'a, 'i, C> {
        self.table.iter().map(|(name, value)| ((name.span(), name.get_ref().to_string()), value))
    }
}
