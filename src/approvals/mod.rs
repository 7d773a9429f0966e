//! Questions to the owner and their answers: one queue for the main group's chat and the command line. The first answer
//! counts.
//!
//! What it is: the gate's `Owner`, who is also asked about operations; the words of questions; and who may answer. What
//! it is not: the verdict. A yes is a number under which the store keeps what it is for; the gate turns it into a grant
//! for the one request that it holds, and the policy's decision judges that.
//!
//! **Invariants**
//! - Only an owner's answer gives a yes: a reply to the question, a reaction to it, or its code, in the main chat or on
//!   the machine. A bare yes does not count, nor does anything that Doorward sent itself.
//! - A yes is used as often as it says, only for what it was given for, and never after it has expired by either of two
//!   clocks, the daemon has ended, its policy was replaced, or its chat is no longer the main chat.
//! - Every step is in the log before it counts. What cannot be logged is no yes.
//! - Questions, answers and codes reach no agent.

mod answering;
mod asking;
mod book;
mod code;
mod deed;
mod hearing;
mod open;
mod owner;
mod pace;
mod queue;
mod quiet;
pub mod reading;
mod rules;
mod telling;
mod times;
mod words;
mod yes;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use desk::lock;
use policies::GroupName;
use tokio::sync::{Notify, Semaphore};

use self::book::Book;
pub use self::deed::{Deed, is_of_an_operation};
pub use self::telling::Heard;
pub use self::times::Times;
use self::yes::Yeses;
use crate::home::Home;
use crate::store::ledger::AuditLog;
use crate::store::{AskId, Say, Store, StoreError};

/// How long a question can be answered. A yes after its request has gone is for the same request sent again, and holds
/// as long again.
pub const LATE: Duration = Duration::from_secs(600);

/// The questions of an installation.
pub struct Approvals {
    home: Home,
    store: Arc<Store>,
    ledger: Arc<AuditLog>,
    times: Times,
    yeses: Yeses,
    book: Mutex<Book>,
    /// Requests that no longer wait, until the book is next looked at: leaving does not block on it.
    leaving: Mutex<Vec<(AskId, u64)>>,
    /// Answers are taken one at a time: the first one counts.
    deciding: Mutex<()>,
    /// Whoever asks has the database to themselves; the others wait without a thread.
    asking: Semaphore,
    /// There is something to put, now or later, or a request has left.
    changed: Notify,
    around: OnceLock<Around>,
}

/// Sends a group's agent a text, under an id.
pub type TellAgent = Box<dyn Fn(&GroupName, &str, &str) + Send + Sync>;

/// The surroundings; they are set before anybody is asked.
pub struct Around {
    /// The check on what may be said in a chat.
    pub say: Say,
    /// Wakes the outbox after something was queued.
    pub wake_outbox: Box<dyn Fn() + Send + Sync>,
    /// Sends a group's agent a text, in a turn of its own.
    pub tell_agent: TellAgent,
    /// Looks at a group's policy again after its file has changed.
    pub look_at_policy: Box<dyn Fn(&GroupName) + Send + Sync>,
    /// Whether a group is locked: nothing of it goes out.
    pub is_locked: Box<dyn Fn(&GroupName) -> bool + Send + Sync>,
    /// The owner's ids on the channel, for a main chat that others write in too.
    pub owners: Vec<String>,
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approvals")
    }
}

impl Approvals {
    /// Opens the questions of a home. Those open when the last daemon ended are lost.
    pub fn open(home: &Home, store: Arc<Store>, ledger: Arc<AuditLog>, times: Times) -> Result<Arc<Self>, StoreError> {
        let lost = store.lose_asks()?;
        let approvals = Approvals {
            home: home.clone(),
            yeses: Yeses::new(store.clone()),
            store,
            ledger,
            times,
            book: Mutex::default(),
            leaving: Mutex::default(),
            deciding: Mutex::default(),
            asking: Semaphore::new(1),
            changed: Notify::new(),
            around: OnceLock::new(),
        };
        approvals.log_lost(lost);
        Ok(Arc::new(approvals))
    }

    /// Sets the surroundings, once.
    pub fn stands_among(&self, around: Around) {
        let _ = self.around.set(around);
    }

    /// A group's policy was replaced: nothing granted under the previous one counts, and questions asked under it can
    /// no longer be answered unless a request waits and they would read the same.
    pub fn policy_changed(&self, group: &GroupName) {
        self.forget(self.times.now());
        self.log_ended(group, self.yeses.end(group));
        self.close(group);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// The surroundings. Nobody asks before they are set.
    fn around(&self) -> Option<&Around> {
        self.around.get()
    }
}

#[cfg(test)]
mod tests;
