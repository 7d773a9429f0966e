//! A new group's files: what runs in it, and what it may reach.

use std::path::PathBuf;

use policies::GroupName;

use super::NotRegistered;
use crate::config::Agent;
use crate::home::Home;

/// Writes both. An existing file of that name stays in force: its owner wrote it. Returns those.
pub(super) fn write(home: &Home, name: &GroupName, agent: &Agent) -> Result<Vec<PathBuf>, NotRegistered> {
    let mut stayed = Vec::new();
    for (path, text) in [(home.group_file(name), settings(name, agent)), (home.policy_file(name), policy(name, agent))]
    {
        if path.exists() {
            stayed.push(path);
        } else if let Err(error) = std::fs::write(&path, text) {
            return Err(NotRegistered::Write { path, error });
        }
    }
    Ok(stayed)
}

fn settings(name: &GroupName, agent: &Agent) -> String {
    let agent = agent.name();
    format!(
        "\
# Who answers in the group {name}, and when. It is read whenever a sandbox starts.
agent = \"{agent}\"                    # claude, opencode, codex, or shell: each message is a command
# model = \"sonnet\"                   # as Claude Code names it; its own choice otherwise
# trigger = \"name\"                  # or \"always\"; otherwise: only what calls the assistant is
#                                     # answered in a chat of several people, all elsewhere
# language = \"de\"                   # what Doorward itself says here: en, de or ar
# image = \"my/own-image:1\"           # the agent's own otherwise
# keep_days = 90                      # its messages; as [messages] in doorward.toml says otherwise
#
# [limits]                            # of one sandbox; as [engine] in doorward.toml says otherwise
# memory = \"2 GiB\"
# cpus = 2
# pids = 512
# open_files = 4096
# disk = \"20 GB\"                       # what the group may keep in its folders, and how many files
# files = 1000000
#
# [[mount]]                           # a folder of yours, below one that [mounts] in doorward.toml names
# path = \"/srv/notes\"                # in /workspace/extra/notes; docs/sandbox.md has more
# write = true                        # read only otherwise
"
    )
}

fn policy(name: &GroupName, agent: &Agent) -> String {
    let first = match agent {
        Agent::Shell => {
            "\
# What no rule names is refused; this file names nothing yet.
#
# A preset that ships with Doorward:
# use = [\"git-read\"]"
        }
        Agent::Acp { .. } | Agent::Opencode { endpoint: Some(_), .. } => {
            "\
# What no rule names is refused; this file names nothing yet, not even the model of its agent.
#
# A preset that ships with Doorward:
# use = [\"openai\"]"
        }
        Agent::Codex { .. } => {
            "\
# What no rule names is refused; so far it may only think with OpenAI's models.
use = [\"codex\"]
#
# Another preset that ships with Doorward would stand beside it:
# use = [\"codex\", \"git-read\"]"
        }
        Agent::Claude { .. } | Agent::Opencode { endpoint: None, .. } => {
            "\
# What no rule names is refused; so far it may only think with Claude.
use = [\"claude\"]
#
# Another preset that ships with Doorward would stand beside it:
# use = [\"claude\", \"git-read\"]"
        }
    };
    format!(
        "\
# What the group {name} may reach. It is read again whenever you save it.
{first}
#
# [[allow]]
# host = \"example.org\"
# access = \"read\"                      # GET, HEAD, OPTIONS
#
# [[allow]]
# host = \"api.github.com\"
# do = [\"GET /repos/me/**\", \"POST /repos/me/notes/issues\"]
#
# [[deny]]                             # deny beats allow, wherever it stands
# host = \"api.github.com\"
# do = [\"* /gists/**\"]
# why = \"gists are an upload channel\"
#
# Try it:  doorward policy check {name}
#          doorward policy explain {name} GET https://example.org/
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use policy_file::Source;

    use crate::config::GroupSettings;

    use super::*;

    /// The example must do nothing as it is, and be valid once uncommented.
    #[test]
    fn the_example_policy_allows_nothing_and_is_correct() {
        let name = GroupName::parse("family").unwrap();
        let text = policy(&name, &Agent::Shell);
        let compile = |text: String| {
            policy_file::compile(&name, &Source { name: "policies/family.toml".into(), text }, None).map(|it| it.policy)
        };
        assert_eq!(compile(text.clone()).unwrap().rules().count(), 0);
        let code = text
            .lines()
            .filter_map(|line| line.strip_prefix("# "))
            .filter(|line| line.starts_with('[') || line.contains(" = "));
        let uncommented = code.collect::<Vec<_>>().join("\n");
        assert!(compile(uncommented).unwrap().rules().count() >= 3);
    }

    #[test]
    fn claude_code_may_think_and_nothing_else() {
        let name = GroupName::parse("family").unwrap();
        let text = policy(&name, &Agent::Claude { model: None });
        let compiled =
            policy_file::compile(&name, &Source { name: "policies/family.toml".into(), text }, None).unwrap();
        assert_eq!(compiled.policy.credentials(), ["anthropic".into()]);
        assert!(
            policy_file::summaries(&compiled.policy)
                .iter()
                .all(|rule| format!("{rule:?}").contains("api.anthropic.com"))
        );
    }

    #[test]
    fn the_settings_say_what_was_asked_for_and_are_right_uncommented() {
        let name = GroupName::parse("family").unwrap();
        for agent in [Agent::Shell, Agent::Claude { model: None }] {
            assert_eq!(GroupSettings::parse("x", &settings(&name, &agent)).unwrap().agent, agent);
        }
        let text = settings(&name, &Agent::Claude { model: None });
        let code = text.lines().map(|line| {
            line.strip_prefix("# ").filter(|line| line.contains(" = ") || line.starts_with('[')).unwrap_or(line)
        });
        let all = GroupSettings::parse("x", &code.collect::<Vec<_>>().join("\n")).unwrap();
        assert_eq!((all.limits.pids, all.image.as_deref()), (Some(512), Some("my/own-image:1")));
    }
}
