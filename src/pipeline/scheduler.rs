//! Turns tasks that are due into work for their groups, like a channel without a program.
//!
//! It sleeps until the next task is due, and wakes earlier if a task ([`TaskBell`]) or the machine's clock changes. A
//! firing is claimed in the store before its group is told.

use std::sync::Arc;
use std::time::Duration;

use policies::GroupName;
use tokio::sync::Notify;

use crate::clock::ClockChanges;
use crate::store::{Millis, Store, StoreError, now};

/// A clock that is being slewed drifts by seconds a day, so it is checked at least this often.
const LONGEST: Duration = Duration::from_hours(1);

/// The interval when the clock cannot be watched.
const BLIND: Duration = Duration::from_mins(1);

/// The pause when the store cannot be used.
const AGAIN: Duration = Duration::from_secs(5);

/// Tells the scheduler that a task has changed.
#[derive(Clone, Debug, Default)]
pub struct TaskBell(Arc<Notify>);

impl TaskBell {
    /// A task has changed.
    pub fn ring(&self) {
        self.0.notify_one();
    }
}

pub(super) struct Scheduler<W> {
    pub(super) store: Arc<Store>,
    pub(super) bell: TaskBell,
    /// Tells a group that there is work.
    pub(super) work: W,
}

impl<W: Fn(GroupName) + Send + Sync + 'static> Scheduler<W> {
    /// Runs as long as the daemon.
    pub(super) async fn run(self) {
        let changes = ClockChanges::watch();
        if let Err(error) = &changes {
            tracing::warn!(%error, "the machine's clock cannot be watched; it is looked at every minute");
        }
        let changes = changes.ok();
        let longest = if changes.is_some() { LONGEST } else { BLIND };
        loop {
            let pause = match self.fire() {
                Ok(next) => pause(next, longest),
                Err(error) => {
                    tracing::error!(%error, "tasks cannot be looked at; they are again shortly");
                    AGAIN
                }
            };
            let changed = async {
                match &changes {
                    Some(changes) if changes.next().await.is_ok() => {}
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.bell.0.notified() => {}
                () = changed => tracing::info!("the machine's clock was set, or it has slept; tasks are looked at"),
            }
        }
    }

    /// Claims what is due and has it carried out. Returns when the next is due.
    fn fire(&self) -> Result<Option<Millis>, StoreError> {
        // One moment for both: a retry that falls due between two readings would be missed by both.
        let at = now();
        self.store.claim_due(at)?;
        self.store.groups_firing(at)?.into_iter().for_each(&self.work);
        self.store.next_due(at)
    }
}

fn pause(next: Option<Millis>, longest: Duration) -> Duration {
    let Some(next) = next else { return longest };
    let wait = next.saturating_sub(now()).max(0);
    // One millisecond more, so that it is due by then.
    Duration::from_millis(wait.unsigned_abs() + 1).min(longest)
}
