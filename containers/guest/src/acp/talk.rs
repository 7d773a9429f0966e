//! One connection to an agent: requests and their answers, and its notifications.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::wire::{self, Said, Trouble};
use crate::{
    agents::{HOME, WORKSPACE, complain},
    process::{Heard, Process},
    protocol::{McpServer, Program},
    reaper::Reaper,
    servers,
};

/// How long an agent may take to get ready, or to replay a conversation.
const PATIENCE: Duration = Duration::from_secs(120);

/// After this much noise without a message it is not an agent of this protocol.
const MOST_NOISE: usize = 16 << 20;

/// How much of a line of noise is shown in the log.
const NOISE_SHOWN: usize = 200;

/// The version of the protocol.
const VERSION: u64 = 1;

/// An event from the agent.
pub(super) enum Event {
    /// A request of ours was answered.
    Answered { call: u64, result: Result<Value, String> },
    /// A piece of its answer.
    Says { message: Option<String>, text: String },
    /// It uses a tool.
    Works { what: String },
    /// Any other activity.
    Moves,
}

pub(super) struct Talk {
    process: Process,
    calls: u64,
    /// What the agent can do.
    abilities: Value,
    /// The owner's MCP servers.
    servers: Vec<McpServer>,
    session: String,
    /// The session settings that it offers.
    options: Value,
    cancelled: bool,
    noise: usize,
    noise_shown: bool,
}

