//! What a dead daemon left: runs that were under way (invariant 13).
//!
//! A run that wrote upstream, or of which that is not known, is told to its chat
//! and not repeated. Any other is tried again, as one more attempt, and whoever called is
//! told, for what was done in the group's folder is there.

use policies::GroupName;

use super::shared::Shared;
use super::telling;
use super::worker::Broken;
use crate::store::{Run, StoreError};

const DIED: &str = "Doorward was ended while this was being answered.";
const BROKE_OFF: &str = "Doorward could not record the answer to this.";

/// Settles every run that is not under way any more. Called before anything starts.
pub(super) fn settle_interrupted<S>(shared: &Shared<S>) -> Result<(), StoreError> {
    for run in shared.store.running_runs()? {
        settle(shared, &run, DIED)?;
    }
    Ok(())
}

/// The same for a group whose worker broke off (the store could not be written, a
/// panic), and for messages that such an end left without a run of their own. Called
/// by the next worker before it takes anything on.
pub(super) fn settle_broken_off<S>(shared: &Shared<S>, name: &GroupName) -> Result<(), StoreError> {
    for run in shared.store.running_runs()?.into_iter().filter(|run| run.group == *name) {
        settle(shared, &run, BROKE_OFF)?;
    }
    // Taken on by a run that wrote and ended, by a death between that run and the next.
    let waiting = shared.store.calls_waiting(name)?;
    let taken_on: Vec<_> = waiting.into_iter().take_while(|message| shared.wrote_upstream(name, message.row)).collect();
    let Some(group) = shared.store.group(name)? else { return Ok(()) };
    let Some(run) = telling::run_without_sandbox(&shared.store, name, &taken_on) else { return Ok(()) };
    match shared.fail(&group, &run, BROKE_OFF, &taken_on, true) {
        Broken::Settled(_) => Ok(()),
        Broken::Store(error) => Err(error),
    }
}

fn settle<S>(shared: &Shared<S>, run: &Run, why: &str) -> Result<(), StoreError> {
    let Some(group) = shared.store.group(&run.group)? else { return Ok(()) };
    let messages = shared.store.calls_between(&run.group, run.first, run.last)?;
    let wrote = shared.wrote_upstream(&run.group, run.first);
    tracing::info!(group = %run.group, run = run.id.0, wrote, "a run was interrupted when the daemon ended");
    if wrote || run.attempt > super::retries::RETRIES {
        return match shared.fail(&group, run, why, &messages, true) {
            Broken::Settled(_) => Ok(()),
            Broken::Store(error) => Err(error),
        };
    }
    let stopped = shared.store.stop_waits(&run.group)?;
    telling::try_again(&shared.store, run, why, messages.first().filter(|_| !stopped))
}
