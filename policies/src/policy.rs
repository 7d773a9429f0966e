//! A compiled policy: the rules of one group, ready to judge.

use std::sync::Arc;

use crate::ask_rule::AskRule;
use crate::asking::Asking;
use crate::grant::{Grant, HeadHash};
use crate::host_index::HostIndex;
use crate::host_pattern::is_reserved;
use crate::narrow::{self, Narrow};
use crate::observe::Observe;
use crate::rules::{AllowRule, DenyRule, TunnelRule};
use crate::say::{Say, Teller};
use crate::segments::Outline;
use crate::{Adviser, Authority, GroupName, Host, Hours, Limits, Moment, PolicyHash, RequestPattern};

/// A compiled policy of one group.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) group: GroupName,
    pub(crate) hash: PolicyHash,
    pub(crate) adviser: Adviser,
    pub(crate) teller: Teller,
    rules: Rules,
    /// The part that a helper may ask for; `None`: this is the group's own policy.
    narrow: Option<Narrow>,
    allow_hosts: HostIndex,
    /// Only the asks.
    asks: Vec<AskRule>,
    ask_hosts: HostIndex,
    tunnel_hosts: HostIndex,
    deny_hosts: HostIndex,
}

/// A policy at a moment: this is what judges. Without a moment there is no verdict.
#[derive(Clone, Copy, Debug)]
pub struct PolicyAt<'a> {
    policy: &'a Policy,
    now: Moment,
    observes: bool,
    grants: &'a [Grant],
    head: HeadHash,
}

/// The rules of all of a policy's files together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Each `[[allow]]` and `[[ask]]` whose requests are judged.
    pub allows: Vec<AllowRule>,
    /// Each `[[allow]]` with `tls = "tunnel"`.
    pub tunnels: Vec<TunnelRule>,
    /// Each `[[deny]]`.
    pub denies: Vec<DenyRule>,
    /// Each `[[say]]`.
    pub says: Vec<Say>,
    /// How much may be used.
    pub limits: Limits,
    /// What is asked besides the `[[ask]]`s, and how.
    pub asking: Asking,
    /// Until when hosts that no rule names are let through.
    pub observe: Option<Observe>,
    /// `leaks = "block"`: what only looks like a secret stops a request.
    pub blocks_lookalikes: bool,
}

impl Rules {
    /// The number of rules.
    pub fn count(&self) -> usize {
        self.allows.len() + self.tunnels.len() + self.denies.len()
    }
}

impl Policy {
    /// A policy of these rules. `hash` names what they were made from.
    pub fn new(group: &GroupName, hash: PolicyHash, rules: Rules, (adviser, teller): (Adviser, Teller)) -> Self {
        let exactly = |rule: &AllowRule| outline(&rule.requests, RequestPattern::outline);
        let widely = |requests: &[RequestPattern]| outline(requests, RequestPattern::wide_outline);
        let allow_hosts = HostIndex::new(rules.allows.iter().map(|rule| (&rule.host, exactly(rule))));
        let tunnel_hosts = HostIndex::new(rules.tunnels.iter().map(|rule| (&rule.host, Outline::ANYTHING)));
        let deny_hosts = HostIndex::new(rules.denies.iter().map(|rule| (&rule.host, widely(&rule.requests))));
        let asks = || rules.allows.iter().enumerate().filter(|(_, rule)| rule.asks());
        let ask_hosts = HostIndex::new(asks().map(|(_, rule)| (&rule.host, widely(&rule.requests))));
        let asks = asks().map(|(place, rule)| AskRule::new(place, rule, &rules.asking, adviser)).collect();
        Policy {
            group: group.clone(),
            hash,
            adviser,
            teller,
            rules,
            narrow: None,
            allow_hosts,
            asks,
            ask_hosts,
            tunnel_hosts,
            deny_hosts,
        }
    }

    /// The same for a helper of the group's agent, which may ask for this part and for the model.
    #[must_use]
    pub fn narrowed(&self, narrow: Narrow) -> Self {
        let hash = PolicyHash::of(&[(&self.hash.to_string(), &narrow.to_string())]);
        Policy { hash, narrow: Some(narrow), ..self.clone() }
    }

    /// Whether it is a helper's policy.
    pub fn is_narrowed(&self) -> bool {
        self.narrow.is_some()
    }

    pub(crate) fn narrow(&self) -> Option<&Narrow> {
        self.narrow.as_ref()
    }

