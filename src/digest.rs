//! The daily digest: once a day the main chat hears where each group's data went, what was refused, what models
//! used, and the head of the log.
//!
//! What it is not: an alarm. It says nothing that `doorward audit digest --daily` does not print.
//!
//! **Invariants**
//! - At most one a day: the day is claimed in the transaction that queues the digest.
//! - One timer, and the clock is checked at least hourly, whoever sets it.

mod due;
mod gathered;
mod tasks;
mod words;

use std::sync::Arc;
use std::time::Duration;

use policies::TimeOfDay;
use tokio::sync::watch;

use crate::channels::protocol::OutgoingKind;
use crate::clock::OwnersClock;
use crate::config::Prices;
use crate::home::Home;
use crate::pipeline::outbox::OutboxHandle;
use crate::store::ledger::AuditLog;
use crate::store::{NewOutgoing, Say, Store, StoreError, now};

use due::Due;

pub use gathered::{Gathered, LastDrill, Sources};
pub use words::words;

/// The longest between two looks at the clock: it may be set, and the machine may sleep.
const LOOK: Duration = Duration::from_hours(1);

/// When a digest that failed is tried again.
const AGAIN: Duration = Duration::from_mins(1);

/// Sends the digest.
pub struct Digests {
    /// The time of day; `None` for never.
    pub at: Option<TimeOfDay>,
    /// The clock whose days count.
    pub clock: OwnersClock,
    /// Where the last drill's result is kept.
    pub home: Home,
    /// Chats, and what was sent.
    pub store: Arc<Store>,
    /// The audit log.
    pub ledger: Arc<AuditLog>,
    /// Model prices.
    pub prices: Prices,
    /// The check on what may be said.
    pub say: Say,
    /// Sends it.
    pub outbox: OutboxHandle,
}

impl Digests {
    /// Sends a digest each day until the daemon ends.
    pub async fn keep(self, mut ending: watch::Receiver<bool>) {
        let Some(at) = self.at else { return };
        loop {
            let pause = match self.step(at).await {
                Ok(Due::In(length)) => length.min(LOOK),
                Ok(Due::Now(_)) => continue,
                Err(error) => {
                    tracing::error!(%error, "The digest could not be told; it is tried again");
                    AGAIN
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = ending.wait_for(|ending| *ending) => return,
            }
        }
    }

    /// Sends the digest if it is due, and returns what is next.
    async fn step(&self, at: TimeOfDay) -> Result<Due, StoreError> {
        let zoned = self.clock.zoned();
        let last = self.store.last_digest()?;
        let Some(last) = last else {
            self.store.begin_digests(&due::day(&zoned), now())?;
            return Ok(due::due(&zoned, at, &due::day(&zoned)));
        };
        let due = due::due(&zoned, at, &last.day);
        let Due::Now(day) = &due else { return Ok(due) };
        let main = self.store.main_group()?.filter(|_| !last.off);
        let (until, told) = match main {
            None => (now(), None),
            Some(main) => {
                let (gathered, until) = self.gather(last.at).await?;
                let text = self.say.own(&main.name, words(&gathered));
                (until, Some((main.name, NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None })))
            }
        };
        if self.store.queue_digest(day, until, told.as_ref().map(|(group, new)| (group, new)))? {
            self.outbox.wake();
        }
        Ok(due)
    }

    async fn gather(&self, since: i64) -> Result<(Gathered, i64), StoreError> {
        let (ledger, store, prices) = (self.ledger.clone(), self.store.clone(), self.prices.clone());
        let (clock, drill) = (self.clock.clone(), self.home.last_drill());
        let gathered = tokio::task::spawn_blocking(move || {
            let until = now();
            let log = ledger.reader()?;
            let sources = Sources { log: &log, store: &store, prices: &prices, clock: &clock, drill: &drill };
            Ok((sources.gather(since)?, until))
        });
        gathered.await.unwrap_or_else(|error| {
            let path = self.home.audit_log();
            Err(StoreError::Other { path, detail: error.to_string() })
        })
    }
}
