//! The keys that a file may have, and what to say about others.

use super::{Block, Reader};
use crate::did_you_mean;

/// The keys of one kind of file.
#[derive(Debug)]
pub struct Vocabulary {
    /// The top-level keys, including tables.
    pub top: &'static [&'static str],
    /// The tables that a misplaced key may belong to.
    pub tables: &'static [TableKeys],
    /// Words from other tools, each with the key that it means here.
    pub synonyms: &'static [(&'static str, &'static str)],
    /// Planned tables that do not exist yet: distinguished from unknown ones.
    pub planned: &'static [&'static str],
}

/// The keys of one table.
#[derive(Debug)]
pub struct TableKeys {
    /// How it is written: `[limits]`, `[[allow]]`, `[credentials.NAME]`.
    pub header: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

impl TableKeys {
    /// Its key in the file.
    fn name(&self) -> &'static str {
        let bare = self.header.trim_matches(['[', ']']);
        bare.split_once('.').map_or(bare, |(name, _)| name)
    }

    /// `an [[allow]]`; for a table that occurs once, only `[limits]`.
    fn with_article(&self) -> String {
        let article = match self.header.strip_prefix("[[") {
            Some(name) if name.starts_with(['a', 'e', 'i', 'o', 'u']) => "an ",
            Some(_) => "a ",
            None => "",
        };
        format!("{article}{}", self.header)
    }
}

impl Vocabulary {
    fn synonym(&self, word: &str) -> Option<&'static str> {
        self.synonyms.iter().find(|(other, _)| *other == word).map(|(_, meant)| *meant)
    }
}

impl<C> Block<'_, '_, C> {
    /// Adds a problem for every unknown key.
    pub fn known_keys(&mut self, place: &str, known: &[&str]) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            if self.reader.vocabulary.planned.contains(&name) {
                let message = format!("`[{name}]` is not supported by this version");
                self.reader.problem(key.span(), message, Some("remove it".to_owned()));
                continue;
            }
            let help = self.reader.instead_of(name, known);
            self.reader.problem(key.span(), format!("{place} has no key `{name}`"), Some(help));
        }
    }
}

impl<C> Reader<C> {
    fn instead_of(&self, name: &str, known: &[&str]) -> String {
        let did_mean = |word: &str| format!("did you mean `{word}`?");
        let synonym = self.vocabulary.synonym(name).filter(|word| known.contains(word));
        synonym
            .map(did_mean)
            .or_else(|| self.elsewhere(name, known))
            .or_else(|| did_you_mean(name, known.iter().copied()).map(did_mean))
            .unwrap_or_else(|| format!("known here: {}", known.join(", ")))
    }

    /// Where a key that is unknown here belongs.
    fn elsewhere(&self, name: &str, known: &[&str]) -> Option<String> {
        let Vocabulary { top, tables, .. } = self.vocabulary;
        let table = |name: &str| tables.iter().find(|table| table.name() == name);
        let meant = self.vocabulary.synonym(name).filter(|word| top.contains(word)).unwrap_or(name);
        if top.contains(&meant) && table(meant).is_none() && known != *top {
            let at = self.first_table.map(|line| format!(", above line {line}")).unwrap_or_default();
            return Some(format!("`{meant}` belongs to the whole file: write it above the first [table]{at}"));
        }
        if let Some(table) = table(name).filter(|_| top.contains(&name) && known != *top) {
            return Some(format!("write it as {}", table.header));
        }
        let is_home =
            |table: &&TableKeys| table.keys.contains(&name) && table.keys != known && top.contains(&table.name());
        let homes: Vec<String> = tables.iter().filter(is_home).map(TableKeys::with_article).collect();
        (!homes.is_empty()).then(|| format!("`{name}` belongs into {}", homes.join(" or ")))
    }
}
