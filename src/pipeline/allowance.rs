//! How many runs a group may start in a day (`runs_per_day`). What it is not: the limits on traffic and on model usage,
//! which the door enforces.

use std::sync::Arc;

use policies::GroupName;

use crate::store::Millis;

/// Returns how many runs a group may have since a moment.
#[derive(Clone)]
pub struct Allowance(Arc<Allowed>);

type Allowed = dyn Fn(&GroupName) -> Option<(u64, Millis)> + Send + Sync;

impl Allowance {
    /// From a function that knows the policies and the day.
    pub fn new(allowed: impl Fn(&GroupName) -> Option<(u64, Millis)> + Send + Sync + 'static) -> Self {
        Allowance(Arc::new(allowed))
    }

    /// The most runs since that moment; `None` for no limit.
    pub(super) fn of(&self, group: &GroupName) -> Option<(u64, Millis)> {
        (self.0)(group)
    }
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allowance")
    }
}
