//! Looks into packed files within an answer for the secrets that are removed everywhere else.
//! Nothing can be removed from a file, so one that contains a secret ends the answer before the
//! bytes that would complete it.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use policies::{Code, Refusal};

use crate::charset;
use crate::readable::{self, Reading};
use scan::Scrubber;
use scan::packed::{Look, Piece, Queue, Unpacker, Unreadable};

/// The most of a packed answer that is held.
const HELD: usize = 8 << 20;

/// The inspection of one answer.
pub(crate) struct Opened {
    /// Undoes the answer's codings, before anything else is done.
    unpacker: Option<Unpacker>,
    /// Holds an answer that its host packed for the request until its end: the time of each piece
    /// would show how well it packed, and so whether the sandbox's own words repeat a secret in it.
    held: Option<BytesMut>,
    /// Gone once nothing more can be read and the policy allows that.
    look: Option<Look>,
    /// The secrets searched for, in the body itself and at each depth below.
    pattern: Scrubber,
    depths: Vec<Depth>,
    /// How many bytes were inspected, and the ranges in which files begin that were not yet reported.
    came: u64,
    begun: Vec<Range<u64>>,
    waiting: Queue,
    /// The beginning of the text, until its charset is known.
    start: Option<Vec<u8>>,
    is_html: bool,
    opaque: bool,
}

impl Opened {
    /// `pattern`: the secrets to search for.
    pub(crate) fn new(reading: Reading, pattern: &Scrubber) -> Self {
        let Reading { unpacker, look, is_html, opaque } = reading;
        let held = (unpacker.is_some() && !opaque).then(BytesMut::new);
        Opened {
            unpacker,
            held,
            look,
            pattern: pattern.anew(),
            depths: Vec::new(),
            came: 0,
            begun: Vec::new(),
            waiting: Queue::default(),
            start: (!opaque).then(Vec::new),
            is_html,
            opaque,
        }
    }

    /// Takes the next bytes and returns those that were inspected.
    pub(crate) fn push(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        let data = match &mut self.unpacker {
            Some(unpacker) => unpacker.push(&data).map_err(readable::packed)?.into(),
            None => data,
        };
        let seen = self.see(data)?;
        let Some(held) = &mut self.held else { return Ok(seen) };
        if held.len() + seen.len() > HELD {
            return Err(readable::packed_long());
        }
        held.extend_from_slice(&seen);
        Ok(Bytes::new())
    }

    /// Ends the answer: returns the bytes that waited.
    pub(crate) fn finish(&mut self) -> Result<Bytes, Refusal> {
        let rest = match &mut self.unpacker {
            Some(unpacker) => unpacker.finish().map_err(readable::packed)?.into(),
            None => Bytes::new(),
        };
        let seen = self.see(rest)?;
        self.read_start(&[], true)?;
        self.look(&[], true)?;
        let held = self.held.take().unwrap_or_default();
        let rest = self.waiting.rest();
        Ok(if held.is_empty() && seen.is_empty() { rest } else { [&held[..], &seen, &rest].concat().into() })
    }

    /// Whether it unpacks anything, which takes time.
    pub(crate) fn unpacks(&self) -> bool {
        self.unpacker.is_some() || self.look.as_ref().is_some_and(Look::unpacks)
    }

    /// Whether it takes megabytes, however little arrives.
    pub(crate) fn is_large(&self) -> bool {
        self.held.is_some()
            || self.unpacker.as_ref().is_some_and(Unpacker::is_large)
            || self.look.as_ref().is_some_and(Look::is_large)
    }

    /// The ranges of the output in which files have begun since the last call.
    pub(crate) fn begun(&mut self) -> impl Iterator<Item = Range<u64>> {
        self.begun.drain(..)
    }

    fn see(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        self.read_start(&data, false)?;
        self.look(&data, false)?;
        self.waiting.push(data);
        let depths = &self.depths;
        let held = |depth: usize| depths.get(depth - 1).map_or(0, |depth| depth.scrubber.held() as u64);
        let Some(look) = &mut self.look else { return Ok(self.waiting.rest()) };
        let looked = self.waiting.up_to(look.digested(&held));
        if self.waiting.is_too_long() {
            self.unreadable(Unreadable::Wide)?;
        }
        Ok(looked)
    }

