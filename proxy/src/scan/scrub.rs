//! Taking off on the way back what was put on: the secret goes, the surrogate comes.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret, SecretString};

use super::leak::joined;
use super::needles::NeedleSet;
use super::search::{Hit, each_hit};
use super::watchlist::SHORTEST;

/// A secret that was put on a request, and what the sandbox is to see in its place.
pub struct Replacement {
    /// The real secret.
    pub secret: SecretString,
    /// The surrogate of the sandbox that asked.
    pub surrogate: SecretString,
}

impl Replacement {
    /// Adds it, unless something stands for its secret already.
    pub(crate) fn add_to(self, all: &mut Vec<Replacement>) {
        if !all.iter().any(|other| other.secret.expose_secret() == self.secret.expose_secret()) {
            all.push(self);
        }
    }
}

/// Replaces secrets in a stream, each in the form in which it stands.
///
/// Length: a base64 text keeps its length; in other forms the length changes where
/// the surrogate's differs from the secret's.
pub struct Scrubber {
    surrogates: Vec<SecretString>,
    needles: Arc<NeedleSet>,
    held: Bytes,
    count: u64,
}

impl Scrubber {
    /// For the secrets that were put on this request. One shorter than [`SHORTEST`]
    /// bytes cannot be told from other text and stays out; the vault refuses it earlier.
    pub fn new(replacements: &[Replacement]) -> Self {
        let kept = || replacements.iter().filter(|r| r.secret.expose_secret().len() >= SHORTEST);
        Scrubber {
            surrogates: kept().map(|r| r.surrogate.clone()).collect(),
            needles: Arc::new(NeedleSet::new(kept().map(|r| r.secret.expose_secret().as_bytes()))),
            held: Bytes::new(),
            count: 0,
        }
    }

    /// The same for another stream, from its beginning.
    pub fn anew(&self) -> Self {
        let (surrogates, needles) = (self.surrogates.clone(), self.needles.clone());
        Scrubber { surrogates, needles, held: Bytes::new(), count: 0 }
    }

    /// Takes the next bytes in and gives those out that are decided.
    pub fn push(&mut self, chunk: Bytes) -> Option<Bytes> {
        let text = joined(std::mem::take(&mut self.held), chunk);
        self.let_through(text, false)
    }

    /// The stream is at its end: what is held is no secret and comes out.
    pub fn finish(&mut self) -> Option<Bytes> {
        let text = std::mem::take(&mut self.held);
        self.let_through(text, true)
    }

    /// How many secrets were replaced so far.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// A text that is there as a whole, scrubbed; `None` where there is nothing to replace.
    pub fn scrub_once(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let (spans, _) = self.spans(text, true);
        (!spans.is_empty()).then(|| self.replaced(text, &spans).to_vec())
    }

    fn let_through(&mut self, mut text: Bytes, last: bool) -> Option<Bytes> {
        let (spans, safe) = self.spans(&text, last);
        self.held = text.split_off(safe);
        let out = if spans.is_empty() { text } else { self.replaced(&text, &spans) };
        Some(out).filter(|bytes| !bytes.is_empty())
    }

    /// What is to be replaced before the place from where on the text is held.
    fn spans(&self, text: &[u8], last: bool) -> (Vec<Span>, usize) {
        let mut hits = Vec::new();
        let mut safe = each_hit(&self.needles, text, last, &mut |hit| {
            hits.push(hit);
            ControlFlow::Continue(())
        });
        let mut spans = merged(hits);
        // A secret that overlaps what is held may be the beginning of a longer one.
        while let Some(span) = spans.last().filter(|span| span.end > safe) {
            if self.has_waited(span) {
                safe = span.end;
                break;
            }
            safe = safe.min(span.start);
            spans.pop();
        }
        (spans, safe)
    }

    fn has_waited(&self, span: &Span) -> bool {
        span.end - span.start > LONGEST_WAIT * self.needles.longest()
    }

    fn replaced(&mut self, text: &[u8], spans: &[Span]) -> Bytes {
        let mut out = BytesMut::with_capacity(text.len());
        let mut copied = 0;
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
        let surrogate = self.surrogates[needle.value].expose_secret().as_bytes();
        let written = needle.spelling.in_place_of(found, needle.bytes.len(), surrogate);
        hit.layers.iter().rev().fold(written, |text, layer| layer.wrap(&text))
    }
}

/// A text that repeats itself could overlap with itself for ever; after this many
/// times the longest needle it is replaced as far as it is there.
const LONGEST_WAIT: usize = 16;

/// Occurrences that overlap, as one.
struct Span {
    start: usize,
    end: usize,
    /// The first and longest of them says what to put there.
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
