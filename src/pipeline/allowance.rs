//! How often a group's agent may be set to work in a day (`runs_per_day`). What it is not: the limits on what
//! leaves, and on what models use up, which are kept at the door.

use std::sync::Arc;

use policies::GroupName;

use crate::store::Millis;

/// Says how many runs a group may have since a moment.
#[derive(Clone)]
pub struct Allowance(Arc<Allowed>);

type Allowed = dyn Fn(&GroupName) -> Option<(u64, Millis)> + Send + Sync;

impl Allowance {
    /// By whoever knows the policies and the day.
    pub fn new(allowed: impl Fn(&GroupName) -> Option<(u64, Millis)> + Send + Sync + 'static) -> Self {
        Allowance(Arc::new(allowed))
    }

    /// At most so many runs since then; `None` for any number.
    pub(super) fn of(&self, group: &GroupName) -> Option<(u64, Millis)> {
        (self.0)(group)
    }
}

impl std::fmt::Debug for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Allowance")
    }
}
