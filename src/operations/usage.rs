//! `usage`: what the models of the agent's own group have used, and how much of each limit that is.

use policies::Refusal;
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::{Operations, Proof, unavailable};
use crate::clock::OwnersClock;
use crate::config::{PRICES_OF, Prices};
use crate::meters::{Period, Report, report};
use crate::store::StoreError;

/// How usage is counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The owner's clock.
    pub clock: OwnersClock,
    /// Model prices.
    pub prices: Prices,
}

/// `usage`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadUsage {}

impl Asked for ReadUsage {
    fn described() -> Described {
        Described {
            what:
                "What this group's models have used up today and this month: runs, tokens, money, and how much of each \
                   limit that is; as JSON. Money is in millionths of a US dollar."
                    .to_owned(),
            properties: json!({}),
            required: &[],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let told = || -> Result<String, StoreError> {
            let (day, month) = (operations.used(caller, Period::Day)?, operations.used(caller, Period::Month)?);
            let limits = caller.policy().limits();
            let of_limits = [(&day, Period::Day), (&month, Period::Month)];
            let of_limits: Vec<String> =
                of_limits.into_iter().flat_map(|(used, period)| used.of_limits(limits, period)).collect();
            let told = json!({ "today": day, "this_month": month, "limits": of_limits, "prices_of": PRICES_OF });
            Ok(format!("{told:#}"))
        };
        told().map_err(|error| unavailable(&error))
    }
}

impl Operations {
    fn used(&self, caller: &Caller, period: Period) -> Result<Report, StoreError> {
        let Some(chats) = &self.chats else { return Ok(Report::default()) };
        let (group, Counted { clock, prices }) = (&caller.identity().group, &chats.counted);
        let since = match period {
            Period::Day => clock.start_of_day(),
            Period::Month => clock.start_of_month(),
        };
        let used = report(self.ledger.tokens_since(Some(group), since)?, prices).pop().unwrap_or_default();
        Ok(Report { group: group.to_string(), runs: chats.store.runs_since(group, since)?, ..used })
    }
}
