//! From past requests to rules that would allow them: the smallest TOML, exact to every method and
//! path. What it is not: a decision. It resolves nothing, widens nothing, and the owner decides
//! whether to put it into the file.

use std::collections::{BTreeMap, BTreeSet};

use policies::{Code, Facts, PolicyAt, RuleRef, Verdict};

/// What to add to a group's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Suggestion {
    /// `[[allow]]` blocks; empty if there is nothing to add.
    pub toml: String,
    /// How many different requests the blocks allow.
    pub requests: usize,
    /// Requests closed by a deny: no allow opens these.
    pub denied: Vec<(Facts, RuleRef)>,
    /// Requests about which the owner is asked each time, and the rule that asks: no new allow is
    /// needed.
    pub asked: Vec<(Facts, RuleRef)>,
    /// Requests refused only at this time, and why: no new allow is needed.
    pub outside_hours: Vec<(Facts, String)>,
    /// How many were refused for reasons that no rule lifts.
    pub beyond_rules: usize,
}

/// A block without its requests: the lines before `do` and those after it.
type Frame = (Vec<String>, Vec<String>);

/// With this many pages in one place, a pattern is worth considering.
const MANY: usize = 5;

/// Turns requests into rules: refused ones with their code, observed ones without. Leaves out what
/// the policy already allows. A star in a path has the meaning it has in a rule.
pub fn suggest(policy: PolicyAt<'_>, asked: &[(Facts, Option<Code>)]) -> Suggestion {
    let mut suggestion = Suggestion::default();
    let mut blocks: BTreeMap<Frame, BTreeSet<String>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (facts, code) in asked {
        if !code.is_none_or(is_about_rules) {
            suggestion.beyond_rules += 1;
            continue;
        }
        let mut is_new = |facts: &Facts| seen.insert(format!("{} {}", facts.method, facts.url_without_query()));
        let (facts, refusal) = match policy.enforced().decide(facts.clone()) {
            Verdict::Allow(_) => continue,
            Verdict::Ask(ask) => {
                let at = ask.by().at.clone();
                let facts = ask.into_facts();
                if is_new(&facts) {
                    suggestion.asked.push((facts, at));
                }
                continue;
            }
            Verdict::Deny(facts, refusal) => (facts, refusal),
        };
        match (refusal.code, frame(&refusal.lift)) {
            (Code::DeniedByRule, _) => {
                if let (Some(rule), true) = (refusal.rule, is_new(&facts)) {
                    suggestion.denied.push((facts, rule));
                }
            }
            (Code::OutsideHours, _) => {
                if is_new(&facts) {
                    suggestion.outside_hours.push((facts, refusal.why));
                }
            }
            (_, Some((frame, request))) => {
                let request = request.replace(facts.path.spelt().as_str(), &facts.path.as_str().replace('!', "%21"));
                suggestion.requests += usize::from(blocks.entry(frame).or_default().insert(request));
            }
            (_, None) => suggestion.beyond_rules += 1,
        }
    }
    suggestion.toml = blocks.iter().map(|(frame, requests)| written(frame, requests)).collect::<Vec<_>>().join("\n");
    suggestion
}

/// Whether an `[[allow]]` can change this.
fn is_about_rules(code: Code) -> bool {
    // Exhaustive: whoever adds a code decides here whether a rule can lift it.
    match code {
        Code::NotAllowed
        | Code::PortDenied
        | Code::MethodDenied
        | Code::PathDenied
        | Code::PathAmbiguous
        | Code::IpLiteral
        | Code::UpgradeDenied
        | Code::OutsideHours
        | Code::DeniedByRule
        | Code::AskUnanswered
        | Code::AskRefused
        | Code::AskTooLarge => true,
        Code::AuthorityMalformed
        | Code::AuthorityMismatch
        | Code::Framing
        | Code::Http2Abuse
        | Code::TooLarge
        | Code::NotTls
        | Code::SelfTarget
        | Code::Unsupported
        | Code::ResolvedPrivate
        | Code::Unresolved
        | Code::SurrogateUnbound
        | Code::SurrogateLocation
        | Code::SurrogateForeign
        | Code::SurrogateRetired
        | Code::SurrogateScope
        | Code::CredentialAmbiguous
        | Code::CredentialNotSurrogate
        | Code::SurrogateMissing
        | Code::NotHarmless
        | Code::NotMinted
        | Code::SecretInRequest
        | Code::SecretInAnswer
        | Code::SecretUnavailable
        | Code::TlsVerify
        | Code::UpstreamFailed
        | Code::UpstreamUnreadable
        | Code::Timeout
        | Code::AuditUnavailable
        | Code::GroupLimit
        | Code::LimitExceeded
        | Code::UsedUp
        | Code::BodyCondition
        | Code::BodyUnreadable
        | Code::OperationRefused
        | Code::Revoked
        | Code::Locked
        | Code::OwnerAway => false,
    }
}

/// Splits a lift: everything but the request is the same for all pages of a host.
fn frame(lift: &[String]) -> Option<(Frame, String)> {
    let at = lift.iter().position(|line| line.starts_with("do = ["))?;
    let request = lift[at].strip_prefix("do = [")?.strip_suffix(']')?;
    Some(((lift[..at].to_vec(), lift[at + 1..].to_vec()), request.to_owned()))
}

fn written((before, behind): &Frame, requests: &BTreeSet<String>) -> String {
    let mut lines = before.clone();
    let texts: Vec<&str> = requests.iter().map(String::as_str).collect();
    match texts[..] {
        [one] => lines.push(format!("do = [{one}]")),
        _ => {
            lines.push("do = [".to_owned());
            lines.extend(texts.iter().map(|request| format!("    {request},")));
            lines.push("]".to_owned());
        }
    }
    lines.extend(patterns(&texts));
    lines.extend(behind.iter().cloned());
    lines.push(String::new());
    lines.join("\n")
}

/// If many pages in one folder were requested, the pattern that covers them: as a comment, because
/// it also opens pages that nobody requested.
fn patterns(requests: &[&str]) -> Vec<String> {
    let mut folders: BTreeMap<&str, usize> = BTreeMap::new();
    for request in requests {
        let folder = request.rfind('/').map_or("", |at| &request[..at]);
        // `"GET ` alone would be the whole host.
        if folder.contains('/') {
            *folders.entry(folder).or_default() += 1;
        }
    }
    let many = folders.into_iter().filter(|(_, count)| *count >= MANY);
    many.map(|(folder, count)| format!("# {folder}/*\" would cover {count} of these, and every other page there"))
        .collect()
}
