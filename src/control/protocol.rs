//! The control protocol, version 1: JSON lines over `run/control.sock`, between the
//! command line and the daemon that serves a home.
//!
//! ```text
//! client → daemon   {"command":"stop","group":"family"}
//! daemon → client   {"stopped":{"was_running":true}}  or  {"error":"plain words"}
//! ```
//!
//! One request per connection. What a request opens (an `exec` sandbox, a door) lives until its connection closes.
//! After `channel` the channel protocol of [`crate::channels::protocol`] runs over the connection instead of an answer.
//! Only the owner of the home can reach the socket (mode 0600).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::planned::PlannedTasks;
use crate::store::{Answered, Millis};

/// The longest line that either side accepts, including its newline.
pub const MAX_LINE: usize = 1 << 20;

/// A client's request: the first line of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Be a channel over this connection. A terminal names the one group it shows.
    Channel {
        /// The group, by name.
        group: Option<String>,
    },
    /// Stop everything that runs for a group, at once.
    Stop {
        /// The group, by name.
        group: String,
    },
    /// Start a sandbox of this group for as long as the connection lives.
    Exec {
        /// The group, by name.
        group: String,
    },
    /// Start a sandbox that fetches an image's files, for as long as the connection lives.
    Fetch {
        /// The image, by name.
        image: String,
    },
    /// Open a door at a path of the host for as long as the connection lives.
    Door {
        /// The group, by name.
        group: String,
        /// The socket's path; nothing may be there yet.
        socket: PathBuf,
    },
    /// Put this version's preset in force, after the owner's yes.
    AcceptPreset {
        /// Its name.
        preset: String,
    },
    /// Ask a group's agent a test question, in a sandbox of its own.
    TryAgent {
        /// The group, by name.
        group: String,
    },
    /// A task was made or changed in the store: check when the next one is due.
    LookAtTasks {},
    /// Report in the main group's chat that everything is set up.
    Greet {},
    /// List the open questions to the owner.
    Asks {},
    /// Answer a question.
    AnswerAsk {
        /// Its code.
        code: String,
        /// `once`, `answer`, `always`, `no` or `never`.
        answer: Answered,
        /// The reason for a no, for the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// Lock a group, or everything: its doors let nothing through, from now on and after a restart.
    Lock {
        /// The group, by name; all if none is named.
        group: Option<String>,
    },
    /// Unlock a group, or everything.
    Unlock {
        /// The group, by name; all if none is named.
        group: Option<String>,
    },
    /// Start nothing for a group, or for any, until then: messages wait.
    Pause {
        /// The group, by name; all if none is named.
        group: Option<String>,
        /// When it ends, in milliseconds since 1970.
        until: Millis,
    },
    /// End the pause of a group, or all pauses.
    Resume {
        /// The group, by name; all if none is named.
        group: Option<String>,
    },
    /// Report the daemon's state.
    Status {},
    /// Stop everything and end the daemon.
    Shutdown {},
}

/// The daemon's answer, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is made for a command, and goes at once")]
pub enum Answer {
    /// The group is stopped.
    Stopped {
        /// Whether anything was running.
        was_running: bool,
    },
    /// The sandbox runs.
    Sandbox {
        /// The engine's name of its container.
        container: String,
    },
    /// The door is open.
    Door {
        /// The CA certificate that a program behind this door must trust.
        ca_pem: String,
        /// Variables that hold the surrogates.
        environment: Vec<(String, String)>,
        /// The identity under which the log names this door.
        sandbox: String,
    },
    /// The report was sent to the main group's chat, if there is one.
    Greeted {
        /// The main group.
        group: Option<String>,
        /// Whether it has reached the chat's network; otherwise it is sent once the network is connected.
        delivered: bool,
    },
    /// Tasks are being checked.
    LooksAtTasks {},
    /// The agent has answered.
    AgentTried {
        /// Its answer.
        answer: String,
    },
    /// The preset is in force.
    PresetAccepted {},
    /// The open questions, oldest first.
    Asks(Vec<OpenAsk>),
    /// The result of an answer.
    Answered {
        /// The text for the owner.
        told: String,
    },
    /// It is locked.
    Locked {},
    /// It is unlocked.
    Unlocked {
        /// Whether it was locked.
        was_locked: bool,
    },
    /// It is paused.
    Paused {},
    /// It is resumed.
    Resumed {
        /// Whether it was paused.
        was_paused: bool,
    },
    /// The daemon's state.
    Status(Status),
    /// The daemon is ending.
    ShuttingDown {},
    /// It failed: the reason and the remedy.
    Error(String),
}

