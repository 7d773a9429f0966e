//! `doorward secret`: which credentials exist, whether each can be read, and the secrets that Doorward stores itself
//! (`kept`). Never shows a value.

use std::process::ExitCode;

use anyhow::anyhow;

use policies::{Authority, GroupName};

use super::show::{Styled, Tone};
use super::{Failure, refused, show, usage};
use crate::config::{Config, Credential};
use crate::home::Home;
use crate::vault::SetAside;

pub(in crate::cli) mod kept;

/// Show and test credentials; add, replace and remove their secrets.
///
/// Credentials stand in doorward.toml, which names where each secret is (a file, the
/// keyring, a variable, a program) and never holds it. No command shows a secret.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example of a credential in doorward.toml:
  [credentials.github]
  secret = \"file:secrets/github\"
  hosts = [\"api.github.com\"]
  place = [\"header:authorization\"]
  env = \"GITHUB_TOKEN\"")]
pub struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SecretCommand {
    /// List the credentials: source, hosts, place, variable, whether it can be read now
    List {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
    /// Keep a secret (from a prompt or standard input) in a file for you alone or in the
    /// desktop's keyring, and show the lines for doorward.toml
    Add {
        /// The credential's name
        name: String,
        /// Where to keep it
        #[arg(long, value_enum, default_value = "file")]
        store: kept::Store,
    },
    /// Replace a secret that `add` made
    Rotate {
        /// The credential
        name: String,
    },
    /// Remove a secret that `add` made
    Remove {
        /// The credential
        name: String,
    },
    /// Trust a host again that sent a secret back in pieces and was set aside for it
    ///
    /// Such a host gets no credential from that group any more: see the alarm in `doorward
    /// audit`, and replace the secret first. Without arguments, lists which hosts are set aside.
    Trust {
        /// The group
        #[arg(requires = "host")]
        group: Option<String>,
        /// The host, as it is listed: api.example.com:443
        host: Option<String>,
    },
    /// Test whether a credential's secret can be read (exit code 1 if not)
    Test {
        /// The credential
        name: String,
    },
}

pub(super) fn run(home: &Home, args: SecretArgs) -> Result<ExitCode, Failure> {
    match args.command {
        SecretCommand::List { json } => list(home, &Config::load(home)?, json),
        SecretCommand::Add { name, store } => kept::add(home, &name, store),
        SecretCommand::Rotate { name } => kept::rotate(home, &name),
        SecretCommand::Remove { name } => kept::remove(home, &name),
        SecretCommand::Trust { group, host } => trust(&SetAside::at(home.set_aside_dir()), group.zip(host)),
        SecretCommand::Test { name } => test(&Config::load(home)?, &name),
    }
}

fn list(home: &Home, config: &Config, json: bool) -> Result<ExitCode, Failure> {
    let credentials = config.credentials.values();
    if json {
        show::json(&credentials.map(described).collect::<Vec<_>>())?;
    } else if config.credentials.is_empty() {
        show::line(none(home))?;
    } else {
        let rows: Vec<Vec<Styled>> = credentials.map(row).collect();
        show::line(show::table(&["name", "source", "hosts", "place", "env", "readable now"], &rows))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// For a doorward.toml without credentials: reports a secret that is stored already.
fn none(home: &Home) -> Styled {
    let file = home.config_file();
    match kept::known(home) {
        Some((name, service)) => {
            let told = format!(
                "The secret {name} is kept, but no [credentials.NAME] of {} uses one yet. These lines would:\n",
                file.display()
            );
            Styled::from(told) + Styled::fixed(&kept::lines(service, &format!("file:secrets/{name}")))
        }
        None => Styled::from(format!(
            "There are none. `doorward credential add NAME` adds one ([credentials.NAME] in {}); `doorward credential known` \
             lists the services whose lines it knows.",
            file.display()
        )),
    }
}

fn row(credential: &Credential) -> Vec<Styled> {
    let readable = match credential.source.read() {
        Ok(_) => Tone::Good.of("yes"),
        Err(error) => Tone::Bad.of("no") + format!(": {error}"),
    };
    vec![
        credential.name.to_string().into(),
        credential.source.to_string().into(),
        joined(&credential.hosts).into(),
        joined(&credential.place).into(),
        credential.env.clone().unwrap_or_default().into(),
        readable,
    ]
}

fn described(credential: &Credential) -> serde_json::Value {
    let unreadable = credential.source.read().err().map(|error| error.to_string());
    serde_json::json!({
        "name": &*credential.name,
        "source": credential.source.to_string(),
        "hosts": credential.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "place": credential.place.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "env": credential.env,
        "readable": unreadable.is_none(),
        "why": unreadable,
    })
}

fn trust(aside: &SetAside, which: Option<(String, String)>) -> Result<ExitCode, Failure> {
    let Some((group, host)) = which else {
        let rows: Vec<Vec<String>> = aside.all().into_iter().map(|(group, host)| vec![group, host]).collect();
        match rows.is_empty() {
            true => show::line("No host is set aside.")?,
            false => show::line(show::table(&["group", "host"], &rows))?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let named = GroupName::parse(&group).map_err(|why| usage(anyhow!(why)))?;
    let there = Authority::parse(&host, Some(443)).map_err(|why| usage(anyhow!("{host}: {why}")))?;
    if !aside.lift(&named, &there)? {
        return Err(refused(anyhow!(
            "{there} is not set aside for group {group}; `doorward secret trust` lists what is"
        )));
    }
    show::line(format!(
        "{there} is trusted again: credentials of group {group} are put on there from the next request on."
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn joined(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn test(config: &Config, name: &str) -> Result<ExitCode, Failure> {
    let credential = config.credentials.get(name).ok_or_else(|| {
        refused(anyhow!(
            "there is no credential {name:?} in doorward.toml; `doorward secret list` shows those there are"
        ))
    })?;
    credential.source.read()?;
    show::line(format!("{name}: the secret can be read from {}", credential.source))?;
    if matches!(credential.source, crate::config::SecretSource::Env(_)) {
        show::aside("It was read from the environment of this command; `doorward up` needs it in its own.");
    }
    Ok(ExitCode::SUCCESS)
}
