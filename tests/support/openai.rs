//! OpenAI's Responses API, as far as Codex speaks it: over TLS, answers as server-sent events, tools in rounds, errors.
//! Who thinks is the test's script.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Does, Home, Request, Response, Upstream, random_key};

/// The server, for as long as the test runs.
pub struct OpenAi {
    upstream: Upstream,
    key: String,
    kept: Arc<Kept>,
}

/// What the model is asked.
#[derive(Clone, Debug)]
pub struct Question(pub Value);

#[derive(Default)]
struct Kept {
    asked: Mutex<Vec<Question>>,
    refused: Mutex<Vec<String>>,
}

type Model = dyn Fn(&Question) -> Does + Send + Sync;

/// What lets the tests' server, which is on loopback, be reached.
const LOOPBACK: &str = "\
[[allow]]
host = \"api.openai.com\"
do = [\"POST /v1/responses\"]
private = [\"127.0.0.1/32\"]
";

impl OpenAi {
    /// A model that does what `model` says, whenever it is asked with the one real key in its place.
    pub fn start(model: impl Fn(&Question) -> Does + Send + Sync + 'static) -> Self {
        let (kept, model, key) = (Arc::<Kept>::default(), Arc::new(model) as Arc<Model>, random_key("sk-proj-"));
        let (mine, wanted) = (kept.clone(), format!("Bearer {key}"));
        let upstream = Upstream::start(&["api.openai.com"], move |request| {
            let is_right = request.method == "POST"
                && request.path() == "/v1/responses"
                && request.header("authorization") == Some(&wanted);
            if is_right {
                return answer(request, &mine, &*model);
            }
            let words = format!("{} {}", request.method, request.target);
            mine.refused.lock().unwrap().push(words);
            error(401, "invalid_api_key", "not the one real key in its place")
        });
        OpenAi { upstream, key, kept }
    }

    /// Everything that the model was asked, in order.
    pub fn asked(&self) -> Vec<Question> {
        self.kept.asked.lock().unwrap().clone()
    }

    /// Requests that did not come as they must.
    pub fn refused(&self) -> Vec<String> {
        self.kept.refused.lock().unwrap().clone()
    }

    /// The key that it takes.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Question {
    /// What the last person's message says.
    pub fn prompt(&self) -> String {
        self.items().iter().rev().find_map(said).unwrap_or_default()
    }

    /// Whether something stands anywhere in the conversation.
    pub fn mentions(&self, text: &str) -> bool {
        let quoted = Value::from(text).to_string();
        self.0["input"].to_string().contains(quoted.trim_matches('"'))
    }

    /// What came of the tools since the last person's message.
    pub fn results(&self) -> Vec<String> {
        let items = self.items();
        let from = items.iter().rposition(|item| said(item).is_some()).unwrap_or(0);
        let since = items[from..].iter().filter(|item| item["type"] == "function_call_output");
        since.map(|item| item["output"].as_str().map_or_else(|| item["output"].to_string(), str::to_owned)).collect()
    }

    fn items(&self) -> Vec<Value> {
        self.0["input"].as_array().cloned().unwrap_or_default()
    }
}

/// The daemon's way to say what people wrote.
fn said(item: &Value) -> Option<String> {
    let texts = item["content"].as_array()?.iter().filter_map(|part| part["text"].as_str());
    let said: Vec<&str> = texts.filter(|text| text.contains("<message ") || text.contains("<task ")).collect();
    (item["role"] == "user" && !said.is_empty()).then(|| said.join("\n"))
}

fn answer(request: &Request, kept: &Kept, model: &Model) -> Response {
    let asked = Question(serde_json::from_slice(&request.body).unwrap_or_default());
    kept.asked.lock().unwrap().push(asked.clone());
    match model(&asked) {
        Does::Fails(status, kind, words) => error(status, kind, words),
        Does::Says(text) | Does::Fills(text) => {
            let content = json!([{ "type": "output_text", "text": text, "annotations": [] }]);
            events(&json!({
                "type": "message", "id": id("msg"), "role": "assistant", "status": "completed", "content": content,
            }))
        }
        Does::Uses(tool, input) => {
            let mut call = json!({
                "type": "function_call", "id": id("fc"), "call_id": id("call"), "status": "completed", "name": tool,
                "arguments": input.to_string(),
            });
            // Tools of MCP servers come in groups.
            if let Some((group, name)) = tool.rsplit_once("__") {
                (call["namespace"], call["name"]) = (group.into(), name.into());
            }
            events(&call)
        }
    }
}

/// One answer with one item, as it is streamed.
fn events(item: &Value) -> Response {
    let response = |status: &str, output: Value| {
        let usage = json!({
            "input_tokens": 10, "input_tokens_details": { "cached_tokens": 0 },
            "output_tokens": 5, "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 15,
        });
        json!({ "id": "resp_1", "object": "response", "status": status, "output": output, "usage": usage })
    };
    let mut events = vec![
        json!({ "type": "response.created", "response": response("in_progress", json!([])) }),
        json!({ "type": "response.output_item.added", "output_index": 0, "item": item }),
    ];
    if let Some(text) = item["content"][0]["text"].as_str() {
        events.push(json!({
            "type": "response.output_text.delta", "item_id": item["id"], "output_index": 0, "content_index": 0,
            "delta": text,
        }));
    }
    events.push(json!({ "type": "response.output_item.done", "output_index": 0, "item": item }));
    events.push(json!({ "type": "response.completed", "response": response("completed", json!([item])) }));
    let body: String = events
        .iter()
        .map(|event| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()))
        .collect();
    Response::ok(body).header("content-type", "text/event-stream; charset=utf-8")
}

fn id(kind: &str) -> String {
    format!("{kind}_{:024x}", rand::random::<u64>())
}

fn error(status: u16, kind: &str, words: &str) -> Response {
    let body = json!({ "error": { "type": kind, "code": kind, "message": words } });
    Response { status, ..Response::ok(body.to_string()) }.header("content-type", "application/json")
}

impl Home {
    /// Has the key of this server, and finds it by its name.
    pub fn with_openai(self, openai: &OpenAi) -> Self {
        let credential = "hosts = [\"api.openai.com\"]\nplace = [\"header:authorization\"]\nenv = \"OPENAI_API_KEY\"";
        self.host("api.openai.com", &openai.upstream).credential("openai", openai.key(), credential)
    }

    /// Lets a group's policy ask it.
    pub fn thinks_with_openai(&self, name: &str) {
        self.run(&["policy", "use", name, "codex"]).ok();
        let policy = std::fs::read_to_string(self.policy_file(name)).unwrap();
        self.write_policy(name, &format!("{policy}\n{LOOPBACK}"));
    }
}
