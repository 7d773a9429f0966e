//! Anthropic's Messages API, as far as Claude Code speaks it: over TLS, answers as
//! server-sent events, tools in rounds, errors. Who thinks is the test's script.
//!
//! It takes the real key, in its one place, and nothing else: a surrogate, a second
//! authentication or a key in another place is refused and kept for the test to see.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Home, Request, Response, Upstream, random_key};

/// What a request must bring.
#[derive(Clone, Debug)]
pub enum Key {
    /// `x-api-key`.
    Api(String),
    /// `authorization: Bearer`: a subscription's.
    Token(String),
}

/// What the model does next.
pub enum Does {
    /// Says this, which ends its turn.
    Says(String),
    /// The same, with a conversation that has become almost as long as it may.
    Fills(String),
    /// Uses a tool.
    Uses(&'static str, Value),
    /// Fails, with a status, a kind and words.
    Fails(u16, &'static str, &'static str),
}

/// What the model is asked.
#[derive(Clone, Debug)]
pub struct Asked(pub Value);

/// The server, for as long as the test runs.
pub struct Anthropic {
    upstream: Upstream,
    kept: Arc<Kept>,
}

#[derive(Default)]
struct Kept {
    asked: Mutex<Vec<Asked>>,
    refused: Mutex<Vec<String>>,
}

type Model = dyn Fn(&Asked) -> Does + Send + Sync;

impl Key {
    /// A new one of the usual kind.
    pub fn api() -> Self {
        Key::Api(random_key("sk-ant-api03-"))
    }

    /// A new one of a subscription.
    pub fn token() -> Self {
        Key::Token(random_key("sk-ant-oat01-"))
    }

