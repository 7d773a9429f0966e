//! Messages on their way down that end with the beginning of a secret: they wait until
//! the next one says whether it goes on. A secret in pieces cannot be taken off without
//! writing messages that the host never sent, so it ends the connection.
//!
//! What it cannot hold: a beginning shorter than [`SHORTEST`] bytes. Any message may end
//! with one by chance, and one side may wait for the other's answer to it.

use std::collections::VecDeque;

use bytes::Bytes;
use policies::Refusal;
use tokio_tungstenite::tungstenite::Message;

use super::unscrubbed;
use crate::scan::{SHORTEST, Scrubber};

/// So many messages wait at most: those behind the first are pieces of one secret.
const MOST: usize = 64;

/// The messages of one direction, as one text.
pub(super) struct Waiting {
    text: Scrubber,
    /// Each with where it ends in the text.
    messages: VecDeque<(u64, Message)>,
    length: u64,
}

impl Waiting {
    /// `text`: looks for the same as what scrubs each message alone.
    pub(super) fn new(text: Scrubber) -> Self {
        Waiting { text, messages: VecDeque::new(), length: 0 }
    }

    /// Takes a message in that holds no secret by itself, and gives those out that are decided.
    pub(super) fn push(&mut self, message: Message) -> Result<Vec<Message>, Refusal> {
        let last = message.is_close();
        // A ping between two pieces parts them for nobody who reads the messages.
        let control = message.is_ping() || message.is_pong();
        let data = if control { Bytes::new() } else { message.clone().into_data() };
        self.length += data.len() as u64;
        self.messages.push_back((self.length, message));
        self.text.push(data);
        if last {
            return self.finish();
        }
        let held = if self.text.held() < SHORTEST { 0 } else { self.text.held() as u64 };
        self.decided(self.length - held)
    }

    /// Nothing more comes: what waits is no secret.
    pub(super) fn finish(&mut self) -> Result<Vec<Message>, Refusal> {
        self.text.finish();
        self.decided(self.length)
    }

    fn decided(&mut self, until: u64) -> Result<Vec<Message>, Refusal> {
        let many = self.messages.iter().take_while(|(end, _)| *end <= until).count();
        let decided = self.messages.drain(..many).map(|(_, message)| message).collect();
        if self.text.count() > 0 || self.messages.len() > MOST {
            return Err(unscrubbed());
        }
        Ok(decided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::Replacement;

    const SECRET: &str = "sk-live-0123456789abcdefghij";

    fn waiting() -> Waiting {
        let replacement =
            Replacement { secret: SECRET.to_owned().into(), surrogate: "sk-live-surrogate".to_owned().into() };
        Waiting::new(Scrubber::new(&[replacement]))
    }

    fn texts(messages: Result<Vec<Message>, Refusal>) -> Vec<String> {
        messages.expect("no secret").into_iter().map(|message| message.to_string()).collect()
    }

    #[test]
    fn what_begins_a_secret_waits_and_goes_on_if_it_is_none() {
        let mut waiting = waiting();
        assert_eq!(texts(waiting.push(Message::text("it ends with s"))), ["it ends with s"]);
        assert!(texts(waiting.push(Message::text("my key is sk-live-012"))).is_empty());
        assert!(texts(waiting.push(Message::Ping("17".into()))).is_empty());
        assert_eq!(texts(waiting.push(Message::text(", or so"))).len(), 3);
        assert!(texts(waiting.push(Message::text("sk-live-012"))).is_empty());
        assert_eq!(texts(waiting.push(Message::Close(None))).len(), 2);
    }

    #[test]
    fn no_piece_of_a_secret_behind_its_first_few_bytes_gets_through() {
        for size in 1..SECRET.len() {
            let mut waiting = waiting();
            let mut out = String::new();
            let pieces = SECRET.as_bytes().chunks(size).map(|piece| Message::binary(piece.to_vec()));
            let stopped = pieces.into_iter().any(|piece| {
                let decided =
                    waiting.push(piece).and_then(|some| Ok((some, waiting.push(Message::Ping("17".into()))?)));
                let Ok((some, more)) = decided else { return true };
                let told = some.iter().chain(&more).filter(|message| !message.is_ping());
                told.for_each(|message| out += &message.to_string());
                false
            });
            assert!(stopped && out.len() < SHORTEST, "pieces of {size}: {out:?}");
        }
    }

    #[test]
    fn a_beginning_without_end_is_not_kept_for_ever() {
        let mut waiting = waiting();
        waiting.push(Message::text("sk-live-")).expect("the beginning alone");
        assert!((0..=MOST).any(|_| waiting.push(Message::text("")).is_err()));
    }
}
