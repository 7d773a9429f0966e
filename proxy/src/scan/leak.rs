//! The leak check over a stream that goes out.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::search::each_hit;
use super::watchlist::{Finding, WatchedKind, Watchlist};

/// Looks at a stream without holding it up: it tells that a value went by, it does not stop it.
pub struct Check {
    watchlist: Arc<Watchlist>,
    /// The end of what was fed, as far as it may be the beginning of a value.
    tail: Vec<u8>,
}

impl Check {
    pub(super) fn new(watchlist: Arc<Watchlist>) -> Self {
        Check { watchlist, tail: Vec::new() }
    }

    /// The first value that these bytes complete.
    pub fn feed(&mut self, chunk: &[u8]) -> Option<Finding> {
        if self.watchlist.is_empty() {
            return None;
        }
        if self.tail.is_empty() {
            let (finding, safe) = self.look_at(chunk);
            self.tail.extend_from_slice(&chunk[safe..]);
            return finding;
        }
        self.tail.extend_from_slice(chunk);
        let (finding, safe) = self.look_at(&self.tail);
        self.tail.drain(..safe);
        finding
    }

    fn look_at(&self, text: &[u8]) -> (Option<Finding>, usize) {
        let mut first = None;
        let safe = each_hit(self.watchlist.needles(), text, false, &mut |hit| {
            first.get_or_insert_with(|| self.watchlist.finding(&hit));
            ControlFlow::Continue(())
        });
        (first, safe)
    }
}

/// Lets a stream pass up to the byte that would complete a value.
///
/// A first finding ends it: what is held is dropped, and each later call returns
/// the finding again.
pub struct LeakFilter {
    watchlist: Arc<Watchlist>,
    tolerated: Box<dyn Fn(&WatchedKind) -> bool + Send + Sync>,
    held: Bytes,
    noted: Vec<Finding>,
    stopped: Option<Finding>,
}

impl LeakFilter {
    pub(super) fn new(watchlist: Arc<Watchlist>) -> Self {
        LeakFilter { watchlist, tolerated: Box::new(|_| false), held: Bytes::new(), noted: Vec::new(), stopped: None }
    }

    /// Values that may pass and are only noted: a surrogate in what is said to a model.
    #[must_use]
    pub fn tolerating(mut self, tolerated: impl Fn(&WatchedKind) -> bool + Send + Sync + 'static) -> Self {
        self.tolerated = Box::new(tolerated);
        self
    }

    /// Takes the next bytes in and gives those out that may be sent now.
    pub fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Finding> {
        if self.watchlist.is_empty() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        let text = joined(std::mem::take(&mut self.held), chunk);
        self.let_through(text, false)
    }

    /// The stream is at its end: what is held is no value and may be sent.
    pub fn finish(&mut self) -> Result<Option<Bytes>, Finding> {
        let text = std::mem::take(&mut self.held);
        self.let_through(text, true)
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What was tolerated so far, each kind and form once.
    pub fn noted(&self) -> &[Finding] {
        &self.noted
    }

    fn let_through(&mut self, mut text: Bytes, last: bool) -> Result<Option<Bytes>, Finding> {
        if let Some(finding) = &self.stopped {
            return Err(finding.clone());
        }
        let safe = each_hit(self.watchlist.needles(), &text, last, &mut |hit| {
            let finding = self.watchlist.finding(&hit);
            if (self.tolerated)(&finding.what) {
                finding.note_in(&mut self.noted);
                return ControlFlow::Continue(());
            }
            self.stopped = Some(finding);
            ControlFlow::Break(())
        });
        if let Some(finding) = &self.stopped {
            return Err(finding.clone());
        }
        self.held = text.split_off(safe);
        Ok(Some(text).filter(|bytes| !bytes.is_empty()))
    }
}

/// What was held and what came after it; copies only where something was held.
pub(super) fn joined(held: Bytes, chunk: Bytes) -> Bytes {
    if held.is_empty() {
        return chunk;
    }
    let mut both = BytesMut::with_capacity(held.len() + chunk.len());
    both.extend_from_slice(&held);
    both.extend_from_slice(&chunk);
    both.freeze()
}
