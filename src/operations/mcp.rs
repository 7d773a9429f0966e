//! MCP over streamable HTTP, for agents that speak it (Claude Code does).
//!
//! Every POST stands alone: there are no sessions, so there is none that could be
//! another sandbox's, and nothing is kept for a client that went away.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request as HttpRequest, Response};
use http_body_util::{BodyExt, Full};
use proxy::ports::Caller;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, JsonObject, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

use super::{Operation, Operations, Request, message, tasks};
use crate::schedule::{Kind, Missed};
use crate::store::Context;

const INSTRUCTIONS: &str = "\
Doorward is the only way out of this sandbox: it lets through what the owner's policy allows, and refuses the rest \
with a 403 that says why. `policy` says what is allowed. Where something that you need is refused, tell the person \
you talk to, and ask the owner with `request_access`; do not wait for it. What is to be done later, or again and again, \
you put down with `schedule_task`.";

/// The server for one request, and for the one who asked.
#[derive(Clone)]
struct Tools {
    operations: Operations,
    caller: Arc<Caller>,
}

/// Answers one HTTP request that speaks MCP.
pub(super) async fn answer(operations: Operations, caller: Caller, request: HttpRequest<Bytes>) -> Response<Bytes> {
    let tools = Tools { operations, caller: Arc::new(caller) };
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(["doorward.internal"])
        .enforce_origin_validation();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(tools.clone()), sessions, config);
    let (head, body) = service.handle(request.map(Full::new)).await.into_parts();
    match body.collect().await {
        Ok(body) => Response::from_parts(head, body.to_bytes()),
        Err(never) => match never {},
    }
}

impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("doorward", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(Operation::ALL.map(tool).to_vec()))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        Operation::named(name).map(tool)
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let Some(operation) = Operation::named(&call.name) else {
            return Err(ErrorData::invalid_params("there is no such tool; tools/list names those there are", None));
        };
        let arguments = Value::Object(call.arguments.unwrap_or_default());
        let request = Request::read(operation, arguments).map_err(|why| {
            self.operations.refuse_unread(&self.caller, operation);
            ErrorData::invalid_params(format!("{}: {why}", operation.name()), None)
        })?;
        let done = self.operations.perform(&self.caller, request);
        let result = match done {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]),
        };
        Ok(result.into())
    }
}

/// How an operation presents itself to a model.
fn tool(operation: Operation) -> Tool {
    let (description, properties, required): (_, _, &[&str]) = match operation {
        Operation::Policy => (
            "What you may reach through Doorward's door, what is denied and why, and the limits; as JSON. It shows the \
             policy that is in force now."
                .to_owned(),
            json!({}),
            &[],
        ),
        Operation::SendMessage => (
            format!(
                "Sends a message to the chat you are answering in, at once, before your answer is complete: for \
                 progress on something that takes long. At most {} messages per answer.",
                message::MESSAGES_AT_MOST
            ),
            json!({ "text": { "type": "string", "maxLength": message::LONGEST, "description": "What to say" } }),
            &["text"],
        ),
        Operation::RequestAccess => (
            "Asks the owner to allow an HTTPS request that the policy refuses. The owner sees it; nothing is allowed \
             by it, and no answer comes: go on without, and say so to the person you talk to."
                .to_owned(),
            json!({
                "host": { "type": "string", "description": "The exact host, like api.example.com; with :port where it is not 443" },
                "method": { "type": "string", "description": "The method; GET where nothing is said" },
                "path": { "type": "string", "description": "The exact path without a query; / where nothing is said" },
                "why": { "type": "string", "maxLength": 500, "description": "What it is for, for the owner to read" },
            }),
            &["host", "why"],
        ),
        Operation::ScheduleTask => (
            "Has something done later, or again and again: when it is due you are given the prompt, and your answer goes \
             to this chat. The chat is told of the task, and can cancel it."
                .to_owned(),
            task_properties(),
            &["prompt", "schedule_type", "schedule_value"],
        ),
        Operation::ListTasks => ("The tasks of this group, as JSON.".to_owned(), json!({}), &[]),
        Operation::UpdateTask => {
            let mut properties = task_properties();
            properties["task_id"] = task_id();
            ("Changes what is named of a task of this group. The chat is told.".to_owned(), properties, &["task_id"])
        }
        Operation::PauseTask => (
            "Has a task of this group rest until it is resumed. The chat is told.".to_owned(),
            json!({ "task_id": task_id() }),
            &["task_id"],
        ),
        Operation::ResumeTask => (
            "Has a paused task of this group go on. The chat is told.".to_owned(),
            json!({ "task_id": task_id() }),
            &["task_id"],
        ),
        Operation::CancelTask => (
            "Ends a task of this group for good. The chat is told.".to_owned(),
            json!({ "task_id": task_id() }),
            &["task_id"],
        ),
    };
    let schema =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
    let annotations = ToolAnnotations::new().read_only(!operation.has_effect()).destructive(false).open_world(false);
    Tool::new(operation.name(), description, Arc::new(schema)).with_annotations(annotations)
}

fn task_id() -> Value {
    json!({ "type": ["integer", "string"], "description": "The task's number, as list_tasks says it" })
}

fn task_properties() -> Value {
    json!({
        "prompt": { "type": "string", "maxLength": tasks::PROMPT_AT_MOST, "description": "What is to be done, in full: you may remember nothing of now" },
        "schedule_type": { "type": "string", "enum": Kind::NAMES },
        "schedule_value": { "type": "string", "description": "cron: five fields, like \"0 7 * * 1-5\"; interval: like \"15m\" or \"2h\"; once: like \"2026-12-01 09:00\", by the time zone's clock" },
        "context_mode": { "type": "string", "enum": Context::NAMES, "description": "group: with this conversation (the default); isolated: with nothing but the prompt" },
        "time_zone": { "type": "string", "description": "Like Europe/Berlin; the owner's where nothing is said" },
        "missed": { "type": "string", "enum": Missed::NAMES, "description": "What becomes of times at which the machine was off: skip, once (the default), all" },
        "gate": { "type": "string", "maxLength": tasks::GATE_AT_MOST, "description": "A shell command that is run first, in this sandbox: where it writes nothing, you are not asked; what it writes, you are given" },
    })
}
