//! The library's reports about the connection, in the terms of the protocol.

use std::sync::Arc;

use channel_protocol::ChannelState;
use tokio::sync::mpsc;
use whatsapp_rust::types::events::{ConnectFailureReason, Event, EventHandler, EventInterest, EventKind};

/// A change of the connection's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) state: ChannelState,
    pub(crate) detail: String,
}

impl Change {
    pub(crate) fn new(state: ChannelState, detail: impl Into<String>) -> Self {
        Change { state, detail: detail.into() }
    }

    /// Whether only a person can change it again.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self.state, ChannelState::Connecting | ChannelState::Connected)
    }
}

/// The detail while nothing is wrong.
pub(crate) const CONNECTED: &str = "connected";

/// The detail without an account.
pub(crate) const NOT_LINKED: &str = "not linked to a WhatsApp account; run `doorward whatsapp link`";

/// Reports changes.
pub(crate) struct Reporter(pub(crate) mpsc::UnboundedSender<Change>);

impl EventHandler for Reporter {
    fn handle_event(&self, event: Arc<Event>) {
        if let Some(change) = change(&event) {
            let _ = self.0.send(change);
        }
    }

    fn interest(&self) -> EventInterest {
        EventInterest::of(&[
            EventKind::Connected,
            EventKind::Disconnected,
            EventKind::LoggedOut,
            EventKind::StreamReplaced,
            EventKind::ClientOutdated,
            EventKind::TemporaryBan,
            EventKind::ConnectFailure,
        ])
    }
}

fn change(event: &Event) -> Option<Change> {
    Some(match event {
        Event::Connected(_) => Change::new(ChannelState::Connected, CONNECTED),
        Event::Disconnected(_) => {
            Change::new(ChannelState::Connecting, "the connection to WhatsApp broke; trying again")
        }
        Event::LoggedOut(out) if out.reason == ConnectFailureReason::AccountLocked => {
            Change::new(ChannelState::Banned, "WhatsApp has locked this account; open WhatsApp on the phone to see why")
        }
        Event::LoggedOut(_) => Change::new(
            ChannelState::LoggedOut,
            "the phone has unlinked this computer; run `doorward whatsapp link` to link it again",
        ),
        Event::StreamReplaced(_) => Change::new(
            ChannelState::Replaced,
            "another program uses the same WhatsApp keys, a copy of this folder perhaps; end one of the two, \
             then restart Doorward",
        ),
        Event::ClientOutdated(_) => Change::new(
            ChannelState::Outdated,
            "WhatsApp wants a newer client; update Doorward (your link stays as it is)",
        ),
        Event::TemporaryBan(ban) => Change::new(
            ChannelState::Banned,
            format!(
                "WhatsApp has banned this account for {} hours: {}",
                ban.expire.num_seconds().max(0).div_euclid(3600).saturating_add(1),
                ban.code
            ),
        ),
        Event::ConnectFailure(failure) if failure.reason.should_reconnect() => {
            Change::new(ChannelState::Connecting, "WhatsApp is not available right now; trying again")
        }
        Event::ConnectFailure(failure) => Change::new(
            ChannelState::Failed,
            format!("WhatsApp refuses the connection ({:?}); restart Doorward to try again", failure.reason),
        ),
        _ => return None,
    })
}
