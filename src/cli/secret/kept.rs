//! The secrets that Doorward stores itself: a file each in the folder `secrets/` beside doorward.toml, or an entry in
//! the desktop's keyring. A value comes from standard input, never from an argument, which other users could read.

use std::process::ExitCode;

use anyhow::anyhow;
use scan::SHORTEST;
use secrecy::{ExposeSecret as _, SecretString};
use toml_edit::{Array, Value};

use super::super::change::{failed, finish};
use super::super::show::Styled;
use super::super::{Failure, hidden, refused, show, usage};
use crate::config::services::{self, Service};
use crate::config::{self, Config, SecretSource};
use crate::edit::Edit;
use crate::home::{Home, create_private_dir};

/// The longest value.
const LONGEST: u64 = 16 << 10;

/// Where a secret is kept.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(in crate::cli) enum Store {
    /// secrets/NAME in the configuration folder
    File,
    /// The desktop's keyring, by `secret-tool`
    Keyring,
}

/// A secret that was just stored.
pub(in crate::cli) struct Kept {
    /// Its source, as doorward.toml writes it.
    pub(in crate::cli) said: String,
    pub(in crate::cli) value: SecretString,
}

impl Kept {
    /// Its service, by its name and prefix.
    pub(in crate::cli) fn service(&self, name: &str) -> Option<&'static Service> {
        services::named(name, Some(self.value.expose_secret()))
    }
}

/// Stores a new secret and shows the lines for doorward.toml.
pub(super) fn add(home: &Home, name: &str, store: Store) -> Result<ExitCode, Failure> {
    let kept = keep(home, name, store)?;
    let (what, lines) = credential(name, kept.value.expose_secret(), &kept.said);
    show::aside(format!("{what}These lines belong into {}:", home.config_file().display()));
    show::line(Styled::fixed(&lines))?;
    Ok(ExitCode::SUCCESS)
}

/// The stored secret of this name, if there is one.
pub(in crate::cli) fn found(home: &Home, name: &str, store: Store) -> Result<Option<Kept>, Failure> {
    let source = source(home, name, store)?;
    if !is_there(&source) {
        return Ok(None);
    }
    let value = source.read()?;
    is_for(name, value.expose_secret()).map_err(|why| refused(anyhow!("{source} holds another key: {why}")))?;
    Ok(Some(Kept { said: place_of(home, name, store)?, value }))
}

/// Asks for a new secret and stores it.
pub(in crate::cli) fn keep(home: &Home, name: &str, store: Store) -> Result<Kept, Failure> {
    if is_there(&source(home, name, store)?) {
        return Err(refused(anyhow!("there is a secret {name} already; `doorward secret rotate {name}` replaces it")));
    }
    let value = ask(name)?;
    let source = put(home, name, store, &value)?;
    show::aside(format!("The secret is in {source}."));
    Ok(Kept { said: place_of(home, name, store)?, value })
}

/// Stores a secret, replacing an existing one.
pub(in crate::cli) fn put(
    home: &Home,
    name: &str,
    store: Store,
    value: &SecretString,
) -> Result<SecretSource, Failure> {
    let source = source(home, name, store)?;
    if matches!(store, Store::File) {
        create_private_dir(&home.config_dir().join("secrets"))?;
    }
    source.replace(value)?;
    Ok(source)
}

/// The source for a secret of this name, as doorward.toml writes it.
pub(in crate::cli) fn place_of(home: &Home, name: &str, store: Store) -> Result<String, Failure> {
    let source = source(home, name, store)?;
    Ok(match store {
        Store::File => format!("file:secrets/{name}"),
        Store::Keyring => source.to_string(),
    })
}

/// What is known about a key, in a sentence, and the lines of its credential.
fn credential(name: &str, key: &str, source: &str) -> (String, String) {
    if let Some(service) = services::named(name, Some(key)) {
        return (format!("It is for {}. ", service.title), lines(service, source));
    }
    let what = services::of_key(key).map(|service| {
        format!("It looks like one for {}; presets look for that under the name {:?}. ", service.title, service.name)
    });
    let env = name.to_ascii_uppercase().replace('-', "_");
    let lines = format!(
        "[credentials.{name}]\nsecret = \"{source}\"\nhosts = [\"api.example.com\"]   # put its own here: the only hosts \
         that it may go to\nplace = [\"header:authorization\"]\nenv = \"{env}_TOKEN\""
    );
    (what.unwrap_or_default(), lines)
}

/// The credential of a known service.
pub(super) fn lines(service: &Service, source: &str) -> String {
    format!(
        "[credentials.{}]\nsecret = \"{source}\"\nhosts = {:?}   # the only hosts that it may go to\nplace = {:?}\nenv = {:?}",
        service.name, service.hosts, service.place, service.env
    )
}