/// A question to the owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAsk {
    /// The code by which the owner names it.
    pub code: String,
    /// The group whose agent asks.
    pub group: String,
    /// What it would do, in a sentence.
    pub says: String,
    /// The method.
    pub method: String,
    /// Host and port.
    pub authority: String,
    /// The path.
    pub path: String,
    /// The credential that would be put on.
    pub credential: Option<String>,
    /// What leaves: sizes and names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaves: Option<String>,
    /// What the rule of an `always` covers beside the request; `None` if none can be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always_covers: Option<String>,
    /// Whether the request still waits. If not, a yes is for the same request sent again.
    pub waits: bool,
    /// When it was asked.
    pub asked_at: Millis,
}

/// The daemon's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Groups with a live sandbox, and whether each is answering right now.
    pub sandboxes: Vec<LiveGroup>,
    /// Helpers that are at work.
    #[serde(default)]
    pub helpers: Vec<LiveHelper>,
    /// Groups waiting for a free seat, the next one first.
    pub waiting: Vec<String>,
    /// Groups resting after a failure.
    #[serde(default)]
    pub resting: Vec<String>,
    /// How many seconds each of `waiting` has waited, in the same order.
    #[serde(default)]
    pub waited: Vec<u64>,
    /// The most sandboxes at once. The owner's own group may have one more.
    pub cap: usize,
    /// The groups that the owner has locked; `*` for all.
    #[serde(default)]
    pub locked: Vec<String>,
    /// The current pauses.
    #[serde(default)]
    pub paused: Vec<PausedGroup>,
    /// Whether the owner has been silent for so long that only models are reachable.
    #[serde(default)]
    pub owner_away: bool,
    /// The policies that have been asked for so far.
    #[serde(default)]
    pub policies: Vec<PolicyInForce>,
    /// The fingerprint of `doorward.toml` when the daemon started.
    #[serde(default)]
    pub settings: Option<String>,
    /// The container engine, described.
    #[serde(default)]
    pub engine: String,
    /// The enabled channels that are programs.
    #[serde(default)]
    pub channels: Vec<ChannelThere>,
    /// How many questions to the owner are open.
    #[serde(default)]
    pub asks: usize,
    /// How many messages could not be delivered.
    #[serde(default)]
    pub undelivered: usize,
    /// The tasks.
    #[serde(default)]
    pub tasks: PlannedTasks,
}

/// A helper at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveHelper {
    /// The group whose agent asked for it.
    pub group: String,
    /// Its name.
    pub name: String,
    /// How many seconds it has been working.
    pub seconds: u64,
}

/// A channel's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelThere {
    /// Its name.
    pub channel: String,
    /// Whether its program is connected to the daemon.
    pub runs: bool,
    /// Whether the program is connected to its network.
    pub connected: bool,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedGroup {
    /// The group, by name; `*` for all.
    pub group: String,
    /// When it ends, in milliseconds since 1970.
    pub until: Millis,
}

/// The policy in force for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// The group, by name.
    pub group: String,
    /// The hash of its content, as in the log.
    pub hash: String,
}

/// A group with a live sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveGroup {
    /// Its name.
    pub group: String,
    /// Whether it is answering; an idle one waits for follow-ups.
    pub busy: bool,
    /// How many seconds it has been in that state.
    #[serde(default)]
    pub seconds: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Scripts talk to the socket too: these lines are stable.
    #[test]
    fn the_lines_are_stable() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(line(&Request::Stop { group: "family".into() }), r#"{"command":"stop","group":"family"}"#);
        assert_eq!(line(&Request::Asks {}), r#"{"command":"asks"}"#);
        let no = Request::AnswerAsk { code: "k7q2mx".into(), answer: Answered::No, because: Some("later".into()) };
        assert_eq!(line(&no), r#"{"command":"answer_ask","code":"k7q2mx","answer":"no","because":"later"}"#);
        assert_eq!(line(&Request::Status {}), r#"{"command":"status"}"#);
        let answer = |answer: &Answer| serde_json::to_string(answer).unwrap();
        assert_eq!(answer(&Answer::Error("no".into())), r#"{"error":"no"}"#);
        assert_eq!(answer(&Answer::Stopped { was_running: true }), r#"{"stopped":{"was_running":true}}"#);
        assert_eq!(answer(&Answer::ShuttingDown {}), r#"{"shutting_down":{}}"#);
    }

    #[test]
    fn unknown_requests_are_refused() {
        for line in [r#"{"command":"open_sesame"}"#, r#"{"command":"stop","group":"a","force":true}"#, "{}"] {
            assert!(serde_json::from_str::<Request>(line).is_err(), "{line}");
        }
        let bare: Request = serde_json::from_str(r#"{"command":"channel"}"#).unwrap();
        assert_eq!(bare, Request::Channel { group: None });
    }
}
