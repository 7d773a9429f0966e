//! What an answer brings that looks like a key and is none that is known: a host may
//! have made it. It is noted and not stopped.

use std::sync::Arc;

use super::lookalike::Lookalikes;
use super::watchlist::{Finding, Watchlist};

/// Looks at an answer as it goes by.
pub struct FreshKeys {
    watchlist: Arc<Watchlist>,
    lookalikes: Lookalikes,
    noted: Vec<Finding>,
}

impl FreshKeys {
    /// What is on the watchlist is not new: surrogates above all.
    pub fn new(watchlist: Arc<Watchlist>) -> Self {
        FreshKeys { watchlist, lookalikes: Lookalikes::keys_only(), noted: Vec::new() }
    }

    /// Takes the next bytes in.
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
