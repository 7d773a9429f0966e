//! Doorward's own words in chats, in the languages of the people there.
//!
//! What it is: phrases by name ([`Phrases`]), which have no language until they are said, and the texts of each
//! [`Language`] (`*.ftl`, Project Fluent). What it is not: it knows no chats and no groups. The command line, the log
//! and agents' texts stay English.
//!
//! **Invariants**
//! - A value in a phrase stays as it is. It can break neither its place nor its direction: bidi control characters are
//!   removed from it, and where directions differ it is isolated.
//! - Each language has every phrase, with the same variables (`tests.rs`).

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};

/// First strong isolate and pop directional isolate (Unicode UAX 9).
const ISOLATE: [char; 2] = ['\u{2068}', '\u{2069}'];

/// A language of chats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English.
    #[default]
    English,
    /// German.
    German,
    /// Arabic.
    Arabic,
}

/// A message: phrases and texts in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phrases(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// A phrase by name, with its values.
    Phrase(&'static str, Vec<(&'static str, Value)>),
    /// A text in its own language: from a program, the log, or lines of a policy.
    Text(String),
    /// A text that exists in English, and the phrases for other languages.
    English(String, Phrases),
    /// A separator.
    Between(&'static str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    /// A name, a host, a path.
    Data(String),
    Number(u64),
    Phrases(Phrases),
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 3] = [Language::English, Language::German, Language::Arabic];

    /// The language with this code, as in settings.
    pub fn parse(code: &str) -> Result<Self, String> {
        let known = Language::ALL.into_iter().find(|language| language.code() == code);
        known.ok_or_else(|| {
            let codes = Language::ALL.map(|language| format!("\"{}\"", language.code()));
            format!("no language that Doorward speaks; write one of {}", codes.join(", "))
        })
    }

    /// Its code (BCP 47).
    pub fn code(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
            Language::Arabic => "ar",
        }
    }

    fn source(self) -> &'static str {
        match self {
            Language::English => include_str!("en.ftl"),
            Language::German => include_str!("de.ftl"),
            Language::Arabic => include_str!("ar.ftl"),
        }
    }

    fn runs_to_the_left(self) -> bool {
        self == Language::Arabic
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static BUNDLES: [OnceLock<FluentBundle<FluentResource>>; 3] = [const { OnceLock::new() }; 3];
        BUNDLES[self as usize].get_or_init(|| {
            let mut bundle = FluentBundle::new_concurrent(self.code().parse().into_iter().collect());
            // It would isolate everything everywhere; see `Language::placed`.
            bundle.set_use_isolating(false);
            // Tests find errors in a file.
            let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(self.source().to_owned());
            let _ = bundle.add_resource(resource);
            bundle
        })
    }

    /// A phrase; its name if it is missing, which the tests rule out.
    fn phrase(self, name: &str, values: &[(&'static str, Value)]) -> String {
        let mut args = FluentArgs::new();
        for (key, value) in values {
            let value = match value {
                Value::Data(text) => FluentValue::from(self.placed(text)),
                Value::Number(number) => FluentValue::from(*number),
                Value::Phrases(phrases) => FluentValue::from(phrases.as_value(self)),
            };
            args.set(*key, value);
        }
        let bundle = self.bundle();
        let pattern = bundle.get_message(name).and_then(|message| message.value());
        pattern.map_or_else(
            || name.to_owned(),
            |pattern| bundle.format_pattern(pattern, Some(&args), &mut Vec::new()).into_owned(),
        )
    }

    /// A value in a sentence, isolated with its own direction.
    fn placed(self, text: &str) -> String {
        let text: String = text.chars().filter(|c| !steers(*c)).collect();
        match self.runs_to_the_left() || text.chars().any(runs_to_the_left) {
            true => format!("{}{text}{}", ISOLATE[0], ISOLATE[1]),
            false => text,
        }
    }
}

impl Phrases {
    /// A phrase by its name.
    pub fn new(name: &'static str) -> Self {
        Phrases(vec![Piece::Phrase(name, Vec::new())])
    }

    /// Adds a name, a host or the like.
    #[must_use]
    pub fn with(self, key: &'static str, value: impl ToString) -> Self {
        self.put(key, Value::Data(value.to_string()))
    }

    /// Adds a number.
    #[must_use]
    pub fn count(self, key: &'static str, number: impl TryInto<u64>) -> Self {
        self.put(key, Value::Number(number.try_into().unwrap_or(u64::MAX)))
    }

    /// Adds other phrases as a value.
    #[must_use]
    pub fn saying(self, key: &'static str, phrases: impl Into<Phrases>) -> Self {
        self.put(key, Value::Phrases(phrases.into()))
    }

    /// In English, this text instead, which says more.
    #[must_use]
    pub fn or_in_english(self, text: impl Into<String>) -> Self {
        Phrases(vec![Piece::English(text.into(), self)])
    }

    /// Appends in the same line.
    #[must_use]
    pub fn and(self, more: impl Into<Phrases>) -> Self {
        self.followed(" ", more.into())
    }

    /// Appends in a line of its own.
    #[must_use]
    pub fn line(self, more: impl Into<Phrases>) -> Self {
        self.followed("\n", more.into())
    }

    /// Appends after an empty line.
    #[must_use]
    pub fn paragraph(self, more: impl Into<Phrases>) -> Self {
        self.followed("\n\n", more.into())
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text in a language.
    pub fn said_in(&self, language: Language) -> String {
        let say = |piece: &Piece| match piece {
            Piece::Phrase(name, values) => language.phrase(name, values),
            Piece::English(text, _) if language == Language::English => text.clone(),
            Piece::English(_, phrases) => phrases.said_in(language),
            Piece::Text(text) => text.clone(),
            Piece::Between(text) => (*text).to_owned(),
        };
        self.0.iter().map(say).collect()
    }

    /// The text for the log and the store.
    pub fn in_english(&self) -> String {
        self.said_in(Language::English)
    }

    /// Within a sentence, where text in another language is isolated.
    fn as_value(&self, language: Language) -> String {
        let say = |piece: &Piece| match piece {
            Piece::Text(text) => language.placed(text),
            Piece::English(text, _) if language == Language::English => language.placed(text),
            other => Phrases(vec![other.clone()]).said_in(language),
        };
        self.0.iter().map(say).collect()
    }

    fn put(mut self, key: &'static str, value: Value) -> Self {
        if let Some(Piece::Phrase(_, values)) = self.0.last_mut() {
            values.push((key, value));
        }
        self
    }

    fn followed(mut self, between: &'static str, more: Phrases) -> Self {
        if !self.is_empty() && !more.is_empty() {
            self.0.push(Piece::Between(between));
        }
        self.0.extend(more.0);
        self
    }
}

impl From<String> for Phrases {
    fn from(text: String) -> Self {
        if text.is_empty() { Phrases::default() } else { Phrases(vec![Piece::Text(text)]) }
    }
}

impl From<&str> for Phrases {
    fn from(text: &str) -> Self {
        Phrases::from(text.to_owned())
    }
}

/// Bidi controls: embeddings, overrides and isolates, and their ends.
fn steers(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Letters of right-to-left scripts: Hebrew to Arabic Extended-A, presentation forms, and those of the supplementary
/// plane.
fn runs_to_the_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{200f}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests;
