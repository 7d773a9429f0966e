//! What went wrong, for people in a chat: what it was, and what to do about it.

use serde_json::Value;

use super::said::Outcome;
use crate::shell::MAX_OUTPUT;

/// How much of Claude Code's own words is repeated.
const MOST_WORDS: usize = 600;

/// A key that Anthropic does not take.
pub(super) const REFUSED: &str = "Anthropic does not accept the key (401). Its owner must see whether the credential \
                                  for api.anthropic.com in doorward.toml holds a key that is valid.";

pub(super) fn retrying(attempt: u64, of: u64, status: Option<u16>) -> String {
    match status {
        Some(529) => format!("Claude is overloaded; asked again ({attempt} of {of})"),
        Some(status) => format!("Anthropic answered {status}; asked again ({attempt} of {of})"),
        None => format!("Anthropic cannot be reached; asked again ({attempt} of {of})"),
    }
}

/// Why a turn failed.
pub(super) fn failure(outcome: &Outcome) -> String {
    let said = if outcome.text.is_empty() { outcome.errors.join("; ") } else { outcome.text.clone() };
    if let Some(why) = refused_by_the_door(&said) {
        return why;
    }
    match outcome.status {
        Some(401) => REFUSED.to_owned(),
        Some(429) => {
            format!("The limit of this Anthropic account is reached (429). Anthropic says: {}", cut(&said, MOST_WORDS))
        }
        Some(529) => "Claude is overloaded at the moment (529). Send the message again in a few minutes.".to_owned(),
        Some(status @ 500..) => {
            format!("Anthropic's servers have a problem ({status}). Send the message again in a few minutes.")
        }
        _ if said.starts_with("Not logged in") => "there is no key for Claude in this sandbox. Its owner must give \
             doorward.toml a credential for api.anthropic.com with env = \"ANTHROPIC_API_KEY\" or \
             \"CLAUDE_CODE_OAUTH_TOKEN\", and the group's policy use = [\"claude\"]."
            .to_owned(),
        _ if said.is_empty() => "Claude Code gave no reason.".to_owned(),
        _ => cut(&said, MOST_WORDS),
    }
}

/// The answer, as much of it as fits.
pub(super) fn reply(text: &str) -> String {
    cut(text.trim(), MAX_OUTPUT)
}

/// The door's refusals are JSON objects with a `code` and a `why`; Claude Code repeats them.
fn refused_by_the_door(said: &str) -> Option<String> {
    let (_, json) = said.split_at(said.find('{')?);
    let refusal: Value = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
    let (code, why) = (refusal["code"].as_str()?, refusal["why"].as_str()?);
    Some(format!("the door refused the request to Claude: {} ({code})", cut(why, MOST_WORDS)))
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    format!("{}\n(cut here: {} more bytes)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: Option<u16>, text: &str) -> String {
        failure(&Outcome { is_error: true, status, text: text.to_owned(), ..Outcome::default() })
    }

    #[test]
    fn failures_say_what_to_do() {
        let door = r#"Failed to authenticate. API Error: 403 {"code":"not_allowed","why":"no rule of group family names api.anthropic.com","rule":null} and more"#;
        for (status, said, wanted) in [
            (Some(401), "Failed to authenticate. API Error: 401 invalid x-api-key", "doorward.toml"),
            (Some(403), door, "no rule of group family names api.anthropic.com (not_allowed)"),
            (Some(429), "You've hit your limit · resets 3pm", "resets 3pm"),
            (Some(500), "API Error: 500", "a problem (500)"),
            (Some(529), "API Error: 529", "again in a few minutes"),
            (None, "Not logged in · Please run /login", "ANTHROPIC_API_KEY"),
            (None, "API Error: Connection refused", "Connection refused"),
            (None, "", "no reason"),
        ] {
            let words = failed(status, said);
            assert!(words.contains(wanted), "{words}");
            assert!(!words.contains('{') && !words.contains("/login"), "{words}");
        }
    }

    #[test]
    fn a_reply_that_is_too_long_is_cut_between_characters() {
        let long = reply(&"ä".repeat(MAX_OUTPUT));
        assert!(long.ends_with(&format!("ä\n(cut here: {MAX_OUTPUT} more bytes)")));
    }
}
