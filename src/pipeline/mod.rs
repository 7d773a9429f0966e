//! The pipeline: a message comes in, an agent answers, the reply goes out.
//!
//! ```text
//! channel → router → intake → store → queue → worker → conversation → store → outbox → channel
//! ```
//!
//! What it is: the order of the steps, and their promises. What it is not: it knows no engine, door or socket;
//! sandboxes come through [`sandbox::StartSandbox`].
//!
//! **Invariants**
//! - An accepted message is answered, or its failure is reported (13).
//! - A run that wrote upstream is not repeated; one that may have written counts as one that did (13).
//! - Nothing from an unregistered chat is written or logged (14).

mod allowance;
pub mod calling;
mod conversation;
mod dispatcher;
mod errand;
mod intake;
mod live;
pub mod notice;
pub(crate) mod people;
pub mod outbox;
pub mod pausing;
pub mod prompt;
pub mod queue;
mod recovery;
pub mod reply;
pub mod retries;
pub mod router;
pub mod sandbox;
pub mod scheduler;
mod sent;
mod shared;
mod standing;
mod tasks;
mod telling;
mod thoughts;
pub mod waiting;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use policies::GroupName;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle};

pub use self::allowance::Allowance;
pub use self::worker::OWNER_STOPPED;

use self::calling::Name;
use self::dispatcher::{Dispatcher, Event};
use self::outbox::OutboxHandle;
use self::retries::Backoff;
use self::sandbox::StartSandbox;
use self::scheduler::{Scheduler, TaskBell};
use self::shared::Shared;
use self::standing::Standings;
use self::waiting::Waits;
use self::worker::Stopping;
use crate::absence::Absence;
use crate::approvals::Approvals;
use crate::channels::protocol::{ChannelState, OutgoingKind, Sender};
use crate::config::{Agent, GroupSettings, PeopleNotice};
use crate::home::Home;
use crate::phrases::Phrases;
use crate::store::ledger::AuditLog;
use crate::store::{self, Group, Means, NewMessage, NewOutgoing, OutboxId, Say, Store, StoreError};

/// The running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    locks: Locks,
    absence: Arc<Absence>,
    store: Arc<Store>,
    ledger: Arc<AuditLog>,
    outbox: OutboxHandle,
    say: Say,
    approvals: Arc<Approvals>,
    events: mpsc::UnboundedSender<Event>,
    assistant: Assistant,
    people_notice: PeopleNotice,
    home: Home,
    states: Mutex<HashMap<String, (ChannelState, String)>>,
    bell: TaskBell,
    scheduler: AbortHandle,
}

/// Shuts the doors of a group, or of all, until the owner opens them on the machine. They are shut even after an error,
/// which says what is wrong with the lock.
#[derive(Clone)]
pub struct Locks(Arc<Locking>);

type Locking = dyn Fn(Option<&GroupName>) -> Result<(), String> + Send + Sync;

impl Locks {
    /// From a function that has the doors.
    pub fn new(lock: impl Fn(Option<&GroupName>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Locks(Arc::new(lock))
    }
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Locks")
    }
}

/// The pipeline's task; it ends after [`Pipeline::shutdown`].
pub type PipelineTask = JoinHandle<()>;

/// The parts of a pipeline.
pub struct Parts<S> {
    /// Carries out the owner's `lock`.
    pub locks: Locks,
    /// How many runs groups may start.
    pub allowance: Allowance,
    /// Ended by any word of the owner.
    pub absence: Arc<Absence>,
    /// The groups' files.
    pub home: Home,
    /// Messages, runs, outbox.
    pub store: Arc<Store>,
    /// The audit log.
    pub ledger: Arc<AuditLog>,
    /// The check on what may be said in a chat.
    pub say: Say,
    /// Sends what is queued.
    pub outbox: OutboxHandle,
    /// Hears answers to questions.
    pub approvals: Arc<Approvals>,
    /// Wakes the scheduler when tasks change.
    pub bell: TaskBell,
    /// Starts sandboxes.
    pub sandboxes: S,
    /// The pipeline's settings.
    pub settings: Settings,
}

/// The assistant, and its time zone.
#[derive(Clone, Debug)]
pub struct Assistant {
    /// The name by which people call it.
    pub name: Name,
    /// The name as it is displayed.
    pub shown: String,
    /// The time zone of the times in prompts.
    pub zone: TimeZone,
}

/// The pipeline's settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The assistant.
    pub assistant: Assistant,
    /// The most sandboxes at once.
    pub cap: usize,
    /// How long a sandbox waits for follow-ups.
    pub idle: Duration,
    /// Pauses between attempts at a run.
    pub backoff: Backoff,
    /// How long things may take before a notice is sent, and before they are ended.
    pub waits: Waits,
    /// When a first agent that failed is tried again.
    pub again: Duration,
    /// The notice that a chat of several people gets once.
    pub people_notice: PeopleNotice,
}

/// The queue's current state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Groups with a seat.
    pub seated: Vec<Seated>,
    /// Groups waiting for one, the next one first, and how long each has waited.
    pub waiting: Vec<(GroupName, Duration)>,
    /// Groups resting after a failure.
    pub resting: Vec<GroupName>,
}

