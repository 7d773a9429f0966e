//! `groups/NAME.toml`: what runs in a group's sandboxes. The only place that names a group's agent. What it may reach
//! is in its policy.

use std::fmt;
use std::time::Duration;

use containers::protocol::McpServer;
use desk::Problems;
use policies::GroupName;

use super::{ConfigError, Mount, read, values};
use crate::home::{Home, read_text};
use crate::phrases::Language;

/// A group's settings. Without a file: a shell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSettings {
    /// The agent that answers.
    pub agent: Agent,
    /// The agents that take over while the one before is overloaded or out of credit, in order.
    pub others: Vec<Agent>,
    /// The messages that are answered; by default those that call the assistant in a chat of several people, and all
    /// elsewhere.
    pub trigger: Option<Trigger>,
    /// Doorward's language in its chat; that of `[chat]` by default.
    pub language: Option<Language>,
    /// How its model knows the people there.
    pub people: People,
    /// The image of its sandboxes: one of the owner's, or one of the engine's; the agent's own by default.
    pub image: Option<String>,
    /// What one sandbox may use of the machine; as in `[engine]` by default.
    pub limits: GroupLimits,
    /// The limits on its agents' helpers.
    pub helpers: HelperLimits,
    /// MCP servers announced to its agents.
    pub servers: Vec<McpServer>,
    /// Folders of the host that its sandboxes see.
    pub mounts: Vec<Mount>,
    /// How long its messages are kept; as in `[messages]` by default.
    pub keep: Option<Duration>,
}

/// The agent that answers in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// No model: each message is a command.
    #[default]
    Shell,
    /// Claude Code.
    Claude {
        /// Claude Code's name for it; its own choice by default.
        model: Option<String>,
    },
    /// opencode.
    Opencode {
        /// `PROVIDER/MODEL`, or only the model if an endpoint is given.
        model: Option<String>,
        /// The address of a server with OpenAI's API, `/v1` included: a model at home.
        endpoint: Option<String>,
    },
    /// Codex.
    Codex {
        /// OpenAI's name for it.
        model: Option<String>,
    },
    /// Another agent that speaks the Agent Client Protocol.
    Acp {
        /// The command that starts it.
        command: Vec<String>,
        /// The agent's name for it.
        model: Option<String>,
    },
}

/// How many helpers a group's agent may have, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperLimits {
    /// The most at once; 0 for no helpers.
    pub most: u32,
    /// The longest that one may take.
    pub longest: Duration,
    /// Whether the chat is told each one's result.
    pub voices: bool,
}

impl Default for HelperLimits {
    fn default() -> Self {
        HelperLimits { most: 3, longest: Duration::from_mins(10), voices: false }
    }
}

/// Which messages are answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// All messages.
    Always,
    /// Messages that call the assistant: `@Name` at the start, a mention, a reply to it.
    Name,
    /// The same, and calls by another name that it has in this chat besides its own.
    Called(String),
}

/// How a group's model knows the people in its chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// By their names.
    #[default]
    Names,
    /// By stand-ins, which are turned back into names in answers.
    StandIns,
}

impl People {
    /// Parses the file's spelling.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "names" => Ok(People::Names),
            "stand-ins" => Ok(People::StandIns),
            _ => Err("not a way to know people; write \"names\" or \"stand-ins\"".to_owned()),
        }
    }
}

impl Trigger {
    /// Parses the file's spelling.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Trigger::Always),
            "name" => Ok(Trigger::Name),
            _ if text.starts_with('@') => values::assistant_name(text).map(Trigger::Called),
            _ => Err("not a trigger; write \"always\", \"name\", or another name as \"@Bob\"".to_owned()),
        }
    }
}

/// What one sandbox of a group may use of the machine, and what the group may store.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupLimits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Number of processors, in fractions.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Open files per process.
    pub open_files: Option<u32>,
    /// The most bytes that the group may keep in its folders.
    pub disk: Option<u64>,
    /// The most files and folders that it may keep there.
    pub files: Option<u64>,
}

