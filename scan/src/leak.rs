//! The leak check over an outgoing stream and everything packed in it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::borders::Borders;
use super::check::{Check, Stop};
use super::inside::Inside;
use super::watchlist::{Finding, WatchedKind, Watchlist};
use crate::packed::Look;

/// Lets a stream pass as long as it holds no value, packed or not: the byte that would complete one
/// is never sent.
///
/// The first reason to stop is final: what is held is dropped, and every later call returns the
/// same reason.
pub struct LeakFilter {
    check: Check,
    /// Its contents, if they are looked into.
    inside: Option<Box<Inside>>,
}

impl Watchlist {
    /// A filter over a stream; it stops before the byte that would complete a value.
    pub fn filter(self: &Arc<Self>) -> LeakFilter {
        let inside = Some(Box::new(Inside::new(Look::sniffing())));
        LeakFilter { check: Check::new(Arc::clone(self)), inside }
    }
}

impl LeakFilter {
    /// Tolerates values that are only noted: a surrogate in a prompt to a model.
    #[must_use]
    pub fn tolerating(mut self, tolerated: impl Fn(&WatchedKind) -> bool + Send + Sync + 'static) -> Self {
        self.check = self.check.tolerating(tolerated);
        self
    }

    /// For a stream whose headers say what it contains.
    #[must_use]
    pub fn looking(mut self, look: Option<Look>) -> Self {
        if let Some(look) = look {
            self.inside = Some(Box::new(Inside::new(look)));
        }
        self
    }

    /// Also searches for what only looks like a secret: see [`WatchedKind::Lookalike`].
    #[must_use]
    pub fn with_lookalikes(mut self) -> Self {
        self.check = self.check.with_lookalikes();
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
        self.check = self.check.within(borders);
        self
    }

    /// Takes the next bytes and returns those that may be sent now: all but a fixed number of last
    /// ones, or all up to the last border. What they say makes no difference.
    pub fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Stop> {
        self.next(chunk, false)
    }

    /// The same with the last bytes of the stream.
    pub fn push_last(&mut self, chunk: Bytes) -> Result<Option<Bytes>, Stop> {
        self.next(chunk, true)
    }

    /// Ends the stream: what is held is no value and may be sent.
    pub fn finish(&mut self) -> Result<Option<Bytes>, Stop> {
        self.next(Bytes::new(), true)
    }

    /// Checks trailers, which are not sent on, for values all the same.
    pub fn check_trailers(&self, trailers: &HeaderMap) -> Result<(), Stop> {
        let lines =
            trailers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"]);
        let text: Vec<u8> = lines.flatten().copied().collect();
        let mut found =
            self.check.watchlist().find_all(&text).into_iter().filter(|finding| !self.check.tolerates(&finding.what));
        found.next().map_or(Ok(()), |finding| Err(Stop::Found(finding)))
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.check.held() + self.inside.as_ref().map_or(0, |inside| inside.waiting())
    }

    /// Whether the next bytes will be unpacked, which takes memory and time.
    pub fn unpacks(&self, chunk: &[u8]) -> bool {
        self.inside.as_ref().is_some_and(|inside| inside.unpacks(chunk))
    }

    /// What was tolerated so far, once per kind and form.
    pub fn noted(&self) -> &[Finding] {
        self.check.noted()
    }

    fn look_inside(&mut self, chunk: &[u8], last: bool) -> Result<(), Stop> {
        let LeakFilter { check, inside: Some(inside) } = self else { return Ok(()) };
        // Unpacked text is searched at once: the bytes it came from are sent as soon as it was.
        let mut noted = std::mem::take(check.noted_mut());
        let looked = inside.look(chunk, last, &|| check.alike().within(Borders::Pieces), &mut noted);
        *check.noted_mut() = noted;
        if inside.has_begun() {
            check.begins();
        }
        looked.inspect_err(|stop| check.stop(stop))
    }

    fn next(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, Stop> {
        if self.check.is_idle() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.look_inside(&chunk, last)?;
        let text = self.check.next(chunk, last)?;
        let Some(inside) = &mut self.inside else { return Ok(text) };
        let text = inside.pass(text.unwrap_or_default(), last).inspect_err(|stop| self.check.stop(stop))?;
        Ok(Some(text).filter(|bytes| !bytes.is_empty()))
    }
}
