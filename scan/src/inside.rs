//! The contents of an outgoing body: each depth goes through a leak check of its own, and bytes
//! that were not looked into yet wait.

use bytes::Bytes;

use super::check::{Check, Stop};
use super::watchlist::Finding;
use crate::packed::{Look, Piece, Queue, Unreadable};

/// A look into one body.
pub(super) struct Inside {
    look: Look,
    /// One for each depth.
    checks: Vec<Check>,
    /// For each depth, whether its bytes were unpacked; otherwise they stand as they are in the
    /// level above.
    unpacked: Vec<bool>,
    waiting: Queue,
    /// Whether a file began in the body itself and was not reported yet.
    begun: bool,
}

impl Inside {
    pub(super) fn new(look: Look) -> Self {
        Inside { look, checks: Vec::new(), unpacked: Vec::new(), waiting: Queue::default(), begun: false }
    }

    /// Looks into the next bytes, or the end. `check` makes the check of a new depth.
    pub(super) fn look(
        &mut self,
        chunk: &[u8],
        last: bool,
        check: &dyn Fn() -> Check,
        noted: &mut Vec<Finding>,
    ) -> Result<(), Stop> {
        let Inside { look, checks, unpacked, begun, .. } = self;
        let mut stopped = Ok(());
        let mut sink = |depth: usize, piece: Piece<'_>| {
            unpacked.resize(unpacked.len().max(depth), false);
            let bytes = match piece {
                Piece::Unpacked(bytes) => bytes,
                // It is searched where it stands.
                Piece::Within(_) => return Ok(()),
                Piece::Begins => {
                    unpacked[depth - 1] = false;
                    let stands = (1..depth).rev().find(|above| unpacked[above - 1]).unwrap_or(0);
                    *begun |= stands == 0;
                    checks.iter_mut().take(depth).skip(stands.saturating_sub(1)).for_each(Check::begins);
                    return Ok(());
                }
            };
            unpacked[depth - 1] = true;
            checks.resize_with(checks.len().max(depth), check);
            stopped = checks[depth - 1].next(Bytes::copy_from_slice(bytes), false).map(drop);
            // The reason is the check's.
            if stopped.is_ok() { Ok(()) } else { Err(Unreadable::Broken) }
        };
        let mut looked = look.push(chunk, &mut sink);
        if last && looked.is_ok() {
            looked = look.finish(&mut sink);
        }
        stopped?;
        looked.map_err(Stop::Unreadable)?;
        for check in &mut self.checks {
            if last {
                check.next(Bytes::new(), true)?;
            }
            check.hand_over(noted);
        }
        Ok(())
    }

    /// Takes bytes that passed the body's own check, and returns those that were looked into.
    pub(super) fn pass(&mut self, text: Bytes, last: bool) -> Result<Bytes, Stop> {
        self.waiting.push(text);
        if last {
            return Ok(self.waiting.rest());
        }
        let looked = self.waiting.up_to(self.look.digested(&|_| 0));
        if self.waiting.is_too_long() { Err(Stop::Unreadable(Unreadable::Wide)) } else { Ok(looked) }
    }

    /// Whether a file began in the body since the last call.
    pub(super) fn has_begun(&mut self) -> bool {
        std::mem::take(&mut self.begun)
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.held()
    }

    /// Whether the next bytes will be unpacked, which takes memory and time.
    pub(super) fn unpacks(&self, chunk: &[u8]) -> bool {
        self.look.would_unpack(chunk)
    }
}
