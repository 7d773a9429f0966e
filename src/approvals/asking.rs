//! A request at the door: it takes the yes that is there, or waits until it is told to look for one.

use policies::Refusal;
use proxy::aside;
use proxy::ports::Pending;
use proxy::ports::{Held, Owner, Question, Yes};
use tokio::sync::SemaphorePermit;
use tokio::task::coop::unconstrained;

use super::queue::{Waits, Woken};
use super::telling::unavailable;
use super::{Approvals, words};

impl Owner for Approvals {
    fn ask(&self, question: Question, held: Held) -> Pending<'_, Result<Yes, Refusal>> {
        Box::pin(self.wait(question, Some(held)))
    }
}

/// How asking begins.
enum Begun<'a> {
    /// A yes was there already.
    Taken(Yes),
    /// It waits.
    Waits(Waits<'a>),
}

impl Approvals {
    /// Asks a question and waits for its answer. Without `held` it is about an operation. The caller may be on a door's
    /// thread, so commits run elsewhere.
    pub(super) async fn wait(&self, question: Question, held: Option<Held>) -> Result<Yes, Refusal> {
        let turn = self.turn().await;
        let begun = aside(|| self.take_or_begin(&question, held));
        drop(turn);
        let mut waits = match begun? {
            Begun::Taken(yes) => return Ok(yes),
            Begun::Waits(waits) => waits,
        };
        match waits.woken(&question).await? {
            // Another request of the same kind may have been faster.
            Woken::Answered => {
                let _turn = self.turn().await;
                aside(|| self.take(&question))?.ok_or_else(|| words::taken_by_another(&question))
            }
            Woken::Anew => Ok(Yes::Anew),
        }
    }

    /// Whoever holds the permit has the database to themselves. Nothing closes the semaphore.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        unconstrained(self.asking.acquire()).await.ok()
    }

    fn take_or_begin(&self, question: &Question, held: Option<Held>) -> Result<Begun<'_>, Refusal> {
        match self.take(question)? {
            Some(yes) => Ok(Begun::Taken(yes)),
            None => self.begin(question, held).map(Begun::Waits),
        }
    }

    fn take(&self, question: &Question) -> Result<Option<Yes>, Refusal> {
        self.yeses.take(question, self.times.now()).map_err(|error| unavailable(&error))
    }
}
