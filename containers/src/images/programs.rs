//! The programs of agents: the version that this Doorward supports, with its hash.

/// A program that has its own image.
#[derive(Debug)]
pub struct AgentProgram {
    /// Its name, also that of the image and on the command line.
    pub name: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// The command inside.
    pub command: &'static str,
    /// The version.
    pub version: &'static str,
    /// The shell command that prints its version.
    pub says_version: &'static str,
    /// The approximate size of the download, in megabytes.
    pub megabytes: u32,
    /// The Python package release that contains it, and the path in it.
    pub(super) wheel: Option<(&'static str, &'static str)>,
    pub(super) builds: &'static [AgentBuild],
}

/// The program for one kind of machine.
#[derive(Debug)]
pub(super) struct AgentBuild {
    /// As Rust names it.
    pub(super) arch: &'static str,
    /// The npm package that contains it.
    pub(super) package: &'static str,
    /// The path in the package.
    pub(super) path: &'static str,
    /// Its SHA-256.
    pub(super) sha256: &'static str,
}

/// All of them.
pub static PROGRAMS: [AgentProgram; 3] = [
    AgentProgram {
        name: "claude",
        title: "Claude Code",
        command: "claude",
        version: "2.1.330",
        says_version: "claude --version",
        megabytes: 170,
        wheel: Some(("claude-agent-sdk==0.2.187", "claude_agent_sdk/_bundled/claude")),
        builds: &[
            AgentBuild {
                arch: "x86_64",
                package: "@anthropic-ai/claude-code-linux-x64",
                path: "claude",
                sha256: "f390eaa0814e6a1bff74cbb47acb74cb9c89d30ced809fe0af5af00c7bfe8ebb",
            },
            AgentBuild {
                arch: "aarch64",
                package: "@anthropic-ai/claude-code-linux-arm64",
                path: "claude",
                sha256: "6016f90cac783e367fb1aa97c768a2efb94a0128a5b46b70fb3d8fcbbd9dd444",
            },
        ],
    },
    AgentProgram {
        name: "opencode",
        title: "opencode",
        command: "opencode",
        version: "1.18.18",
        says_version: "opencode --version",
        megabytes: 60,
        wheel: None,
        builds: &[
            // The build without AVX2: it runs everywhere.
            AgentBuild {
                arch: "x86_64",
                package: "opencode-linux-x64-baseline",
                path: "bin/opencode",
                sha256: "bb71f45b564f9234a97f54d6252a4a41d2f4388ae4b078918f691824cc3b3e54",
            },
            AgentBuild {
                arch: "aarch64",
                package: "opencode-linux-arm64",
                path: "bin/opencode",
                sha256: "a63ef0c7271383e48ffe36c156b4146087bbbc97929dec40e8be95ed4f4d76ae",
            },
        ],
    },
    AgentProgram {
        name: "codex",
        title: "Codex",
        command: "codex-acp",
        version: "0.16.0",
        // It has no `--version`, reports it in the protocol, and does not exit at the end of its input.
        says_version: r#"said=$(mktemp); echo '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":1}}' |
            codex-acp >"$said" 2>/dev/null &
            for try in $(seq 300); do grep -o '"title":"Codex","version":"[^"]*"' "$said" && break; sleep 0.1; done; kill $!"#,
        megabytes: 75,
        wheel: None,
        builds: &[
            AgentBuild {
                arch: "x86_64",
                package: "@zed-industries/codex-acp-linux-x64",
                path: "bin/codex-acp",
                sha256: "23a9f2af247fc61aa9a895d5ee91a62a35d05a883bddc2c85d1dc6b2be697087",
            },
            AgentBuild {
                arch: "aarch64",
                package: "@zed-industries/codex-acp-linux-arm64",
                path: "bin/codex-acp",
                sha256: "da02ef40036965f5f693682b7ff5d308da2aefcb961ced7484d43913cc580105",
            },
        ],
    },
];

impl AgentProgram {
    /// By its name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROGRAMS.iter().find(|program| program.name == name)
    }

    /// The build for this machine.
    pub(super) fn build(&self) -> Option<&'static AgentBuild> {
        self.builds.iter().find(|build| build.arch == std::env::consts::ARCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_has_a_hash_for_both_machines() {
        for program in &PROGRAMS {
            let architectures: Vec<&str> = program.builds.iter().map(|build| build.arch).collect();
            assert_eq!(architectures, ["x86_64", "aarch64"], "{}", program.name);
            assert!(program.builds.iter().all(|build| build.sha256.len() == 64), "{}", program.name);
        }
    }
}
