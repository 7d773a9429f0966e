//! The leak check over one stream of plain bytes.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use super::borders::Borders;
use super::lookalike::Lookalikes;
use super::said::Said;
use super::search::each_hit;
use super::watchlist::{Finding, WatchedKind, Watchlist};
use super::window::Window;
use crate::packed::Unreadable;

/// Why a stream is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A watched value.
    Found(Finding),
    /// It is packed in a way that cannot be looked into.
    Unreadable(Unreadable),
}

/// Lets bytes pass unchanged unless they hold a value; unpacking happens elsewhere.
///
/// The first reason to stop is final: what is held is dropped, and every later call returns the same
/// reason.
pub(super) struct Check {
    watchlist: Arc<Watchlist>,
    tolerated: Arc<dyn Fn(&WatchedKind) -> bool + Send + Sync>,
    window: Window,
    /// The check over text that is spread over several messages.
    said: Option<(Said, Box<Check>)>,
    noted: Vec<Finding>,
    stopped: Option<Stop>,
    /// If present, what only looks like a secret is searched for too.
    lookalikes: Option<Lookalikes>,
}

impl Check {
    pub(super) fn new(watchlist: Arc<Watchlist>) -> Self {
        Check {
            watchlist,
            tolerated: Arc::new(|_| false),
            window: Window::default(),
            said: None,
            noted: Vec::new(),
            stopped: None,
            lookalikes: None,
        }
    }

    pub(super) fn tolerating(mut self, tolerated: impl Fn(&WatchedKind) -> bool + Send + Sync + 'static) -> Self {
        self.tolerated = Arc::new(tolerated);
        self
    }

    pub(super) fn with_lookalikes(mut self) -> Self {
        self.lookalikes = Some(Lookalikes::default());
        self
    }

    pub(super) fn within(mut self, borders: Borders) -> Self {
        let across = || Box::new(self.alike().within(Borders::Pieces));
        self.said = Said::within(&borders).map(|said| (said, across()));
        self.window = Window::with(borders);
        self
    }

    /// The same check for another stream, from its beginning.
    pub(super) fn alike(&self) -> Self {
        let mut check = Check::new(self.watchlist.clone());
        check.tolerated = self.tolerated.clone();
        check.lookalikes = self.lookalikes.as_ref().map(|_| Lookalikes::default());
        check
    }

    /// Whether it searches for nothing, so that everything passes.
    pub(super) fn is_idle(&self) -> bool {
        self.watchlist.is_empty() && self.lookalikes.is_none()
    }

    pub(super) fn tolerates(&self, what: &WatchedKind) -> bool {
        (self.tolerated)(what)
    }

    pub(super) fn watchlist(&self) -> &Watchlist {
        &self.watchlist
    }

    /// How many bytes are held back.
    pub(super) fn held(&self) -> usize {
        self.window.held()
    }

    /// What was tolerated so far, once per kind and form.
    pub(super) fn noted(&self) -> &[Finding] {
        &self.noted
    }

    pub(super) fn noted_mut(&mut self) -> &mut Vec<Finding> {
        &mut self.noted
    }

    /// Moves what was tolerated into `noted`.
    pub(super) fn hand_over(&mut self, noted: &mut Vec<Finding>) {
        self.noted.drain(..).for_each(|finding| finding.note_in(noted));
    }

    /// Another file begins with the next bytes: disguises are searched for as at the beginning.
    pub(super) fn begins(&mut self) {
        self.window.begins();
    }

    /// Ends the stream for a reason that was found elsewhere.
    pub(super) fn stop(&mut self, stop: &Stop) {
        self.stopped = Some(stop.clone());
    }

    /// Takes the next bytes and returns those that may be sent now; `last`: no more follow.
    pub(super) fn next(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if self.is_idle() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.look_alike(&chunk, last);
        self.look_across(&chunk)?;
        if let Some(stop) = &self.stopped {
            return Err(stop.clone());
        }
        self.let_through(chunk, last)
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

    fn look_across(&mut self, chunk: &[u8]) -> Result<(), Stop> {
        let Some((said, across)) = &mut self.said else { return Ok(()) };
        let looked = said.take(chunk, &mut |text, joins| {
            if !joins {
                **across = across.alike().within(Borders::Pieces);
            }
            across.next(text.into(), false).map(drop)
        });
        for finding in across.noted.drain(..) {
            finding.note_in(&mut self.noted);
        }
        looked.inspect_err(|stop| self.stopped = Some(stop.clone()))
    }

    /// If a lookalike would stop the stream, the bytes that may become one wait.
    fn waiting_for_lookalikes(&self) -> usize {
        let stops = !(self.tolerated)(&WatchedKind::Lookalike { of: "" });
        self.lookalikes.as_ref().filter(|_| stops).map_or(0, Lookalikes::undecided)
    }

    fn let_through(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if last && self.window.is_empty() {
            self.search(&chunk, self.window.disguised(chunk.len()), true)?;
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.window.take(&chunk);
        if !last && !self.window.is_due() {
            return Ok(None);
        }
        let window = std::mem::take(&mut self.window);
        let searched = self.search(window.text(), window.disguised(window.text().len()), last);
        self.window = window;
        let keep = searched?;
        let (end, border) = (self.window.text().len(), self.window.border());
        let until = if last { end } else { keep.min(end.saturating_sub(self.waiting_for_lookalikes())).max(border) };
        Ok(Some(self.window.let_go(until, keep)).filter(|bytes| !bytes.is_empty()))
    }

    /// Searches everything in hand, and says from where on it has to be searched again.
    fn search(&mut self, text: &[u8], disguised: u64, last: bool) -> Result<usize, Stop> {
        let Check { watchlist, tolerated, noted, stopped, .. } = self;
        let keep = each_hit(watchlist.needles(), text, disguised, last, &mut |hit| {
            let finding = watchlist.finding(&hit);
            if tolerated(&finding.what) {
                finding.note_in(noted);
                return ControlFlow::Continue(());
            }
            *stopped = Some(Stop::Found(finding));
            ControlFlow::Break(())
        });
        stopped.clone().map_or(Ok(keep), Err)
    }
}
