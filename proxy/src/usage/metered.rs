//! A request to a model, from the reservation to the actual use.

use std::sync::Arc;

use bytes::Bytes;
use gate::audit::Tokens;
use gate::{Case, Gate, Tally};
use http::{HeaderMap, StatusCode};
use policies::{Code, Path, Permit, Refusal};
use scan::Watchlist;

use super::{Reader, asked};
use crate::ports::Meter;
use crate::room::{SMALL, aside};

/// Holds the reservation for a request until its answer has stated the actual use.
pub(crate) struct Metered {
    meter: Arc<dyn Meter>,
    gate: Arc<Gate>,
    /// Until it is settled.
    hold: Option<u64>,
    reserved: Tokens,
    answer: Answer,
    /// What must not be logged, even as the name of a model.
    watched: Arc<Watchlist>,
}

enum Answer {
    /// No answer yet. If the request was sent and abandoned, its prompt counts.
    Awaited(Option<Arc<Tally>>),
    /// It costs nothing.
    Free,
    Read(Box<Reader>),
    /// It cannot be read.
    Packed,
}

impl Metered {
    /// Reserves what a request to a model may use from what its group has left. `body`: the
    /// complete body, if available, as it is if the group's limits apply.
    pub(crate) async fn reserve(
        gate: &Arc<Gate>,
        meter: &Arc<dyn Meter>,
        (case, path, watched): (&Case, &Path, &Arc<Watchlist>),
        body: Option<&Bytes>,
    ) -> Result<Self, Refusal> {
        let limits = *case.policy().limits();
        let mut reserved = match body.map(read) {
            Some(None) if limits.bind_models() => return Err(unreadable()),
            reserved => reserved.flatten().unwrap_or_default(),
        };
        reserved.model = shown(watched, asked::in_path(path.as_str()).or(reserved.model));
        let (meter, gate, watched) = (meter.clone(), gate.clone(), watched.clone());
        let hold = meter.reserve(&gate.who().group, &limits, &reserved).await?;
        let hold = Some(hold);
        Ok(Metered { meter, gate, hold, reserved, answer: Answer::Awaited(None), watched })
    }

    /// It is about to be sent.
    pub(crate) fn goes_out(&mut self, tally: &Arc<Tally>) {
        self.answer = Answer::Awaited(Some(tally.clone()));
    }

    /// The most that it may use, for the log.
    pub(crate) fn reserved(&self) -> &Tokens {
        &self.reserved
    }

    /// The head of its answer. `opened`: its coding is undone.
    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap, opened: bool) {
        self.answer = match Reader::of(headers, opened) {
            _ if !status.is_success() => Answer::Free,
            Some(reader) => Answer::Read(Box::new(reader)),
            None => Answer::Packed,
        };
    }

    /// Reads the next piece of its answer. Refused: the group has nothing left, and the stream ends.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Refusal> {
        let Answer::Read(reader) = &mut self.answer else { return Ok(()) };
        if !reader.push(piece) {
            return Ok(());
        }
        let Some(so_far) = reader.so_far() else { return Ok(()) };
        let Some(hold) = self.hold else { return Ok(()) };
        let limits = *self.gate.policy_now().limits();
        let tokens = self.named(so_far);
        self.meter.goes_on(&self.gate.who().group, &limits, hold, &tokens)
    }

    /// With the host's name for the model, or else the request's: also if only the latter has a
    /// price, because what was reserved at a price is charged at one.
    fn named(&self, tokens: Tokens) -> Tokens {
        let tokens = with_the_prompt(tokens, &self.reserved);
        let asked = self.reserved.model.as_deref().filter(|model| self.meter.has_price(model));
        let told = shown(&self.watched, tokens.model);
        let told = told.filter(|told| asked.is_none() || self.meter.has_price(told));
        let model = told.or_else(|| self.reserved.model.clone());
        Tokens { model, ..tokens }
    }

    /// The actual use. `whole`: the answer was read to its end.
    fn used(&self, whole: bool) -> Option<Tokens> {
        let prompt = || (self.reserved.input > 0).then(|| Tokens { output: 0, ..self.reserved.clone() });
        match &self.answer {
            Answer::Awaited(Some(tally)) if tally.is_sent() => prompt(),
            Answer::Awaited(_) | Answer::Free => None,
            Answer::Packed => Some(self.reserved.clone()),
            Answer::Read(reader) => match reader.so_far() {
                Some(tokens) => Some(self.named(tokens)),
                None if whole => None,
                None => prompt(),
            },
        }
    }

    /// Its answer is over; returns the actual use.
    pub(crate) fn ends(mut self, whole: bool) -> Option<Tokens> {
        let used = self.used(whole);
        self.settle(used.as_ref());
        used
    }

    fn settle(&mut self, used: Option<&Tokens>) {
        if let Some(hold) = self.hold.take() {
            self.meter.settle(&self.gate.who().group, hold, used);
        }
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let used = self.used(false);
        if let Answer::Awaited(Some(tally)) = &self.answer {
            tally.note(|outcome| outcome.tokens.clone_from(&used));
        }
        self.settle(used.as_ref());
    }
}

/// If an answer does not state the input, the reserved amount counts.
fn with_the_prompt(tokens: Tokens, reserved: &Tokens) -> Tokens {
    match tokens.estimated && tokens.input + tokens.cache_read + tokens.cache_write == 0 {
        true => Tokens { input: reserved.input, ..tokens },
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

/// What models say over a WebSocket is not counted: if that is limited, none is opened.
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

    /// A stream that never states its counts is not free for what was sent.
    #[test]
    fn what_was_sent_counts_where_no_answer_says_what_was_read() {
        let told = |input, estimated| Tokens { input, output: 5, estimated, ..Tokens::default() };
        let reserved = told(200_001, true);
        assert_eq!(with_the_prompt(told(0, true), &reserved).input, 200_001);
        assert_eq!(with_the_prompt(told(7, true), &reserved).input, 7);
        assert_eq!(with_the_prompt(told(0, false), &reserved).input, 0);
    }
}
