//! What happens to a failed firing: a retry, a report to its chat, or a stop.

use super::shared::Shared;
use super::telling;
use super::worker::{Broken, Left};
use crate::channels::protocol::OutgoingKind;
use crate::phrases::Phrases;
use crate::store::{EndRunError, Firing, FiringEnd, FiringId, Group, MOST_FAILURES, Millis, Run, StoreError};

impl<S> Shared<S> {
    /// Ends a firing's failed run: tries again later if that is safe and can help, else tells the chat. The group's
    /// messages do not wait for it meanwhile.
    pub(super) fn fail_firing(&self, group: &Group, run: &Run, id: FiringId, why: &Phrases, may_pass: bool) -> Broken {
        let ended = match self.store.open_firing(id) {
            Ok(Some(firing)) => self.failed(group, run, &firing, why, may_pass),
            // Somebody cancelled it meanwhile.
            Ok(None) => self.store.fail_run(run.id, &why.in_english(), None, &[]).map(drop),
            Err(error) => Err(error.into()),
        };
        self.outbox.wake();
        self.bell.ring();
        match ended {
            Ok(()) | Err(EndRunError::NotRunning(_)) => Broken::Settled(Left::default()),
            Err(EndRunError::Store(error)) => Broken::Store(error),
        }
    }

    fn failed(
        &self,
        group: &Group,
        run: &Run,
        firing: &Firing,
        why: &Phrases,
        may_pass: bool,
    ) -> Result<(), EndRunError> {
        let wrote = self.wrote_upstream(&group.name, run.first);
        let rest = self.settings.backoff.after(run.attempt).filter(|_| may_pass && !wrote);
        let (task, logged) = (firing.task.id.0, why.in_english());
        tracing::warn!(group = %group.name, task, run = run.id.0, attempt = run.attempt, wrote, again = rest.is_some(), "a run of a task failed");
        if let Some(rest) = rest {
            let rest = Millis::try_from(rest.as_millis()).unwrap_or(Millis::MAX);
            return self.store.end_firing(run.id, firing, &FiringEnd::Again(logged, rest), &[]).map(drop);
        }
        let mut words = telling::of_task(Phrases::new("task-failed"), &firing.task).saying("why", why.clone());
        if wrote {
            words = words.line(Phrases::new("task-not-repeated"));
        } else if run.attempt > 1 {
            words = words.line(Phrases::new("task-tried").count("count", run.attempt));
        }
        let failures = firing.task.failures + 1;
        if failures >= MOST_FAILURES && firing.task.what.schedule.recurs() {
            words = words.line(Phrases::new("task-paused").count("count", failures).with("number", task));
        }
        let own = |words: Phrases| self.say.own(&group.name, words);
        let mut told: Vec<_> =
            self.notice(group, run).map(|text| telling::unasked(OutgoingKind::Notice, own(text))).into_iter().collect();
        told.push(telling::unasked(OutgoingKind::Failure, own(words)));
        self.store.end_firing(run.id, firing, &FiringEnd::Failed(logged), &told).map(drop)
    }

    /// Stops a group's pending firings, and the run of one in progress. Returns whether there were any.
    pub(super) fn stop_firings(&self, group: &Group, run: Option<&Run>) -> Result<bool, StoreError> {
        let open = self.store.open_firings(&group.name)?;
        for firing in &open {
            let Some(run) = run.filter(|run| run.first == firing.id.row()) else {
                self.store.stop_firing(firing)?;
                continue;
            };
            let words = self.say.own(&group.name, telling::of_task(Phrases::new("task-stopped"), &firing.task));
            let told = [telling::unasked(OutgoingKind::Notice, words)];
            match self.store.end_firing(run.id, firing, &FiringEnd::Stopped, &told) {
                Ok(_) | Err(EndRunError::NotRunning(_)) => {}
                Err(EndRunError::Store(error)) => return Err(error),
            }
        }
        Ok(!open.is_empty())
    }
}
