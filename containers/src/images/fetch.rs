//! Fetches an agent's program on the host with the owner's own pip or npm, which know their index,
//! mirror and proxy. It is used only if its hash is right.

use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
};

use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::AgentProgram;

/// An agent's program could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no program for this machine.
    #[error("there is no {0} for {1}; x86_64 and aarch64 are what it is made for")]
    NoProgram(&'static str, &'static str),
    /// There is no client to fetch it with.
    #[error(
        "{title} is fetched with {with}, which is not here. Install it and try again: `sudo apt-get install {install}`"
    )]
    NoClient {
        /// What.
        title: &'static str,
        /// What would fetch it.
        with: &'static str,
        /// The package that has that.
        install: &'static str,
    },
    /// The clients failed.
    #[error("{what} could not be fetched.\n{said}\nCheck that this machine reaches its package index, then try again")]
    Failed {
        /// The program and its version.
        what: String,
        /// Each client with its last lines.
        said: String,
    },
    /// The disk is full.
    #[error("the disk that holds {path} is full; fetching {title} takes about 1 GB there, and is tried again by the same command", path = path.display())]
    NoSpace {
        /// What.
        title: &'static str,
        /// The folder for it.
        path: PathBuf,
    },
    /// The file is not the expected one.
    #[error(
        "what {client} gave as {what} is not what this Doorward was made for, so nothing was built: its SHA-256 is \
         {found}, and should be {wanted}. A mirror or somebody on the way may have changed it; try another index"
    )]
    WrongHash {
        /// The client that fetched it.
        client: &'static str,
        /// The program and its version.
        what: String,
        /// The hash of the file.
        found: String,
        /// The expected hash.
        wanted: &'static str,
    },
    /// It could not be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// One way to fetch it.
struct Client {
    name: &'static str,
    /// The command, and what turns it into the client.
    command: Vec<String>,
    /// The arguments for fetching and unpacking; the folder is appended.
    fetch: Vec<String>,
    /// The program's path in that folder.
    program: String,
}

/// Fetches it below `staging`, and returns its path once its hash has been checked.
pub(super) async fn program(
    program: &AgentProgram,
    staging: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, FetchError> {
    let Some(build) = program.build() else {
        return Err(FetchError::NoProgram(program.title, std::env::consts::ARCH));
    };
    let mut clients = Vec::new();
    for client in clients_for(program) {
        if works(&client).await && !clients.iter().any(|other: &Client| other.name == client.name) {
            clients.push(client);
        }
    }
    with(&clients, program, staging, build.sha256, progress).await
}

fn clients_for(program: &AgentProgram) -> Vec<Client> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let pip = |command: &[&str]| {
        let (wheel, path) = program.wheel?;
        Some(Client {
            name: "pip",
            command: words(command),
            // Unpacking a wheel executes nothing.
            fetch: words(&[
                "install",
                "--no-deps",
                "--only-binary=:all:",
                "--no-compile",
                "--no-input",
                "--progress-bar=off",
                "--disable-pip-version-check",
                wheel,
                "--target",
            ]),
            program: path.to_owned(),
        })
    };
    let npm = program.build().map(|build| Client {
        name: "npm",
        command: words(&["npm"]),
        fetch: words(&[
            "install",
            "--ignore-scripts",
            "--no-save",
            "--no-audit",
            "--no-fund",
            &format!("{}@{}", build.package, program.version),
            "--prefix",
        ]),
        program: format!("node_modules/{}/{}", build.package, build.path),
    });
    [pip(&["python3", "-m", "pip"]), pip(&["pip3"]), pip(&["pip"]), npm].into_iter().flatten().collect()
}

#[expect(clippy::disallowed_methods, reason = "pip and npm fetch agents, at the owner's command")]
async fn works(client: &Client) -> bool {
    let version = Command::new(&client.command[0]).args(&client.command[1..]).arg("--version").output().await;
    version.is_ok_and(|run| run.status.success())
}

