//! The plain way in: exact methods and paths, and an index that names them.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Request as HttpRequest, Response, StatusCode};
use policies::Refusal;
use proxy::ports::Caller;
use serde_json::json;

use super::{Operations, Request, mcp, policy};

/// What there is: the path, its method, and what it is for.
const INDEX: [(&str, &str, &str); 3] = [
    ("/", "GET", "this list"),
    (
        "/policy",
        "GET",
        "what you may reach, what is denied and why, and how to ask for more; as text with Accept: text/plain",
    ),
    ("/mcp", "POST", "MCP (streamable HTTP): policy, send_message, request_access, and tasks"),
];

/// Answers one request.
pub(super) async fn answer(operations: Operations, caller: Caller, request: HttpRequest<Bytes>) -> Response<Bytes> {
    let as_text = wants_text(request.headers());
    let mut response = match (request.method().as_str(), request.uri().path()) {
        ("GET", "/") => index(as_text),
        ("GET", "/policy") => policy_of(&operations, &caller, as_text),
        (_, "/mcp") => mcp::answer(operations, caller, request).await,
        (_, path) => not_there(path),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn index(as_text: bool) -> Response<Bytes> {
    if as_text {
        let lines: Vec<_> =
            INDEX.iter().map(|(path, method, what)| format!("{method:<5} {path:<8} {what}\n")).collect();
        return respond(StatusCode::OK, "text/plain; charset=utf-8", lines.concat());
    }
    let list: Vec<_> =
        INDEX.iter().map(|(path, method, what)| json!({ "method": method, "path": path, "what": what })).collect();
    respond_json(StatusCode::OK, &json!({ "doorward": list }))
}

fn policy_of(operations: &Operations, caller: &Caller, as_text: bool) -> Response<Bytes> {
    match operations.perform(caller, Request::Policy) {
        Ok(_) if as_text => respond(StatusCode::OK, "text/plain; charset=utf-8", policy::text(caller.policy())),
        Ok(json) => respond(StatusCode::OK, "application/json", json + "\n"),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response<Bytes> {
    let told = json!({ "error": "refused by doorward", "code": refusal.code, "why": refusal.why });
    respond_json(StatusCode::SERVICE_UNAVAILABLE, &told)
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

fn respond_json(status: StatusCode, value: &serde_json::Value) -> Response<Bytes> {
    respond(status, "application/json", format!("{value:#}\n"))
}

pub(super) fn respond(status: StatusCode, kind: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
