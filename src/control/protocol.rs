//! The control protocol, version 1: JSON lines over `run/control.sock`, between the
//! command line and the daemon that serves a home.
//!
//! ```text
//! client → daemon   {"command":"stop","group":"family"}
//! daemon → client   {"stopped":{"was_running":true}}  or  {"error":"plain words"}
//! ```
//!
//! One request a connection. What a request opens (an `exec` sandbox, a door) lives
//! until its connection closes. After `channel` the channel protocol of
//! [`crate::channels::protocol`] runs over the connection instead of an answer.
//! The socket can be reached by the owner of the home alone (mode 0600).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::planned::PlannedTasks;
use crate::store::{Answered, Millis};

/// The longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 1 << 20;

/// What a client asks: the first line of a connection.
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
    /// Start a sandbox in which an image's files are fetched, for as long as the connection lives.
    Fetch {
        /// The image, by name.
        image: String,
    },
    /// Open a door at a path of the host for as long as the connection lives.
    Door {
        /// The group, by name.
        group: String,
        /// Where its socket is made; nothing may be there yet.
        socket: PathBuf,
    },
    /// Take a preset as this version ships it; the owner said yes.
    AcceptPreset {
        /// Its name.
        preset: String,
    },
    /// Ask a group's agent a first question, in a sandbox of its own.
    TryAgent {
        /// The group, by name.
        group: String,
    },
    /// A task was made or changed in the store: look at when one is due next.
    LookAtTasks {},
    /// Say in the main group's chat that all is set up.
    Greet {},
    /// What the owner is asked, and can be answered.
    Asks {},
    /// The owner answers a question.
    AnswerAsk {
        /// Its code.
        code: String,
        /// `once`, `answer`, `always`, `no` or `never`.
        answer: Answered,
        /// Why not, for the agent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<String>,
    },
    /// Lock a group, or everything: its doors let nothing through, from now on and after a restart.
    Lock {
        /// The group, by name; all where none is named.
        group: Option<String>,
    },
    /// Unlock a group, or everything.
    Unlock {
        /// The group, by name; all where none is named.
        group: Option<String>,
    },
    /// Begin nothing for a group, or for any, until then: messages wait.
    Pause {
        /// The group, by name; all where none is named.
        group: Option<String>,
        /// When it is over, in milliseconds since 1970.
        until: Millis,
    },
    /// End the pause of a group, or all pauses.
    Resume {
        /// The group, by name; all where none is named.
        group: Option<String>,
    },
    /// What is going on.
    Status {},
    /// Stop everything and end the daemon.
    Shutdown {},
}

/// What the daemon answers, in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is made for a command, and goes at once")]
pub enum Answer {
    /// Nothing of the group runs any more.
    Stopped {
        /// Whether anything did.
        was_running: bool,
    },
    /// The sandbox runs.
    Sandbox {
        /// Its container, as the engine names it.
        container: String,
    },
    /// The door is open.
    Door {
        /// The certificate authority that a program behind this door must trust.
        ca_pem: String,
        /// Variables that hold the surrogates.
        environment: Vec<(String, String)>,
        /// The identity under which the log names this door.
        sandbox: String,
    },
    /// It was said in the main group's chat, if there is one.
    Greeted {
        /// The main group.
        group: Option<String>,
        /// Whether its chat's network has the message already; it is sent as soon as that is there.
        delivered: bool,
    },
    /// Tasks are being looked at.
    LooksAtTasks {},
    /// The agent has answered.
    AgentTried {
        /// What it said.
        answer: String,
    },
    /// The preset is taken.
    PresetAccepted {},
    /// What the owner is asked, oldest first.
    Asks(Vec<OpenAsk>),
    /// What came of an answer, in words.
    Answered {
        /// For the owner.
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
    /// It goes on.
    Resumed {
        /// Whether it was paused.
        was_paused: bool,
    },
    /// What is going on.
    Status(Status),
    /// The daemon ends.
    ShuttingDown {},
    /// It could not be done: what was wrong, and what to do.
    Error(String),
}

/// What the owner is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAsk {
    /// What the owner names it by.
    pub code: String,
    /// Whose agent asks.
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
    /// Whether the request still waits. If not, a yes is for the same one when it comes again.
    pub waits: bool,
    /// When it was asked.
    pub asked_at: Millis,
}

/// What the daemon is doing.
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
    /// Groups that wait for a free slot, the next one first.
    pub waiting: Vec<String>,
    /// Groups that rest after a failure, before they are tried again.
    #[serde(default)]
    pub resting: Vec<String>,
    /// For how many seconds those have waited, in the same order.
    #[serde(default)]
    pub waited: Vec<u64>,
    /// How many sandboxes may live at once. The owner's own group may have one more.
    pub cap: usize,
    /// The groups that the owner has locked; `*` for all.
    #[serde(default)]
    pub locked: Vec<String>,
    /// What is paused.
    #[serde(default)]
    pub paused: Vec<PausedGroup>,
    /// Whether no word of the owner came for so long that nothing but models is asked.
    #[serde(default)]
    pub owner_away: bool,
    /// The policies that were asked for so far.
    #[serde(default)]
    pub policies: Vec<PolicyInForce>,
    /// Names the content of `doorward.toml` as it was when the daemon started.
    #[serde(default)]
    pub settings: Option<String>,
    /// The container engine, in words.
    #[serde(default)]
    pub engine: String,
    /// The channels that are programs, and are to run.
    #[serde(default)]
    pub channels: Vec<ChannelThere>,
    /// Questions to the owner that are open.
    #[serde(default)]
    pub asks: usize,
    /// Messages that could not be delivered.
    #[serde(default)]
    pub undelivered: usize,
    /// How tasks stand.
    #[serde(default)]
    pub tasks: PlannedTasks,
}

/// A helper at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveHelper {
    /// The group whose agent asked for it.
    pub group: String,
    /// What it is called.
    pub name: String,
    /// For how many seconds it has been at it.
    pub seconds: u64,
}

/// How a channel stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelThere {
    /// Its name.
    pub channel: String,
    /// Whether its program is connected to the daemon.
    pub runs: bool,
    /// Whether that is connected to its network.
    pub connected: bool,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedGroup {
    /// The group, by name; `*` for all.
    pub group: String,
    /// When it is over, in milliseconds since 1970.
    pub until: Millis,
}

/// Which policy judges for a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInForce {
    /// The group, by name.
    pub group: String,
    /// Names its content, as in the log.
    pub hash: String,
}

/// A group with a live sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveGroup {
    /// Its name.
    pub group: String,
    /// Whether it is answering; an idle one waits for follow-ups.
    pub busy: bool,
    /// For how many seconds it has been so.
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
