//! One group at work: from taking its seat to leaving it. Keeps the group's sandbox for
//! follow-ups until it has been idle for long enough or its seat is needed.

use std::sync::Arc;
use std::time::Duration;

use containers::protocol::ToGuest;
use policies::GroupName;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::Shared;
use super::conversation::Conversation;
use super::errand::Errand;
use super::sandbox::{Sandbox, StartFailure, StartSandbox};
use super::{recovery, telling};
use crate::phrases::Phrases;
use crate::store::{Context, Firing, Group, Means, Message, Run, StoreError};

/// The pause between two attempts to find a missing engine, in first pauses.
const ENGINE_AWAY: u32 = 3;

/// How long a stop waits for a sandbox that is still starting.
const END_OF_START: Duration = Duration::from_secs(5);

/// How long a sandbox may take to receive the order to end: its door stays open meanwhile.
pub(super) const LAST_WORD: Duration = Duration::from_millis(500);

/// What the queue tells a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mail {
    /// There are new messages.
    Work,
    /// Leave as soon as there is nothing left to do.
    Close,
}

/// Why a worker must end at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    /// It need not.
    No,
    /// The group is stopped.
    Stop(Stopping),
    /// The daemon ends; runs in flight are settled at the next start.
    Shutdown,
}

/// What a stop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopping {
    /// Somebody said `stop` in a chat: the current run, and what came before it.
    AsSaid,
    /// The owner stopped the group: everything.
    Everything,
}

/// How a worker left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Do not try this group again before this time.
    pub(super) rest: Option<Duration>,
}

impl Left {
    /// For a worker that broke off without saying how long to rest.
    pub(super) fn broken_off() -> Self {
        Left { rest: Some(Duration::from_secs(5)) }
    }
}

/// Why there is no point in continuing for now.
pub(super) enum Broken {
    /// A run failed, and its chat has been told.
    Settled(Left),
    /// The store cannot be used.
    Store(StoreError),
}

pub(super) struct Worker<S: StartSandbox> {
    pub(super) shared: Arc<Shared<S>>,
    pub(super) name: GroupName,
    pub(super) mail: mpsc::UnboundedReceiver<Mail>,
    pub(super) halt: watch::Receiver<Halt>,
    starting: Option<JoinHandle<Result<S::Sandbox, StartFailure>>>,
    pub(super) sandbox: Option<S::Sandbox>,
    pub(super) run: Option<Run>,
    closing: bool,
}

impl<S: StartSandbox> Worker<S> {
    pub(super) fn new(
        shared: Arc<Shared<S>>,
        name: GroupName,
        mail: mpsc::UnboundedReceiver<Mail>,
        halt: watch::Receiver<Halt>,
    ) -> Self {
        Worker { shared, name, mail, halt, starting: None, sandbox: None, run: None, closing: false }
    }

    /// Works until there is nothing left to do, something breaks, or it is halted.
    pub(super) async fn serve(mut self) -> Left {
        let mut halt = self.halt.clone();
        let ended = tokio::select! {
            biased;
            halted = halt.wait_for(|halt| *halt != Halt::No) => Err(halted.map_or(Halt::Shutdown, |halt| *halt)),
            ended = self.work() => Ok(ended),
        };
        if matches!(ended, Err(Halt::Stop(_)))
            && let Some(sandbox) = self.sandbox.as_mut()
        {
            // It is closed right after; an agent that reads this can leave its session in order.
            let _ = tokio::time::timeout(LAST_WORD, sandbox.send(&ToGuest::Interrupt)).await;
        }
        self.close_sandbox(why(&ended)).await;
        self.shared.typing(&self.name, false);
        match ended {
            Ok(Ok(())) | Err(Halt::No | Halt::Shutdown) => Left::default(),
            Ok(Err(Broken::Settled(left))) => left,
            Ok(Err(Broken::Store(error))) => {
                tracing::error!(group = %self.name, %error, "the store cannot be used; the group rests");
                Left { rest: Some(self.shared.settings.backoff.first) }
            }
            Err(Halt::Stop(stopping)) => {
                self.settle_stopped(stopping);
                Left::default()
            }
        }
    }

