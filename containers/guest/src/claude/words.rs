//! Error messages for people in a chat: what went wrong, and what to do about it.

use super::said::Outcome;
use crate::failure::{Failure, MOST_WORDS, Refused, another_could, cut, refused_by_the_door};

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
pub(super) fn failure(outcome: &Outcome) -> Failure {
    let said = if outcome.text.is_empty() { outcome.errors.join("; ") } else { outcome.text.clone() };
    if let Some(failure) = refused_by_the_door("Claude", &said) {
        return failure;
    }
    let another = another(outcome.status, &said);
    let of = |words: &str, retry| Failure { words: words.to_owned(), retry, refused: Refused::No, another };
    match outcome.status {
        Some(401) => of(REFUSED, false),
        Some(429) => of(
            &format!(
                "The limit of this Anthropic account is reached (429). Anthropic says: {}",
                cut(&said, MOST_WORDS)
            ),
            false,
        ),
        Some(529) => of("Claude is overloaded at the moment (529).", true),
        Some(status @ 500..) => of(&format!("Anthropic's servers have a problem ({status})."), true),
        Some(400 | 413 | 422) => {
            Failure { refused: refused_by_the_model(outcome.status, &said), ..of(&cut(&said, MOST_WORDS), false) }
        }
        _ if said.starts_with("Not logged in") => of(
            "there is no key for Claude in this sandbox. Its owner must give doorward.toml a credential for \
             api.anthropic.com with env = \"ANTHROPIC_API_KEY\" or \"CLAUDE_CODE_OAUTH_TOKEN\", and the group's \
             policy use = [\"claude\"].",
            false,
        ),
        _ if said.starts_with(TOO_LONG) => {
            Failure { refused: Refused::ForWhatItSays, ..of(&cut(&said, MOST_WORDS), false) }
        }
        // An unknown model, an account without permission: a retry would fail in the same way.
        Some(402..=499) if !said.is_empty() && !matches!(outcome.status, Some(408 | 409 | 425)) => {
            of(&cut(&said, MOST_WORDS), false)
        }
        _ if outcome.subtype.as_deref() == Some("error_max_turns") => of(
            "Claude Code took as many steps as it may take in one turn and stopped. What it did stays; say \"go on\" to \
             have it continue.",
            false,
        ),
        _ if said.is_empty() && outcome.subtype.as_deref() == Some("error_during_execution") => {
            of("Claude Code broke off while it was working, without a reason.", true)
        }
        _ if said.is_empty() => of("Claude Code gave no reason.", true),
        _ => of(&cut(&said, MOST_WORDS), true),
    }
}

/// Whether the model is overloaded, or its account has nothing left: then another model could answer.
fn another(status: Option<u16>, said: &str) -> bool {
    match status {
        Some(402 | 429 | 500..) => true,
        Some(400 | 403) => another_could(said) && !said.contains("messages."),
        _ => false,
    }
}

/// Claude Code's message, with or without a status.
const TOO_LONG: &str = "Prompt is too long";

