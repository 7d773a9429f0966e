//! What is asked for, read strictly: an argument that is not known is refused, so that
//! nobody takes `"group": "main"` for something that counts.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Operation;

/// One operation with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The policy in force.
    Policy,
    /// A message to the own chat.
    SendMessage(SendMessage),
    /// A wish for the owner.
    RequestAccess(RequestAccess),
    /// Something for later.
    ScheduleTask(ScheduleTask),
    /// The tasks of the own group.
    ListTasks,
    /// A task is to be another.
    UpdateTask(UpdateTask),
    /// A task is to rest.
    PauseTask(TaskNumber),
    /// A task is to go on.
    ResumeTask(TaskNumber),
    /// A task is to end.
    CancelTask(TaskNumber),
}

/// `send_message`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// What to say.
    pub text: String,
}

/// `request_access`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestAccess {
    /// `api.example.com`, with a port where it is not 443.
    pub host: String,
    /// `GET` where nothing is said.
    pub method: Option<String>,
    /// `/` where nothing is said.
    pub path: Option<String>,
    /// For the owner to read.
    pub why: String,
}

/// `schedule_task`, in the words of NanoClaw's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleTask {
    /// What is to be done.
    pub prompt: String,
    /// `cron`, `interval` or `once`.
    pub schedule_type: String,
    /// A cron line, a length of time, a time.
    pub schedule_value: String,
    /// `group` where nothing is said, or `isolated`.
    pub context_mode: Option<String>,
    /// The owner's where nothing is said.
    pub time_zone: Option<String>,
    /// `once` where nothing is said, `skip` or `all`.
    pub missed: Option<String>,
    /// A command that says whether there is anything to do.
    pub gate: Option<String>,
}

/// `update_task`: what is named is different from now on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTask {
    /// Which.
    #[serde(deserialize_with = "number")]
    pub task_id: u64,
    /// What is to be done.
    pub prompt: Option<String>,
    /// `cron`, `interval` or `once`.
    pub schedule_type: Option<String>,
    /// A cron line, a length of time, a time.
    pub schedule_value: Option<String>,
    /// `group` or `isolated`.
    pub context_mode: Option<String>,
    /// The name of a time zone.
    pub time_zone: Option<String>,
    /// `skip`, `once` or `all`.
    pub missed: Option<String>,
    /// The command before it; the empty one for none.
    pub gate: Option<String>,
}

/// `pause_task`, `resume_task`, `cancel_task`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskNumber {
    /// Which.
    #[serde(deserialize_with = "number")]
    pub task_id: u64,
}

/// A number, as a number or in quotation marks: models write both.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(number),
        Written::Text(text) => text.trim().parse().map_err(|_| serde::de::Error::custom("`task_id` is a number")),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl Request {
    /// Reads the arguments of an operation. The error is in the agent's own words and
    /// for nobody else.
    pub fn read(operation: Operation, arguments: Value) -> Result<Request, String> {
        let read = match operation {
            Operation::Policy => serde_json::from_value(arguments).map(|Nothing {}| Request::Policy),
            Operation::SendMessage => serde_json::from_value(arguments).map(Request::SendMessage),
            Operation::RequestAccess => serde_json::from_value(arguments).map(Request::RequestAccess),
            Operation::ScheduleTask => serde_json::from_value(arguments).map(Request::ScheduleTask),
            Operation::ListTasks => serde_json::from_value(arguments).map(|Nothing {}| Request::ListTasks),
            Operation::UpdateTask => serde_json::from_value(arguments).map(Request::UpdateTask),
            Operation::PauseTask => serde_json::from_value(arguments).map(Request::PauseTask),
            Operation::ResumeTask => serde_json::from_value(arguments).map(Request::ResumeTask),
            Operation::CancelTask => serde_json::from_value(arguments).map(Request::CancelTask),
        };
        read.map_err(|error| error.to_string())
    }

    /// Which one it is.
    pub fn operation(&self) -> Operation {
        match self {
            Request::Policy => Operation::Policy,
            Request::SendMessage(_) => Operation::SendMessage,
            Request::RequestAccess(_) => Operation::RequestAccess,
            Request::ScheduleTask(_) => Operation::ScheduleTask,
            Request::ListTasks => Operation::ListTasks,
            Request::UpdateTask(_) => Operation::UpdateTask,
            Request::PauseTask(_) => Operation::PauseTask,
            Request::ResumeTask(_) => Operation::ResumeTask,
            Request::CancelTask(_) => Operation::CancelTask,
        }
    }
}
