//! How Claude Code is started, and what is sent to it in its own protocol.

use std::{fs, io, process::Command};

use serde_json::json;

use crate::{
    agents::{GLOBAL, SKILLS, SYSTEM_PROMPT},
    claude::history,
    process::Process,
    protocol::McpServer,
    reaper::Reaper,
    servers,
};

/// Its own host check would ask Anthropic about every page; the door decides here. Before a
/// conversation is summarised, it is archived (`archive.rs`).
const SETTINGS: &str = r#"{"skipWebFetchPreflight":true,"hooks":{"PreCompact":[{"hooks":[{"type":"command","command":"/opt/doorward/guest archive"}]}]}}"#;

/// Tools that promise something for later, which ends with the sandbox, or that need a terminal.
const NO_TOOLS: &str = "CronCreate,CronDelete,CronList,ScheduleWakeup,Monitor,Workflow,EnterWorktree,ExitWorktree,\
                        ListAgents,SendMessage,ReportFindings";

/// Only the conversation goes to Anthropic, and a turn ends when its work does.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ("DISABLE_TELEMETRY", "1"),
    ("DISABLE_ERROR_REPORTING", "1"),
    ("DISABLE_BUG_COMMAND", "1"),
    ("DISABLE_AUTOUPDATER", "1"),
    ("DISABLE_INSTALLATION_CHECKS", "1"),
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1"),
    // About half a minute; three with an overloaded model. Then the chat is told.
    ("CLAUDE_CODE_MAX_RETRIES", "6"),
];

/// Starts it, resuming a session if there is one.
pub(super) fn start(
    reaper: &Reaper,
    servers: &[McpServer],
    model: Option<&str>,
    resume: Option<&str>,
) -> Result<Process, String> {
    Process::start(reaper, command(servers, model, resume)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no `claude` in this image; `doorward image build claude` makes one \
                                    that has it"
            .to_owned(),
        _ => format!("Claude Code could not be started: {error}"),
    })
}

fn command(servers: &[McpServer], model: Option<&str>, resume: Option<&str>) -> Command {
    let mut command = Command::new("claude");
    command
        .args(["-p", "--input-format", "stream-json", "--output-format", "stream-json", "--verbose"])
        .args(["--dangerously-skip-permissions", "--disallowedTools", NO_TOOLS])
        .args([
            "--settings",
            SETTINGS,
            "--mcp-config",
            &servers::for_claude(servers).to_string(),
            "--strict-mcp-config",
        ])
        .args(["--append-system-prompt", SYSTEM_PROMPT, "--add-dir", GLOBAL])
        // It loads skills from .claude/skills there.
        .args(fs::exists(SKILLS).is_ok_and(|there| there).then_some(["--add-dir", SKILLS]).into_iter().flatten())
        .args(model.map(|model| ["--model", model]).into_iter().flatten())
        .args(resume.map(|session| ["--resume", session]).into_iter().flatten())
        .envs(ENVIRONMENT)
        .env("CLAUDE_CONFIG_DIR", history::config_dir());
    if rustix::process::getuid().is_root() {
        command.env("IS_SANDBOX", "1");
    }
    command
}

/// Sends a prompt. Its arrival shows in the output.
pub(super) fn say(process: &Process, uuid: &str, text: &str) {
    let content = json!([{ "type": "text", "text": text }]);
    let message = json!({ "role": "user", "content": content });
    process.write(&json!({ "type": "user", "uuid": uuid, "message": message }));
}

/// Interrupts the current turn.
pub(super) fn interrupt(process: &Process) {
    let request = json!({ "subtype": "interrupt" });
    process.write(&json!({ "type": "control_request", "request_id": "interrupt", "request": request }));
}

/// A new name for a prompt, unique over all sessions.
pub(super) fn new_uuid() -> Result<String, String> {
    let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid");
    uuid.map(|uuid| uuid.trim().to_owned()).map_err(|error| format!("the kernel gives no random numbers: {error}"))
}
