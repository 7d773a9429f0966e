//! A request to a model, from what it may use up to what it has.

use std::sync::Arc;

use bytes::Bytes;
use gate::audit::Tokens;
use gate::{Case, Gate};
use http::{HeaderMap, StatusCode};
use policies::{Code, Permit, Refusal};
use scan::Watchlist;

use super::{BYTES_A_TOKEN, Reader, asked};
use crate::ports::Meter;
use crate::room::{SMALL, aside};

/// Holds what a request may use up, until its answer has said what it did.
pub(crate) struct Metered {
    meter: Arc<dyn Meter>,
    gate: Arc<Gate>,
    hold: u64,
    reserved: Tokens,
    /// How many bytes were sent, where they are there as a whole.
    sent: u64,
    answer: Answer,
    /// What must not stand in the log, be it as the name of a model.
    watched: Arc<Watchlist>,
}

enum Answer {
    /// There is none, or one that costs nothing.
    Free,
    Read(Box<Reader>),
    /// It cannot be read.
    Packed,
}

impl Metered {
    /// Takes what a request to a model may use up out of what its group has left. `body`: the whole of it, where it
    /// is there, as it is where the group's limits bind.
    pub(crate) async fn reserve(
        gate: &Arc<Gate>,
        meter: &Arc<dyn Meter>,
        (case, watched): (&Case, &Arc<Watchlist>),
        body: Option<&Bytes>,
    ) -> Result<Self, Refusal> {
        let limits = *case.policy().limits();
        let mut reserved = match body.map(read) {
            Some(None) if limits.bind_models() => return Err(unreadable()),
            reserved => reserved.flatten().unwrap_or_default(),
        };
        reserved.model = shown(watched, reserved.model);
        let sent = body.map_or(0, |body| body.len() as u64);
        let (meter, gate, watched) = (meter.clone(), gate.clone(), watched.clone());
        let hold = meter.reserve(&gate.who().group, &limits, &reserved).await?;
        Ok(Metered { meter, gate, hold, reserved, sent, answer: Answer::Free, watched })
    }

    /// What it may come to, for the log.
    pub(crate) fn reserved(&self) -> &Tokens {
        &self.reserved
    }

    /// The head of its answer. `opened`: what it is packed with is undone.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap, opened: bool) {
        if status.is_success() {
            self.answer = Reader::of(headers, opened).map_or(Answer::Packed, |reader| Answer::Read(Box::new(reader)));
        }
    }

    /// Reads the next piece of its answer. Refused: the group has nothing left, and the stream ends.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let Answer::Read(reader) = &mut self.answer else { return Ok(()) };
        if !reader.push(piece) {
            return Ok(());
        }
        let Some(so_far) = reader.so_far() else { return Ok(()) };
        let limits = *self.gate.policy_now().limits();
        let tokens = self.named(so_far);
        self.meter.goes_on(&self.gate.who().group, &limits, self.hold, &tokens)
    }

    /// By the name that the host gives its model, or else that of the request.
    fn named(&self, tokens: Tokens) -> Tokens {
        let tokens = with_what_was_sent(tokens, self.sent);
        let model = shown(&self.watched, tokens.model).or_else(|| self.reserved.model.clone());
        Tokens { model, ..tokens }
    }

    /// What it came to.
    pub(crate) fn used(&self) -> Option<Tokens> {
        match &self.answer {
            Answer::Free => None,
            Answer::Packed => Some(self.reserved.clone()),
            Answer::Read(reader) => reader.so_far().map(|tokens| self.named(tokens)),
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.settle(&self.gate.who().group, self.hold, self.used().as_ref());
    }
}

/// An answer that says nothing of what was read counts that by its bytes, as what it has written.
fn with_what_was_sent(tokens: Tokens, sent: u64) -> Tokens {
    match tokens.estimated && tokens.input + tokens.cache_read + tokens.cache_write == 0 {
        true => Tokens { input: sent.div_ceil(BYTES_A_TOKEN), ..tokens },
        false => tokens,
    }
}

fn shown(watched: &Watchlist, model: Option<String>) -> Option<String> {
    model.filter(|model| watched.find_in(model.as_bytes()).is_none())
}

fn read(body: &Bytes) -> Option<Tokens> {
    if body.len() > SMALL { aside(|| asked::read(body)) } else { asked::read(body) }
}

fn unreadable() -> Refusal {
    let why = "what the group's models may use up is limited, and this request does not say in JSON what it may take; \
               the owner can lift the limits on tokens and money in [limits]";
    Refusal::new(Code::BodyUnreadable, why)
}

/// What models say over a WebSocket is not counted: where that is limited, none is opened.
pub(crate) fn refuse_uncounted(case: &Case, permit: &Permit) -> Result<(), Refusal> {
    if !permit.model() || !case.policy().limits().bind_models() {
        return Ok(());
    }
    let why = "what the group's models may use up is limited, and over a WebSocket it cannot be counted; the owner can \
               lift the limits on tokens and money in [limits]";
    Err(Refusal::new(Code::UsedUp, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that never tells its counts is not free for what was sent.
    #[test]
    fn what_was_sent_counts_where_no_answer_says_what_was_read() {
        let told = |input, estimated| Tokens { input, output: 5, estimated, ..Tokens::default() };
        assert_eq!(with_what_was_sent(told(0, true), 800_001).input, 200_001);
        assert_eq!(with_what_was_sent(told(7, true), 800_001).input, 7);
        assert_eq!(with_what_was_sent(told(0, false), 800_001).input, 0);
    }
}
