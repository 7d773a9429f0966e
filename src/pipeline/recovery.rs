//! Runs that were in flight when a daemon died (invariant 13).
//!
//! A run that wrote upstream, or may have, is reported to its chat and not repeated. Any other counts as an attempt and
//! is tried again, and its caller is told, since its changes in the group's folder remain.

use policies::GroupName;

use super::shared::Shared;
use super::telling;
use super::worker::Broken;
use crate::phrases::Phrases;
use crate::store::{FiringId, Run, StoreError};

fn died() -> Phrases {
    Phrases::new("daemon-ended")
}

fn broke_off() -> Phrases {
    Phrases::new("not-recorded")
}

/// Settles every run that was in flight. Called before anything starts.
pub(super) fn settle_interrupted<S>(shared: &Shared<S>) -> Result<(), StoreError> {
    for run in shared.store.running_runs()? {
        settle(shared, &run, &died())?;
    }
    Ok(())
}

/// The same for a group whose worker broke off (a panic, or a store that could not be written), and for messages left
/// without a run. Called by the next worker before it takes anything on.
pub(super) fn settle_broken_off<S>(shared: &Shared<S>, name: &GroupName) -> Result<(), StoreError> {
    for run in shared.store.running_runs()?.into_iter().filter(|run| run.group == *name) {
        settle(shared, &run, &broke_off())?;
    }
    // They belonged to a run that wrote and ended; the daemon died before the next run began.
    let waiting = shared.store.calls_waiting(name)?;
    let taken_on: Vec<_> = waiting.into_iter().take_while(|message| shared.wrote_upstream(name, message.row)).collect();
    let Some(group) = shared.store.group(name)? else { return Ok(()) };
    let Some(run) = telling::run_without_sandbox(&shared.store, name, &taken_on) else { return Ok(()) };
    match shared.fail(&group, &run, &broke_off(), &taken_on, true) {
        Broken::Settled(_) => Ok(()),
        Broken::Store(error) => Err(error),
    }
}

fn settle<S>(shared: &Shared<S>, run: &Run, why: &Phrases) -> Result<(), StoreError> {
    let Some(group) = shared.store.group(&run.group)? else { return Ok(()) };
    let messages = shared.store.calls_between(&run.group, run.first, run.last)?;
    let wrote = shared.wrote_upstream(&run.group, run.first);
    tracing::info!(group = %run.group, run = run.id.0, wrote, "a run was interrupted when the daemon ended");
    if wrote || FiringId::of(run.first).is_some() || run.attempt > super::retries::RETRIES {
        return match shared.fail(&group, run, why, &messages, true) {
            Broken::Settled(_) => Ok(()),
            Broken::Store(error) => Err(error),
        };
    }
    let stopped = shared.store.stop_waits(&run.group)?;
    telling::try_again(&shared.store, &shared.say, run, why, messages.first().filter(|_| !stopped))
}