impl GroupSettings {
    /// Reads a group's file.
    pub fn load(home: &Home, group: &GroupName) -> Result<Self, ConfigError> {
        let path = home.group_file(group);
        match read_text(&path) {
            Ok(text) => Ok(Self::parse(&path.display().to_string(), &text)?),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(ConfigError::Unreadable { path, source }),
        }
    }

    /// Parses a group's settings; `name` is what problems call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        read::group(name, text)
    }
}

impl GroupSettings {
    /// All its agents, in order.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        std::iter::once(&self.agent).chain(&self.others)
    }
}

impl Agent {
    /// The agents that need only a name.
    pub const NAMES: [&str; 4] = ["shell", "claude", "opencode", "codex"];

    /// The agent with this name.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "shell" => Ok(Agent::Shell),
            "claude" => Ok(Agent::Claude { model: None }),
            "opencode" => Ok(Agent::Opencode { model: None, endpoint: None }),
            "codex" => Ok(Agent::Codex { model: None }),
            "acp" => Ok(Agent::Acp { command: Vec::new(), model: None }),
            _ => Err("there is no such agent in this version; write \"claude\", \"opencode\", \"codex\", \"acp\" or \
                      \"shell\""
                .to_owned()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Agent::Shell => "shell",
            Agent::Claude { .. } => "claude",
            Agent::Opencode { .. } => "opencode",
            Agent::Codex { .. } => "codex",
            Agent::Acp { .. } => "acp",
        }
    }

    /// With less memory it does not start reliably.
    pub fn least_memory(&self) -> u64 {
        match self {
            Agent::Shell | Agent::Acp { .. } => 32 << 20,
            Agent::Claude { .. } | Agent::Opencode { .. } | Agent::Codex { .. } => 512 << 20,
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Agent::Shell => "the shell",
            Agent::Claude { .. } => "Claude Code",
            Agent::Opencode { .. } => "opencode",
            Agent::Codex { .. } => "Codex",
            Agent::Acp { command, .. } => command.first().map_or("an agent of yours", String::as_str),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use containers::protocol::McpPlace;

    use super::super::Access;
    use super::*;

    fn parse(text: &str) -> Result<GroupSettings, String> {
        GroupSettings::parse("groups/family.toml", text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn everything_that_can_be_said() {
        assert_eq!(parse("").unwrap(), GroupSettings::default());
        let text = "agent = \"claude\"\nmodel = \"claude-sonnet-5\"\nimage = \"my/own:1\"\ntrigger = \"name\"\n\
                    keep_days = 30\nlanguage = \"de\"\n[limits]\nmemory = \"1 GiB\"\ncpus = 1.5\npids = 200\nopen_files = 1024\n\
                    disk = \"500 MB\"\nfiles = 5000";
        let limits = GroupLimits {
            memory: Some(1 << 30),
            cpus: Some(1.5),
            pids: Some(200),
            open_files: Some(1024),
            disk: Some(500_000_000),
            files: Some(5000),
        };
        let agent = Agent::Claude { model: Some("claude-sonnet-5".to_owned()) };
        let (trigger, image) = (Some(Trigger::Name), Some("my/own:1".to_owned()));
        assert_eq!(
            parse(text).unwrap(),
            GroupSettings {
                agent,
                others: Vec::new(),
                helpers: HelperLimits::default(),
                servers: Vec::new(),
                trigger,
                language: Some(Language::German),
                people: People::Names,
                image,
                limits,
                mounts: Vec::new(),
                keep: Some(Duration::from_hours(24 * 30))
            }
        );
        assert_eq!(parse("privacy.people = \"stand-ins\"").unwrap().people, People::StandIns);
        assert_eq!(parse("trigger = \"always\"").unwrap().trigger, Some(Trigger::Always));
        assert_eq!(parse("trigger = \"@Bob\"").unwrap().trigger, Some(Trigger::Called("Bob".to_owned())));
    }

    #[test]
    fn several_agents_have_an_order_and_models_of_their_own() {
        let text = "agents = [\"claude\", \"codex\", \"opencode\"]\nmodel = \"opus\"\nmodels = { opencode = \"mistral/large\" }";
        let settings = parse(text).unwrap();
        let all: Vec<_> = settings.agents().cloned().collect();
        let opencode = Agent::Opencode { model: Some("mistral/large".to_owned()), endpoint: None };
        assert_eq!(all, [Agent::Claude { model: Some("opus".to_owned()) }, Agent::Codex { model: None }, opencode]);
        let home =
            parse("agents = [\"claude\", \"opencode\"]\nendpoint = \"http://nas:1/v1\"\nmodels.opencode = \"llama\"");
        assert!(matches!(&home.unwrap().others[..], [Agent::Opencode { endpoint: Some(_), .. }]));
        assert_eq!(parse("agents = [\"claude\"]").unwrap(), parse("agent = \"claude\"").unwrap());
    }

    #[test]
    fn an_mcp_server_is_a_program_or_a_host() {
        let text = "[[mcp]]\nname = \"notes\"\ncommand = [\"/workspace/extra/t/notes\", \"-v\"]\nenvironment = { A = \"b\" }\n\
                    [[mcp]]\nname = \"calendar\"\nurl = \"https://mcp.example/mcp\"\ntoken = \"CALENDAR_TOKEN\"";
        let servers = parse(text).unwrap().servers;
        assert_eq!(servers.iter().map(|one| &*one.name).collect::<Vec<_>>(), ["notes", "calendar"]);
        assert!(matches!(&servers[0].place, McpPlace::Program { command, .. } if command.len() == 2));
        assert!(matches!(&servers[1].place, McpPlace::Host { token: Some(token), .. } if token == "CALENDAR_TOKEN"));
    }

    #[test]
    fn a_mount_is_read_only_unless_it_says_otherwise() {
        let text = "[[mount]]\npath = \"/srv/photos\"\n[[mount]]\npath = \"/srv/work/\"\nname = \"w\"\nwrite = true\n\
                    known = [\"tests/key.pem\"]\n[[mount]]\npath = \"/srv/rules\"\ncopy = true";
        let mounts = parse(text).unwrap().mounts;
        let told: Vec<_> = mounts.iter().map(|one| (one.path.to_str().unwrap(), &*one.name, one.access)).collect();
        assert_eq!(
            told,
            [
                ("/srv/photos", "photos", Access::Read),
                ("/srv/work", "w", Access::Write),
                ("/srv/rules", "rules", Access::Copy)
            ]
        );
        assert_eq!(mounts[1].known, [std::path::PathBuf::from("tests/key.pem")]);
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        for (text, wanted) in [
            ("agent = \"codecs\"", "groups/family.toml:1:9: there is no such agent in this version; write \"claude\""),
            ("agent = \"claude\"\nendpoint = \"http://nas:1/v1\"", ":2:12: Claude Code has no endpoint"),
            ("agent = \"claude\"\ncommand = [\"claude\"]", ":2:11: Claude Code has a command of its own"),
            ("agent = \"opencode\"\nendpoint = \"http://nas:1/v1\"", "an endpoint needs `model`"),
            ("agent = \"opencode\"\nendpoint = \"nas\"\nmodel = \"x\"", "not an address"),
            ("agent = \"opencode\"\nmodel = \"opus\"", "PROVIDER/MODEL"),
            ("agents = [\"claude\", \"shell\"]", ":1:21: the shell stands in for nobody"),
            ("agents = [\"claude\", \"claude\"]", ":1:21: Claude Code is there twice"),
            ("agent = \"claude\"\nagents = [\"opencode\"]", ":2:10: `agent` says who answers already"),
            ("agents = [\"claude\", \"opencode\"]\nmodels = { codex = \"gpt-5\" }", "codex does not answer here"),
            ("agents = [\"claude\", \"opencode\"]\nmodels = { opencode = \"x\" }", "PROVIDER/MODEL"),
            ("[[mcp]]\nname = \"doorward\"\ncommand = [\"x\"]", ":2:8: this name is Doorward's own"),
            ("[[mcp]]\nname = \"a b\"\ncommand = [\"x\"]", ":2:8: not a name for an MCP server"),
            ("[[mcp]]\nname = \"a\"", "needs `command` or `url`"),
            ("[[mcp]]\nname = \"a\"\ncommand = [\"x\"]\nurl = \"https://a.example/mcp\"", "not both"),
            ("[[mcp]]\nname = \"a\"\nurl = \"a.example\"", ":3:7: not an address"),
            ("[[mcp]]\nname = \"a\"\nurl = \"http://doorward.internal/mcp\"", ":3:7: Doorward's own"),
            ("[[mcp]]\nname = \"a\"\ncommand = [\"x\"]\ntoken = \"T\"", ":4:9: a program finds"),
            (
                "[[mcp]]\nname = \"a\"\nurl = \"https://a.example/mcp\"\n[[mcp]]\nname = \"a\"\ncommand = [\"x\"]",
                "two MCP servers are called a",
            ),
            ("helpers.most = 9", ":1:16: `most` must be a number from 0 to 8"),
            ("helpers.minutes = 0", "from 1 to 60"),
            ("agent = \"acp\"", "needs `command`"),
            ("agent = \"acp\"\ncommand = [\"goose\", \"acp\"]", "needs `image`"),
            (
                "\nagnet = \"claude\"",
                "groups/family.toml:2:1: a group's file has no key `agnet`; did you mean `agent`?",
            ),
            (
                "trigger = \"sometimes\"",
                ":1:11: not a trigger; write \"always\", \"name\", or another name as \"@Bob\"",
            ),
            ("model = \"opus\"", "the shell has no model"),
            ("agent = \"claude\"\nmodel = \"--help\"", ":2:9: "),
            ("agent = \"claude\"\nlimits.memory = \"100 MB\"", "Claude Code needs at least 512 MiB of memory"),
            ("limits.memory = \"1 MB\"\nlimits.pids = 1", "a sandbox needs at least 32 MiB"),
            ("limits.memory = \"1 MB\"\nlimits.pids = 1", ":2:15: `pids` must be a number from 16 to 4194304"),
            ("limits.open_files = 1", "from 64 to 1048576"),
            ("limits.disk = \"1 kB\"", "at least 1 MB"),
            ("keep_days = 1", ":1:13: `keep_days` must be a number from 2 to 36500"),
            ("limits.files = 1", "from 100 to 1000000000"),
            ("image = \"no such thing\"", "not a name that the engine could know"),
            ("[[mount]]\nname = \"x\"", "this [[mount]] has no `path`"),
            ("[[mount]]\npath = \"notes\"", ":2:8: not a folder of this machine"),
            ("[[mount]]\npath = \"/srv/../etc\"", ":2:8: not a folder of this machine"),
            ("[[mount]]\npath = \"/srv/my photos\"", "say what it is called inside: add name = \"photos\""),
            ("[[mount]]\npath = \"/srv/a\"\nname = \"../b\"", ":3:8: not a name for a mount"),
            ("[[mount]]\npath = \"/srv/a\"\nwrite = true\ncopy = true", "a copy cannot be written"),
            ("[[mount]]\npath = \"/a\"\n[[mount]]\npath = \"/b/a\"", "two mounts are called a"),
            ("[[mount]]\npath = \"/srv/a\"\nknown = [\"../b\"]", ":3:10: write the file's path from"),
            ("mount = \"/srv/a\"", "written as [[mount]]"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(wanted), "{problem}");
        }
    }

    #[test]
    fn the_names_are_those_that_parse() {
        for name in Agent::NAMES {
            assert_eq!(Agent::parse(name).unwrap().name(), name);
        }
    }
}
