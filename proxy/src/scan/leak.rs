//! The leak check over a stream that goes out.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::inside::Inside;
use super::lookalike::Lookalikes;
use super::search::each_hit;
use super::watchlist::{Finding, WatchedKind, Watchlist};
use crate::packed::{Look, Unreadable};

/// Why a stream goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A value that is watched.
    Found(Finding),
    /// It is packed in a way that cannot be looked into.
    Unreadable(Unreadable),
}

/// Lets a stream pass up to the byte that would complete a value, be it packed or not.
///
/// The first reason to stop ends it: what is held is dropped, and each later call
/// returns the reason again.
pub struct LeakFilter {
    watchlist: Arc<Watchlist>,
    tolerated: Arc<dyn Fn(&WatchedKind) -> bool + Send + Sync>,
    held: Bytes,
    noted: Vec<Finding>,
    stopped: Option<Stop>,
    /// What it holds, where anybody looks into it.
    inside: Option<Box<Inside>>,
    /// Where what only looks like a secret is looked for too.
    lookalikes: Option<Lookalikes>,
}

impl LeakFilter {
    pub(super) fn new(watchlist: Arc<Watchlist>) -> Self {
        LeakFilter {
            watchlist,
            tolerated: Arc::new(|_| false),
            held: Bytes::new(),
            noted: Vec::new(),
            stopped: None,
            inside: Some(Box::new(Inside::new(Look::sniffing()))),
            lookalikes: None,
        }
    }

    /// Values that may pass and are only noted: a surrogate in what is said to a model.
    #[must_use]
    pub fn tolerating(mut self, tolerated: impl Fn(&WatchedKind) -> bool + Send + Sync + 'static) -> Self {
        self.tolerated = Arc::new(tolerated);
        self
    }

    /// For a stream that says how it is packed, where it says so.
    #[must_use]
    pub fn looking(mut self, look: Option<Look>) -> Self {
        if let Some(look) = look {
            self.inside = Some(Box::new(Inside::new(look)));
        }
        self
    }

    /// Looks for what only looks like a secret as well: see [`WatchedKind::Lookalike`].
    #[must_use]
    pub fn with_lookalikes(mut self) -> Self {
        self.lookalikes = Some(Lookalikes::default());
        self
    }

    /// For a stream of pieces that are looked into one by one elsewhere.
    #[must_use]
    pub fn as_it_comes(mut self) -> Self {
        self.inside = None;
        self
    }

    /// Takes the next bytes in and gives those out that may be sent now.
    pub fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Stop> {
        if self.watchlist.is_empty() && self.lookalikes.is_none() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.look_inside(&chunk, false)?;
        self.look_alike(&chunk, false);
        let text = joined(std::mem::take(&mut self.held), chunk);
        self.let_through(text, false)
    }

    /// The stream is at its end: what is held is no value and may be sent.
    pub fn finish(&mut self) -> Result<Option<Bytes>, Stop> {
        self.look_inside(&[], true)?;
        self.look_alike(&[], true);
        let text = std::mem::take(&mut self.held);
        self.let_through(text, true)
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len() + self.inside.as_ref().map_or(0, |inside| inside.waiting())
    }

    /// Whether these bytes, which come next, are unpacked: it takes memory, and time.
    pub fn unpacks(&self, chunk: &[u8]) -> bool {
        self.inside.as_ref().is_some_and(|inside| inside.unpacks(chunk))
    }

    /// What was tolerated so far, each kind and form once.
    pub fn noted(&self) -> &[Finding] {
        &self.noted
    }

    /// Gives away what was tolerated.
    pub(super) fn hand_over(&mut self, noted: &mut Vec<Finding>) {
        self.noted.drain(..).for_each(|finding| finding.note_in(noted));
    }

    /// The check of what the stream holds.
    fn of_a_depth(&self) -> impl Fn() -> LeakFilter + use<> {
        let (watchlist, tolerated, looks) = (self.watchlist.clone(), self.tolerated.clone(), self.lookalikes.is_some());
        move || {
            let mut filter = LeakFilter::new(watchlist.clone()).as_it_comes();
            filter.tolerated = tolerated.clone();
            filter.lookalikes = looks.then(Lookalikes::default);
            filter
        }
    }

    fn look_inside(&mut self, chunk: &[u8], last: bool) -> Result<(), Stop> {
        let filter = self.of_a_depth();
        let Some(inside) = &mut self.inside else { return Ok(()) };
        let looked = inside.look(chunk, last, &filter, &mut self.noted);
        looked.inspect_err(|stop| self.stopped = Some(stop.clone()))
    }

    fn look_alike(&mut self, chunk: &[u8], last: bool) {
        let Some(lookalikes) = &mut self.lookalikes else { return };
        lookalikes.push(chunk, last, &mut |of, token| {
            let Some(finding) = self.watchlist.lookalike(of, token) else { return };
            if (self.tolerated)(&finding.what) {
                finding.note_in(&mut self.noted);
            } else {
                self.stopped.get_or_insert(Stop::Found(finding));
            }
        });
    }

    /// What may become something that looks like a secret waits where that stops a stream.
    fn waiting_for_lookalikes(&self) -> usize {
        let stops = !(self.tolerated)(&WatchedKind::Lookalike { of: "" });
        self.lookalikes.as_ref().filter(|_| stops).map_or(0, Lookalikes::undecided)
    }

    fn let_through(&mut self, mut text: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if let Some(stop) = &self.stopped {
            return Err(stop.clone());
        }
        let safe = each_hit(self.watchlist.needles(), &text, last, &mut |hit| {
            let finding = self.watchlist.finding(&hit);
            if (self.tolerated)(&finding.what) {
                finding.note_in(&mut self.noted);
                return ControlFlow::Continue(());
            }
            self.stopped = Some(Stop::Found(finding));
            ControlFlow::Break(())
        });
        if let Some(stop) = &self.stopped {
            return Err(stop.clone());
        }
        let safe = safe.min(text.len().saturating_sub(self.waiting_for_lookalikes()));
        self.held = text.split_off(safe);
        if let Some(inside) = &mut self.inside {
            text = inside.pass(text, last).inspect_err(|stop| self.stopped = Some(stop.clone()))?;
        }
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
