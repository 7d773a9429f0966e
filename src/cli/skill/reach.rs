//! What a skill asks for, in sentences.

use std::collections::BTreeSet;

use desk::screen::value;
use policies::{Policy, Say};
use policy_file::{Effect, RuleSummary, summaries};

use crate::config::Config;
use crate::home::Home;

/// A sentence for each rule, and one for each missing part of its credentials.
pub(super) fn sentences(home: &Home, policy: &Policy) -> Vec<String> {
    let rules = summaries(policy);
    if rules.is_empty() {
        return vec!["It reaches nothing, and needs nothing for that.".to_owned()];
    }
    let mut all: Vec<String> = rules.iter().map(sentence).collect();
    if let Ok(config) = Config::load(home) {
        all.extend(credentials(&config, &rules));
    }
    all
}

/// Its words for questions: their owner reads these when asked.
pub(super) fn words(policy: &Policy) -> Vec<String> {
    let said = |say: &Say| {
        let requests = say.requests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        format!("Where you are asked about {requests}, its words are \u{201c}{}\u{201d}.", value(&say.text, usize::MAX))
    };
    policy.rules().says.iter().map(said).collect()
}

/// All of those, and why it asks: changing any of them changes what its owner reads.
pub(super) fn all_words(policy: &Policy) -> BTreeSet<String> {
    let why = summaries(policy).into_iter().filter_map(|rule| Some((rule.host, rule.why?)));
    let why = why.map(|(host, why)| format!("Of {host} it says \u{201c}{}\u{201d}.", value(&why, usize::MAX)));
    words(policy).into_iter().chain(why).collect()
}

/// Missing credentials: which exist, and where they go, is for its owner to decide.
fn credentials(config: &Config, rules: &[RuleSummary]) -> BTreeSet<String> {
    let with_key = rules.iter().filter_map(|rule| Some((rule.credential.as_deref()?, rule)));
    let missing = |(name, rule): (&str, &RuleSummary)| {
        let Some(credential) = config.credentials.get(name) else {
            return Some(format!(
                "doorward.toml has no credential {name} yet: `doorward credential add {name}` makes it."
            ));
        };
        let goes = |port| credential.hosts.iter().any(|at| at.host.to_string() == rule.host && at.port == port);
        let (host, port) = (&rule.host, *rule.ports.iter().find(|port| !goes(**port))?);
        let written = if port == 443 { host.clone() } else { format!("{host}:{port}") };
        Some(format!("Your credential {name} does not go there: put \"{written}\" into its `hosts` in doorward.toml."))
    };
    with_key.filter_map(missing).collect()
}

fn sentence(rule: &RuleSummary) -> String {
    let RuleSummary { effect, host, scheme, ports, credential, why, .. } = rule;
    let first = match effect {
        Effect::Ask => "After your yes each time, it may send",
        Effect::Allow | Effect::Deny => "It may send",
    };
    let usual = if *scheme == Some("http") { 80 } else { 443 };
    let ports = if *ports == [usual] {
        String::new()
    } else {
        format!(":{}", ports.iter().map(u16::to_string).collect::<Vec<_>>().join(","))
    };
    let clear = if *scheme == Some("http") { ", unencrypted" } else { "" };
    let key = credential.as_deref().map(|name| format!(", with your credential {name}")).unwrap_or_default();
    let why = why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{first} {} to {host}{ports}{clear}{key}{why}.", rule.in_words())
}
