//! `groups/NAME.toml`: what runs in a group's sandboxes. The one place where a group's
//! agent is said. What it may reach stands in its policy.

use std::fmt;
use std::time::Duration;

use containers::protocol::McpServer;
use desk::Problems;
use policies::GroupName;

use super::{ConfigError, Mount, read, values};
use crate::home::{Home, read_text};
use crate::phrases::Language;

/// What a group's file says. No file: a shell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupSettings {
    /// Who answers.
    pub agent: Agent,
    /// Who answers where that one's model is overloaded or out of credit, the next one first.
    pub others: Vec<Agent>,
    /// What is answered; what calls the assistant in a chat of several people, and
    /// everything elsewhere, where nothing is said.
    pub trigger: Option<Trigger>,
    /// The language that Doorward speaks in its chat; as `[chat]` says where nothing is said.
    pub language: Option<Language>,
    /// How its model gets to know the people there.
    pub people: People,
    /// The image of its sandboxes: one of the owner's, or one of the engine's; the agent's own where nothing is said.
    pub image: Option<String>,
    /// What one sandbox may use of the machine; as `[engine]` says where nothing is said.
    pub limits: GroupLimits,
    /// What its agents may have helpers do.
    pub helpers: HelperLimits,
    /// MCP servers that its agents are told of.
    pub servers: Vec<McpServer>,
    /// Folders of the host that its sandboxes see.
    pub mounts: Vec<Mount>,
    /// How long its messages are kept; as `[messages]` says where nothing is said.
    pub keep: Option<Duration>,
}

/// Who answers in a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Agent {
    /// No model: each message is a command.
    #[default]
    Shell,
    /// Claude Code.
    Claude {
        /// As Claude Code names it; its own choice where nothing is said.
        model: Option<String>,
    },
    /// opencode.
    Opencode {
        /// `PROVIDER/MODEL`, or the model alone where an endpoint is said.
        model: Option<String>,
        /// The address of a server that speaks as OpenAI's does, `/v1` included: a model at home.
        endpoint: Option<String>,
    },
    /// Codex.
    Codex {
        /// As OpenAI names it.
        model: Option<String>,
    },
    /// Another one that speaks the Agent Client Protocol.
    Acp {
        /// How it is started.
        command: Vec<String>,
        /// As it names it.
        model: Option<String>,
    },
}

/// How many helpers a group's agent may have, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelperLimits {
    /// How many at once; none: it may have no helpers.
    pub most: u32,
    /// How long one may take.
    pub longest: Duration,
    /// Whether the chat hears what each of them has found.
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
    /// All of them.
    Always,
    /// Those that call the assistant: `@Name` at the start, a mention, an answer to it.
    Name,
    /// The same, and those that call it by another name, which it has in this chat beside its own.
    Called(String),
}

/// How a group's model gets to know the people in its chat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum People {
    /// By their names.
    #[default]
    Names,
    /// By stand-ins, which come back as names in answers.
    StandIns,
}

impl People {
    /// As the file spells it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "names" => Ok(People::Names),
            "stand-ins" => Ok(People::StandIns),
            _ => Err("not a way to know people; write \"names\" or \"stand-ins\"".to_owned()),
        }
    }
}

impl Trigger {
    /// As the file spells it.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "always" => Ok(Trigger::Always),
            "name" => Ok(Trigger::Name),
            _ if text.starts_with('@') => values::assistant_name(text).map(Trigger::Called),
            _ => Err("not a trigger; write \"always\", \"name\", or another name as \"@Bob\"".to_owned()),
        }
    }
}

/// What one sandbox of a group may use of the machine, and what the group may keep.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupLimits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processors' worth of time.
    pub cpus: Option<f64>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// Open files per process.
    pub open_files: Option<u32>,
    /// Bytes that the group may keep in its folders.
    pub disk: Option<u64>,
    /// Files and folders that it may keep there.
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

    /// Reads a group's text; `name` is what problems call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problems> {
        read::group(name, text)
    }
}

impl GroupSettings {
    /// Everybody who may answer, in order.
    pub fn agents(&self) -> impl Iterator<Item = &Agent> {
        std::iter::once(&self.agent).chain(&self.others)
    }
}

impl Agent {
    /// Every agent that needs no more than its name.
    pub const NAMES: [&str; 4] = ["shell", "claude", "opencode", "codex"];

    /// By its name.
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

    /// With less than that it does not start reliably.
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
