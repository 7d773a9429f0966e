//! A line of Claude Code's output, as far as it matters here. Unknown content is skipped, as newer
//! versions may send it; nothing here is trusted.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A turn begins, in this session.
    Began { session: String },
    /// A prompt is taken into the turn.
    Took { uuid: String },
    /// A sign of life.
    Works { what: String },
    /// The model's server did not answer, and the request is retried.
    Retries { attempt: u64, of: u64, status: Option<u16> },
    /// The turn is over.
    Ended(Outcome),
    /// Nothing of interest.
    Nothing,
}

/// How a turn ended.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Outcome {
    pub(super) is_error: bool,
    pub(super) subtype: Option<String>,
    pub(super) terminal_reason: Option<String>,
    /// The status from the model's server.
    #[serde(rename = "api_error_status")]
    pub(super) status: Option<u16>,
    /// The answer to the prompts, or what went wrong.
    #[serde(rename = "result")]
    pub(super) text: String,
    /// The error, if it is not in the result.
    pub(super) errors: Vec<String>,
}

impl Outcome {
    /// Whether the turn was interrupted.
    pub(super) fn is_interrupted(&self) -> bool {
        self.terminal_reason.as_deref().is_some_and(|reason| reason.starts_with("aborted"))
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    System {
        subtype: String,
        session_id: Option<String>,
        #[serde(default)]
        attempt: u64,
        #[serde(default)]
        max_retries: u64,
        error_status: Option<u16>,
    },
    CommandLifecycle {
        command_uuid: String,
        state: String,
    },
    Assistant {
        message: Value,
    },
    Result(Outcome),
    #[serde(other)]
    Other,
}

impl Said {
    /// `None`: not JSON. A line of a known kind in an unknown form says nothing, except for the end
    /// of a turn, which must not be missed: neither because of a warning written before it nor
    /// because of bytes in it that are not UTF-8.
    pub(super) fn parse(line: &[u8]) -> Option<Said> {
        let value = match json(line) {
            Read::Value(value) => value,
            Read::TooDeep => return ends(line).then(Said::of_unknown_form),
            Read::Nothing => return None,
        };
        let ends = value["type"] == "result";
        Some(match serde_json::from_value(value) {
            Ok(line) => Self::of(line),
            Err(_) if ends => Said::of_unknown_form(),
            Err(_) => Said::Nothing,
        })
    }

    fn of_unknown_form() -> Said {
        let errors = vec!["its last line has a form that this version does not know".to_owned()];
        Said::Ended(Outcome { is_error: true, errors, ..Outcome::default() })
    }

