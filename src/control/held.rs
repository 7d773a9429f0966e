//! Which groups have an `exec` sandbox or a door open by a connection, so that
//! `stop` can say whether anything ran, and wait until nothing does.

use std::collections::BTreeMap;
use std::sync::Arc;

use policies::GroupName;
use tokio::sync::watch;

/// Counts what is held; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<watch::Sender<BTreeMap<GroupName, usize>>>);

/// One thing that is held, until it is dropped.
#[derive(Debug)]
pub struct Holding {
    held: Held,
    group: GroupName,
}

impl Held {
    /// Something of the group is held from now on.
    pub fn take(&self, group: &GroupName) -> Holding {
        self.0.send_modify(|counts| *counts.entry(group.clone()).or_default() += 1);
        Holding { held: self.clone(), group: group.clone() }
    }

    /// How much of the group is held.
    pub fn of(&self, group: &GroupName) -> usize {
        self.0.borrow().get(group).copied().unwrap_or(0)
    }

    /// Until nothing of the group is held.
    pub async fn until_none(&self, group: &GroupName) {
        let mut counts = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = counts.wait_for(|counts| !counts.contains_key(group)).await;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.held.0.send_modify(|counts| match counts.get_mut(&self.group) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.group)),
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn holds_are_counted_and_awaited() {
        let (held, group) = (Held::default(), GroupName::parse("family").unwrap());
        let (first, second) = (held.take(&group), held.take(&group));
        assert_eq!(held.of(&group), 2);
        drop(first);
        assert_eq!(held.of(&group), 1);
        let waiting = tokio::spawn({
            let (held, group) = (held.clone(), group.clone());
            async move { held.until_none(&group).await }
        });
        drop(second);
        waiting.await.unwrap();
        assert_eq!(held.of(&group), 0);
    }
}
