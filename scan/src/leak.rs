//! The leak check over a stream that goes out.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::borders::Borders;
use super::inside::Inside;
use super::lookalike::Lookalikes;
use super::said::Said;
use super::search::each_hit;
use super::watchlist::{Finding, WatchedKind, Watchlist};
use super::window::Window;
use crate::packed::{Look, Unreadable};

/// Why a stream goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A value that is watched.
    Found(Finding),
    /// It is packed in a way that cannot be looked into.
    Unreadable(Unreadable),
}

/// Lets a stream pass that holds no value, be it packed or not: what would complete one never goes.
///
/// The first reason to stop ends it: what is held is dropped, and each later call
/// returns the reason again.
pub struct LeakFilter {
    watchlist: Arc<Watchlist>,
    tolerated: Arc<dyn Fn(&WatchedKind) -> bool + Send + Sync>,
    window: Window,
    /// What is said in it over several messages.
    said: Option<(Said, Box<LeakFilter>)>,
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
            window: Window::default(),
            said: None,
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

    /// For a stream that says what it holds, where it says so.
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

    /// For a stream that must not wait for its end.
    #[must_use]
    pub fn within(mut self, borders: Borders) -> Self {
        let across = || Box::new(self.alike().within(Borders::Pieces));
        self.said = Said::within(&borders).map(|said| (said, across()));
        self.window = Window::with(borders);
        self
    }

    /// Looks for the same in another stream, from its beginning.
    fn alike(&self) -> Self {
        let mut filter = LeakFilter::new(self.watchlist.clone()).as_it_comes();
        filter.tolerated = self.tolerated.clone();
        filter.lookalikes = self.lookalikes.as_ref().map(|_| Lookalikes::default());
        filter
    }

    /// Takes the next bytes in and gives those out that may be sent now: all but so many last
    /// ones, or all up to the last border. Which they are does not depend on what they say.
    pub fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Stop> {
        self.next(chunk, false)
    }

    /// The same, and the stream ends with them.
    pub fn push_last(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Stop> {
        self.next(chunk, true)
    }

    /// The stream is at its end: what is held is no value and may be sent.
    pub fn finish(&mut self) -> Result<Option<Bytes>, Stop> {
        self.next(Bytes::new(), true)
    }

    /// What comes behind the body, and goes no further: whether it holds a value all the same.
    pub fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), Stop> {
        let lines =
            trailers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"]);
        let text: Vec<u8> = lines.flatten().copied().collect();
        let mut found = self.watchlist.find_all(&text).into_iter().filter(|finding| !(self.tolerated)(&finding.what));
        found.next().map_or(Ok(()), |finding| Err(Stop::Found(finding)))
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.window.held() + self.inside.as_ref().map_or(0, |inside| inside.waiting())
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

    fn look_inside(&mut self, chunk: &[u8], last: bool) -> Result<(), Stop> {
        let Some(mut inside) = self.inside.take() else { return Ok(()) };
        // What is unpacked is searched at once: the bytes that it came from go as soon as it was.
        let mut noted = std::mem::take(&mut self.noted);
        let looked = inside.look(chunk, last, &|| self.alike().within(Borders::Pieces), &mut noted);
        (self.inside, self.noted) = (Some(inside), noted);
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

    fn look_across(&mut self, chunk: &[u8]) -> Result<(), Stop> {
        let Some((said, across)) = &mut self.said else { return Ok(()) };
        let looked = said.take(chunk, &mut |text, joins| {
            if !joins {
                **across = across.alike().within(Borders::Pieces);
            }
            across.push(text.into()).map(drop)
        });
        for finding in across.noted.drain(..) {
            finding.note_in(&mut self.noted);
        }
        looked.inspect_err(|stop| self.stopped = Some(stop.clone()))
    }

    /// What may become something that looks like a secret waits where that stops a stream.
    fn waiting_for_lookalikes(&self) -> usize {
        let stops = !(self.tolerated)(&WatchedKind::Lookalike { of: "" });
        self.lookalikes.as_ref().filter(|_| stops).map_or(0, Lookalikes::undecided)
    }

    fn next(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if self.watchlist.is_empty() && self.lookalikes.is_none() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.look_inside(&chunk, last)?;
        self.look_alike(&chunk, last);
        self.look_across(&chunk)?;
        if let Some(stop) = &self.stopped {
            return Err(stop.clone());
        }
        let text = self.let_through(chunk, last)?;
        let Some(inside) = &mut self.inside else { return Ok(text) };
        let text = inside.pass(text.unwrap_or_default(), last).inspect_err(|stop| self.stopped = Some(stop.clone()))?;
        Ok(Some(text).filter(|bytes| !bytes.is_empty()))
    }

    fn let_through(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if last && self.window.is_empty() {
            self.search(&chunk, self.window.at(), true)?;
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.window.take(&chunk);
        if !last && !self.window.is_due() {
            return Ok(None);
        }
        let window = std::mem::take(&mut self.window);
        let searched = self.search(window.text(), window.at(), last);
        self.window = window;
        let keep = searched?;
        let (end, border) = (self.window.text().len(), self.window.border());
        let until = if last { end } else { keep.min(end.saturating_sub(self.waiting_for_lookalikes())).max(border) };
        Ok(Some(self.window.let_go(until, keep)).filter(|bytes| !bytes.is_empty()))
    }

    /// Searches all that is in hand, and says from where on it has to be seen again.
    fn search(&mut self, text: &[u8], at: u64, last: bool) -> Result<usize, Stop> {
        let LeakFilter { watchlist, tolerated, noted, stopped, .. } = self;
        let keep = each_hit(watchlist.needles(), text, at, last, &mut |hit| {
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
