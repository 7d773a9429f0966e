//! Models that are asked one whole conversation at a time, in the two forms that are common beside Anthropic's: OpenAI's chat
//! completions, which Mistral, OpenRouter and servers at home speak too, and Gemini's. Who thinks is the test's script.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Does, Request, Response, Upstream};

/// How a model is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `POST …/chat/completions`.
    Chat,
    /// `POST …:streamGenerateContent`, and `…:generateContent` in one piece.
    Gemini,
}

/// The server, for as long as the test runs.
pub struct Completions {
    pub upstream: Upstream,
    refused: Arc<Mutex<Vec<String>>>,
}

/// What the model is asked.
#[derive(Clone, Debug)]
pub struct Conversation {
    form: Form,
    whole: Value,
}

/// Where a model's server is, and how it knows who asks.
#[derive(Clone, Copy, Debug)]
pub struct Served<'a> {
    pub form: Form,
    /// Over TLS under this name; plainly where there is none.
    pub host: Option<&'a str>,
    /// How the path of a question ends.
    pub path: &'a str,
    /// A header and what must stand in it.
    pub key: Option<(&'a str, &'a str)>,
}

impl Completions {
    /// A model that does what `model` says, whenever it is asked as it must be.
    pub fn start(served: Served<'_>, model: impl Fn(&Conversation) -> Does + Send + Sync + 'static) -> Self {
        let refused = Arc::<Mutex<Vec<String>>>::default();
        let (mine, form, path) = (refused.clone(), served.form, served.path.to_owned());
        let key = served.key.map(|(header, value)| (header.to_owned(), value.to_owned()));
        let handler = move |request: &Request| {
            let knows = key.as_ref().is_none_or(|(header, value)| request.header(header) == Some(value));
            if request.method == "POST" && request.path().ends_with(&path) && knows {
                let whole = serde_json::from_slice(&request.body).unwrap_or_default();
                return answer(form, request, &model(&Conversation { form, whole }));
            }
            mine.lock().unwrap().push(format!("{} {}", request.method, request.target));
            Response { status: 401, ..Response::ok("{\"error\":{\"message\":\"not asked as it must be\"}}") }
        };
        let upstream = match served.host {
            Some(host) => Upstream::start(&[host], handler),
            None => Upstream::plain(handler),
        };
        Completions { upstream, refused }
    }

    /// Requests that did not come as they must.
    pub fn refused(&self) -> Vec<String> {
        self.refused.lock().unwrap().clone()
    }
}

impl Conversation {
    /// The model that it is for, where the question says so.
    pub fn model(&self) -> &str {
        self.whole["model"].as_str().unwrap_or_default()
    }

    /// What came of tools.
    pub fn results(&self) -> Vec<String> {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        match self.form {
            Form::Chat => {
                let tools = list(&self.whole["messages"]).into_iter().filter(|message| message["role"] == "tool");
                tools.map(|message| message["content"].to_string()).collect()
            }
            Form::Gemini => {
                let parts = list(&self.whole["contents"]).into_iter().flat_map(|turn| list(&turn["parts"]));
                parts.filter_map(|part| Some(part.get("functionResponse")?.to_string())).collect()
            }
        }
    }
}

fn answer(form: Form, request: &Request, does: &Does) -> Response {
    let gemini = |part: &Value| gemini(part, request.path().ends_with(":streamGenerateContent"));
    match (form, does) {
        (_, Does::Fails(status, kind, words)) => {
            let body = json!({ "error": { "type": kind, "code": status, "message": words } });
            Response { status: *status, ..Response::ok(body.to_string()) }.header("content-type", "application/json")
        }
        (Form::Chat, Does::Says(text) | Does::Fills(text)) => {
            chat(&json!({ "role": "assistant", "content": text }), "stop")
        }
        (Form::Chat, Does::Uses(tool, input)) => {
            let function = json!({ "name": tool, "arguments": input.to_string() });
            let call = json!({ "index": 0, "id": "call_1", "type": "function", "function": function });
            chat(&json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
        }
        (Form::Gemini, Does::Says(text) | Does::Fills(text)) => gemini(&json!({ "text": text })),
        (Form::Gemini, Does::Uses(tool, input)) => gemini(&json!({ "functionCall": { "name": tool, "args": input } })),
    }
}

fn chat(delta: &Value, reason: &str) -> Response {
    let usage = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
    let chunk = |delta: &Value, reason: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "usage": usage,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": reason }],
        })
    };
    let events =
        [chunk(delta, Value::Null).to_string(), chunk(&json!({}), reason.into()).to_string(), "[DONE]".to_owned()];
    stream(&events)
}

fn gemini(part: &Value, streams: bool) -> Response {
    let whole = json!({
        "candidates": [{ "index": 0, "content": { "role": "model", "parts": [part] }, "finishReason": "STOP" }],
        "usageMetadata": { "promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15 },
    });
    match streams {
        true => stream(&[whole.to_string()]),
        false => Response::ok(whole.to_string()).header("content-type", "application/json"),
    }
}

fn stream(events: &[String]) -> Response {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Response::ok(body).header("content-type", "text/event-stream; charset=utf-8")
}
