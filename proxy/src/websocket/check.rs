//! The leak check of messages that go up: each by itself, for it may be an archive, and
//! what is written over several.

use bytes::Bytes;

use super::Open;
use crate::room::{SMALL, aside};
use scan::{Borders, LeakFilter, Stop};

/// How much at both ends of a message may belong to what stands in its neighbours as well.
/// What is longer is not looked through a second time.
const BORDER: usize = 64 << 10;

/// The check of one WebSocket.
pub(super) struct Checks<'a> {
    open: &'a Open,
    /// A value that is split over messages is found when the last of them completes it.
    across: Option<LeakFilter>,
    /// The same over pings, pongs and what is said on closing: these part the pieces of a value
    /// for nobody who reads the messages, and may hold pieces of their own.
    control: Option<LeakFilter>,
}

impl<'a> Checks<'a> {
    pub(super) fn new(open: &'a Open) -> Self {
        Checks { open, across: across(open), control: across(open) }
    }

    /// `control`: whether it is beside what the messages say.
    pub(super) async fn check(&mut self, text: Bytes, control: bool) -> Result<(), Stop> {
        let alone = leak_filter(self.open);
        if text.len() <= SMALL && !alone.as_ref().is_some_and(|filter| filter.unpacks(&text)) {
            return self.look_into(alone, &text, control);
        }
        // None where the door is shut, and then all of this ends.
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

/// As things are now: a WebSocket outlives many policies and secrets.
fn leak_filter(open: &Open) -> Option<LeakFilter> {
    open.keeper.leak_filter_now(open.audited.permit(), open.gate.policy_now().blocks_lookalikes())
}
