//! Why a turn failed, for any agent, and the consequence for the next.

use serde_json::Value;

use crate::shell::MAX_OUTPUT;

/// How much of an agent's own message is repeated.
pub(crate) const MOST_WORDS: usize = 600;

/// Why a turn failed, and the consequence for the next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For people.
    pub(crate) words: String,
    /// Whether a retry may succeed.
    pub(crate) retry: bool,
    /// Whether it was refused for its content.
    pub(crate) refused: Refused,
    /// Whether another model could answer.
    pub(crate) another: bool,
}

/// Whether a turn was refused for its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No, or unknown: the session is as good as before.
    No,
    /// The request was bad. The turn is better left out.
    Perhaps,
    /// The conversation's content is the cause: each later request would be refused as well.
    ForWhatItSays,
}

/// The answer, as far as it fits.
pub(crate) fn reply(text: &str) -> String {
    cut(text.trim(), MAX_OUTPUT)
}

/// The door's refusal from clients that show only its `error` field.
fn said_briefly(said: &str) -> Option<(String, String)> {
    let (_, said) = said.split_once("refused by doorward (")?;
    let (code, why) = said.split_once("): ")?;
    Some((code.to_owned(), why.to_owned()))
}

/// The door's refusals are JSON objects with a `code` and a `why`, which agents repeat.
pub(crate) fn refused_by_the_door(model: &str, said: &str) -> Option<Failure> {
    let (code, why) = said_whole(said).or_else(|| said_briefly(said))?;
    let words = format!("the door refused the request to {model}: {} ({code})", cut(&why, MOST_WORDS));
    let retry = MAY_PASS.contains(&&*code);
    let refused = match &*code {
        code if FOR_WHAT_IT_SAYS.contains(&code) => Refused::ForWhatItSays,
        // A limit per request, which is too much for good, or per day, which says nothing about the request.
        "limit_exceeded" => Refused::Perhaps,
        _ => Refused::No,
    };
    Some(Failure { words, retry, refused, another: false })
}

fn said_whole(said: &str) -> Option<(String, String)> {
    let (_, json) = said.split_at(said.find('{')?);
    let refusal: Value = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
    Some((refusal["code"].as_str()?.to_owned(), refusal["why"].as_str()?.to_owned()))
}

/// The door's codes for reasons in a request's content, and so in the conversation.
const FOR_WHAT_IT_SAYS: [&str; 8] = [
    "secret_in_request",
    "surrogate_unbound",
    "surrogate_location",
    "surrogate_foreign",
    "surrogate_retired",
    "body_condition",
    "body_unreadable",
    "too_large",
];

/// Codes for outside reasons that may pass by themselves.
const MAY_PASS: [&str; 6] =
    ["upstream_failed", "upstream_unreadable", "unresolved", "timeout", "audit_unavailable", "group_limit"];

/// Whether a model's message says that it, or its account, is exhausted for now.
pub(crate) fn another_could(said: &str) -> bool {
    const WORDS: [&str; 16] = [
        "overloaded",
        "at capacity",
        "rate limit",
        "rate_limit",
        "too many requests",
        "quota",
        "credit",
        "billing",
        "payment required",
        "usage limit",
        "spend limit",
        "insufficient",
        "internal server error",
        "service unavailable",
        "server_error",
        "high demand",
    ];
    const STATUS: [&str; 7] = ["402", "429", "500", "502", "503", "504", "529"];
    let said = said.to_ascii_lowercase();
    let mut numbers = said.split(|c: char| !c.is_ascii_alphanumeric());
    WORDS.iter().any(|word| said.contains(word)) || numbers.any(|number| STATUS.contains(&number))
}

/// The beginning of the text, and how much is left out.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    format!("{}\n(cut here: {} more bytes)", &text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_doors_is_known_in_each_form() {
        for said in [
            r#"API Error: 403 {"error":"x","code":"secret_in_request","why":"it holds a key"} and more"#,
            "Internal error: Forbidden: refused by doorward (secret_in_request): it holds a key",
        ] {
            let failure = refused_by_the_door("the model", said).expect(said);
            assert_eq!((failure.refused, failure.retry), (Refused::ForWhatItSays, false));
            assert!(failure.words.ends_with("it holds a key (secret_in_request)"), "{}", failure.words);
        }
        assert!(refused_by_the_door("the model", "Internal error: Forbidden: {}").is_none());
    }

    #[test]
    fn what_another_model_could_answer_is_told_from_what_it_could_not() {
        for said in [
            "Internal error: {\"status\":529}",
            "exceeded retry limit, last status: 429 Too Many Requests",
            "Quota exceeded. Check your plan and billing details.",
            "Your credit balance is too low to access the API",
            "Payment Required",
            "We're currently experiencing high demand",
        ] {
            assert!(another_could(said), "{said}");
        }
        for said in
            ["messages.3.content: 4290 characters", "model not found", "invalid x-api-key (401)", "", "at line 5"]
        {
            assert!(!another_could(said), "{said}");
        }
        let door = "Forbidden: refused by doorward (used_up): the limit of 5 dollars a day is reached";
        assert!(!refused_by_the_door("the model", door).expect(door).another, "the owner's limit is for all of them");
    }

    #[test]
    fn a_reply_that_is_too_long_is_cut_between_characters() {
        let long = reply(&"ä".repeat(MAX_OUTPUT));
        assert!(long.ends_with(&format!("ä\n(cut here: {MAX_OUTPUT} more bytes)")));
    }
}
