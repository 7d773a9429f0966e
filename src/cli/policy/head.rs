//! The door's verdict on a request's head, including headers.

use anyhow::anyhow;
use http::{HeaderMap, HeaderName, HeaderValue};
use policies::{Facts, Moment, Policy, SandboxId, Verdict};
use policy_file::Way;
use proxy::audit::Identity;

use super::{Failure, refused, without_a_key};
use crate::config::Config;
use crate::home::Home;
use crate::vault::stand_in;

/// `Name: value`.
pub(super) fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written \"Name: value\"")?;
    let name = name.trim().parse::<HeaderName>().map_err(|error| error.to_string())?;
    Ok((name, value.trim().parse::<HeaderValue>().map_err(|error| error.to_string())?))
}

/// How a request with these headers would fare, and what it would lose on the way. No secret is read, so a misplaced
/// one is not detected here.
pub(super) fn way(
    home: &Home,
    (policy, now): (&Policy, Moment),
    facts: Facts,
    headers: &HeaderMap,
) -> Result<(Way, Vec<String>), Failure> {
    let config = Config::load(home).map_err(refused)?;
    let keyring = stand_in::keyring(&config.credentials, &policy.credentials());
    // TLS to a host with a credential is always intercepted.
    let opened = keyring.guards(&facts.authority);
    if let Some(way) = policy_file::unopened(policy.at(now), &facts).filter(|_| !opened) {
        return Ok((way, Vec::new()));
    }
    let sandbox = SandboxId::new("0").ok_or_else(|| refused(anyhow!("no sandbox can be named")))?;
    let who = Identity { group: policy.group().clone(), sandbox };
    Ok(match proxy::foresee((policy, now), who, keyring, facts.clone(), headers) {
        Ok((verdict, mut notes)) => {
            let verdict = policy_file::dialled(verdict);
            let credential = match &verdict {
                Verdict::Allow(permit) => permit.credential(),
                Verdict::Ask(ask) => ask.terms().credential(),
                Verdict::Deny(..) => None,
            };
            let missing = credential.filter(|name| !config.credentials.contains_key(&**name));
            notes.extend(missing.map(|name| without_a_key(name)));
            (Way::Judged(verdict), notes)
        }
        Err(refusal) => (Way::Judged(Verdict::Deny(facts, refusal)), Vec::new()),
    })
}
