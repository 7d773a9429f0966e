//! When alarms are told: as the log has them, at the pace of `quiet.rs`, and later where the chat cannot be told now.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::hook::Hook;
use super::quiet::Quiet;
use super::words;
use crate::phrases::Phrases;
use crate::store::ledger::{AuditLog, Recorded};

/// When a failed message is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The most that wait to be told; the log has the rest.
const MOST_UNTOLD: usize = 100;

/// Listens for alarms and reports them; ends with [`Alarms::end`].
#[derive(Debug)]
pub struct Alarms {
    end: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Alarms {
    /// Starts listening. `tell` sends a text to the owner's chat and returns whether it could; `command` may be empty.
    pub fn start(
        log: Arc<AuditLog>,
        command: Vec<String>,
        tell: impl Fn(&Phrases) -> bool + Send + Sync + 'static,
    ) -> Self {
        // Subscribes first, so that nothing is missed.
        let events = log.subscribe_to_alarms();
        let (end, ending) = oneshot::channel();
        let (hook, quiet, untold) = (Hook::new(command), Quiet::default(), VecDeque::new());
        let owner = Owner { log, tell, hook, quiet, untold };
        Alarms { end, task: tokio::spawn(owner.listen(events, ending)) }
    }

    /// Reports what is left, lets running commands use the rest of their time, and ends.
    pub async fn end(self) {
        let _ = self.end.send(());
        if let Err(error) = self.task.await {
            tracing::error!(%error, "Alarms were not told to their end");
        }
    }
}

struct Owner<T> {
    log: Arc<AuditLog>,
    tell: T,
    hook: Hook,
    quiet: Quiet,
    untold: VecDeque<Phrases>,
}

impl<T: Fn(&Phrases) -> bool> Owner<T> {
    async fn listen(mut self, mut events: broadcast::Receiver<Recorded>, mut ending: oneshot::Receiver<()>) {
        loop {
            let again = (!self.untold.is_empty()).then(|| Instant::now() + AGAIN);
            let next = self.quiet.next().into_iter().chain(again).min();
            let timer = async move {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.recv() => match event {
                    Ok(event) => self.hear(&event),
                    Err(broadcast::error::RecvError::Lagged(missed)) => lagged(missed),
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                () = timer => {
                    let due = self.quiet.due(Instant::now());
                    due.iter().for_each(|alarm| self.tell(alarm));
                    self.tell_waiting();
                }
                _ = &mut ending => break,
            }
        }
        loop {
            match events.try_recv() {
                Ok(event) => self.hear(&event),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => lagged(missed),
                Err(_) => break,
            }
        }
        self.quiet.rest().iter().for_each(|alarm| self.tell(alarm));
        self.tell_waiting();
        self.hook.finish().await;
    }

    fn hear(&mut self, event: &Recorded) {
        if let Some(alarm) = Alarm::of(event, &self.log)
            && let Some(alarm) = self.quiet.admit(alarm, Instant::now())
        {
            self.tell(&alarm);
        }
    }

    fn tell(&mut self, alarm: &Alarm) {
        self.untold.push_back(words(alarm));
        if self.untold.len() > MOST_UNTOLD {
            self.untold.pop_front();
        }
        self.tell_waiting();
        self.hook.run(alarm);
    }

    fn tell_waiting(&mut self) {
        while self.untold.front().is_some_and(|words| (self.tell)(words)) {
            self.untold.pop_front();
        }
    }
}

fn lagged(missed: u64) {
    tracing::error!(missed, "Alarms came faster than they could be told; the audit log has them");
}
