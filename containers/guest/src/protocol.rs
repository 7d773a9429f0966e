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
//! What it is not: a source of facts. Agent and guest share a uid, so after
//! `start` everything that arrives is taken as the agent speaking.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version that both sides name in their first line.
pub const VERSION: u32 = 6;

/// The longest line either side accepts, its newline included.
pub const MAX_LINE: usize = 4 << 20;

/// What the daemon says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ToGuest {
    /// The attestation was accepted: start the agent.
    Start {
        /// [`VERSION`].
        v: u32,
        /// Which agent to drive.
        agent: Agent,
        /// The owner's MCP servers, which the agent is told of beside the daemon's own.
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
    /// More for a turn that is under way.
    FollowUp {
        /// Its own id, acknowledged by its own `done`.
        id: u64,
        /// What people said.
        text: String,
    },
    /// Run a command beside the agent, which hears nothing of it, and say what it writes.
    Check {
        /// Chosen by the daemon; `checked` refers to it.
        id: u64,
        /// For `sh`.
        command: String,
    },
    /// Break the current turn off.
    Interrupt,
    /// Finish and exit.
    Close,
}

/// What the guest says.
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
    /// The agent takes prompts.
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
        /// As the agent names it; nothing where there is none to go on with any more.
        session: Option<String>,
    },
    /// The agent's memory of the conversation is not what people would think. What is
    /// told of it is the daemon's words, for whoever speaks here may be the agent.
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
    /// A command that was to be run beside the agent has ended.
    Checked {
        /// The id of the `check`.
        id: u64,
        /// What it wrote.
        output: String,
        /// How it failed; nothing where it did not.
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
        /// Whether the sandbox is of no more use.
        fatal: bool,
        /// Whether trying again can help without anybody doing anything. What is refused
        /// for what it is (a denial, an argument too long, a 400) will be so again.
        retry: bool,
        /// Whether it lies with the model or its account, so that another agent could answer: overloaded, a limit
        /// reached, no credit left.
        #[serde(default)]
        another: bool,
    },
}

/// What of a conversation is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Forgotten {
    /// This turn: it was refused, and would have had every later one refused with it.
    Turn,
    /// All of it, since taking the turn out did not help: a new one begins.
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
        /// As Claude Code names it; its own choice where nothing is said.
        model: Option<String>,
        /// The session to go on with, from an earlier [`FromGuest::Session`]. One that
        /// is not there any more is dropped, and a new one begun.
        resume: Option<String>,
    },
    /// One that speaks the Agent Client Protocol.
    Acp {
        /// How it is started.
        program: Program,
        /// As it names it; its own choice where nothing is said.
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
    /// What is put into its environment besides.
    pub environment: BTreeMap<String, String>,
    /// Folders of its home, without a leading slash, that nothing can be written into: for what it would fetch there.
    pub sealed: Vec<String>,
}

/// An MCP server of the owner's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct McpServer {
    /// What agents call it.
    pub name: String,
    /// Where it is.
    pub place: McpPlace,
}

/// Where an MCP server is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum McpPlace {
    /// A program in the sandbox, spoken to over its standard input and output.
    Program {
        /// Its command and arguments.
        command: Vec<String>,
        /// What is put into its environment besides.
        environment: BTreeMap<String, String>,
    },
    /// A host, which the door lets through or not.
    Host {
        /// Its address.
        url: String,
        /// The variable of the sandbox that holds the token to be sent, which is a surrogate.
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
    /// What was tried and should have been refused, but was not: `vsock`, `io_uring`, …
    pub permitted_syscalls: Vec<String>,
    /// Why the door cannot be connected to, where it cannot be: the number of the error (errno(3)).
    pub door: Option<i32>,
    /// What is in [`crate::agents::EXTRA`].
    pub extra: Vec<SeenMount>,
}

/// A folder of the owner's as the guest sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenMount {
    /// Its name there.
    pub name: String,
    /// The device and the number of its inode, by which the daemon knows it.
    pub inode: (u64, u64),
    /// Whether it is mounted read-only.
    pub read_only: bool,
}
