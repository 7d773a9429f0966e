//! What a dead daemon left: runs that were under way (invariant 13).
//!
//! A run that wrote upstream, or of which that is not known, is told to its chat
//! and not repeated. Any other is tried again, as one more attempt.

use super::shared::Shared;
use super::telling;
use super::worker::Broken;
use crate::store::{Run, StoreError};

const DIED: &str = "Doorward was ended while this was being answered.";

/// Settles every run that is not under way any more. Called before anything starts.
pub(super) fn settle_interrupted<S>(shared: &Shared<S>) -> Result<(), StoreError> {
    for run in shared.store.running_runs()? {
        settle(shared, &run)?;
    }
    Ok(())
}

fn settle<S>(shared: &Shared<S>, run: &Run) -> Result<(), StoreError> {
    let Some(group) = shared.store.group(&run.group)? else { return Ok(()) };
    let messages = shared.store.messages_between(&run.group, run.first, run.last)?;
    let wrote = shared.wrote_upstream(&run.group, run.first);
    tracing::info!(group = %run.group, run = run.id.0, wrote, "a run was interrupted when the daemon ended");
    if wrote || run.attempt > super::retries::RETRIES {
        return match shared.fail(&group, run, DIED, &messages, true) {
            Broken::Settled(_) => Ok(()),
            Broken::Store(error) => Err(error),
        };
    }
    telling::try_again(&shared.store, run, DIED)
}
