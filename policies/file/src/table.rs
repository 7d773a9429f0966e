//! One table of a policy file, read by hand over spanned TOML: every value is known by
//! its place, and every problem of a file is told at once.

use std::ops::Range;

use policies::{At, Date, Facts, Limits, Origin, PatternError, RuleRef};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys;
use crate::problem::{Problem, Text};
use crate::suggest::did_you_mean;

/// A `[[test]]`.
pub(crate) struct Test {
    pub(crate) span: Range<usize>,
    pub(crate) request: String,
    pub(crate) facts: Facts,
    /// The body it comes with; where none is said, conditions on bodies are not asked.
    pub(crate) body: Option<String>,
    /// When it is asked; where none is said, time does not count.
    pub(crate) at: Option<At>,
    pub(crate) want_allow: bool,
}

/// One table with what is needed to read it and to complain about it.
pub(crate) struct Block<'a, 'i> {
    pub(crate) reader: &'a mut Reader,
    pub(crate) table: &'a DeTable<'i>,
    pub(crate) span: Range<usize>,
}

/// The file being read and what is wrong with it so far.
pub(crate) struct Reader {
    pub(crate) text: Text,
    pub(crate) origin: Origin,
    pub(crate) problems: Vec<Problem>,
    /// The line of the first table: what stands below it is that table's.
    first_table: Option<u32>,
}

type Value<'i> = Spanned<DeValue<'i>>;

/// Planned in the design and not built: told apart from what was never meant.
const PLANNED_TABLES: [&str; 1] = ["ask"];

impl Reader {
    pub(crate) fn new(text: Text, origin: Origin) -> Self {
        Reader { text, origin, problems: Vec::new(), first_table: None }
    }

    /// Reads the whole of it; nothing where it is not TOML.
    pub(crate) fn read<T: Default>(&mut self, read: fn(&mut Block<'_, '_>) -> T) -> T {
        let text = self.text.text.clone();
        let (document, errors) = DeTable::parse_recoverable(&text);
        for error in &errors {
            let message = format!("this is not TOML: {}", error.message());
            self.problem(error.span().unwrap_or(0..0), message, None);
        }
        // What a broken document seems to say is not worth a second complaint.
        if !errors.is_empty() {
            return T::default();
        }
        let span = document.span();
        let tables = document.get_ref().iter().filter_map(|(_, value)| match value.get_ref() {
            DeValue::Table(_) => Some(value.span().start),
            DeValue::Array(items) => {
                items.iter().find(|item| matches!(item.get_ref(), DeValue::Table(_))).map(|item| item.span().start)
            }
            _ => None,
        });
        self.first_table = tables.min().map(|start| self.text.line(start));
        read(&mut Block { reader: self, table: document.get_ref(), span })
    }

    pub(crate) fn problem(&mut self, span: Range<usize>, message: impl Into<String>, help: Option<String>) {
        self.problems.push(Problem::new(&self.text, span, message.into(), help));
    }

    pub(crate) fn pattern_problem(&mut self, span: Range<usize>, error: PatternError) {
        self.problem(span, error.message, error.help);
    }

    pub(crate) fn rule_ref(&self, span: &Range<usize>) -> RuleRef {
        RuleRef { file: self.text.name.clone(), line: self.text.line(span.start) }
    }

    /// Where a key belongs that is not known here.
    fn elsewhere(&self, name: &str, known: &[&str]) -> Option<String> {
        let top: &[&str] = match self.origin {
            Origin::Group => &keys::GROUP,
            Origin::Preset(_) => &keys::PRESET,
            Origin::Base => &keys::BASE,
        };
        let tables = ["limits", "allow", "deny", "test"];
        let meant = other_word(name).filter(|word| top.contains(word)).unwrap_or(name);
        if top.contains(&meant) && !tables.contains(&meant) && known != top {
            let at = self.first_table.map(|line| format!(", above line {line}")).unwrap_or_default();
            return Some(format!("`{meant}` belongs to the whole file: write it above the first [table]{at}"));
        }
        if top.contains(&name) && known != top {
            let written = if name == "limits" { "[limits]" } else { return Some(format!("write it as [[{name}]]")) };
            return Some(format!("write it as {written}"));
        }
        let mut homes = Vec::new();
        for (table, keys) in [
            ("[limits]", &Limits::NAMES[..]),
            ("an [[allow]]", &keys::ALLOW),
            ("a [[deny]]", &keys::DENY),
            ("a [[test]]", &keys::TEST),
        ] {
            let bare = table.trim_start_matches(|c: char| c != '[').trim_matches(['[', ']']);
            if keys.contains(&name) && keys != known && top.contains(&bare) {
                homes.push(table);
            }
        }
        (!homes.is_empty()).then(|| format!("`{name}` belongs into {}", homes.join(" or ")))
    }

