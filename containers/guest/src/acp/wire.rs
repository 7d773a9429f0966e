//! The messages, as far as they are needed, in any spelling.

use std::fmt;

use serde_json::{Value, json};

/// What an agent wrote.
#[derive(Debug, PartialEq)]
pub(super) enum Said {
    /// The answer to a request of ours.
    Answer { id: u64, result: Result<Value, String> },
    /// It makes a request to us.
    Request { id: Value, method: String, params: Value },
    /// It sends a notification.
    Note { method: String, params: Value },
}

/// Why an agent is unusable, or why one request to it failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It refused the request, with this message.
    Refused(String),
    /// It has ended, or does not speak the protocol.
    Ended(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Trouble::Refused(why) | Trouble::Ended(why)) = self;
        f.write_str(why)
    }
}

impl Said {
    /// `None` if the line is not a message of the protocol.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut message: Value = serde_json::from_slice(line).ok()?;
        let message = message.as_object_mut()?;
        let params = message.remove("params").unwrap_or(Value::Null);
        let id = message.remove("id");
        match (message.remove("method"), id) {
            (Some(Value::String(method)), Some(id)) => Some(Said::Request { id, method, params }),
            (Some(Value::String(method)), None) => Some(Said::Note { method, params }),
            (None, Some(id)) => {
                let result = match message.remove("error") {
                    Some(error) => Err(words(&error)),
                    None => Ok(message.remove("result").unwrap_or(Value::Null)),
                };
                Some(Said::Answer { id: id.as_u64()?, result })
            }
            _ => None,
        }
    }
}

/// An error, with its data: many agents put their model's message there.
fn words(error: &Value) -> String {
    let message = error["message"].as_str().unwrap_or("it gave no reason");
    match &error["data"] {
        Value::Null => message.to_owned(),
        Value::String(data) => format!("{message}: {data}"),
        data => format!("{message}: {data}"),
    }
}

/// A request.
pub(super) fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// A notification.
pub(super) fn note(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// The reply to a request of the agent's: permission is always granted, permanently where possible;
/// nothing else is offered.
pub(super) fn reply(id: &Value, method: &str, params: &Value, cancelled: bool) -> Value {
    if method != "session/request_permission" {
        let error = json!({ "code": -32601, "message": format!("{method} is not offered here") });
        return json!({ "jsonrpc": "2.0", "id": id, "error": error });
    }
    let options = params["options"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_kind = |kind: &str| options.iter().find(|option| option["kind"] == kind);
    let outcome = match of_kind("allow_always").or_else(|| of_kind("allow_once")).filter(|_| !cancelled) {
        Some(option) => json!({ "outcome": "selected", "optionId": option["optionId"] }),
        None => json!({ "outcome": "cancelled" }),
    };
    json!({ "jsonrpc": "2.0", "id": id, "result": { "outcome": outcome } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let parse = |line: &str| Said::parse(line.as_bytes());
        assert_eq!(
            parse(r#"{"jsonrpc":"2.0","id":7,"result":{"stopReason":"end_turn"}}"#),
            Some(Said::Answer { id: 7, result: Ok(json!({ "stopReason": "end_turn" })) })
        );
        assert_eq!(
            parse(r#"{"id":7,"error":{"code":-32603,"message":"Internal error","data":{"status":529}}}"#),
            Some(Said::Answer { id: 7, result: Err("Internal error: {\"status\":529}".to_owned()) })
        );
        assert_eq!(
            parse(r#"{"method":"session/update","params":{}}"#),
            Some(Said::Note { method: "session/update".to_owned(), params: json!({}) })
        );
        assert!(matches!(parse(r#"{"id":"a","method":"fs/read_text_file"}"#), Some(Said::Request { .. })));
        for noise in ["", "Error handling request {", "[]", "{}", r#"{"id":null,"result":{}}"#, r#"{"method":7}"#] {
            assert_eq!(parse(noise), None, "{noise}");
        }
    }

    #[test]
    fn what_is_asked_for_is_granted_and_nothing_else_offered() {
        let options = json!({ "options": [
            { "optionId": "n", "kind": "reject_once" }, { "optionId": "y", "kind": "allow_once" },
            { "optionId": "a", "kind": "allow_always" },
        ] });
        let outcome = |params: &Value, cancelled| {
            reply(&json!("x"), "session/request_permission", params, cancelled)["result"]["outcome"].clone()
        };
        assert_eq!(outcome(&options, false), json!({ "outcome": "selected", "optionId": "a" }));
        assert_eq!(outcome(&options, true), json!({ "outcome": "cancelled" }));
        assert_eq!(outcome(&json!({}), false), json!({ "outcome": "cancelled" }));
        assert_eq!(reply(&json!(3), "fs/read_text_file", &json!({}), false)["error"]["code"], -32601);
    }
}