    async fn work(&mut self) -> Result<(), Broken> {
        // An earlier worker may have left a run behind, which is not repeated if it wrote upstream
        // (invariant 13).
        recovery::settle_broken_off(&self.shared, &self.name)?;
        loop {
            let Some(group) = self.shared.store.group(&self.name)? else { return Ok(()) };
            // The daemon died before it was carried out.
            if self.shared.store.stop_waits(&self.name)? {
                self.settle_stopped(Stopping::AsSaid);
            }
            if self.shared.paused_until(&self.name).is_none()
                && let Some(firing) = self.shared.store.next_firing(&self.name)?
            {
                self.shared.report_busy(&self.name);
                self.carry_out(&group, firing).await?;
                continue;
            }
            let waiting = self.shared.pending_messages(&self.name)?;
            if !waiting.is_empty() {
                self.shared.report_busy(&self.name);
                self.shared.typing(&self.name, true);
                self.keep_to_the_allowance(&group, &waiting)?;
                self.leave_a_lost_folder(&waiting).await;
                self.leave_another_agent().await;
                let resume = self.shared.session(&self.name)?;
                self.ensure_sandbox(&group, &waiting, resume).await?;
                Conversation::begin(self, &group, waiting)?.carry_on().await?;
                self.shared.typing(&self.name, false);
            } else if self.sandbox.is_none() || !self.rest_until_woken().await {
                return Ok(());
            }
        }
    }

    /// A task that is due: in the group's sandbox, or in one of its own that ends with it.
    async fn carry_out(&mut self, group: &Group, firing: Firing) -> Result<(), Broken> {
        let isolated = firing.task.what.context == Context::Isolated;
        let resume = match isolated {
            true => {
                self.close_sandbox("a task is due that has a sandbox of its own").await;
                None
            }
            false => {
                self.leave_a_lost_folder(&[]).await;
                self.leave_another_agent().await;
                self.shared.session(&self.name)?
            }
        };
        self.ensure_sandbox(group, &[telling::call_of(&firing)], resume).await?;
        Errand::begin(self, group, firing)?.carry_on().await?;
        if isolated {
            self.close_sandbox("its task is over").await;
        }
        Ok(())
    }

    /// An agent whose folder was removed or replaced works in a folder that nobody sees.
    async fn leave_a_lost_folder(&mut self, waiting: &[Message]) {
        if self.sandbox.as_ref().is_none_or(Sandbox::has_its_folder) {
            return;
        }
        self.close_sandbox("the group's folder was removed or replaced").await;
        if let Some(first) = waiting.iter().find(|message| message.means != Means::Talk) {
            self.shared.remark(&self.name, first, telling::other_folder());
        }
    }

    /// Leaves the sandbox if another agent takes over, or the first is due to be tried again.
    async fn leave_another_agent(&mut self) {
        let at = self.sandbox.as_ref().map(|sandbox| sandbox.order().at);
        if at.is_some_and(|at| at != self.shared.seat(&self.name)) {
            self.close_sandbox("another of the group's agents answers").await;
        }
    }

    /// Tells a group that has used up its runs for today, once per message.
    fn keep_to_the_allowance(&self, group: &Group, waiting: &[Message]) -> Result<(), Broken> {
        let Some((most, since)) = self.shared.allowance.of(&self.name) else { return Ok(()) };
        if self.shared.store.runs_since(&self.name, since)? < most {
            return Ok(());
        }
        let calls: Vec<Message> = waiting.iter().filter(|message| message.means != Means::Talk).cloned().collect();
        let Some(run) = telling::run_without_sandbox(&self.shared.store, &self.name, &calls) else {
            return Err(Broken::Settled(Left { rest: Some(self.shared.settings.backoff.first) }));
        };
        let why = Phrases::new("runs-used-up").count("count", most);
        Err(self.shared.fail(group, &run, &why, &calls, false))
    }

    /// Starts a sandbox where there is none yet.
    async fn ensure_sandbox(
        &mut self,
        group: &Group,
        waiting: &[Message],
        resume: Option<String>,
    ) -> Result<(), Broken> {
        if self.sandbox.is_some() {
            return Ok(());
        }
        let (shared, wanted) = (Arc::clone(&self.shared), group.clone());
        let at = shared.seat(&self.name);
        // In a task of its own: a halt may drop the wait, but must not drop a start half-way.
        self.starting = Some(tokio::spawn(async move { shared.sandboxes.start(&wanted, at, resume).await }));
        let failure = match self.started(waiting).await {
            Ok(sandbox) => {
                self.sandbox = Some(sandbox);
                return Ok(());
            }
            Err(failure) => failure,
        };
        if failure.engine_away {
            return Err(self.wait_for_the_engine(waiting, &failure));
        }
        let waiting: Vec<Message> = waiting.iter().filter(|message| message.means != Means::Talk).cloned().collect();
        let Some(run) = telling::run_without_sandbox(&self.shared.store, &self.name, &waiting) else {
            return Err(Broken::Settled(Left { rest: Some(self.shared.settings.backoff.first) }));
        };
        let why = Phrases::new("sandbox-not-started").saying("why", failure.why);
        Err(self.shared.fail(group, &run, &why, &waiting, failure.may_pass))
    }