    pub(crate) fn wrong_type(&mut self, value: &Value<'_>, key: &str, wanted: &str) {
        let message = format!("`{key}` must be {wanted}, not {}", in_words(value.get_ref()));
        self.problem(value.span(), message, None);
    }
}

impl<'i> Block<'_, 'i> {
    pub(crate) fn each<T>(&mut self, key: &str, read: fn(&mut Block<'_, '_>) -> Option<T>) -> Vec<T> {
        let Some((_, value)) = self.table.get_key_value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.reader.wrong_type(value, key, &format!("written as [[{key}]]"));
            return Vec::new();
        };
        let mut out = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => {
                    out.extend(read(&mut Block { reader: self.reader, table, span: item.span() }));
                }
                _ => self.reader.wrong_type(item, key, &format!("written as [[{key}]]")),
            }
        }
        out
    }

    /// Complains about every key that is not known here.
    pub(crate) fn known_keys(&mut self, place: &str, known: &[&str]) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            if PLANNED_TABLES.contains(&name) {
                let message = format!("`[{name}]` is not supported by this version");
                self.reader.problem(key.span(), message, Some("remove it".to_owned()));
                continue;
            }
            let help = other_word(name)
                .filter(|word| known.contains(word))
                .map(|word| format!("did you mean `{word}`?"))
                .or_else(|| self.reader.elsewhere(name, known))
                .or_else(|| did_you_mean(name, known.iter().copied()).map(|word| format!("did you mean `{word}`?")))
                .unwrap_or_else(|| format!("known here: {}", known.join(", ")));
            self.reader.problem(key.span(), format!("{place} has no key `{name}`"), Some(help));
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The span of a key's value, or of the block where the key is missing.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table.get(key).map_or(self.span.clone(), Spanned::span)
    }

    pub(crate) fn string(&mut self, key: &str) -> Option<(Range<usize>, String)> {
        let value = self.table.get(key)?;
        self.as_string(value, key)
    }

    /// A string that must be there.
    pub(crate) fn needed(&mut self, key: &str, block: &str, example: &str) -> Option<(Range<usize>, String)> {
        if !self.has(key) {
            let help = Some(format!("add {key} = \"{example}\""));
            self.reader.problem(self.span.clone(), format!("this {block} has no `{key}`"), help);
        }
        self.string(key)
    }

    fn as_string(&mut self, value: &Value<'i>, key: &str) -> Option<(Range<usize>, String)> {
        let DeValue::String(text) = value.get_ref() else {
            self.reader.wrong_type(value, key, "a text in quotes");
            return None;
        };
        Some((value.span(), text.to_string()))
    }

    pub(crate) fn strings(&mut self, key: &str) -> Vec<(Range<usize>, String)> {
        self.list(key, "a list of texts, like [\"…\"]", Block::as_string)
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
        if items.is_empty() && key != "use" {
            let help = Some("remove it or fill it".to_owned());
            self.reader.problem(value.span(), format!("`{key}` is empty"), help);
        }
        items.iter().filter_map(|item| read(self, item, key)).collect()
    }

    pub(crate) fn bool(&mut self, key: &str) -> bool {
        let Some(value) = self.table.get(key) else { return false };
        if let DeValue::Boolean(said) = value.get_ref() {
            return *said;
        }
        self.reader.wrong_type(value, key, "true or false");
        false
    }

    pub(crate) fn ports(&mut self) -> Vec<u16> {
        let mut ports = self.list("ports", "a list of numbers, like [8443]", |block, value, key| {
            let DeValue::Integer(number) = value.get_ref() else {
                block.reader.wrong_type(value, key, "a list of numbers, like [8443]");
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

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, key: &str) -> Option<u64> {
        let value = self.table.get(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse::<u64>().ok(),
            _ => None,
        };
        if number.is_none() {
            self.reader.wrong_type(value, key, "a whole number, like 120");
        }
        number
    }

    /// A day, in quotes or as TOML writes it.
    pub(crate) fn date(&mut self, key: &str, example: &str) -> Option<Date> {
        let value = self.table.get(key)?;
        let date = match value.get_ref() {
            DeValue::String(text) => Date::parse(text),
            DeValue::Datetime(date) => Date::parse(&date.to_string()),
            _ => None,
        };
        if date.is_none() {
            let help = Some(format!("write {key} = \"{example}\""));
            self.reader.problem(value.span(), format!("`{key}` is not a day of the calendar"), help);
        }
        date
    }

    /// A table of texts, as pairs.
    pub(crate) fn pairs(&mut self, key: &str) -> Option<Vec<(Range<usize>, String, String)>> {
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
}

/// Words from other tools that mean one of ours.
fn other_word(name: &str) -> Option<&'static str> {
    Some(match name {
        "method" | "methods" | "path" | "paths" | "request" | "requests" => "do",
        "url" | "domain" | "address" => "host",
        "reason" | "comment" | "because" => "why",
        "preset" | "presets" | "import" | "include" => "use",
        "expect" => "want",
        _ => return None,
    })
}

fn in_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
