//! What the agent is told about its policy: as JSON and as readable text.

use std::fmt::Write;

use policies::{Policy, Refusal};
use policy_file::{Manifest, Reach};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::{Operations, Proof};

/// `policy`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadPolicy {}

impl Asked for ReadPolicy {
    fn described() -> Described {
        Described {
            what:
                "What you may reach through Doorward's door, what is denied and why, and the limits; as JSON. It shows \
                   the policy that is in force now."
                    .to_owned(),
            properties: json!({}),
            required: &[],
        }
    }

    fn perform(&self, _: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        Ok(policy_as_json(caller.policy()))
    }
}

/// The manifest as JSON.
fn policy_as_json(policy: &Policy) -> String {
    serde_json::to_string_pretty(&policy_file::manifest(policy)).unwrap_or_default()
}

/// The manifest as text.
pub(super) fn text(policy: &Policy) -> String {
    // Destructured in full, so that a new field cannot be forgotten.
    let Manifest { group, allowed, asked, asks_about_others, denied, limits, how_to_ask } =
        policy_file::manifest(policy);
    let others = if asks_about_others { "asked about, or refused" } else { "refused" };
    let mut text = format!("What the group {group} may reach. Everything else is {others}.\n\n");
    if allowed.is_empty() {
        text.push_str("  nothing\n");
    }
    allowed.iter().for_each(|reach| text.push_str(&lines(reach)));
    if !asked.is_empty() {
        text.push_str("\nThe owner is asked first, and the request waits for the answer:\n\n");
        asked.iter().for_each(|reach| text.push_str(&lines(reach)));
    }
    if !denied.is_empty() {
        text.push_str("\nRefused although something above may cover it:\n\n");
        denied.iter().for_each(|reach| text.push_str(&lines(reach)));
    }
    let limits: Vec<_> = limits.each().into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect();
    if !limits.is_empty() {
        text.push_str("\nLimits:\n\n");
        limits.iter().for_each(|(name, limit)| push(&mut text, &format!("  {name} = {limit}")));
    }
    push(&mut text, &format!("\n{how_to_ask}"));
    text
}

/// Likewise: a new field does not compile until agents are told about it.
fn lines(reach: &Reach) -> String {
    let Reach { host, scheme, ports, requests, query, body, unasked, websocket, with_credential, hours, why } = reach;
    let prefix = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    let mut text = format!("  {prefix}{host}");
    if ports.iter().any(|port| Some(*port) != usual_port(*scheme)) {
        let ports: Vec<_> = ports.iter().map(u16::to_string).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, " port {}", ports.join(", "));
    }
    text.push('\n');
    let query = query.as_ref().map(|query| format!(" ?{query}")).unwrap_or_default();
    requests.iter().for_each(|request| push(&mut text, &format!("    {request}{query}")));
    if requests.is_empty() {
        push(&mut text, "    any TLS connection, which the door does not open");
    }
    body.iter().for_each(|condition| push(&mut text, &format!("    where the body has {condition}")));
    if *websocket {
        push(&mut text, "    WebSockets too");
    }
    if *unasked {
        push(&mut text, "    without asking the owner");
    }
    if *with_credential {
        push(&mut text, "    send the surrogate from your environment; the door puts the real key in its place");
    }
    if let Some(hours) = hours {
        push(&mut text, &format!("    only {hours}, by the owner's clock"));
    }
    if let Some(why) = why {
        push(&mut text, &format!("    why: {why}"));
    }
    text
}

fn usual_port(scheme: Option<&str>) -> Option<u16> {
    match scheme {
        Some("https") => Some(443),
        Some("http") => Some(80),
        _ => None,
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