/// A group with a seat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seated {
    /// The group.
    pub group: GroupName,
    /// Whether it is answering.
    pub busy: bool,
    /// How long it has been busy or idle.
    pub lasts: Duration,
}

impl Pipeline {
    /// Settles what a dead daemon left behind, then starts.
    pub fn start<S: StartSandbox>(parts: Parts<S>) -> Result<(Arc<Pipeline>, PipelineTask), StoreError> {
        let Parts { locks, absence, allowance, home, store, ledger, say, outbox, approvals, bell, sandboxes, settings } =
            parts;
        let (events, inbox) = mpsc::unbounded_channel();
        let (assistant, people_notice) = (settings.assistant.clone(), settings.people_notice.clone());
        let shared = Arc::new(Shared {
            home: home.clone(),
            store: Arc::clone(&store),
            ledger: Arc::clone(&ledger),
            say: say.clone(),
            sandboxes,
            allowance,
            settings,
            outbox: outbox.clone(),
            bell: bell.clone(),
            events: events.clone(),
            waits_for_engine: Mutex::default(),
            standings: Standings::default(),
        });
        recovery::settle_interrupted(&shared)?;
        let waiting = store.groups_waiting()?;
        let task = tokio::spawn(Dispatcher::new(shared, inbox).run());
        let scheduler = Scheduler {
            store: Arc::clone(&store),
            bell: bell.clone(),
            work: {
                let events = events.clone();
                move |group| drop(events.send(Event::Work(group)))
            },
        };
        let scheduler = tokio::spawn(scheduler.run()).abort_handle();
        let pipeline = Arc::new(Pipeline {
            locks,
            absence,
            store,
            ledger,
            outbox,
            say,
            approvals,
            events,
            assistant,
            people_notice,
            home,
            states: Mutex::default(),
            bell,
            scheduler,
        });
        waiting.iter().for_each(|group| pipeline.work(group));
        Ok((pipeline, task))
    }

    /// A task has changed.
    pub fn look_at_tasks(&self) {
        self.bell.ring();
    }

    /// A group has new messages.
    pub fn work(&self, group: &GroupName) {
        self.tell(Event::Work(group.clone()));
    }

    /// Ends what runs for a group, at once. Returns whether anything ran.
    pub async fn stop_group(&self, group: &GroupName) -> bool {
        let (done, stopped) = oneshot::channel();
        self.tell(Event::Stop(group.clone(), Stopping::Everything, done));
        stopped.await.unwrap_or(false)
    }

    /// Somebody said `stop` in a chat, and that is stored.
    fn stop_as_said(&self, group: &GroupName) {
        self.tell(Event::Stop(group.clone(), Stopping::AsSaid, oneshot::channel().0));
    }

    /// Sends a message to the main group's chat. Returns whether there is one.
    pub fn tell_owner(&self, text: impl Into<Phrases>) -> Result<bool, StoreError> {
        Ok(self.tell_main(text)?.is_some())
    }

    /// Reports there, once, that everything is set up. Returns the group and the message.
    pub fn greet(&self) -> Result<Option<(Group, OutboxId)>, StoreError> {
        if let Some(main) = self.store.main_group()?
            && let Some(there) = self.store.notice_there(&main.name, &self.say.own(&main.name, telling::set_up()))?
        {
            return Ok(Some((main, there)));
        }
        self.tell_main(telling::set_up())
    }

    fn tell_main(&self, text: impl Into<Phrases>) -> Result<Option<(Group, OutboxId)>, StoreError> {
        let Some(main) = self.store.main_group()? else { return Ok(None) };
        let text = self.say.own(&main.name, text);
        let notice = NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None };
        let id = self.store.enqueue(&main.name, None, &notice)?;
        self.outbox.wake();
        Ok(Some((main, id)))
    }

    /// Sends a group's agent a text of Doorward's, in a turn of its own. Not a shell: it would run it.
    pub fn tell_agent(&self, group: &GroupName, id: &str, text: &str) -> Result<(), StoreError> {
        let settings = GroupSettings::load(&self.home, group).unwrap_or_default();
        if settings.agent == Agent::Shell {
            return Ok(());
        }
        let sender = Sender { id: "doorward".to_owned(), name: "Doorward".to_owned() };
        let new = NewMessage { group, id, sender: &sender, text, at: store::now(), means: Means::Call, quote: None };
        self.store.insert_message(&new)?;
        self.work(group);
        Ok(())
    }

    /// The queue's current state.
    pub async fn snapshot(&self) -> Snapshot {
        let (done, snapshot) = oneshot::channel();
        self.tell(Event::Snapshot(done));
        snapshot.await.unwrap_or_default()
    }

    /// Stops every sandbox; runs in flight are settled at the next start.
    pub async fn shutdown(&self) {
        self.scheduler.abort();
        let (done, ended) = oneshot::channel();
        self.tell(Event::Shutdown(done));
        // An error means that the pipeline has ended already.
        let _ = ended.await;
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests;