    fn look(&mut self, data: &[u8], last: bool) -> Result<(), Refusal> {
        let Some(look) = &mut self.look else { return Ok(()) };
        let (depths, pattern, opaque) = (&mut self.depths, &self.pattern, self.opaque);
        let (mut found, mut begun, mut charset) = (false, false, None);
        let mut sink = |depth: usize, piece: Piece<'_>| {
            depths.resize_with(depths.len().max(depth), || Depth::new(pattern.anew()));
            let bytes = match piece {
                Piece::Begins => {
                    depths[depth - 1].begin();
                    let stands = (1..depth).rev().find(|above| depths[above - 1].unpacked).unwrap_or(0);
                    begun |= stands == 0;
                    depths.iter_mut().take(depth).skip(stands.saturating_sub(1)).for_each(Depth::holds_another);
                    return Ok(());
                }
                Piece::Within(bytes) | Piece::Unpacked(bytes) => bytes,
            };
            let Depth { scrubber, text, unpacked } = &mut depths[depth - 1];
            charset = text.read(bytes).filter(|_| !opaque);
            if charset.is_some() {
                return Err(Unreadable::Broken);
            }
            if let Piece::Unpacked(bytes) = piece {
                *unpacked = true;
                // A stream without boundaries contains nothing in pieces.
                found = scrubber.push(Bytes::copy_from_slice(bytes)).is_err() || scrubber.count() > 0;
            }
            if found { Err(Unreadable::Broken) } else { Ok(()) }
        };
        let mut looked = look.push(data, &mut sink);
        if last && looked.is_ok() {
            looked = look.finish(&mut sink);
        }
        if last && !found {
            for Depth { scrubber, .. } in depths {
                found |= scrubber.finish().is_err() || scrubber.count() > 0;
            }
        }
        let before = self.came;
        self.came += data.len() as u64;
        if begun {
            self.begun.push(before..self.came);
        }
        if let Some(name) = charset {
            return Err(readable::in_charset(&name));
        }
        if found {
            return Err(holds_a_secret());
        }
        looked.or_else(|why| self.unreadable(why))
    }

    fn unreadable(&mut self, why: Unreadable) -> Result<(), Refusal> {
        if !self.opaque {
            return Err(readable::closed(why));
        }
        self.look = None;
        Ok(())
    }

    fn read_start(&mut self, data: &[u8], last: bool) -> Result<(), Refusal> {
        let Some(start) = &mut self.start else { return Ok(()) };
        let room = charset::ENOUGH - start.len();
        start.extend_from_slice(&data[..data.len().min(room)]);
        if let Some(name) = charset::in_text(start, self.is_html, last) {
            return Err(readable::in_charset(&name));
        }
        if last || start.len() == charset::ENOUGH {
            self.start = None;
        }
        Ok(())
    }
}

/// The state of one depth, file by file.
struct Depth {
    scrubber: Scrubber,
    text: Text,
    /// Whether it was unpacked, or is contained as it is in the depth above.
    unpacked: bool,
}

impl Depth {
    fn new(scrubber: Scrubber) -> Self {
        Depth { scrubber, text: Text::default(), unpacked: false }
    }

    /// Another file begins.
    fn begin(&mut self) {
        (self.text, self.unpacked) = (Text::default(), false);
    }

    /// Another file begins inside this one.
    fn holds_another(&mut self) {
        self.scrubber.begins();
    }
}

/// The charset of a file's text, if it declares one.
#[derive(Default)]
struct Text {
    /// As much of the beginning as is needed, and how much of the whole has arrived.
    start: Vec<u8>,
    came: u64,
    /// A charset in which the scrubber still finds secrets, as long as it looks for disguises.
    wide: Option<String>,
}

impl Text {
    /// The charset, if it is one in which nothing can be found.
    fn read(&mut self, bytes: &[u8]) -> Option<String> {
        self.came += bytes.len() as u64;
        if self.start.len() < charset::ENOUGH && self.wide.is_none() {
            let room = charset::ENOUGH - self.start.len();
            self.start.extend_from_slice(&bytes[..bytes.len().min(room)]);
            let named = charset::in_text(&self.start, false, false)?;
            if !charset::is_wide(&named) {
                return Some(named);
            }
            self.wide = Some(named);
        }
        self.wide.clone().filter(|_| self.came > scan::DISGUISED)
    }
}

fn holds_a_secret() -> Refusal {
    let why = "the answer brought a packed file that holds a real secret, where it cannot be taken off; the rest was \
               withheld, and the owner is told";
    Refusal::new(Code::SecretInAnswer, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use http::header::CONTENT_ENCODING;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use scan::Replacement;

    use super::*;

    fn deflated() -> Opened {
        let headers = HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static("deflate"))]);
        let secret = Replacement { secret: "tk_live_0123456789".to_owned().into(), surrogate: "dw".to_owned().into() };
        Opened::new(readable::by_head(StatusCode::OK, &headers, false).unwrap(), &Scrubber::new(&[secret]))
    }

    /// The time at which a piece arrives would show how well the text packed up to there.
    #[test]
    fn what_was_packed_for_a_request_comes_as_a_whole() {
        let text: Vec<u8> =
            (0..90_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect();
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&text, 6);
        for size in [1_000, 70_000, packed.len()] {
            let mut opened = deflated();
            for piece in packed.chunks(size) {
                assert!(opened.push(Bytes::copy_from_slice(piece)).unwrap().is_empty(), "{size}");
            }
            assert!(opened.finish().unwrap() == text, "{size}");
        }
        let long = miniz_oxide::deflate::compress_to_vec_zlib(&text.repeat(12), 6);
        let mut opened = deflated();
        assert!(long.chunks(9_000).any(|piece| opened.push(Bytes::copy_from_slice(piece)).is_err()), "no bound");
    }
}
