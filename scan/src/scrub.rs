//! Scrubs answers: replaces each secret that was put on by the surrogate.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret, SecretString};

use super::borders::Borders;
use super::needles::NeedleSet;
use super::needles::SHORTEST;
use super::said::Said;
use super::search::{DISGUISED, Hit, each_hit};
use super::spelling::Spelling;
use super::undo;
use super::window::Window;

/// A secret that was put on a request, and what the sandbox sees in its place.
pub struct Replacement {
    /// The real secret.
    pub secret: SecretString,
    /// The surrogate of the sandbox that asked.
    pub surrogate: SecretString,
}

impl Replacement {
    /// The same as it looks in base64 with other text around it, once for each alignment: values of
    /// their own, for text that is encoded once more.
    pub fn in_base64(&self) -> [Replacement; 3] {
        [0, 1, 2].map(|before| {
            let spelling = Spelling::Base64 { url_safe: false, before };
            let inner = spelling.of(self.secret.expose_secret().as_bytes());
            let surrogate = spelling.in_place_of(&[], inner.len(), self.surrogate.expose_secret().as_bytes());
            let text = |bytes: &[u8]| SecretString::from(String::from_utf8_lossy(bytes).into_owned());
            Replacement { secret: text(&inner), surrogate: text(&surrogate) }
        })
    }

    /// Adds it, unless its secret is replaced already.
    pub fn add_to(self, all: &mut Vec<Replacement>) {
        if !all.iter().any(|other| other.secret.expose_secret() == self.secret.expose_secret()) {
            all.push(self);
        }
    }
}

/// Replaces secrets in a stream, each in the form in which it appears.
///
/// A base64 text keeps its length; in other forms the length changes by the difference between
/// surrogate and secret.
pub struct Scrubber {
    surrogates: Vec<SecretString>,
    needles: Arc<NeedleSet>,
    window: Window,
    /// The scrubber for text that is spread over several events or messages.
    said: Option<(Said, Box<Scrubber>)>,
    count: u64,
}

/// A secret was written across a border: its beginning was let go, because it could not be told
/// from anything else. The stream must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer holds a secret in pieces, so it cannot be taken off")]
pub struct InPieces;

impl Scrubber {
    /// For the secrets that were put on this request. One shorter than [`SHORTEST`] bytes cannot be
    /// told from other text and is left out; the vault refuses it earlier.
    pub fn new(replacements: &[Replacement]) -> Self {
        let kept = || replacements.iter().filter(|r| r.secret.expose_secret().len() >= SHORTEST);
        Scrubber {
            surrogates: kept().map(|r| r.surrogate.clone()).collect(),
            needles: Arc::new(NeedleSet::new(kept().map(|r| r.secret.expose_secret().as_bytes()))),
            window: Window::default(),
            said: None,
            count: 0,
        }
    }

    /// The same for another stream, from its beginning.
    pub fn anew(&self) -> Self {
        let (surrogates, needles) = (self.surrogates.clone(), self.needles.clone());
        Scrubber { surrogates, needles, window: Window::default(), said: None, count: 0 }
    }

    /// For a stream that must not wait for its end.
    #[must_use]
    pub fn within(mut self, borders: Borders) -> Self {
        let across = || Box::new(self.anew().within(Borders::Pieces));
        self.said = Said::within(&borders).map(|said| (said, across()));
        self.window = Window::with(borders);
        self
    }

    /// Another file or message begins with the next bytes: disguises are searched for as at the beginning of the
    /// stream.
    pub fn begins(&mut self) {
        self.window.begins();
    }

    /// The same for a file that begins in this part of the stream.
    pub fn begins_within(&mut self, part: Range<u64>) {
        self.window.begins_within(part);
    }

    /// Takes the next bytes and returns those that are decided: all but a fixed number of last
    /// ones, or all up to the last border. What they say makes no difference, unless a complete
    /// secret stands at their end.
    pub fn push(&mut self, chunk: Bytes) -> Result<Option<Bytes>, InPieces> {
        self.next(chunk, false)
    }

    /// The same with the last bytes of the stream.
    pub fn push_last(&mut self, chunk: Bytes) -> Result<Option<Bytes>, InPieces> {
        self.next(chunk, true)
    }

    /// Ends the stream: what is held is no secret and is returned.
    pub fn finish(&mut self) -> Result<Option<Bytes>, InPieces> {
        self.next(Bytes::new(), true)
    }