    fn of(line: Line) -> Said {
        match line {
            Line::System { subtype, session_id: Some(session), .. } if subtype == "init" => Said::Began { session },
            Line::System { subtype, attempt, max_retries, error_status, .. } if subtype == "api_retry" => {
                Said::Retries { attempt, of: max_retries, status: error_status }
            }
            Line::CommandLifecycle { command_uuid, state } if state == "started" => Said::Took { uuid: command_uuid },
            Line::Assistant { message } => Said::Works { what: work(&message) },
            Line::Result(outcome) => Said::Ended(outcome),
            _ => Said::Nothing,
        }
    }
}

/// The result of parsing a line.
enum Read {
    Value(Value),
    /// JSON with more nesting than is parsed.
    TooDeep,
    Nothing,
}

/// How many positions in a line are tried as the start of Claude Code's JSON.
const PLACES: usize = 32;

fn json(line: &[u8]) -> Read {
    let deep = |error: &serde_json::Error| error.to_string().starts_with("recursion limit");
    let mut too_deep = match serde_json::from_slice(line) {
        Ok(value) => return Read::Value(value),
        Err(error) => deep(&error),
    };
    let text = String::from_utf8_lossy(line);
    // The text before it may be JSON as well.
    for (begins, _) in text.match_indices("{\"").take(PLACES) {
        match serde_json::from_str::<Value>(&text[begins..]) {
            Ok(value) if value["type"].is_string() => return Read::Value(value),
            Ok(_) => {}
            Err(error) => too_deep |= deep(&error),
        }
    }
    if too_deep { Read::TooDeep } else { Read::Nothing }
}

/// Whether a line that was not parsed is the end of a turn all the same.
fn ends(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    text.contains("{\"type\":\"result\"") && text.trim_end().ends_with('}')
}

/// `uses Bash`; never its input or output.
fn work(message: &Value) -> String {
    let parts = message["content"].as_array();
    let tool =
        parts.into_iter().flatten().find_map(|part| part["name"].as_str().filter(|_| part["type"] == "tool_use"));
    tool.map_or_else(|| "thinks".to_owned(), |tool| format!("uses {tool}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_of_claude_code_are_understood() {
        let cases = [
            (r#"{"type":"system","subtype":"init","session_id":"s","tools":[]}"#, Said::Began { session: "s".into() }),
            (
                r#"{"type":"command_lifecycle","command_uuid":"u","state":"started","uuid":"x"}"#,
                Said::Took { uuid: "u".into() },
            ),
            (r#"{"type":"command_lifecycle","command_uuid":"u","state":"queued"}"#, Said::Nothing),
            (
                r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Bash","input":{}}]}}"#,
                Said::Works { what: "uses Bash".into() },
            ),
            (
                r#"{"type":"system","subtype":"api_retry","attempt":1,"max_retries":6,"error_status":529,"session_id":"s"}"#,
                Said::Retries { attempt: 1, of: 6, status: Some(529) },
            ),
            (r#"{"type":"something_new","subtype":3}"#, Said::Nothing),
            (r#"{"type":"system","subtype":3}"#, Said::Nothing),
            ("[]", Said::Nothing),
        ];
        for (line, said) in cases {
            assert_eq!(Said::parse(line.as_bytes()), Some(said), "{line}");
        }
        for noise in [
            &b"Segmentation fault"[..],
            b"",
            b"\xff\xfe",
            b"\xef\xbb\xbf(node:1) Warning",
            b"Warning: {\"x\"",
            b"{\"a\":1} {",
            b"log {\"level\":\"info\"}",
            b"{\"type\":",
            b"\r",
            b"\0",
            b"{\"a\":{\"type\":7}}}",
            b"nan",
        ] {
            assert_eq!(Said::parse(noise), None, "{noise:?}");
        }
    }

    #[test]
    fn the_end_of_a_turn_is_never_missed() {
        let ended = |line: &str| match Said::parse(line.as_bytes()) {
            Some(Said::Ended(outcome)) => outcome,
            other => panic!("{other:?}"),
        };
        let good = ended(r#"{"is_error":false,"subtype":"success","result":"hello","type":"result","extra":{}}"#);
        assert_eq!((good.is_error, good.text.as_str()), (false, "hello"));
        assert!(ended(r#"{"type":"result","is_error":true,"terminal_reason":"aborted_tools"}"#).is_interrupted());
        for noisy in [
            &b"\xef\xbb\xbf{\"type\":\"result\",\"result\":\"hello\"}"[..],
            b"Warning: x{\"type\":\"result\",\"result\":\"hello\"}\r",
            b"  {\"type\":\"result\",\"result\":\"hello\"}",
            b"{\"type\":\"result\",\"result\":\"hello\",\"other\":\"\xff\"}",
        ] {
            let Some(Said::Ended(outcome)) = Said::parse(noisy) else { panic!("{noisy:?}") };
            assert_eq!(outcome.text, "hello");
        }
        for before in [
            r#"{"level":"info"}"#,
            r#"log {"a":{"b":1}} "#,
            r#"{"half a line "#,
            r#"{"type":"assistant","message":{"#,
            "(node:1) Warning: {\"",
            "\u{1b}[33mwarn\u{1b}[0m ",
            "\0\0",
        ] {
            let line = format!("{before}{}", r#"{"type":"result","result":"hello"}"#);
            assert_eq!(ended(&line).text, "hello", "{before}");
        }
        let deep =
            format!(r#"{{"type":"result","result":"hello","structured":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(ended(&deep).errors[0].contains("form"));
        let odd = ended(r#"{"type":"result","result":{"text":"hello"}}"#);
        assert!(odd.is_error && odd.errors[0].contains("form"));
    }
}
