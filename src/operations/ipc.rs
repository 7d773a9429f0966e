//! NanoClaw's files, as the guest forwards them from `/workspace/ipc`: their shapes, and the operations they stand for.
//! Fields that claim who asks (`groupFolder`, `isMain`, `createdBy`) are ignored: the door says that.

use bytes::Bytes;
use http::{Response, StatusCode};
use policies::{Code, Refusal};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::http::{refused, respond_json};
use super::table::Request;
use super::tasks::ListTasks;
use super::{Operation, Operations};

/// A file in `messages/`. A role within a swarm (`sender`) is the agent's own business.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Message {
    Message {
        #[serde(rename = "chatJid")]
        chat: String,
        text: String,
    },
    Reaction {
        emoji: String,
        #[serde(rename = "messageId")]
        message: Option<String>,
    },
}

/// Fields for who asks, or when, which the host knows, or for a chat's name, which is its group's name here.
const NOT_READ: [&str; 8] =
    ["type", "timestamp", "groupFolder", "isMain", "createdBy", "chatJid", "trigger", "requiresTrigger"];

/// Fields whose arguments have other names.
const RENAMED: [(&str, &str); 2] = [("taskId", "task_id"), ("targetJid", "group")];

/// The same for `register_group`, where `name` is the chat's name.
const OF_A_GROUP: [(&str, &str); 2] = [("jid", "chat"), ("folder", "name")];

/// A message, requested by a file.
pub(super) async fn message(operations: &Operations, caller: &Caller, file: &Bytes) -> Response<Bytes> {
    match serde_json::from_slice(file) {
        Ok(Message::Message { chat, text }) => {
            let arguments = json!({ "text": text, "chat": chat });
            perform(operations, caller, Operation::SendMessage, arguments).await
        }
        Ok(Message::Reaction { emoji, message }) => {
            let arguments = json!({ "emoji": emoji, "message": message });
            perform(operations, caller, Operation::React, arguments).await
        }
        Err(error) => malformed(&error.to_string()),
    }
}

/// Any other operation, requested by a file that names it.
pub(super) async fn task(operations: &Operations, caller: &Caller, file: &Bytes) -> Response<Bytes> {
    let mut fields: Map<String, Value> = match serde_json::from_slice(file) {
        Ok(fields) => fields,
        Err(error) => return malformed(&error.to_string()),
    };
    let Some(named) = fields.get("type").and_then(Value::as_str) else {
        return malformed("there is no `type` that names an operation");
    };
    // The files that it would refresh are written after every operation.
    if named == "refresh_groups" {
        return respond_json(StatusCode::OK, &json!({ "done": "the lists are up to date" }));
    }
    let Some(operation) = Operation::named(named) else {
        let why = "there is no such operation; GET http://doorward.internal/ names those there are";
        return refused(StatusCode::FORBIDDEN, &Refusal::new(Code::OperationRefused, why));
    };
    // An agent may name its own chat.
    let own = |target: &Value| target.as_str().is_some_and(|target| operations.is_own_chat(caller, target));
    if fields.get("targetJid").is_some_and(own) {
        fields.remove("targetJid");
    }
    let arguments =
        if operation == Operation::RegisterGroup { of_a_group(fields) } else { arguments(fields, &RENAMED) };
    perform(operations, caller, operation, arguments).await
}

fn of_a_group(mut fields: Map<String, Value>) -> Value {
    fields.remove("name");
    arguments(fields, &OF_A_GROUP)
}

fn arguments(fields: Map<String, Value>, names: &[(&str, &str)]) -> Value {
    let read = fields.into_iter().filter(|(name, value)| !NOT_READ.contains(&name.as_str()) && !value.is_null());
    let renamed = read.map(|(name, value)| match names.iter().find(|(theirs, _)| *theirs == name) {
        Some((_, ours)) => ((*ours).to_owned(), value),
        None => (name, value),
    });
    Value::Object(renamed.collect())
}

async fn perform(operations: &Operations, caller: &Caller, operation: Operation, arguments: Value) -> Response<Bytes> {
    if operation.has_effect() && operations.is_too_fast(&caller.identity().group) {
        return refused(StatusCode::TOO_MANY_REQUESTS, &super::too_fast());
    }
    let request = match Request::read(operation, arguments) {
        Ok(request) => request,
        Err(why) => {
            operations.refuse_unread(caller, operation);
            return malformed(&why);
        }
    };
    match operations.perform(caller, request).await {
        Ok(done) => respond_json(StatusCode::OK, &json!({ "done": done })),
        Err(refusal) if refusal.code == Code::AuditUnavailable => refused(StatusCode::SERVICE_UNAVAILABLE, &refusal),
        Err(refusal) => refused(StatusCode::FORBIDDEN, &refusal),
    }
}

fn malformed(why: &str) -> Response<Bytes> {
    respond_json(StatusCode::BAD_REQUEST, &json!({ "error": format!("the file is not what is read here: {why}") }))
}

/// `current_tasks.json`.
pub(super) async fn current_tasks(operations: &Operations, caller: &Caller) -> Response<Bytes> {
    match operations.perform(caller, Request::ListTasks(ListTasks {})).await {
        Ok(tasks) => respond_json(StatusCode::OK, &as_their_tasks(&tasks, caller.identity().group.as_str())),
        Err(refusal) => refused(StatusCode::FORBIDDEN, &refusal),
    }
}

/// `list_tasks` in the form of `current_tasks.json`.
fn as_their_tasks(told: &str, group: &str) -> Value {
    let told: Value = serde_json::from_str(told).unwrap_or_default();
    let task = |task: &Value| {
        json!({
            "id": task["task_id"].to_string(),
            "groupFolder": group,
            "prompt": task["prompt"],
            "schedule_type": task["schedule_type"],
            "schedule_value": task["schedule_value"],
            "status": task["state"],
            "next_run": task["next"],
        })
    };
    Value::Array(told["tasks"].as_array().into_iter().flatten().map(task).collect())
}

/// `available_groups.json`: all groups for the main group, none for others. Groups go by their names.
pub(super) fn available_groups(operations: &Operations, caller: &Caller) -> Response<Bytes> {
    match operations.known_groups(caller) {
        Ok(groups) => {
            let group = |group: &crate::store::Group| json!({ "jid": group.name, "name": group.name, "lastActivity": null, "isRegistered": true });
            let groups: Vec<_> = groups.iter().map(group).collect();
            respond_json(StatusCode::OK, &json!({ "groups": groups, "lastSync": jiff::Timestamp::now().to_string() }))
        }
        Err(refusal) => refused(StatusCode::FORBIDDEN, &refusal),
    }
}
