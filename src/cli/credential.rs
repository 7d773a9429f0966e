//! `doorward credential`: a service's key and the hosts to which it may go, in one step.

use std::process::ExitCode;

use anyhow::anyhow;

use super::change::{failed, finish};
use super::secret::kept;
use super::{Failure, refused, show, usage};
use crate::config::services::{self, Service};
use crate::config::{Config, Credential, SecretUnreadable};
use crate::edit::{Edit, NewCredential};
use crate::home::Home;

/// Add a key for a service: keep the secret, and say where it may go.
///
/// The secret is asked for, or read from standard input; it stands in no argument and is
/// never shown. What a known service needs is known.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward credential add anthropic        its hosts and place are known
  doorward credential add club --host api.club.example --env CLUB_TOKEN
  doorward credential known                services that need no more than their name")]
pub struct CredentialArgs {
    #[command(subcommand)]
    command: CredentialCommand,
}

#[derive(Debug, clap::Subcommand)]
enum CredentialCommand {
    /// Keep a secret and write its [credentials.NAME] into doorward.toml
    Add(AddArgs),
    /// List the services that are known by name
    Known {
        /// As JSON, one line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// Its name; `github`, `anthropic` and others are known services
    name: String,
    /// A host that it may go to; may be given more than once
    #[arg(long = "host", value_name = "HOST")]
    hosts: Vec<String>,
    /// Where in a request it stands: `header:authorization`, `query:key`
    #[arg(long = "place", value_name = "PLACE")]
    places: Vec<String>,
    /// The variable that shows a sandbox its surrogate
    #[arg(long, value_name = "VARIABLE")]
    env: Option<String>,
    /// Where to keep the secret
    #[arg(long, value_enum, default_value = "file")]
    store: kept::Store,
    /// Show what would be written, and keep nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(home: &Home, args: CredentialArgs) -> Result<ExitCode, Failure> {
    match args.command {
        CredentialCommand::Add(args) => add(home, &args),
        CredentialCommand::Known { json } => known(json),
    }
}

fn add(home: &Home, args: &AddArgs) -> Result<ExitCode, Failure> {
    let name = args.name.as_str();
    if let Some(credential) = Config::load(home)?.credentials.get(name) {
        return again(home, credential);
    }
    if args.hosts.is_empty() && services::named(name, None).is_none() {
        let known = desk::did_you_mean(name, services::all().map(|service| service.name));
        let meant = known.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        return Err(usage(anyhow!(
            "{name} is no service that is known: name its hosts with --host, like --host api.{name}.example{meant}"
        )));
    }
    // Whatever would be refused is refused before a secret is asked for.
    written(home, args, None, &kept::place_of(home, name, args.store)?)?.check().map_err(failed)?;
    if args.dry_run {
        let edit = written(home, args, None, &kept::place_of(home, name, args.store)?)?;
        return finish(edit, true, &meaning(args));
    }
    let secret = match kept::found(home, name, args.store)? {
        Some(secret) => {
            show::aside(format!(
                "A secret {name} is kept already, and is taken; `doorward secret rotate {name}` replaces it."
            ));
            secret
        }
        None => kept::keep(home, name, args.store)?,
    };
    let edit = written(home, args, secret.service(name), &secret.said)?;
    let done = finish(edit, false, &meaning(args))?;
    show::aside("A running `doorward up` reads doorward.toml when it starts again.");
    Ok(done)
}

/// A credential that doorward.toml already has: a lost secret is stored again, an existing one stays.
fn again(home: &Home, credential: &Credential) -> Result<ExitCode, Failure> {
    let Credential { name, source, .. } = credential;
    let name: &str = name;
    let unread = source.read().err();
    match (kept::store_of(home, name, source), unread) {
        (Some(store), Some(SecretUnreadable::File { .. } | SecretUnreadable::Keyring { .. })) => {
            let kept = kept::keep(home, name, store)?;
            show::line(format!(
                "[credentials.{name}] stands in doorward.toml already, and its secret is there again."
            ))?;
            kept::of_its_kind(home, name, &kept.value)?;
            Ok(ExitCode::SUCCESS)
        }
        (_, Some(error)) => Err(refused(anyhow!("there is a credential {name} already, and {error}"))),
        (Some(_), None) => Err(refused(anyhow!(
            "there is a credential {name} already; `doorward secret rotate {name}` replaces its secret"
        ))),
        (None, None) => {
            Err(refused(anyhow!("there is a credential {name} already; its secret is changed in {source}")))
        }
    }
}

fn meaning(args: &AddArgs) -> String {
    format!("the key {} goes to the hosts above, and only where a group's policy has a rule that names it.", args.name)
}

/// The text for doorward.toml: the given values, else the service's.
fn written(
    home: &Home,
    args: &AddArgs,
    service: Option<&'static Service>,
    secret: &str,
) -> Result<Edit<crate::edit::OfConfig>, Failure> {
    let service = service.or_else(|| services::named(&args.name, None));
    let chosen = |said: &'_ [String], usual: &[&'static str]| -> Vec<String> {
        if said.is_empty() { usual.iter().map(ToString::to_string).collect() } else { said.to_vec() }
    };
    let hosts = chosen(&args.hosts, service.map_or(&[], |service| service.hosts));
    let place = chosen(&args.places, service.map_or(&["header:authorization"], |service| service.place));
    let env = args.env.clone().or_else(|| service.map(|service| service.env.to_owned()));
    let env = env.unwrap_or_else(|| format!("{}_TOKEN", args.name.to_ascii_uppercase().replace('-', "_")));
    let [hosts, place] = [&hosts, &place].map(|all| all.iter().map(String::as_str).collect::<Vec<_>>());
    let new = NewCredential { name: &args.name, secret, hosts: &hosts, place: &place, env: Some(&env) };
    Edit::config(home).and_then(|edit| edit.credential(&new)).map_err(failed)
}

fn known(json: bool) -> Result<ExitCode, Failure> {
    let all: Vec<&Service> = services::all().collect();
    if json {
        let all = all.iter().map(|service| {
            serde_json::json!({
                "name": service.name, "title": service.title, "hosts": service.hosts, "place": service.place,
                "env": service.env,
            })
        });
        show::json(&all.collect::<Vec<_>>())?;
        return Ok(ExitCode::SUCCESS);
    }
    let row = |service: &&Service| vec![service.name.to_owned(), service.title.to_owned(), service.env.to_owned()];
    let rows: Vec<_> = all.iter().map(row).collect();
    show::line(show::table(&["name", "service", "variable"], &rows))?;
    Ok(ExitCode::SUCCESS)
}