    /// The secret itself.
    pub fn secret(&self) -> &str {
        match self {
            Key::Api(secret) | Key::Token(secret) => secret,
        }
    }
}

/// What lets the tests' servers, which are on loopback, be reached.
const LOOPBACK: &str = "\
[[allow]]
host = \"api.anthropic.com\"
do = [\"POST /v1/messages\", \"POST /v1/messages/count_tokens\"]
private = [\"127.0.0.1/32\"]
";

impl Anthropic {
    /// A model that does what `model` says, whenever it is asked.
    pub fn start(key: Key, model: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Self {
        let (kept, model) = (Arc::<Kept>::default(), Arc::new(model) as Arc<Model>);
        let mine = kept.clone();
        let upstream = Upstream::start(&["api.anthropic.com"], move |request| match wrong(request, &key) {
            Some((status, kind, why)) => {
                let words = format!("{} {}: {why}", request.method, request.target);
                mine.refused.lock().unwrap().push(words);
                error(status, kind, why)
            }
            None => answer(request, &mine, &*model),
        });
        Anthropic { upstream, kept }
    }

    /// Where it is.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Everything that the model was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.kept.asked.lock().unwrap().clone()
    }

    /// Requests that did not come as they must.
    pub fn refused(&self) -> Vec<String> {
        self.kept.refused.lock().unwrap().clone()
    }
}

impl Asked {
    /// What the last person's message says.
    pub fn prompt(&self) -> String {
        self.texts().last().cloned().unwrap_or_default()
    }

    /// Whether something stands anywhere in the conversation.
    pub fn mentions(&self, text: &str) -> bool {
        let quoted = Value::from(text).to_string();
        self.0["messages"].to_string().contains(quoted.trim_matches('"'))
    }

    /// How often something stands in the conversation.
    pub fn times(&self, text: &str) -> usize {
        let quoted = Value::from(text).to_string();
        self.0["messages"].to_string().matches(quoted.trim_matches('"')).count()
    }

    /// What came of the tools since the last person's message.
    pub fn results(&self) -> Vec<String> {
        let messages = self.messages();
        let said = messages.iter().rposition(|message| blocks(message).iter().any(is_said)).unwrap_or(0);
        let since = messages[said..].iter().flat_map(blocks);
        since.filter(|block| block["type"] == "tool_result").map(|block| text_of(&block["content"])).collect()
    }

    fn texts(&self) -> Vec<String> {
        let all = self.messages().into_iter().flat_map(|message| blocks(&message));
        all.filter(is_said).map(|block| text_of(&block["text"])).collect()
    }

    fn messages(&self) -> Vec<Value> {
        self.0["messages"].as_array().cloned().unwrap_or_default()
    }
}

/// The daemon's way to say what people wrote.
fn is_said(block: &Value) -> bool {
    block["type"] == "text"
        && block["text"].as_str().is_some_and(|text| ["<message ", "<task "].iter().any(|said| text.contains(said)))
}

fn blocks(message: &Value) -> Vec<Value> {
    match &message["content"] {
        Value::String(text) => vec![json!({ "type": "text", "text": text })],
        Value::Array(blocks) => blocks.clone(),
        _ => Vec::new(),
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(|part| text_of(&part["text"])).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

fn wrong(request: &Request, key: &Key) -> Option<(u16, &'static str, &'static str)> {
    let (api_key, authorization) = (request.header("x-api-key"), request.header("authorization"));
    let authenticated = match key {
        Key::Api(secret) => api_key == Some(secret) && authorization.is_none(),
        Key::Token(secret) => authorization == Some(&format!("Bearer {secret}")) && api_key.is_none(),
    };
    let names = |name: &str| request.headers.iter().filter(|(key, _)| key == name).count();
    let once = names("x-api-key") + names("authorization") == 1;
    let elsewhere = request.headers.iter().filter(|(name, _)| name != "x-api-key" && name != "authorization");
    let mut rest = elsewhere.map(|(_, value)| value.as_str()).chain([request.target.as_str()]);
    if !authenticated || !once || request.header("cookie").is_some() {
        return Some((401, "authentication_error", "not the one real key in its place"));
    }
    if rest.any(|value| value.contains("sk-ant-")) || String::from_utf8_lossy(&request.body).contains(key.secret()) {
        return Some((400, "invalid_request_error", "a key where none belongs"));
    }
    if request.method != "POST" || !["/v1/messages", "/v1/messages/count_tokens"].contains(&request.path()) {
        return Some((404, "not_found_error", "no such thing here"));
    }
    if request.header("anthropic-version").is_none() {
        return Some((400, "invalid_request_error", "anthropic-version is missing"));
    }
    None
}

fn answer(request: &Request, kept: &Kept, model: &Model) -> Response {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    if request.path().ends_with("/count_tokens") {
        return json_response(200, &json!({ "input_tokens": request.body.len() / 4 }));
    }
    let asked = Asked(body);
    kept.asked.lock().unwrap().push(asked.clone());
    let name = asked.0["model"].as_str().unwrap_or_default().to_owned();
    match model(&asked) {
        Does::Fails(status, kind, words) => error(status, kind, words),
        Does::Says(text) => says(&name, &text, 10),
        Does::Fills(text) => says(&name, &text, 1_950_000),
        Does::Uses(tool, input) => {
            let id = format!("toolu_{:024x}", rand::random::<u64>());
            let block = json!({ "type": "tool_use", "id": id, "name": tool, "input": {} });
            let delta = json!({ "type": "input_json_delta", "partial_json": input.to_string() });
            events(&name, &block, &delta, "tool_use", 10)
        }
    }
}

fn says(model: &str, text: &str, read: u64) -> Response {
    let delta = json!({ "type": "text_delta", "text": text });
    events(model, &json!({ "type": "text", "text": "" }), &delta, "end_turn", read)
}

/// One message with one block, as it is streamed, after so many tokens were read.
fn events(model: &str, block: &Value, delta: &Value, stop_reason: &str, read: u64) -> Response {
    let message = json!({
        "id": format!("msg_{:024x}", rand::random::<u64>()), "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": read, "output_tokens": 1 },
    });
    let events = [
        json!({ "type": "message_start", "message": message }),
        json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        json!({ "type": "ping" }),
        json!({ "type": "content_block_delta", "index": 0, "delta": delta }),
        json!({ "type": "content_block_stop", "index": 0 }),
        json!({
            "type": "message_delta", "delta": { "stop_reason": stop_reason, "stop_sequence": null },
            "usage": { "output_tokens": 5 },
        }),
        json!({ "type": "message_stop" }),
    ];
    let body: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
        .collect();
    Response::ok(body).header("content-type", "text/event-stream; charset=utf-8")
}

fn error(status: u16, kind: &str, words: &str) -> Response {
    json_response(status, &json!({ "type": "error", "error": { "type": kind, "message": words } }))
}

fn json_response(status: u16, body: &Value) -> Response {
    Response { status, ..Response::ok(body.to_string()) }.header("content-type", "application/json")
}

impl Home {
    /// One whose group `family` has Claude Code for an agent, as docs/agents.md sets it up.
    pub fn with_claude_family(key: &Key, anthropic: &Anthropic) -> Self {
        Home::with_anthropic(key, anthropic).claude_group("family", &[])
    }

    /// One that has this key, and finds this server by its name.
    pub fn with_anthropic(key: &Key, anthropic: &Anthropic) -> Self {
        let credential = match key {
            Key::Api(_) => "place = [\"header:x-api-key\"]\nenv = \"ANTHROPIC_API_KEY\"",
            Key::Token(_) => "place = [\"header:authorization\"]\nenv = \"CLAUDE_CODE_OAUTH_TOKEN\"",
        };
        let credential = format!("hosts = [\"api.anthropic.com\"]\n{credential}");
        let home = Home::with_claude().host("api.anthropic.com", anthropic.upstream());
        home.credential("anthropic", key.secret(), &credential)
    }

    /// Registers a group with Claude Code for an agent.
    pub fn claude_group(self, name: &str, more: &[&str]) -> Self {
        self.run(&[&["group", "add", name, "--agent", "claude"], more].concat()).ok();
        self.on_this_machine(name);
        self
    }

    /// Lets a group's policy reach the model's server, which is on loopback.
    pub fn on_this_machine(&self, name: &str) {
        let policy = std::fs::read_to_string(self.policy_file(name)).unwrap();
        self.write_policy(name, &format!("{policy}\n{LOOPBACK}"));
    }
}
