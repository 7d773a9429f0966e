//! A compiled policy: the rules of one group, ready to judge.

use std::sync::Arc;

use crate::host_index::HostIndex;
use crate::host_pattern::is_reserved;
use crate::rules::{AllowRule, DenyRule};
use crate::{GroupName, Host, PolicyHash, RuleSummary};

/// A compiled policy of one group.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) group: GroupName,
    pub(crate) hash: PolicyHash,
    allows: Vec<AllowRule>,
    allow_hosts: HostIndex,
    denies: Vec<DenyRule>,
    deny_hosts: HostIndex,
}

impl Policy {
    /// The policy of a group that has none: nothing is allowed.
    pub fn deny_all(group: &GroupName) -> Policy {
        Policy::from_rules(group, PolicyHash::of(&[]), Vec::new(), Vec::new())
    }

    pub(crate) fn from_rules(
        group: &GroupName,
        hash: PolicyHash,
        allows: Vec<AllowRule>,
        denies: Vec<DenyRule>,
    ) -> Self {
        let allow_hosts = HostIndex::new(allows.iter().map(|rule| &rule.host));
        let deny_hosts = HostIndex::new(denies.iter().map(|rule| &rule.host));
        Policy { group: group.clone(), hash, allows, allow_hosts, denies, deny_hosts }
    }

    /// Names the content.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Whose it is.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// Every credential that a rule puts on, once each, sorted.
    pub fn credentials(&self) -> Vec<Arc<str>> {
        let mut names: Vec<_> = self.allows.iter().filter_map(|rule| rule.credential.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Every rule with its place: the group's own first, then presets, then base.
    pub fn rules(&self) -> impl Iterator<Item = RuleSummary> {
        let mut rules: Vec<RuleSummary> = self.allows.iter().map(RuleSummary::from).collect();
        rules.extend(self.denies.iter().map(RuleSummary::from));
        rules.sort_by_key(|rule| (rule.origin.rank(), Arc::clone(&rule.at.file), rule.at.line));
        rules.into_iter()
    }

    /// Whether the host is the door's own name (`doorward.internal`), which no
    /// policy can name and no verdict allows.
    pub fn host_is_reserved(host: &Host) -> bool {
        is_reserved(host)
    }

    pub(crate) fn allows_of(&self, host: &Host) -> impl Iterator<Item = &AllowRule> {
        self.allow_hosts.find(host).into_iter().map(|place| &self.allows[place])
    }

    pub(crate) fn denies_of(&self, host: &Host) -> impl Iterator<Item = &DenyRule> {
        self.deny_hosts.find(host).into_iter().map(|place| &self.denies[place])
    }
}