impl Talk {
    pub(super) fn start(reaper: &Reaper, program: &Program, servers: &[McpServer]) -> Result<Self, String> {
        let process = start(reaper, program).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let command = program.command.first().map(String::as_str).unwrap_or_default();
                format!("there is no `{command}` in this image, which {} needs", program.name)
            }
            _ => format!("{} could not be started: {error}", program.name),
        })?;
        Ok(Talk {
            process,
            calls: 0,
            abilities: Value::Null,
            servers: servers.to_vec(),
            session: String::new(),
            options: Value::Null,
            cancelled: false,
            noise: 0,
            noise_shown: false,
        })
    }

    /// Identifies us, and offers nothing.
    pub(super) async fn initialize(&mut self) -> Result<(), Trouble> {
        let offered = json!({ "fs": { "readTextFile": false, "writeTextFile": false }, "terminal": false });
        let client = json!({ "name": "doorward", "title": "Doorward", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": VERSION, "clientCapabilities": offered, "clientInfo": client });
        let mut result = self.ask("initialize", &params).await?;
        let version = result["protocolVersion"].as_u64();
        if version != Some(VERSION) {
            return Err(Trouble::Ended(format!("speaks another version of the Agent Client Protocol ({version:?})")));
        }
        self.abilities = result["agentCapabilities"].take();
        Ok(())
    }

    /// Starts a conversation; returns its id.
    pub(super) async fn open(&mut self) -> Result<String, Trouble> {
        let params = json!({ "cwd": WORKSPACE, "mcpServers": self.servers() });
        let mut result = self.ask("session/new", &params).await?;
        let Some(session) = result["sessionId"].as_str() else {
            return Err(Trouble::Ended("gave its conversation no name".to_owned()));
        };
        self.session = session.to_owned();
        self.options = result["configOptions"].take();
        Ok(self.session.clone())
    }

    /// Resumes an earlier conversation. Its replayed content is ignored.
    pub(super) async fn resume(&mut self, session: &str) -> Result<(), Trouble> {
        let method = match &self.abilities {
            can if can["sessionCapabilities"]["resume"].is_object() => "session/resume",
            can if can["loadSession"] == true => "session/load",
            _ => return Err(Trouble::Refused("this agent keeps no conversations".to_owned())),
        };
        let params = json!({ "sessionId": session, "cwd": WORKSPACE, "mcpServers": self.servers() });
        let mut result = self.ask(method, &params).await?;
        self.session = session.to_owned();
        self.options = result["configOptions"].take();
        Ok(())
    }

    /// Sets the model, if the agent allows a choice per conversation and has another one set.
    pub(super) async fn set_model(&mut self, model: Option<&str>) -> Result<(), Trouble> {
        let offered = self.options.as_array().map(Vec::as_slice).unwrap_or_default();
        let choice = offered.iter().find(|option| option["category"] == "model" || option["id"] == "model");
        let (Some(model), Some(choice)) = (model, choice) else { return Ok(()) };
        if choice["currentValue"] == model {
            return Ok(());
        }
        let params = json!({ "sessionId": self.session, "configId": choice["id"], "value": model });
        self.ask("session/set_config_option", &params).await.map(drop)
    }

    /// Sends a prompt; returns the number of the request.
    pub(super) fn prompt<'t>(&mut self, texts: impl Iterator<Item = &'t String>) -> u64 {
        self.cancelled = false;
        let blocks: Vec<Value> = texts.map(|text| json!({ "type": "text", "text": text })).collect();
        self.call("session/prompt", &json!({ "sessionId": self.session, "prompt": blocks }))
    }

    /// Cancels the current turn.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
        self.process.write(&wire::note("session/cancel", &json!({ "sessionId": self.session })));
    }

    pub(super) fn kill(&self) {
        self.process.kill();
    }

    pub(super) async fn finish(&mut self) {
        self.process.finish().await;
    }

    /// The next event. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Event, Trouble> {
        loop {
            let line = match self.process.next().await {
                Heard::Line(line) => line,
                Heard::TooLong(too_long) => return Err(Trouble::Ended(format!("wrote {too_long}"))),
                Heard::Ended(how) => return Err(Trouble::Ended(format!("ended: {how}"))),
            };
            match Said::parse(&line) {
                Some(said) => {
                    self.noise = 0;
                    if let Some(event) = self.said(said) {
                        return Ok(event);
                    }
                }
                None => self.pass_over(&line)?,
            }
        }
    }

    fn said(&mut self, said: Said) -> Option<Event> {
        match said {
            Said::Answer { id, result } => Some(Event::Answered { call: id, result }),
            Said::Request { id, method, params } => {
                self.process.write(&wire::reply(&id, &method, &params, self.cancelled));
                Some(Event::Moves)
            }
            Said::Note { method, params } if method == "session/update" && params["sessionId"] == *self.session => {
                Some(update(&params["update"]))
            }
            Said::Note { .. } => None,
        }
    }

    /// Log lines of a runtime are no reason to lose an answer.
    fn pass_over(&mut self, line: &[u8]) -> Result<(), Trouble> {
        self.noise += line.len() + 1;
        if !self.noise_shown && !line.trim_ascii().is_empty() {
            self.noise_shown = true;
            let begins = String::from_utf8_lossy(&line[..line.len().min(NOISE_SHOWN)]).into_owned();
            complain(&format!("the agent wrote a line that is no message, and it was passed over: {begins}"));
        }
        if self.noise > MOST_NOISE { Err(Trouble::Ended("writes no messages".to_owned())) } else { Ok(()) }
    }

    fn call(&mut self, method: &str, params: &Value) -> u64 {
        self.calls += 1;
        self.process.write(&wire::request(self.calls, method, params));
        self.calls
    }

    /// A request that must be answered before anything else goes on.
    async fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Trouble> {
        let wanted = self.call(method, params);
        let answer = timeout(PATIENCE, async {
            loop {
                if let Event::Answered { call, result } = self.next().await?
                    && call == wanted
                {
                    return result.map_err(Trouble::Refused);
                }
            }
        });
        answer.await.unwrap_or_else(|_| {
            Err(Trouble::Ended(format!("did not answer {method} within {} seconds", PATIENCE.as_secs())))
        })
    }

    /// The host's operations and the owner's servers, as the agent can reach them.
    fn servers(&self) -> Value {
        servers::for_acp(&self.servers, self.abilities["mcpCapabilities"]["http"] == true)
    }
}

/// The event in an update.
fn update(update: &Value) -> Event {
    match update["sessionUpdate"].as_str().unwrap_or_default() {
        "agent_message_chunk" => match update["content"]["text"].as_str() {
            Some(text) => {
                Event::Says { message: update["messageId"].as_str().map(str::to_owned), text: text.to_owned() }
            }
            None => Event::Moves,
        },
        "tool_call" => Event::Works { what: update["title"].as_str().unwrap_or("works").to_owned() },
        "plan" => Event::Works { what: step(update).unwrap_or("plans").to_owned() },
        _ => Event::Moves,
    }
}

/// The current step of its plan.
fn step(update: &Value) -> Option<&str> {
    let entries = update["entries"].as_array()?;
    entries.iter().find(|entry| entry["status"] == "in_progress")?["content"].as_str()
}

fn start(reaper: &Reaper, program: &Program) -> io::Result<Process> {
    for folder in &program.sealed {
        let path = Path::new(HOME).join(folder);
        fs::create_dir_all(&path)?;
        fs::set_permissions(path, Permissions::from_mode(0o555))?;
    }
    let Some((command, arguments)) = program.command.split_first() else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let mut started = Command::new(command);
    started.args(arguments).envs(&program.environment);
    Process::start(reaper, started)
}
