//! The owner's yes for what reaches beyond the asking group.

use policies::Refusal;
use proxy::ports::Caller;

use super::asked::Beyond;
use super::{Operation, Operations};
use crate::approvals::Deed;

impl Operations {
    /// Waits until the owner has said yes to exactly this, once. Everything in an operation that concerns another group
    /// goes through here before it is performed.
    pub(super) async fn owner_says_yes(
        &self,
        caller: &Caller,
        operation: Operation,
        beyond: &Beyond,
    ) -> Result<(), Refusal> {
        let Beyond { about, says, exactly } = beyond;
        let exactly = exactly.to_string();
        let deed = Deed {
            who: caller.identity(),
            run: caller.run(),
            operation: operation.name(),
            about,
            says: says.clone(),
            exactly: exactly.as_bytes(),
            quiet: caller.policy_now().is_quiet(),
        };
        self.chats()?.owner.ask_about(&deed).await?;
        // Meanwhile the owner may have locked the group, or its sandbox may have ended.
        caller.lets_nothing().map_or(Ok(()), Err)
    }
}
