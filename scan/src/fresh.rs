//! Anything in an answer that looks like a key and is not a known one: the host may have made it.
//! It is noted, not stopped.

use std::sync::Arc;

use super::lookalike::Lookalikes;
use super::watchlist::{Finding, Watchlist};

/// Looks at an answer as it passes.
pub struct FreshKeys {
    watchlist: Arc<Watchlist>,
    lookalikes: Lookalikes,
    noted: Vec<Finding>,
}

impl FreshKeys {
    /// Values on the watchlist are not new: surrogates above all.
    pub fn new(watchlist: Arc<Watchlist>) -> Self {
        FreshKeys { watchlist, lookalikes: Lookalikes::keys_only(), noted: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8], last: bool) {
        let FreshKeys { watchlist, lookalikes, noted } = self;
        lookalikes.push(chunk, last, &mut |of, token| {
            if let Some(finding) = watchlist.lookalike(of, token) {
                finding.note_in(noted);
            }
        });
    }

    /// What was found so far, in words for the log.
    pub fn noted(&self) -> impl Iterator<Item = String> {
        self.noted.iter().map(|finding| format!("the answer brought {}", finding.what))
    }
}
