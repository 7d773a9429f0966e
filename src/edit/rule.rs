//! A rule to write into a policy.

use desk::screen::on_screen;
use policies::Scheme;
use toml_edit::{Array, Value};

/// An `[[allow]]` or `[[deny]]`, line by line, with a comment above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    note: Option<String>,
    lines: Vec<String>,
}

impl Rule {
    /// For a host, as a rule names it: `example.org`, `*.example.org`.
    pub fn of(host: &str) -> Self {
        Rule { note: None, lines: Vec::new() }.with("host", host)
    }

    /// The rules that would lift a refusal, and each block of a suggestion. Remarks, which change nothing by
    /// themselves, are not rules.
    pub fn all(toml: &str) -> Vec<Rule> {
        let mut rules: Vec<Rule> = Vec::new();
        for line in toml.lines().map(str::trim_end) {
            if matches!(line, "[[allow]]" | "[[deny]]") {
                rules.push(Rule { note: None, lines: Vec::new() });
            } else if let Some(rule) = rules.last_mut().filter(|_| !line.is_empty()) {
                rule.lines.push(line.to_owned());
            }
        }
        rules
    }

    /// With plain http, or the default.
    #[must_use]
    pub fn scheme(self, scheme: Scheme) -> Self {
        if scheme == Scheme::Https { self } else { self.with("scheme", scheme.as_str()) }
    }

    /// On another port than its scheme's default.
    #[must_use]
    pub fn port(self, port: u16) -> Self {
        self.with("ports", [i64::from(port)].into_iter().collect::<Array>())
    }

    /// For everything, reading only.
    #[must_use]
    pub fn reading(self) -> Self {
        self.with("access", "read")
    }

    /// For these requests: `POST /notes`.
    #[must_use]
    pub fn requests(self, requests: &[String]) -> Self {
        self.with("do", requests.iter().map(String::as_str).collect::<Array>())
    }

    /// With a sentence for readers of a refusal.
    #[must_use]
    pub fn why(self, why: &str) -> Self {
        self.with("why", why)
    }

    /// With a line above it: who, when, from where. Others' text in it is made visible and stays a comment.
    #[must_use]
    pub fn note(self, note: &str) -> Self {
        Rule { note: Some(on_screen(note)), ..self }
    }

    /// With another key.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.lines.push(format!("{key} = {}", value.into()));
        self
    }

    /// Only its keys.
    pub(super) fn keys(&self) -> String {
        self.lines.join("\n")
    }

    /// As a block of a table.
    pub(super) fn block(&self, table: &str) -> String {
        let note = self.note.as_deref().map(|note| format!("# {note}\n")).unwrap_or_default();
        format!("{note}[[{table}]]\n{}", self.keys())
    }
}
