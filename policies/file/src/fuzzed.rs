//! What must hold for any bytes as a policy file: the target of `fuzz/`, a plain function, and a
//! replay of the committed corpus as a test. Not part of what ships.

#![allow(clippy::unwrap_used, reason = "a target fails by panicking")]

use policies::{Date, Facts, GroupName, Host, Moment, Policy, RequestPattern, TimeOfDay, Verdict};

use crate::{Effect, RuleSummary, Source, compile, diff, manifest, summaries};

/// A policy file, and what it then allows.
pub fn policy(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let group = GroupName::parse("family").unwrap();
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    let policy = match compile(&group, &source, None) {
        Ok(compiled) => compiled.policy,
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            for problem in &problems.0 {
                let (line, column) = problem.position();
                assert!(line >= 1 && column >= 1 && line <= text.lines().count() + 1, "{}", problem.plain());
            }
            return;
        }
    };
    let rules: Vec<RuleSummary> = summaries(&policy);
    for facts in rules.iter().flat_map(asked_for).chain(asked("unnamed.test", 443, "/")) {
        judged(&policy, &rules, facts);
    }
    let _ = serde_json::to_string(&manifest(&policy)).unwrap();
    assert!(diff(&policy, &policy).is_empty(), "a policy differs from itself");
}

/// An allow names its rule, the rule exists, and a plain reading of it agrees.
fn judged(policy: &Policy, rules: &[RuleSummary], facts: Facts) {
    let day = Date::new(2026, 11, 23).unwrap();
    let now = policy.at(Moment::new(day, TimeOfDay::new(12, 0).unwrap()));
    for verdict in [now.enforced().decide(facts.clone()), now.decide(facts.clone())] {
        let unnamed =
            || rules.iter().all(|rule| rule.effect == Effect::Deny || !names(&rule.host, &facts.authority.host));
        let (terms, by) = match &verdict {
            Verdict::Allow(permit) => (permit.terms(), None),
            Verdict::Ask(ask) => (ask.terms(), Some(ask.by())),
            Verdict::Deny(..) => continue,
        };
        assert_eq!(terms.facts(), &facts);
        if terms.observed() {
            assert!(policy.observe_until().is_some_and(|until| until >= day), "observed after the end");
            assert!(unnamed());
            continue;
        }
        if let Some(by) = by {
            assert!(facts.path.is_plain() && facts.upgrade.is_none() && facts.authority.host.name().is_some());
            if policy.rules().asking.unlisted.as_ref() == Some(&by.at) {
                assert!(unnamed());
                continue;
            }
            assert!(rules.iter().any(|rule| rule.at == by.at && rule.effect == Effect::Ask), "nothing asks");
        }
        let opens = |rule: &&RuleSummary| rule.effect != Effect::Deny && rule.tls.is_none();
        let rule = rules.iter().find(|rule| rule.at == *terms.rule() && opens(rule));
        let rule = rule.unwrap_or_else(|| panic!("no rule allows {facts:?}"));
        assert!(names(&rule.host, &facts.authority.host), "{rule:?} does not name {facts:?}");
        assert!(rule.ports.contains(&facts.authority.port) && rule.scheme == Some(facts.scheme.as_str()));
        let fits = |request: &String| match request.strip_prefix("GET, HEAD, OPTIONS ") {
            Some(path) => {
                facts.method.is_read()
                    && RequestPattern::parse(&format!("* {path}")).unwrap().matches(facts.method, &facts.path)
            }
            None => RequestPattern::parse(request).unwrap().matches(facts.method, &facts.path),
        };
        assert!(rule.requests.iter().any(fits), "{rule:?} does not cover {facts:?}");
    }
}

/// Requests near a rule: those it names, and some that are one step off.
fn asked_for(rule: &RuleSummary) -> Vec<Facts> {
    let host = rule.host.replace("**.", "x.y.").replace("*.", "x.");
    let ports = rule.ports.iter().copied().chain([443, 80]);
    let paths: Vec<String> = rule
        .requests
        .iter()
        .filter_map(|request| request.split_once(" /"))
        .map(|(_, path)| format!("/{}", path.replace('*', "x")))
        .collect();
    let near = ports.flat_map(|port| paths.iter().map(move |path| (port, path.clone())));
    near.take(64).flat_map(|(port, path)| asked(&host, port, &path)).collect()
}

fn asked(host: &str, port: u16, path: &str) -> Vec<Facts> {
    let one = |method: &str, scheme: &str| Facts::parse(method, &format!("{scheme}://{host}:{port}{path}")).ok();
    ["https", "http", "wss"]
        .iter()
        .flat_map(|scheme| ["GET", "POST"].iter().filter_map(|method| one(method, scheme)))
        .collect()
}

/// Whether the host of a rule covers a host, according to its text.
fn names(rule: &str, host: &Host) -> bool {
    let host = host.to_string();
    match (rule.strip_prefix("**."), rule.strip_prefix("*.")) {
        (Some(parent), _) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        (None, Some(parent)) => {
            let label = host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.'));
            label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        }
        (None, None) => rule == host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Past findings and seeds still hold.
    #[test]
    fn the_corpus_replays() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/policy");
        let entries: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
        assert!(entries.len() > 5, "there is nothing to begin with");
        for entry in entries {
            policy(&std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
}
