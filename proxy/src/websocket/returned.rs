//! Messages coming down: each is passed on at once, with what was put on removed.
//!
//! Earlier messages are remembered, so that a secret that a host spreads over several is found when
//! it is complete. It is then too late to remove it, because its beginning is gone: the connection
//! ends, and the host gets no credential from this group any more. Holding back a message that ends
//! like the beginning of a secret is no alternative: the delay would tell the sandbox so, byte by
//! byte (invariant 16).

use policies::{Code, Refusal};
use tokio_tungstenite::tungstenite::Message;

use super::is_control;
use scan::{Borders, InPieces, Scrubber};

/// The messages of one direction.
pub(super) struct Messages {
    said: Scrubber,
    /// For pings, pongs and close messages: a reader of the messages does not see them in between,
    /// and they may contain pieces of their own.
    control: Scrubber,
}

/// Why a message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unscrubbed {
    /// A control frame never needs a secret, and text must stay text.
    Unwritable,
    InPieces,
}

impl From<InPieces> for Unscrubbed {
    fn from(_: InPieces) -> Self {
        Unscrubbed::InPieces
    }
}

impl Unscrubbed {
    /// The refusal, after its consequences.
    pub(super) fn refusal(self, in_pieces: impl FnOnce() -> Refusal) -> Refusal {
        match self {
            Unscrubbed::InPieces => in_pieces(),
            Unscrubbed::Unwritable => {
                let why = "a WebSocket message held a secret that could not be taken off";
                Refusal::new(Code::UpstreamUnreadable, why)
            }
        }
    }
}

impl Messages {
    pub(super) fn new(scrubber: Scrubber) -> Self {
        let stream = || scrubber.anew().within(Borders::Pieces);
        Messages { said: stream(), control: stream() }
    }

    /// How many secrets were removed.
    pub(super) fn count(&self) -> u64 {
        self.said.count() + self.control.count()
    }

    /// The message without any secret.
    pub(super) fn scrub(&mut self, message: Message) -> Result<Message, Unscrubbed> {
        let control = is_control(&message);
        let scrubber = if control { &mut self.control } else { &mut self.said };
        let before = scrubber.count();
        scrubber.begins();
        let clean = scrubber.push(message.clone().into_data())?.unwrap_or_default();
        if scrubber.count() == before {
            return Ok(message);
        }
        match message {
            Message::Text(_) => {
                let text = String::from_utf8(clean.into());
                text.map(Message::text).map_err(|_| Unscrubbed::Unwritable)
            }
            Message::Binary(_) => Ok(Message::Binary(clean)),
            _ => Err(Unscrubbed::Unwritable),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use scan::Replacement;

    const SECRET: &str = "sk-live-0123456789abcdefghij";

    fn messages() -> Messages {
        let replacement =
            Replacement { secret: SECRET.to_owned().into(), surrogate: "sk-live-surrogate".to_owned().into() };
        Messages::new(Scrubber::new(&[replacement]))
    }

    /// A delay would show that it begins like a secret.
    #[test]
    fn no_message_waits_whatever_it_ends_with() {
        let mut messages = messages();
        for end in 0..SECRET.len() {
            let said = Message::text(format!("it is {}", &SECRET[..end]));
            assert_eq!(messages.scrub(said.clone()), Ok(said));
            let ping = Message::Ping(SECRET.as_bytes()[..end].to_vec().into());
            assert_eq!(messages.scrub(ping.clone()), Ok(ping));
            assert!(messages.scrub(Message::text(".")).is_ok() && messages.scrub(Message::Pong("-".into())).is_ok());
        }
        assert_eq!(messages.count(), 0);
    }

    #[test]
    fn a_whole_secret_is_taken_off_where_it_stands() {
        let mut messages = messages();
        for _ in 0..2 {
            let clean = messages.scrub(Message::text(format!("key: {SECRET}"))).unwrap();
            assert_eq!(clean, Message::text("key: sk-live-surrogate"));
        }
        assert_eq!(messages.scrub(Message::Ping(SECRET.into())), Err(Unscrubbed::Unwritable));
    }

    /// Earlier messages do not affect what is found in a message.
    #[test]
    fn a_disguise_is_found_in_every_message() {
        let mut messages = messages();
        let spaced: String = SECRET.chars().flat_map(|letter| [letter, ' ']).collect();
        for _ in 0..3 {
            let clean = messages.scrub(Message::text(format!("key:\n{spaced}\n"))).unwrap();
            assert!(!clean.to_text().unwrap().contains("s k - l i v e - 0 1 2 3"), "{clean:?}");
            messages.scrub(Message::text("talk\n".repeat(250_000))).unwrap();
        }
        assert_eq!(messages.count(), 3);
    }

    #[test]
    fn the_piece_that_completes_a_secret_ends_it_however_it_is_cut() {
        for size in 1..SECRET.len() {
            for control in [false, true] {
                let mut messages = messages();
                let last = (SECRET.len() - 1) / size;
                for (index, piece) in SECRET.as_bytes().chunks(size).enumerate() {
                    let piece = piece.to_vec();
                    let piece = if control { Message::Pong(piece.into()) } else { Message::binary(piece) };
                    let scrubbed = messages.scrub(piece.clone());
                    let wanted = if index == last { Err(Unscrubbed::InPieces) } else { Ok(piece) };
                    assert_eq!(scrubbed, wanted, "pieces of {size}, {index}");
                    // A message of the other kind in between separates nothing.
                    let other = if control { Message::text("17") } else { Message::Ping("17".into()) };
                    assert!(messages.scrub(other).is_ok());
                }
            }
        }
    }
}