    /// No attempt was made, so none is counted: the messages wait, and each call is told once.
    fn wait_for_the_engine(&self, waiting: &[Message], failure: &StartFailure) -> Broken {
        let asked = waiting.iter().filter(|message| message.means != Means::Talk && !telling::is_unasked(message));
        for message in asked {
            if self.shared.tells_of_the_engine(&self.name, message.row) {
                let words = failure.why.clone().line(Phrases::new("waits-for-engine"));
                self.shared.remark(&self.name, message, words);
            }
        }
        Broken::Settled(Left { rest: Some(self.shared.settings.backoff.first.saturating_mul(ENGINE_AWAY)) })
    }

    /// Waits until the sandbox has started. If that takes long, whoever waits gets a notice.
    async fn started(&mut self, waiting: &[Message]) -> Result<S::Sandbox, StartFailure> {
        let waits = self.shared.settings.waits;
        let Some(starting) = self.starting.as_mut() else { return Err(StartFailure::passing("it was not begun")) };
        let (told, longest) = (tokio::time::sleep(waits.told), tokio::time::sleep(waits.start));
        tokio::pin!(told, longest);
        let started = loop {
            tokio::select! {
                started = &mut *starting => break started,
                () = &mut longest => {
                    let abandoned = self.starting.take();
                    tokio::spawn(async move { end_late(abandoned, "its start was given up").await });
                    let why = Phrases::new("start-given-up").count("seconds", waits.start.as_secs());
                    return Err(StartFailure::passing(why));
                }
                () = &mut told, if !told.is_elapsed() => {
                    if let Some(first) = waiting.iter().find(|message| message.means != Means::Talk) {
                        self.shared.remark(&self.name, first, super::waiting::still_starting());
                    }
                }
            }
        };
        self.starting = None;
        started.unwrap_or_else(|panic| Err(StartFailure::passing(format!("the start broke off: {panic}"))))
    }

    /// Idles with a live sandbox. Returns whether there is more to do.
    async fn rest_until_woken(&mut self) -> bool {
        if self.closing {
            return false;
        }
        self.shared.report_idle(&self.name);
        let Some(sandbox) = self.sandbox.as_mut() else { return false };
        let idle = tokio::time::sleep(self.shared.settings.idle);
        tokio::pin!(idle);
        loop {
            tokio::select! {
                mail = self.mail.recv() => return mail == Some(Mail::Work),
                () = &mut idle => return false,
                // Between turns an agent says nothing, but its end is noticed here.
                said = sandbox.next() => if !matches!(said, Ok(Some(_))) { return false },
            }
        }
    }

    /// Reads mail that arrived while the group was busy. Returns whether there is more to do.
    pub(super) fn note(&mut self, mail: Option<Mail>) -> bool {
        self.closing |= mail != Some(Mail::Work);
        mail == Some(Mail::Work)
    }

    async fn close_sandbox(&mut self, why: &'static str) {
        // A hanging engine must not hold up a stop: a late sandbox is ended when it comes.
        if let Some(mut starting) = self.starting.take() {
            match tokio::time::timeout(END_OF_START, &mut starting).await {
                Ok(Ok(Ok(sandbox))) => self.sandbox = Some(sandbox),
                Ok(_) => {}
                Err(_) => drop(tokio::spawn(async move { end_late(Some(starting), why).await })),
            }
        }
        if let Some(sandbox) = self.sandbox.take() {
            sandbox.set_run(None);
            sandbox.stop(why).await;
        }
    }

    /// Stop means stop: the run in flight and the messages behind it are told, and only a new message starts the group
    /// again.
    fn settle_stopped(&mut self, stopping: Stopping) {
        let settled = self.shared.settle_stopped(&self.name, self.run.take().as_ref(), stopping);
        if let Err(error) = settled {
            tracing::error!(group = %self.name, %error, "the stop could not be told to its chat");
        }
    }
}

/// Why a worker leaves its sandbox, in the log's words.
fn why(ended: &Result<Result<(), Broken>, Halt>) -> &'static str {
    match ended {
        Ok(Ok(())) => "its sandbox was not needed any more",
        Ok(Err(_)) => "its run broke off",
        Err(Halt::Stop(Stopping::AsSaid)) => "somebody said stop in the group's chat",
        Err(Halt::Stop(Stopping::Everything)) => OWNER_STOPPED,
        Err(Halt::No | Halt::Shutdown) => "the daemon ended",
    }
}

/// The reason for shutting doors and ending sandboxes on `doorward stop`.
pub const OWNER_STOPPED: &str = "the owner stopped the group";

/// Ends a sandbox that nobody waits for any longer, once it has started.
async fn end_late<B: Sandbox>(starting: Option<JoinHandle<Result<B, StartFailure>>>, why: &'static str) {
    if let Some(starting) = starting
        && let Ok(Ok(sandbox)) = starting.await
    {
        sandbox.stop(why).await;
    }
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Broken::Store(error)
    }
}
