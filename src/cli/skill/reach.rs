//! What a skill asks for, in sentences.

use std::collections::BTreeSet;

use policies::Policy;
use policy_file::{Effect, RuleSummary, summaries};

use crate::config::Config;
use crate::home::Home;

/// A sentence for each rule, and one for each credential that is not there.
pub(super) fn sentences(home: &Home, policy: &Policy) -> Vec<String> {
    let rules = summaries(policy);
    if rules.is_empty() {
        return vec!["It reaches nothing, and needs nothing for that.".to_owned()];
    }
    let mut all: Vec<String> = rules.iter().map(sentence).collect();
    let wanted: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.credential.as_deref()).collect();
    if let Ok(config) = Config::load(home) {
        let missing = wanted.into_iter().filter(|name| !config.credentials.contains_key(*name));
        all.extend(missing.map(|name| {
            format!("doorward.toml has no credential {name} yet: `doorward credential add {name}` makes it.")
        }));
    }
    all
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
