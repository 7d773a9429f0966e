//! Decisions that are committed together. A commit costs ten times what a row in it
//! does, so who hands a decision in gives way once: others that are ready hand in theirs,
//! and whoever comes back first commits for all.
//!
//! What it is: a queue, and a promise to each who waits in it. What it is not: a buffer.
//! Nobody goes on before the commit that holds their decision.

use std::sync::{Arc, Mutex};

use proxy::audit::{LedgerDown, Outcome, Seq};

use super::writer::Event;
use super::{Shared, down, lock};

/// Decisions that were handed in and are not stored yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Together(Mutex<Vec<Arc<Place>>>);

/// What became of a decision that was handed in.
type Place = Mutex<State>;

#[derive(Debug)]
enum State {
    Waits(Event),
    IsWritten,
    Stored(Result<Seq, LedgerDown>),
    /// Whoever handed it in has gone, or has been told.
    Left,
}

/// The right to hear what became of a decision. Dropped before: a decision that was not
/// written yet never is, and of one that was, the log hears that nothing came of it.
pub(super) struct HandedIn<'a> {
    shared: &'a Shared,
    place: Arc<Place>,
}

impl Shared {
    pub(super) fn hand_in(&self, event: Event) -> HandedIn<'_> {
        let place = Arc::new(Mutex::new(State::Waits(event)));
        lock(&self.together.0).push(place.clone());
        HandedIn { shared: self, place }
    }

    /// Commits all that was handed in so far.
    fn commit_together(&self) {
        let mut writer = lock(&self.writer);
        let mut events = Vec::new();
        let mut places = std::mem::take(&mut *lock(&self.together.0));
        places.retain(|place| {
            let mut state = lock(place);
            match std::mem::replace(&mut *state, State::Left) {
                State::Waits(event) => {
                    *state = State::IsWritten;
                    events.push(event);
                    true
                }
                _ => false,
            }
        });
        if events.is_empty() {
            return;
        }
        let appended = writer.append(events);
        let last = self.after(&mut writer, appended).map_err(down);
        for (behind, place) in places.iter().rev().enumerate() {
            let stored = last.clone().map(|last| Seq(last.0 - behind as u64));
            let mut state = lock(place);
            match (&*state, &stored) {
                (State::Left, Ok(seq)) => writer.keep(Event::nothing_came_of(*seq)),
                (State::Left, Err(_)) => {}
                _ => *state = State::Stored(stored),
            }
        }
    }
}

impl HandedIn<'_> {
    /// Stored once this returns, by this or by somebody else's commit.
    pub(super) fn stored(self) -> Result<Seq, LedgerDown> {
        if matches!(*lock(&self.place), State::Waits(_) | State::IsWritten) {
            self.shared.commit_together();
        }
        match std::mem::replace(&mut *lock(&self.place), State::Left) {
            State::Stored(stored) => stored,
            _ => Err(LedgerDown("a decision was not among those that were committed".to_owned())),
        }
    }
}

impl Drop for HandedIn<'_> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *lock(&self.place), State::Left);
        if let State::Stored(Ok(seq)) = left {
            lock(&self.shared.writer).keep(Event::nothing_came_of(seq));
        }
    }
}

impl Event {
    /// The outcome of a decision whose request went away while it was stored.
    fn nothing_came_of(seq: Seq) -> Self {
        let record = serde_json::to_string(&Outcome::default()).unwrap_or_else(|_| "{}".to_owned());
        Event { at_ms: crate::store::now(), kind: "outcome", about: Some(seq.0), record }
    }
}
