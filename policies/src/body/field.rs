//! Where a condition looks: `tools[*].type`, `input[0].content?[*].file_url`.
//!
//! Keys, `[*]` for each item of a list and `[0]` for one, nothing else: no expressions and no
//! search at any depth, so that a path costs its own length. A `?` says that a plain text may stand
//! there instead, which then has nothing inside: many services take `"content": "hello"` for a list
//! of one text.

use std::fmt;

use words::{fold_key, key_letters};

use crate::PatternError;

/// A path into a JSON body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    text: String,
    pub(crate) steps: Vec<Step>,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) into: Inside,
    /// A text may end the path here although steps follow.
    pub(crate) or_text: bool,
}

/// A key, each item of a list, or one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Inside {
    Key { name: String, folded: String, letters: String },
    Each,
    Item(usize),
}

const MAX_STEPS: usize = 16;

impl Field {
    /// Reads it as a rule writes it.
    pub fn read(text: &str) -> Result<Self, PatternError> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (into, after) = step(rest, steps.is_empty()).ok_or_else(|| no_field(text))?;
            let (or_text, after) = after.strip_prefix('?').map_or((false, after), |after| (true, after));
            steps.push(Step { into, or_text });
            rest = after;
        }
        if steps.is_empty() || steps.len() > MAX_STEPS || steps.last().is_some_and(|step| step.or_text) {
            return Err(no_field(text));
        }
        Ok(Field { text: text.to_owned(), steps })
    }
}

fn step(rest: &str, first: bool) -> Option<(Inside, &str)> {
    if let Some(inside) = rest.strip_prefix('[') {
        let (index, after) = inside.split_once(']')?;
        let digits = index.len() <= 4 && index.bytes().all(|b| b.is_ascii_digit());
        return match index {
            "*" => Some((Inside::Each, after)),
            _ if digits => Some((Inside::Item(index.parse().ok()?), after)),
            _ => None,
        };
    }
    let rest = if first { rest } else { rest.strip_prefix('.')? };
    let (name, after) = rest.split_at(rest.find(['.', '[', '?']).unwrap_or(rest.len()));
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ']' | '*' | '"' | '\'' | '\\');
    let fits = !name.is_empty() && name.chars().all(plain);
    fits.then(|| (Inside::Key { name: name.to_owned(), folded: fold_key(name), letters: key_letters(name) }, after))
}

fn no_field(text: &str) -> PatternError {
    let help = "write keys with dots, [*] for every item of a list, [0] for one: \"tools[*].type\"";
    PatternError::new(format!("{text:?} names no field of a JSON body"), Some(help.to_owned()))
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