async fn with(
    clients: &[Client],
    agent: &AgentProgram,
    staging: &Path,
    wanted: &'static str,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<PathBuf, FetchError> {
    let what = || format!("{} {}", agent.title, agent.version);
    let mut said = Vec::new();
    for client in clients {
        progress(&format!("fetching {} with {} (about {} MB)", what(), client.name, agent.megabytes));
        let folder = staging.join(client.name);
        if let Err(why) = run(client, staging, &folder).await {
            if why.contains("No space left") || why.contains("ENOSPC") {
                return Err(FetchError::NoSpace { title: agent.title, path: staging.to_owned() });
            }
            progress(&format!("{} could not fetch it", client.name));
            said.push(format!("{} said: {why}", client.name));
            continue;
        }
        progress("checking it");
        let path = folder.join(&client.program);
        let found = hash(path.clone()).await.map_err(|source| FetchError::Io { path: path.clone(), source })?;
        if found != wanted {
            return Err(FetchError::WrongHash { client: client.name, what: what(), found, wanted });
        }
        return Ok(path);
    }
    if !said.is_empty() {
        return Err(FetchError::Failed { what: what(), said: said.join("\n") });
    }
    let (with, install) = if agent.wheel.is_some() { ("pip or npm", "python3-pip") } else { ("npm", "npm") };
    Err(FetchError::NoClient { title: agent.title, with, install })
}

/// Caches and temporary files go into `staging` too, which is removed afterwards.
#[expect(clippy::disallowed_methods, reason = "the same")]
async fn run(client: &Client, staging: &Path, folder: &Path) -> Result<(), String> {
    let run = Command::new(&client.command[0])
        .args(&client.command[1..])
        .args(&client.fetch)
        .arg(folder)
        .env("TMPDIR", staging)
        .current_dir(staging)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| error.to_string())?;
    if run.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&run.stderr);
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let tail = &lines[lines.len().saturating_sub(6)..];
    Err(if tail.is_empty() { run.status.to_string() } else { tail.join("\n") })
}

async fn hash(path: PathBuf) -> io::Result<String> {
    let hashed = tokio::task::spawn_blocking(move || {
        let (mut file, mut digest) = (fs::File::open(path)?, Sha256::new());
        let mut chunk = vec![0; 1 << 20];
        while let count @ 1.. = file.read(&mut chunk)? {
            digest.update(&chunk[..count]);
        }
        Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    });
    hashed.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{super::PROGRAMS, *};

    /// The SHA-256 of nothing.
    const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// A client that is a line of shell; `$1` is the folder.
    fn client(name: &'static str, script: &str) -> Client {
        let command = ["sh", "-c", script, name].map(str::to_owned).to_vec();
        Client { name, command, fetch: Vec::new(), program: "claude".to_owned() }
    }

    async fn fetch(clients: &[Client]) -> Result<PathBuf, FetchError> {
        let staging = tempfile::tempdir().unwrap();
        with(clients, &PROGRAMS[0], staging.path(), OF_NOTHING, &|_| ()).await
    }

    #[tokio::test]
    async fn the_first_client_that_gives_the_right_thing_is_enough() {
        let broken = client("pip", "echo no matching distribution >&2; exit 1");
        let good = client("npm", "mkdir \"$1\" && : > \"$1/claude\"");
        assert!(fetch(&[broken, good]).await.unwrap().ends_with("npm/claude"));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_with_what_to_do() {
        let other = client("pip", "mkdir \"$1\" && echo x > \"$1/claude\"");
        let never = client("npm", "echo another client must not make up for a wrong hash >&2; exit 1");
        let full = client("pip", "echo \"OSError: [Errno 28] No space left on device\" >&2; exit 1");
        let offline = client("pip", "echo Temporary failure in name resolution >&2; exit 1");
        let empty = client("pip", "mkdir \"$1\"");
        for (clients, wanted) in [
            (vec![], "apt-get install python3-pip"),
            (vec![other, never], "pip gave"),
            (vec![full], "is full"),
            (vec![offline], "name resolution\nCheck that"),
            (vec![empty], "cannot be read"),
        ] {
            let error = fetch(&clients).await.unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
