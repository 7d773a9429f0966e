//! The plain HTTP interface: exact methods and paths, and an index of them.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use policies::Refusal;
use proxy::ports::Caller;
use serde_json::json;

use super::table::Request;
use super::{Operation, Operations, file, ipc, mcp, policy, usage};

/// Path, method and purpose of each. The MCP tools correspond to them.
const INDEX: [(&str, &str, &str); 9] = [
    ("/", "GET", "this list"),
    (
        "/policy",
        "GET",
        "what you may reach, what is denied and why, and how to ask for more; as text with Accept: text/plain",
    ),
    ("/usage", "GET", "what the group's models have used up, and how much of each limit that is"),
    ("/files/NAME", "PUT", "send a file to your chat: curl -T FILE http://doorward.internal/files/NAME"),
    ("/ipc/messages", "POST", "a file of /workspace/ipc/messages; writing it there is enough"),
    ("/ipc/tasks", "POST", "a file of /workspace/ipc/tasks; the same"),
    ("/ipc/current_tasks.json", "GET", "this group's tasks, as in /workspace/ipc"),
    ("/ipc/available_groups.json", "GET", "the groups that this one may know of, as in /workspace/ipc"),
    ("/mcp", "POST", "MCP (streamable HTTP)"),
];

/// Answers one request.
pub(super) async fn answer(operations: Operations, caller: Caller, request: HttpRequest<Bytes>) -> Response<Bytes> {
    let as_text = wants_text(request.headers());
    let mut response = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => index(as_text),
        ("GET", "/policy") => policy_of(&operations, &caller, as_text).await,
        ("GET", "/usage") => usage_of(&operations, &caller).await,
        ("POST", "/ipc/messages") => ipc::message(&operations, &caller, request.body()).await,
        ("POST", "/ipc/tasks") => ipc::task(&operations, &caller, request.body()).await,
        ("GET", "/ipc/current_tasks.json") => ipc::current_tasks(&operations, &caller).await,
        ("GET", "/ipc/available_groups.json") => ipc::available_groups(&operations, &caller),
        ("PUT", path) if path.starts_with(file::FOLDER) => file::put(&operations, &caller, path, request.body()).await,
        (_, "/mcp") => mcp::answer(operations, caller, request).await,
        (_, path) => not_there(path),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn index(as_text: bool) -> Response<Bytes> {
    let tools: Vec<_> = Operation::ALL.iter().map(|operation| operation.name()).collect();
    if as_text {
        let lines = INDEX.iter().map(|(path, method, what)| format!("{method:<5} {path:<26} {what}\n"));
        let tools = format!("MCP's tools: {}\n", tools.join(", "));
        return respond(StatusCode::OK, "text/plain; charset=utf-8", lines.chain([tools]).collect());
    }
    let list: Vec<_> =
        INDEX.iter().map(|(path, method, what)| json!({ "method": method, "path": path, "what": what })).collect();
    respond_json(StatusCode::OK, &json!({ "doorward": list, "tools": tools }))
}

async fn usage_of(operations: &Operations, caller: &Caller) -> Response<Bytes> {
    match operations.perform(caller, Request::Usage(usage::ReadUsage {})).await {
        Ok(json) => respond(StatusCode::OK, "application/json", json + "\n"),
        Err(refusal) => refused(StatusCode::SERVICE_UNAVAILABLE, &refusal),
    }
}

async fn policy_of(operations: &Operations, caller: &Caller, as_text: bool) -> Response<Bytes> {
    let read = Request::Policy(policy::ReadPolicy {});
    match operations.perform(caller, read).await {
        Ok(_) if as_text => respond(StatusCode::OK, "text/plain; charset=utf-8", policy::text(caller.policy())),
        Ok(json) => respond(StatusCode::OK, "application/json", json + "\n"),
        Err(refusal) => refused(StatusCode::SERVICE_UNAVAILABLE, &refusal),
    }
}

/// A refusal in the form that agents get.
pub(super) fn refused(status: StatusCode, refusal: &Refusal) -> Response<Bytes> {
    let error = format!("refused by doorward ({}): {}", refusal.code.as_str(), refusal.why);
    let told = json!({ "error": error, "code": refusal.code, "why": refusal.why });
    respond_json(status, &told)
}

fn not_there(path: &str) -> Response<Bytes> {
    match INDEX.iter().find(|(known, _, _)| *known == path) {
        Some((_, method, _)) => {
            let told = json!({ "error": format!("{path} is for {method}") });
            let mut response = respond_json(StatusCode::METHOD_NOT_ALLOWED, &told);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
            response
        }
        None => {
            let told =
                json!({ "error": "there is no such thing here; GET http://doorward.internal/ lists what there is" });
            respond_json(StatusCode::NOT_FOUND, &told)
        }
    }
}

/// JSON unless text is asked for.
fn wants_text(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/plain"))
}

pub(super) fn respond_json(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    respond(status, "application/json", format!("{value:#}\n"))
}

pub(super) fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
