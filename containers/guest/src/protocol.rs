//! The guest protocol, version 6: JSON lines over the container's stdin and
//! stdout, one message a line, at most [`MAX_LINE`] bytes.
//!
//! The order of a session:
//!
//! ```text
//! guest → daemon   hello {v, attestation}     before anything of the agent runs
//! daemon → guest   start {v, agent, servers}  only if the attestation is as asked
//! guest → daemon   ready
//! daemon → guest   prompt {id, text} | follow_up {id, text} | check {id, command} | interrupt | close
//! guest → daemon   text {id, text} … done {id, with} | forgot {id, what} … error {id, message, fatal, retry, another}
//!                  | checked {id, output, failed}
//! ```
//!
//! What it is not: a source of facts. Agent and guest share a uid, so everything that arrives after
//! `start` is taken as the agent speaking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version that both sides name in their first line.
pub const VERSION: u32 = 6;

/// The longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 4 << 20;

/// A message from the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToGuest {
    /// The attestation was accepted: start the agent.
    Start {
        /// [`VERSION`].
        v: u32,
        /// Which agent to drive.
        agent: Agent,
        /// The owner's MCP servers, for the agent to use beside the daemon's own.
        #[serde(default)]
        servers: Vec<McpServer>,
    },
    /// A new turn for the agent.
    Prompt {
        /// Chosen by the daemon; `text`, `done` and `error` refer to it.
        id: u64,
        /// What people said.
        text: String,
    },
    /// More for a turn in progress.
    FollowUp {
        /// Its own id, acknowledged by its own `done`.
        id: u64,
        /// What people said.
        text: String,
    },
    /// Run a command beside the agent, without its knowledge, and report the output.
    Check {
        /// Chosen by the daemon; `checked` refers to it.
        id: u64,
        /// For `sh`.
        command: String,
    },
    /// Interrupt the current turn.
    Interrupt,
    /// Finish and exit.
    Close,
}

/// A message from the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromGuest {
    /// The first line.
    Hello {
        /// [`VERSION`].
        v: u32,
        /// What the guest sees of its sandbox.
        attestation: Attestation,
    },
    /// The agent accepts prompts.
    Ready,
    /// A part of the answer.
    Text {
        /// The prompt's id.
        id: u64,
        /// Text for the chat.
        text: String,
    },
    /// The agent's session, to be resumed later.
    Session {
        /// The agent's id for it; nothing if there is no session to resume any more.
        session: Option<String>,
    },
    /// The agent's memory of the conversation is not what people would expect. The daemon words the
    /// message about it, because this may come from the agent.
    Forgot {
        /// The prompt's id.
        id: u64,
        /// How much.
        what: Forgotten,
    },
    /// A sign of life, for typing indicators. Never shown as a reply.
    Progress {
        /// The prompt's id.
        id: u64,
        /// A few words.
        what: String,
    },
    /// A command beside the agent has ended.
    Checked {
        /// The id of the `check`.
        id: u64,
        /// What it wrote.
        output: String,
        /// How it failed; nothing if it succeeded.
        failed: Option<String>,
    },
    /// The turn is over.
    Done {
        /// The prompt's id.
        id: u64,
        /// The later prompt that it was answered together with, whose text it shares.
        #[serde(default)]
        with: Option<u64>,
    },
    /// The turn failed.
    Error {
        /// The prompt's id; 0 for none.
        id: u64,
        /// In plain words.
        message: String,
        /// Whether the sandbox is unusable from now on.
        fatal: bool,
        /// Whether a retry can succeed by itself. A refusal because of the content (a denial, an
        /// argument that is too long, a 400) would be repeated.
        retry: bool,
        /// Whether the cause is the model or its account, so that another agent could answer:
        /// overloaded, a limit reached, no credit left.
        #[serde(default)]
        another: bool,
    },
}

/// Which part of a conversation is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgotten {
    /// This turn: it was refused, and would have made every later one fail.
    Turn,
    /// All of it, because removing the turn did not help: a new one is started.
    Conversation,
    /// All of it: the session to resume was not there.
    Lost,
}

/// The agents that the guest can drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Agent {
    /// No model: the message is a command for `sh`, its output the reply.
    Shell,
    /// Claude Code.
    Claude {
        /// Claude Code's name for it; its own choice if not given.
        model: Option<String>,
        /// The session to resume, from an earlier [`FromGuest::Session`]. One that no longer exists
        /// is dropped, and a new one started.
        resume: Option<String>,
    },
    /// One that speaks the Agent Client Protocol.
    Acp {
        /// How it is started.
        program: Program,
        /// The agent's name for it; its own choice if not given.
        model: Option<String>,
        /// As for Claude Code.
        resume: Option<String>,
    },
}

/// A program that is an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// What people call it.
    pub name: String,
    /// Its command and arguments.
    pub command: Vec<String>,
    /// Added to its environment.
    pub environment: BTreeMap<String, String>,
    /// Folders of its home, without a leading slash, that cannot be written: to keep it from downloading into them.
    pub sealed: Vec<String>,
}

/// An MCP server of the owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// Its name, as agents see it.
    pub name: String,
    /// Where it is.
    pub place: McpPlace,
}

/// Where an MCP server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum McpPlace {
    /// A program in the sandbox, used over its standard input and output.
    Program {
        /// Its command and arguments.
        command: Vec<String>,
        /// Added to its environment.
        environment: BTreeMap<String, String>,
    },
    /// A host, subject to the door.
    Host {
        /// Its address.
        url: String,
        /// The sandbox variable with the token to send, which is a surrogate.
        token: Option<String>,
    },
}

/// What the guest sees of its sandbox before the agent starts. It catches
/// misconfiguration, not malice; the daemon compares it with what it asked for
/// and with what the engine says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attestation {
    /// Network interfaces by name.
    pub interfaces: Vec<String>,
    /// Routes, IPv4 and IPv6, that leave through anything but loopback.
    pub routes: Vec<String>,
    /// Effective, permitted, inheritable, bounding and ambient capabilities, OR-ed.
    pub capabilities: u64,
    /// `Seccomp:` of `/proc/self/status`; 2 is filtering.
    pub seccomp: u32,
    /// `NoNewPrivs:` of `/proc/self/status`.
    pub no_new_privileges: bool,
    /// Who the guest runs as.
    pub uid: u32,
    /// Whether a write to `/` was refused.
    pub read_only_root: bool,
    /// `nameserver` lines of `/etc/resolv.conf`.
    pub nameservers: Vec<String>,
    /// Attempts that should have been refused, but were not: `vsock`, `io_uring`, …
    pub permitted_syscalls: Vec<String>,
    /// Why the door cannot be connected to, as an error number (errno(3)); nothing if it can.
    pub door: Option<i32>,
    /// What is in [`crate::agents::EXTRA`].
    pub extra: Vec<SeenMount>,
}

/// An owner's folder as the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMount {
    /// Its name there.
    pub name: String,
    /// The device and inode number, by which the daemon identifies it.
    pub inode: (u64, u64),
    /// Whether it is mounted read-only.
    pub read_only: bool,
}
