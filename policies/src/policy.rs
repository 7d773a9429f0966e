//! A compiled policy: the rules of one group, ready to judge.

use std::sync::Arc;

use crate::host_index::HostIndex;
use crate::host_pattern::is_reserved;
use crate::limits::Limits;
use crate::observe::Observe;
use crate::rules::{AllowRule, DenyRule};
use crate::segments::Outline;
use crate::tunnel::TunnelRule;
use crate::{Date, GroupName, Host, PolicyHash, RequestPattern, RuleSummary};

/// A compiled policy of one group.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) group: GroupName,
    pub(crate) hash: PolicyHash,
    rules: Rules,
    allow_hosts: HostIndex,
    /// Beside the rules, because they are gone through for every request.
    allow_outlines: Vec<Outline>,
    deny_outlines: Vec<Outline>,
    tunnel_hosts: HostIndex,
    deny_hosts: HostIndex,
}

/// What the files of a policy say together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) allows: Vec<AllowRule>,
    pub(crate) tunnels: Vec<TunnelRule>,
    pub(crate) denies: Vec<DenyRule>,
    pub(crate) limits: Limits,
    pub(crate) observe: Option<Observe>,
    pub(crate) blocks_lookalikes: bool,
}

impl Policy {
    /// The policy of a group that has none: nothing is allowed.
    pub fn deny_all(group: &GroupName) -> Policy {
        Policy::from_rules(group, PolicyHash::of(&[]), Rules::default())
    }

    pub(crate) fn from_rules(group: &GroupName, hash: PolicyHash, rules: Rules) -> Self {
        let allow_hosts = HostIndex::new(rules.allows.iter().map(|rule| &rule.host));
        let tunnel_hosts = HostIndex::new(rules.tunnels.iter().map(|rule| &rule.host));
        let deny_hosts = HostIndex::new(rules.denies.iter().map(|rule| &rule.host));
        let allow_outlines = rules.allows.iter().map(|rule| outline(&rule.requests, RequestPattern::outline)).collect();
        let deny_outlines =
            rules.denies.iter().map(|rule| outline(&rule.requests, RequestPattern::wide_outline)).collect();
        Policy {
            group: group.clone(),
            hash,
            rules,
            allow_hosts,
            allow_outlines,
            deny_outlines,
            tunnel_hosts,
            deny_hosts,
        }
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
        let mut names: Vec<_> = self.rules.allows.iter().filter_map(|rule| rule.credential.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the group may use up.
    pub fn limits(&self) -> &Limits {
        &self.rules.limits
    }

    /// Whether what only looks like a secret stops a request (`leaks = "block"`).
    pub fn blocks_lookalikes(&self) -> bool {
        self.rules.blocks_lookalikes
    }

    /// The last day on which the group is observed, where `mode = "observe"` stands.
    pub fn observe_until(&self) -> Option<Date> {
        self.rules.observe.as_ref().map(|observe| observe.until)
    }

    /// Every rule with its place: the group's own first, then presets, then base.
    pub fn rules(&self) -> impl Iterator<Item = RuleSummary> {
        let mut rules: Vec<RuleSummary> = self.rules.allows.iter().map(RuleSummary::from).collect();
        rules.extend(self.rules.tunnels.iter().map(RuleSummary::from));
        rules.extend(self.rules.denies.iter().map(RuleSummary::from));
        rules.sort_by_key(|rule| (rule.origin.rank(), Arc::clone(&rule.at.file), rule.at.line));
        rules.into_iter()
    }

    /// Whether the host is the door's own name (`doorward.internal`), which no
    /// policy can name and no verdict allows.
    pub fn host_is_reserved(host: &Host) -> bool {
        is_reserved(host)
    }

    pub(crate) fn allows_of(&self, host: &Host) -> impl Iterator<Item = &AllowRule> {
        self.allow_hosts.find_own(host).into_iter().map(|place| &self.rules.allows[place])
    }

    /// The allows of a host that may cover a path with this outline.
    pub(crate) fn allows_near(&self, host: &Host, path: Outline) -> impl Iterator<Item = &AllowRule> {
        let near = move |place: &usize| self.allow_outlines[*place].meets(&path);
        self.allow_hosts.find_own(host).into_iter().filter(near).map(|place| &self.rules.allows[place])
    }

    /// The same for denies.
    pub(crate) fn denies_near(&self, host: &Host, path: Outline) -> impl Iterator<Item = &DenyRule> {
        let near = move |place: &usize| self.deny_outlines[*place].meets(&path);
        self.deny_hosts.find(host).into_iter().filter(near).map(|place| &self.rules.denies[place])
    }

    pub(crate) fn tunnels_of(&self, host: &Host) -> impl Iterator<Item = &TunnelRule> {
        self.tunnel_hosts.find_own(host).into_iter().map(|place| &self.rules.tunnels[place])
    }

    /// While the group is observed on this day: where it says so.
    pub(crate) fn observing(&self, today: Option<Date>) -> Option<&Observe> {
        self.rules.observe.as_ref().filter(|observe| today.is_some_and(|today| today <= observe.until))
    }

    pub(crate) fn denies_of(&self, host: &Host) -> impl Iterator<Item = &DenyRule> {
        self.deny_hosts.find(host).into_iter().map(|place| &self.rules.denies[place])
    }
}

fn outline(requests: &[RequestPattern], of: fn(&RequestPattern) -> Outline) -> Outline {
    Outline::of_all(requests.iter().map(of))
}