    /// The policy as it judges at a moment.
    pub fn at(&self, now: Moment) -> PolicyAt<'_> {
        PolicyAt { policy: self, now, observes: true, grants: &[], head: HeadHash::default() }
    }

    /// Names the content.
    pub fn hash(&self) -> PolicyHash {
        self.hash
    }

    /// Whose it is.
    pub fn group(&self) -> &GroupName {
        &self.group
    }

    /// All that judges.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether connections there are opened although a rule says `tls = "tunnel"`: because of a
    /// deny that forbids anything there, an ask, or a credential for the host. Hours do not count
    /// here: outside of its hours, a rule must not let through unopened what it would have judged.
    pub fn wants_opening(&self, authority: &Authority) -> bool {
        let (host, port) = (&authority.host, authority.port);
        is_reserved(host)
            || self.denies_near(host, None).any(|deny| deny.touches(port))
            || self.asks_near(host, None).any(|(_, ask)| ask.ports.contains(&port))
            || self.allows_of(host).any(|rule| rule.credential.is_some() && rule.ports.contains(&port))
    }

    /// Every credential that a rule puts on, once each, sorted; for a helper, those it can come to use.
    pub fn credentials(&self) -> Vec<Arc<str>> {
        // A request to a model may get its key from another rule for that host.
        let models = || self.rules().allows.iter().filter(|rule| rule.model);
        let within = |rule: &&AllowRule| {
            let thinks = || models().any(|model| narrow::may_meet(&model.host, &rule.host));
            self.narrow().is_none_or(|narrow| narrow.may_meet(&rule.host) || thinks())
        };
        let mut names: Vec<_> =
            self.rules().allows.iter().filter(within).filter_map(|rule| rule.credential.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the group may use up.
    pub fn limits(&self) -> &Limits {
        &self.rules().limits
    }

    /// Whether what only looks like a secret stops a request (`leaks = "block"`).
    pub fn blocks_lookalikes(&self) -> bool {
        self.rules().blocks_lookalikes
    }

    /// The allows and asks that name a host, unordered, whatever their hours.
    pub fn allows_of(&self, host: &Host) -> impl Iterator<Item = &AllowRule> {
        self.allows_near(host, None)
    }

    /// Those that may cover a path with this outline.
    pub(crate) fn allows_near(&self, host: &Host, path: Option<Outline>) -> impl Iterator<Item = &AllowRule> {
        self.allow_hosts.find_own(host, path).into_iter().map(|place| &self.rules.allows[place])
    }

    /// The asks for a host that may cover a path with this outline (none: any), matched as widely as denials, so at
    /// least those of `allows_near`; each with its rule.
    pub(crate) fn asks_near(&self, host: &Host, path: Option<Outline>) -> impl Iterator<Item = (&AskRule, &AllowRule)> {
        let asks = self.ask_hosts.find(host, path).into_iter().map(|place| &self.asks[place]);
        asks.map(|ask| (ask, &self.rules.allows[ask.place]))
    }

    /// The denies for a host that may cover a path with this outline (none: any).
    pub(crate) fn denies_near(&self, host: &Host, path: Option<Outline>) -> impl Iterator<Item = &DenyRule> {
        self.deny_hosts.find(host, path).into_iter().map(|place| &self.rules.denies[place])
    }

    pub(crate) fn tunnels_of(&self, host: &Host) -> impl Iterator<Item = &TunnelRule> {
        self.tunnel_hosts.find_own(host, None).into_iter().map(|place| &self.rules.tunnels[place])
    }
}

impl<'a> PolicyAt<'a> {
    /// The policy itself, with its rules whatever their hours.
    pub fn policy(self) -> &'a Policy {
        self.policy
    }

    /// The moment.
    pub fn now(self) -> Moment {
        self.now
    }

    /// Whether nobody is to be asked at this moment.
    pub fn is_quiet(self) -> bool {
        self.policy.rules.asking.is_quiet(self.now)
    }

    /// The same without observing: by the rules alone.
    #[must_use]
    pub fn enforced(self) -> Self {
        PolicyAt { observes: false, ..self }
    }

    /// The same with these yeses, which the caller vouches for at this moment.
    #[must_use]
    pub fn with_grants<'b>(self, grants: &'b [Grant]) -> PolicyAt<'b>
    where
        'a: 'b,
    {
        PolicyAt { grants, ..self }
    }

    /// The allows and asks that name a host, except those that have ended for good.
    pub(crate) fn allows_of(&self, host: &Host) -> impl Iterator<Item = &'a AllowRule> {
        let now = self.now;
        self.policy.allows_of(host).filter(move |rule| !has_ended(rule.hours.as_ref(), now))
    }

    /// The same for tunnels.
    pub(crate) fn tunnels_of(&self, host: &Host) -> impl Iterator<Item = &'a TunnelRule> {
        let now = self.now;
        self.policy.tunnels_of(host).filter(move |rule| !has_ended(rule.hours.as_ref(), now))
    }

    /// The same for a request with this head, if yeses to it are passed in.
    #[must_use]
    pub fn with_head(self, head: HeadHash) -> Self {
        PolicyAt { head, ..self }
    }

    pub(crate) fn head(self) -> HeadHash {
        self.head
    }

    pub(crate) fn grants(self) -> &'a [Grant] {
        self.grants
    }

    /// The observation, if the policy has one that has not ended.
    pub(crate) fn observing(&self) -> Option<&'a Observe> {
        let observe = self.policy.rules.observe.as_ref().filter(|_| self.observes);
        observe.filter(|observe| self.now.date() <= observe.until)
    }
}

fn outline(requests: &[RequestPattern], of: fn(&RequestPattern) -> Outline) -> Outline {
    Outline::of_all(requests.iter().map(of))
}

fn has_ended(hours: Option<&Hours>, now: Moment) -> bool {
    hours.is_some_and(|hours| hours.have_ended(now))
}
