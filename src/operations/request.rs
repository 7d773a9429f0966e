//! What is asked for, read strictly: an argument that is not known is refused, so that
//! nobody takes `"group": "main"` for something that counts.

use serde::Deserialize;
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
    /// What was used up.
    Usage,
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
            Operation::Usage => serde_json::from_value(arguments).map(|Nothing {}| Request::Usage),
        };
        read.map_err(|error| error.to_string())
    }

    /// Which one it is.
    pub fn operation(&self) -> Operation {
        match self {
            Request::Policy => Operation::Policy,
            Request::SendMessage(_) => Operation::SendMessage,
            Request::RequestAccess(_) => Operation::RequestAccess,
            Request::Usage => Operation::Usage,
        }
    }
}
