//! The leak check of messages going up: each by itself, because it may be an archive, and across
//! several.

use bytes::Bytes;

use super::Open;
use crate::room::{SMALL, aside};
use scan::{Borders, LeakFilter, Stop};

/// How much at both ends of a message may belong to a value in its neighbours. Anything longer is
/// not searched a second time.
const BORDER: usize = 64 << 10;

/// The check of one WebSocket.
pub(super) struct Checks<'a> {
    open: &'a Open,
    /// Finds a value that is split over messages when the last of them completes it.
    across: Option<LeakFilter>,
    /// The same across pings, pongs and close messages: a reader of the messages does not see these
    /// between the pieces of a value, and they may contain pieces of their own.
    control: Option<LeakFilter>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(open: &'a Open) -> Self {
        Checks { open, across: across(open), control: across(open) }
    }

    /// `control`: whether it is apart from the text of the messages.
    pub(super) async fn check(&mut self, text: Bytes, control: bool) -> Result<(), Stop> {
        let alone = leak_filter(self.open);
        if text.len() <= SMALL && !alone.as_ref().is_some_and(|filter| filter.unpacks(&text)) {
            return self.look_into(alone, &text, control);
        }
        // None if the door is shut, and then all of this ends.
        let _room = self.open.rooms.unpacked.acquire().await.ok();
        aside(|| self.look_into(alone, &text, control))
    }

    fn look_into(&mut self, alone: Option<LeakFilter>, text: &Bytes, control: bool) -> Result<(), Stop> {
        if let Some(mut alone) = alone {
            alone.push_last(text.clone())?;
        }
        if control {
            return join(&mut self.control, text.clone());
        }
        if text.len() <= 2 * BORDER {
            return join(&mut self.across, text.clone());
        }
        join(&mut self.across, text.slice(..BORDER))?;
        self.across = across(self.open);
        join(&mut self.across, text.slice(text.len() - BORDER..))
    }
}

fn join(filter: &mut Option<LeakFilter>, text: Bytes) -> Result<(), Stop> {
    filter.as_mut().map_or(Ok(None), |filter| filter.push(text)).map(drop)
}

fn across(open: &Open) -> Option<LeakFilter> {
    leak_filter(open).map(|filter| filter.as_it_comes().within(Borders::Pieces))
}

/// By the present state: a WebSocket outlives many policies and secrets.
fn leak_filter(open: &Open) -> Option<LeakFilter> {
    open.keeper.leak_filter_now(open.audited.permit(), open.gate.policy_now().blocks_lookalikes())
}
