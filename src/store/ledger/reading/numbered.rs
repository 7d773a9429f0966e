//! One record of the log by its number, of any kind.

use audit::Lines;
use proxy::audit::Seq;

use super::reader::Source;
use super::{AuditEntry, AuditReader};
use crate::store::{Millis, StoreError};

/// The record with a number.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbered {
    /// A request or an event.
    Entry(Box<AuditEntry>),
    /// How the request of this entry ended.
    Outcome(Box<AuditEntry>),
    /// A line for the journal's own purposes, such as a checkpoint.
    Own {
        /// Its kind.
        kind: String,
        /// When it was written.
        at: Millis,
        /// The whole line, as JSON.
        text: String,
    },
    /// It has expired.
    Removed {
        /// The oldest record that remains.
        oldest: u64,
    },
    /// It does not exist yet.
    Nothing {
        /// The last record.
        last: u64,
    },
}

impl AuditReader {
    /// The record with a number.
    pub fn numbered(&self, seq: Seq) -> Result<Numbered, StoreError> {
        if let Some(entry) = self.any(seq.0)? {
            return Ok(Numbered::Entry(Box::new(entry)));
        }
        let last = self.last()?.0;
        if matches!(&*self.texts.borrow(), Source::Old(_)) {
            return Ok(Numbered::Nothing { last });
        }
        let mut lines = Lines::from(&self.path, seq.0);
        let line = lines.next().map_err(|error| self.unread(&error))?;
        let Some(line) = line else { return Ok(Numbered::Nothing { last }) };
        if line.seq != seq.0 {
            return Ok(Numbered::Removed { oldest: line.seq });
        }
        let about = line.about.filter(|_| line.kind == "outcome");
        if let Some(entry) = about.map(|about| self.any(about)).transpose()?.flatten() {
            return Ok(Numbered::Outcome(Box::new(entry)));
        }
        let text = String::from_utf8_lossy(line.text).into_owned();
        Ok(Numbered::Own { kind: line.kind.to_owned(), at: line.at, text })
    }

    /// The groups that occur in the log.
    pub fn groups(&self) -> Result<Vec<String>, StoreError> {
        self.names("SELECT group_name FROM sums WHERE group_name != '' GROUP BY 1 ORDER BY sum(times) DESC, 1")
    }

    /// The hosts that were asked for, most frequent first.
    pub fn hosts(&self) -> Result<Vec<String>, StoreError> {
        self.names("SELECT what FROM sums WHERE NOT event AND what != '' GROUP BY 1 ORDER BY sum(times) DESC, 1")
    }

    fn names(&self, sql: &str) -> Result<Vec<String>, StoreError> {
        self.rows(sql, Vec::new(), |row| row.get(0))
    }
}
