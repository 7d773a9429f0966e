//! What an owner is asked, and what comes of the answers: one queue of questions for the main group's
//! chat and for the command line. The first answer counts.
//!
//! What it is: the gate's `Owner`, who is asked about operations too, the words of questions, and who may
//! answer. What it is not: the verdict. A yes is a number under which the store keeps what it is for; the gate makes a grant of it for
//! the one request that it holds, and the policy's decision judges that.
//!
//! **Invariants**
//! - Nothing but an owner's answer gives a yes: their reply to the question, their reaction to it, or
//!   its code, in the main chat or on the machine. Nothing bare counts, nor what Doorward sent itself.
//! - A yes is used as often as it says, by what it was given for, and never after its time, by either of
//!   two clocks; after the daemon's end; after its policy was replaced; or once its chat is the main
//!   chat no more.
//! - Every step is in the log before it counts. What cannot be written down is no yes.
//! - Questions, answers and codes reach no agent.

mod answering;
mod asking;
mod book;
mod code;
mod deed;
mod hearing;
mod pace;
mod quiet;
pub mod reading;
mod rules;
mod taking;
mod times;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use desk::lock;
use policies::GroupName;
use tokio::sync::{Notify, Semaphore};

pub use self::answering::By;
use self::book::Book;
pub use self::deed::{Deed, is_of_an_operation};
pub use self::hearing::Heard;
pub use self::times::Times;
use crate::home::Home;
use crate::store::ledger::{AuditLog, Notice};
use crate::store::{AskId, Say, Store, StoreError};

/// The longest that a question can be answered. A yes to one whose request has gone is for the same
/// request, and holds as long again.
pub const LATE: Duration = Duration::from_secs(600);

/// How long a no stands for requests like the one it was said of, without asking again.
const NO_STANDS: Duration = Duration::from_secs(120);

/// How many noes to a group, within how long, have its owner asked about nothing of it until that is over.
const NOES: usize = 5;
const NOES_WITHIN: Duration = Duration::from_secs(600);

/// The most questions that are open of one group, and the most requests that wait for answers, of one and of all.
const OF_ONE_GROUP: usize = 64;
const OF_ALL: usize = 1024;

/// The most new questions of a group in a minute.
const NEW_A_MINUTE: usize = 128;

/// The questions of one installation.
pub struct Approvals {
    home: Home,
    store: Arc<Store>,
    ledger: Arc<AuditLog>,
    times: Times,
    book: Mutex<Book>,
    /// Who waits no longer, until somebody looks at the book: whoever leaves does not wait for that.
    leaving: Mutex<Vec<(AskId, u64)>>,
    /// Answers, one at a time: the first one counts.
    deciding: Mutex<()>,
    /// Who asks has the database to themselves: all others wait without a thread.
    asking: Semaphore,
    /// There is something to put, or to put later, or somebody has left.
    changed: Notify,
    around: OnceLock<Around>,
}

/// Has a group's agent hear a text, under an id.
pub type TellAgent = Box<dyn Fn(&GroupName, &str, &str) + Send + Sync>;

/// What stands around: there before anybody is asked.
pub struct Around {
    /// What may be said in a chat.
    pub say: Say,
    /// Something was queued for a chat.
    pub wake_outbox: Box<dyn Fn() + Send + Sync>,
    /// A group's agent is to hear something, in a turn of its own.
    pub tell_agent: TellAgent,
    /// A group's policy is looked at anew: its file has changed.
    pub look_at_policy: Box<dyn Fn(&GroupName) + Send + Sync>,
    /// Whether nothing of a group's goes out: it is locked.
    pub is_locked: Box<dyn Fn(&GroupName) -> bool + Send + Sync>,
    /// The owner's ids on the channel of a main chat that others write in too.
    pub owners: Vec<String>,
}

impl std::fmt::Debug for Approvals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Approvals")
    }
}

impl Approvals {
    /// Opens the questions of a home. What was open at the daemon's last end is lost.
    pub fn open(home: &Home, store: Arc<Store>, ledger: Arc<AuditLog>, times: Times) -> Result<Arc<Self>, StoreError> {
        let lost = store.lose_asks()?;
        if lost > 0 {
            let text = format!("{lost} questions to the owner were open when Doorward ended; no answer to them counts");
            ledger.note(&Notice { count: Some(lost as u64), ..Notice::new("asks_lost", None, text) });
        }
        Ok(Arc::new(Approvals {
            home: home.clone(),
            store,
            ledger,
            times,
            book: Mutex::default(),
            leaving: Mutex::default(),
            deciding: Mutex::default(),
            asking: Semaphore::new(1),
            changed: Notify::new(),
            around: OnceLock::new(),
        }))
    }

    /// Says what stands around, once.
    pub fn stands_among(&self, around: Around) {
        let _ = self.around.set(around);
    }

    /// A group's policy was replaced: nothing that was given under the one before it counts, and
    /// nobody can answer any more what was asked under it and waits no longer.
    pub fn policy_changed(&self, group: &GroupName) {
        self.forget(self.times.now());
        let ended = self.store.end_grants(group, "the policy has changed");
        match ended {
            Ok(0) => {}
            Ok(ended) => {
                let text = format!("{ended} yeses of the owner's ended: the policy has changed");
                self.ledger
                    .note(&Notice { count: Some(ended as u64), ..Notice::new("grants_ended", Some(group), text) });
            }
            // Those of this daemon are known here as well.
            Err(error) => {
                tracing::error!(%group, %error, "Grants of an earlier policy could not be ended in the store")
            }
        }
        let gone = self.book().policy_changed(group);
        for ask in gone {
            if let Err(error) = self.store.leave_ask(ask, crate::store::AskState::Lost) {
                tracing::error!(%group, %error, "A question of an earlier policy could not be closed");
            }
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// What stands around. Nobody asks before it does.
    fn around(&self) -> Option<&Around> {
        self.around.get()
    }
}

#[cfg(test)]
mod tests;
