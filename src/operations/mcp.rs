//! MCP over streamable HTTP, for agents that speak it (Claude Code does).
//!
//! Every POST stands alone: without sessions none can belong to another sandbox, and nothing is kept for a client that
//! has gone.

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

use super::asked::Described;
use super::table::Request;
use super::{Operation, Operations};

const INSTRUCTIONS: &str = "\
Doorward is the only way out of this sandbox: it lets through what the owner's policy allows, and refuses the rest \
with a 403 that says why. `policy` says what is allowed. Where something that you need is refused, tell the person \
you talk to, and ask the owner with `request_access`; do not wait for it. What is to be done later, or again and again, \
you put down with `schedule_task`.";

/// The server for one request from one caller.
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
        Ok(ListToolsResult::with_all_items(Operation::ALL.iter().copied().map(tool).collect()))
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
        let done = self.operations.perform(&self.caller, request).await;
        let result = match done {
            Ok(text) => CallToolResult::success(vec![ContentBlock::text(text)]),
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refusal.to_string())]),
        };
        Ok(result.into())
    }
}

/// An operation's description for a model.
fn tool(operation: Operation) -> Tool {
    let Described { what, properties, required } = operation.described();
    let schema =
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let schema: JsonObject = schema.as_object().cloned().unwrap_or_default();
    let annotations = ToolAnnotations::new().read_only(!operation.has_effect()).destructive(false).open_world(false);
    Tool::new(operation.name(), what, Arc::new(schema)).with_annotations(annotations)
}
