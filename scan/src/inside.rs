//! What a body that goes out holds: each depth of it goes through a leak check of its own,
//! and what was not looked at yet waits.

use bytes::Bytes;

use super::check::{Check, Stop};
use super::watchlist::Finding;
use crate::packed::{Look, Queue, Unreadable};

/// A look into one body.
pub(super) struct Inside {
    look: Look,
    /// For each depth one.
    checks: Vec<Check>,
    waiting: Queue,
}

impl Inside {
    pub(super) fn new(look: Look) -> Self {
        Inside { look, checks: Vec::new(), waiting: Queue::default() }
    }

    /// Looks into the next bytes, or the end. `check` makes that of another depth.
    pub(super) fn look(
        &mut self,
        chunk: &[u8],
        last: bool,
        check: &dyn Fn() -> Check,
        noted: &mut Vec<Finding>,
    ) -> Result<(), Stop> {
        let checks = &mut self.checks;
        let mut stopped = Ok(());
        let mut sink = |depth: usize, bytes: &[u8]| {
            checks.resize_with(checks.len().max(depth), check);
            stopped = checks[depth - 1].next(Bytes::copy_from_slice(bytes), false).map(drop);
            // The reason is the check's.
            if stopped.is_ok() { Ok(()) } else { Err(Unreadable::Broken) }
        };
        let mut looked = self.look.push(chunk, &mut sink);
        if last && looked.is_ok() {
            looked = self.look.finish(&mut sink);
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

    /// Takes bytes that may go on for all that they are, and gives out those that were
    /// looked into.
    pub(super) fn pass(&mut self, text: Bytes, last: bool) -> Result<Bytes, Stop> {
        self.waiting.push(text);
        if last {
            return Ok(self.waiting.rest());
        }
        let looked = self.waiting.up_to(self.look.digested(&|_| 0));
        if self.waiting.is_too_long() { Err(Stop::Unreadable(Unreadable::Wide)) } else { Ok(looked) }
    }

    /// How many bytes wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.held()
    }

    /// Whether these bytes, which come next, are unpacked: it takes memory, and time.
    pub(super) fn unpacks(&self, chunk: &[u8]) -> bool {
        self.look.would_unpack(chunk)
    }
}