    /// How many secrets were replaced so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.window.held()
    }

    /// Scrubs a complete text; `None` if there is nothing to replace.
    pub fn scrub_once(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let (spans, _) = self.spans(text, DISGUISED, true);
        (!spans.is_empty()).then(|| self.replaced(text, 0, &spans).to_vec())
    }

    fn next(&mut self, chunk: Bytes, last: bool) -> Result<Option<Bytes>, InPieces> {
        if self.needles.is_empty() {
            return Ok(Some(chunk).filter(|bytes| !bytes.is_empty()));
        }
        self.look_across(&chunk)?;
        if last && self.window.is_empty() {
            let clean = self.scrub_once(&chunk).map_or(chunk, Bytes::from);
            return Ok(Some(clean).filter(|bytes| !bytes.is_empty()));
        }
        self.window.take(&chunk);
        if !last && !self.window.is_due() {
            return Ok(None);
        }
        let window = std::mem::take(&mut self.window);
        let (mut spans, mut keep) = self.spans(window.text(), window.disguised(window.text().len()), last);
        self.window = window;
        let gone = self.window.gone();
        // Anything in the part that was let go was scrubbed before.
        spans.retain(|span| span.end > gone);
        if spans.iter().any(|span| span.start < gone) {
            return Err(InPieces);
        }
        let border = self.window.border();
        let mut until = if last { self.window.text().len() } else { keep.max(border) };
        while let Some(span) = spans.last().filter(|span| span.end > until) {
            // A span that crosses a border is complete; so is one that repeats itself without end.
            if span.start < border || self.has_waited(span) {
                until = span.end;
                break;
            }
            // It may be the beginning of a longer one.
            until = until.min(span.start);
            spans.pop();
        }
        let clean = match spans.last() {
            None => None,
            Some(span) => {
                keep = keep.max(span.end);
                let text = std::mem::take(&mut self.window);
                let clean = self.replaced(&text.text()[..until], gone, &spans);
                self.window = text;
                Some(clean)
            }
        };
        let plain = self.window.let_go(until, keep);
        Ok(Some(clean.unwrap_or(plain)).filter(|bytes| !bytes.is_empty()))
    }

    fn look_across(&mut self, chunk: &[u8]) -> Result<(), InPieces> {
        let Some((said, across)) = &mut self.said else { return Ok(()) };
        said.take(chunk, &mut |text, joins| {
            if !joins {
                **across = across.anew().within(Borders::Pieces);
            }
            across.push(text.into()).map(drop)
        })
    }

    /// What to replace, and from where on the text has to be searched again.
    fn spans(&self, text: &[u8], disguised: u64, last: bool) -> (Vec<Span>, usize) {
        let mut hits = Vec::new();
        let keep = each_hit(&self.needles, text, disguised, last, &mut |hit| {
            hits.push(hit);
            ControlFlow::Continue(())
        });
        (merged(hits), keep)
    }

    fn has_waited(&self, span: &Span) -> bool {
        span.end - span.start > LONGEST_WAIT * self.needles.held()
    }

    fn replaced(&mut self, text: &[u8], from: usize, spans: &[Span]) -> Bytes {
        let mut out = BytesMut::with_capacity(text.len() - from);
        let mut copied = from;
        for Span { start, end, hit } in spans {
            out.extend_from_slice(&text[copied..*start]);
            out.extend_from_slice(&self.in_place_of(hit, &text[hit.start..hit.end]));
            copied = *end;
        }
        out.extend_from_slice(&text[copied..]);
        self.count += spans.len() as u64;
        out.freeze()
    }

    fn in_place_of(&self, hit: &Hit, found: &[u8]) -> Vec<u8> {
        let needle = self.needles.needle(hit.needle);
        let surrogate = self.surrogates[hit.needle.value as usize].expose_secret().as_bytes();
        let written = needle.spelling.in_place_of(found, needle.bytes.len(), surrogate);
        hit.layers.iter().rev().fold(written, |text, layer| undo::write(*layer, &text, found))
    }
}

/// A text that repeats itself could overlap with itself for ever: after this many times the longest
/// needle it is replaced as far as it has come.
const LONGEST_WAIT: usize = 16;

/// Overlapping occurrences as one.
struct Span {
    start: usize,
    end: usize,
    /// The first and longest of them decides what replaces it.
    hit: Hit,
}

fn merged(mut hits: Vec<Hit>) -> Vec<Span> {
    hits.sort_by_key(|hit| (hit.start, std::cmp::Reverse(hit.end), hit.layers.len()));
    let mut spans: Vec<Span> = Vec::new();
    for hit in hits {
        match spans.last_mut() {
            Some(span) if hit.start < span.end => span.end = span.end.max(hit.end),
            _ => spans.push(Span { start: hit.start, end: hit.end, hit }),
        }
    }
    spans
}