/// A secret stored in a file, for a known service.
pub(super) fn known(home: &Home) -> Option<(String, &'static Service)> {
    let files = std::fs::read_dir(home.config_dir().join("secrets")).into_iter().flatten().flatten();
    let mut names: Vec<String> = files.filter_map(|file| file.file_name().into_string().ok()).collect();
    names.sort();
    names.into_iter().find_map(|name| {
        let value = source(home, &name, Store::File).ok()?.read().ok()?;
        let service = services::named(&name, Some(value.expose_secret()))?;
        Some((name, service))
    })
}

/// Replaces a stored value.
pub(super) fn rotate(home: &Home, name: &str) -> Result<ExitCode, Failure> {
    let source = there(home, name)?;
    let value = ask(name)?;
    source.replace(&value)?;
    let when = if matches!(source, SecretSource::Keyring(_)) { "a minute" } else { "seconds" };
    show::line(format!("{name}: replaced. `doorward up` uses the new value within {when}; revoke the old one."))?;
    of_its_kind(home, name, &value)?;
    Ok(ExitCode::SUCCESS)
}

/// Where doorward.toml has another kind of the service's keys, its place and variable become this one's.
pub(in crate::cli) fn of_its_kind(home: &Home, name: &str, value: &SecretString) -> Result<(), Failure> {
    let config = Config::load(home)?;
    let env = config.credentials.get(name).and_then(|credential| credential.env.as_deref());
    let Some(kind) = services::other_kind(name, value.expose_secret(), env) else { return Ok(()) };
    let place = kind.place.iter().copied().collect::<Array>();
    let table = ["credentials", name];
    let edit = Edit::config(home).and_then(|edit| edit.set(&table, "place", Value::Array(place))).map_err(failed)?;
    let edit = edit.set(&table, "env", kind.env).map_err(failed)?;
    finish(edit, false, &format!("{name} is {}, from the next start of `doorward up` on.", kind.title))?;
    Ok(())
}

/// Removes a secret.
pub(super) fn remove(home: &Home, name: &str) -> Result<ExitCode, Failure> {
    there(home, name)?.remove()?;
    show::line(format!("{name}: removed. Take [credentials.{name}] out of doorward.toml too, and revoke the key."))?;
    Ok(ExitCode::SUCCESS)
}

fn source(home: &Home, name: &str, store: Store) -> Result<SecretSource, Failure> {
    config::credential_name(name).map_err(|why| usage(anyhow!(why)))?;
    Ok(match store {
        Store::File => SecretSource::File(home.config_dir().join("secrets").join(name)),
        Store::Keyring => SecretSource::Keyring(name.to_owned()),
    })
}

/// The store that a source belongs to, if it has this name there.
pub(in crate::cli) fn store_of(home: &Home, name: &str, source: &SecretSource) -> Option<Store> {
    [Store::File, Store::Keyring]
        .into_iter()
        .find(|store| self::source(home, name, *store).is_ok_and(|of| of == *source))
}

fn is_there(source: &SecretSource) -> bool {
    match source {
        SecretSource::File(path) => path.exists(),
        other => other.read().is_ok(),
    }
}

/// Where `add` stored it: the file first, which is cheap to check.
fn there(home: &Home, name: &str) -> Result<SecretSource, Failure> {
    let file = source(home, name, Store::File)?;
    let found = [file.clone(), source(home, name, Store::Keyring)?].into_iter().find(is_there);
    let why = "Doorward keeps only what `doorward secret add` gave it; a secret elsewhere is changed there";
    found.ok_or_else(|| refused(anyhow!("there is no secret {name} in {file} and none in a keyring; {why}")))
}

fn ask(name: &str) -> Result<SecretString, Failure> {
    let text = hidden::ask(&format!("Secret {name}"), LONGEST)?;
    fits(&text).and_then(|()| is_for(name, &text)).map_err(|why| refused(anyhow!("{why}; nothing was written")))?;
    Ok(SecretString::from(text.as_str()))
}

/// Whether a key can belong to the service of this name; else whose it is.
fn is_for(name: &str, key: &str) -> Result<(), String> {
    let Some(other) = services::of_another(name, key) else { return Ok(()) };
    Err(format!(
        "that is a key for {}, and {name} is another service; `doorward credential add {}` keeps it for that",
        other.title, other.name
    ))
}

/// Whether a text can be a secret; else why not.
pub(in crate::cli) fn fits(text: &str) -> Result<(), String> {
    if (SHORTEST as u64..=LONGEST).contains(&(text.len() as u64)) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(format!("a secret is one line of {SHORTEST} characters to 16 KiB, without control characters"))
}
