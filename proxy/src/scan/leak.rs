//! The leak check over a stream that goes out.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::lookalike::Lookalikes;
use super::search::each_hit;
use super::watchlist::{Finding, WatchedKind, Watchlist};
use crate::packed::{Unpacker, Unreadable};

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
    inside: Inside,
    /// Where what only looks like a secret is looked for too.
    lookalikes: Option<Lookalikes>,
}

/// What the stream is besides its bytes.
enum Inside {
    /// Its first bytes have not come, which may say that it is an archive.
    Unknown(Vec<u8>),
    /// Nothing else.
    Plain,
    /// Packed. What it unpacks to goes through a filter of its own, and what cannot be
    /// unpacked yet waits.
    Packed { unpacker: Unpacker, filter: Box<LeakFilter>, waiting: BytesMut },
}

/// So many bytes say whether a file is an archive.
const MAGIC: usize = 4;

impl LeakFilter {
    pub(super) fn new(watchlist: Arc<Watchlist>) -> Self {
        LeakFilter {
            watchlist,
            tolerated: Arc::new(|_| false),
            held: Bytes::new(),
            noted: Vec::new(),
            stopped: None,
            inside: Inside::Unknown(Vec::new()),
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
    pub fn unpacking(mut self, unpacker: Option<Unpacker>) -> Self {
        if let Some(unpacker) = unpacker {
            self.inside = self.packed(unpacker);
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
        self.inside = Inside::Plain;
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
        let waiting = if let Inside::Packed { waiting, .. } = &self.inside { waiting.len() } else { 0 };
        self.held.len() + waiting
    }

    /// Whether these bytes, which come next, are unpacked: it takes memory, and time.
    pub fn unpacks(&self, chunk: &[u8]) -> bool {
        match &self.inside {
            Inside::Packed { .. } => true,
            Inside::Plain => false,
            Inside::Unknown(start) => {
                let first = start.iter().chain(chunk).copied().take(MAGIC).collect::<Vec<_>>();
                Unpacker::sniffed(&first).is_some()
            }
        }
    }

    /// What was tolerated so far, each kind and form once.
    pub fn noted(&self) -> &[Finding] {
        &self.noted
    }

    fn packed(&self, unpacker: Unpacker) -> Inside {
        let mut filter = LeakFilter::new(self.watchlist.clone()).as_it_comes();
        filter.tolerated = self.tolerated.clone();
        filter.lookalikes = self.lookalikes.as_ref().map(|_| Lookalikes::default());
        Inside::Packed { unpacker, filter: Box::new(filter), waiting: BytesMut::new() }
    }

    fn look_inside(&mut self, chunk: &[u8], last: bool) -> Result<(), Stop> {
        let mut begun = Vec::new();
        if let Inside::Unknown(start) = &mut self.inside {
            begun = std::mem::take(start);
            let seen: Vec<u8> = begun.iter().chain(chunk).take(MAGIC).copied().collect();
            if seen.len() < MAGIC {
                *start = seen;
                return Ok(());
            }
            self.inside = Unpacker::sniffed(&seen).map_or(Inside::Plain, |unpacker| self.packed(unpacker));
        }
        let Inside::Packed { unpacker, filter, .. } = &mut self.inside else { return Ok(()) };
        let looked = unpack(unpacker, filter, &begun, false).and_then(|()| unpack(unpacker, filter, chunk, last));
        for finding in filter.noted.drain(..) {
            finding.note_in(&mut self.noted);
        }
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
        if let Inside::Packed { unpacker, waiting, .. } = &mut self.inside {
            if unpacker.is_behind() {
                waiting.extend_from_slice(&text);
                return Ok(None);
            }
            text = joined(waiting.split().freeze(), text);
        }
        Ok(Some(text).filter(|bytes| !bytes.is_empty()))
    }
}

/// Looks at what these bytes unpack to.
fn unpack(unpacker: &mut Unpacker, filter: &mut LeakFilter, bytes: &[u8], last: bool) -> Result<(), Stop> {
    let made = unpacker.push(bytes).map_err(Stop::Unreadable)?;
    filter.push(made.into())?;
    if last {
        let made = unpacker.finish().map_err(Stop::Unreadable)?;
        filter.push(made.into())?;
        filter.finish()?;
    }
    Ok(())
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