/// Anthropic answers 400 for a conversation that it rejects, and for an account without credit.
/// Only if its message is about the conversation is that known to be the cause.
fn refused_by_the_model(status: Option<u16>, said: &str) -> Refused {
    const ABOUT_IT: [&str; 10] = [
        "too long",
        "messages.",
        "messages:",
        "tool_use",
        "tool_result",
        "thinking",
        "image",
        "document",
        "input length",
        "content",
    ];
    let said = said.to_ascii_lowercase();
    let about_it = status == Some(413) || ABOUT_IT.iter().any(|words| said.contains(words));
    if about_it { Refused::ForWhatItSays } else { Refused::Perhaps }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(status: Option<u16>, text: &str) -> Failure {
        failure(&Outcome { is_error: true, status, text: text.to_owned(), ..Outcome::default() })
    }

    /// A conversation refused for its content would make every later message fail; an account
    /// without credit, an overloaded server and a policy would not.
    #[test]
    fn what_stays_in_the_conversation_is_told_from_what_does_not() {
        let door = |code: &str| format!(r#"API Error: 403 {{"code":"{code}","why":"because","rule":null}}"#);
        for (status, said, refused, retry) in [
            (Some(403), door("secret_in_request").as_str(), Refused::ForWhatItSays, false),
            (Some(403), door("surrogate_foreign").as_str(), Refused::ForWhatItSays, false),
            (Some(403), door("body_condition").as_str(), Refused::ForWhatItSays, false),
            (Some(413), door("limit_exceeded").as_str(), Refused::Perhaps, false),
            (Some(403), door("not_allowed").as_str(), Refused::No, false),
            (Some(502), door("upstream_failed").as_str(), Refused::No, true),
            (Some(503), door("audit_unavailable").as_str(), Refused::No, true),
            (Some(400), "API Error: 400 messages.3.content.1: something is wrong", Refused::ForWhatItSays, false),
            (Some(400), "Prompt is too long", Refused::ForWhatItSays, false),
            (None, "Prompt is too long", Refused::ForWhatItSays, false),
            (Some(413), "Request too large (max 32MB)", Refused::ForWhatItSays, false),
            (Some(400), "Credit balance is too low", Refused::Perhaps, false),
            (Some(400), "API Error: 400 You have reached your specified API usage limits.", Refused::Perhaps, false),
            (Some(403), door("surrogate_retired").as_str(), Refused::ForWhatItSays, false),
            (Some(403), door("ask_refused").as_str(), Refused::No, false),
            (Some(403), door("secret_unavailable").as_str(), Refused::No, false),
            (Some(403), door("locked").as_str(), Refused::No, false),
            (
                Some(400),
                "API Error: 400 {\"code\":7}: thinking blocks cannot be modified",
                Refused::ForWhatItSays,
                false,
            ),
            (Some(404), "model: claude-unknown", Refused::No, false),
            (Some(403), "Request not allowed", Refused::No, false),
            (Some(408), "Request timed out", Refused::No, true),
            (Some(404), "", Refused::No, true),
            (Some(422), "something else", Refused::Perhaps, false),
            (Some(401), "invalid x-api-key", Refused::No, false),
            (Some(429), "You've hit your limit", Refused::No, false),
            (Some(500), "API Error: 500", Refused::No, true),
            (Some(529), "API Error: 529", Refused::No, true),
            (None, "Not logged in", Refused::No, false),
            (None, "API Error: Connection refused", Refused::No, true),
        ] {
            let failure = failed(status, said);
            assert_eq!((failure.refused, failure.retry), (refused, retry), "{status:?} {said}");
        }
    }

    #[test]
    fn another_model_is_asked_for_what_lies_with_this_one() {
        for (status, said, another) in [
            (Some(529), "API Error: 529", true),
            (Some(500), "API Error: 500", true),
            (Some(429), "You've hit your limit", true),
            (Some(400), "Credit balance is too low", true),
            (Some(400), "API Error: 400 You have reached your specified API usage limits.", true),
            (Some(400), "messages.3.content.1: quota is no word here", false),
            (Some(401), "invalid x-api-key", false),
            (Some(404), "model: claude-unknown", false),
            (Some(503), r#"API Error: 503 {"code":"audit_unavailable","why":"because","rule":null}"#, false),
            (None, "Not logged in", false),
        ] {
            assert_eq!(failed(status, said).another, another, "{status:?} {said}");
        }
    }

    #[test]
    fn the_end_by_too_many_steps_has_words() {
        let outcome = Outcome { is_error: true, subtype: Some("error_max_turns".into()), ..Outcome::default() };
        assert!(failure(&outcome).words.contains("go on"));
    }

    #[test]
    fn failures_say_what_to_do() {
        let door = r#"Failed to authenticate. API Error: 403 {"code":"not_allowed","why":"no rule of group family names api.anthropic.com","rule":null} and more"#;
        for (status, said, wanted) in [
            (Some(401), "Failed to authenticate. API Error: 401 invalid x-api-key", "doorward.toml"),
            (Some(403), door, "no rule of group family names api.anthropic.com (not_allowed)"),
            (Some(429), "You've hit your limit · resets 3pm", "resets 3pm"),
            (Some(500), "API Error: 500", "a problem (500)"),
            (Some(529), "API Error: 529", "overloaded at the moment"),
            (None, "Not logged in · Please run /login", "ANTHROPIC_API_KEY"),
            (None, "API Error: Connection refused", "Connection refused"),
            (None, "", "no reason"),
        ] {
            let words = failed(status, said).words;
            assert!(words.contains(wanted), "{words}");
            assert!(!words.contains('{') && !words.contains("/login"), "{words}");
        }
    }
}
