//! Values as owners write them: sizes, times, addresses, names.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use policies::TimeOfDay;

use super::{PeopleNotice, Pinned, WhatsappMode};

/// `512 MB`, `2 GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    desk::size::read(text).ok_or_else(|| format!("not a size; {}", desk::size::FORM))
}

/// The size of the audit log. A smaller one could fill up within a busy day, of which nothing is removed.
pub(super) fn audit_size(text: &str) -> Result<u64, String> {
    at_least(text, 10_000_000, "the audit log needs room for some days; write \"10 MB\" or more")
}

/// A group's disk space. With less, an agent cannot store its own session.
pub(super) fn disk(text: &str) -> Result<u64, String> {
    at_least(text, 1_000_000, "a group's folders need at least 1 MB")
}

/// A sandbox's memory. With less, not even a shell starts reliably.
pub(super) fn memory(text: &str) -> Result<u64, String> {
    at_least(text, 32 << 20, "a sandbox needs at least 32 MiB of memory")
}

fn at_least(text: &str, least: u64, otherwise: &str) -> Result<u64, String> {
    bytes(text).and_then(|bytes| if bytes >= least { Ok(bytes) } else { Err(otherwise.to_owned()) })
}

/// A word of a command.
pub(super) fn argument(text: &str) -> Result<String, String> {
    match text.contains('\0') {
        true => Err("a program's arguments cannot hold a NUL".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// The name by which people call the assistant, without the `@`.
pub(super) fn assistant_name(text: &str) -> Result<String, String> {
    let name = text.trim().trim_start_matches('@');
    let fits = name.chars().any(char::is_alphanumeric) && !name.chars().any(|c| c.is_control() || c == '@');
    if fits && name.chars().count() <= 40 {
        return Ok(name.to_owned());
    }
    Err("not a name that people could call; write it as \"Doorward\", in at most 40 letters of any script".to_owned())
}

/// `Europe/Berlin`.
pub(super) fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text)
        .map_err(|_| "this machine knows no such time zone; write it as \"Europe/Berlin\" or \"UTC\"".to_owned())
}

/// The time zone of this process's user, and a warning if `TZ` names an unknown one: the times are then UTC.
pub(crate) fn local_zone() -> (TimeZone, Option<String>) {
    let zone = TimeZone::system();
    let set = std::env::var_os("TZ").filter(|_| zone.is_unknown());
    let unknown = set.map(|set| unknown_zone(&set.to_string_lossy()));
    (zone, unknown)
}

fn unknown_zone(set: &str) -> String {
    let rule = match set.bytes().any(|b| b.is_ascii_digit()) && !set.contains(['/', ',']) {
        true => "; a zone with summer time needs its rule, as in TZ=CET-1CEST,M3.5.0,M10.5.0/3",
        false => "",
    };
    format!(
        "TZ is {set:?}, which this machine knows as no time zone, so times are UTC's. Write it as TZ=Europe/Berlin{rule}."
    )
}

/// A text, or `off`.
pub(super) fn people_notice(text: &str) -> Result<PeopleNotice, String> {
    match text.trim() {
        "off" => Ok(PeopleNotice::Off),
        "" => Err("nothing; write what people are told, or \"off\" where you have told them".to_owned()),
        text => Ok(PeopleNotice::Own(text.to_owned())),
    }
}

/// `08:00`, or `off`.
pub(super) fn digest_time(text: &str) -> Result<Option<TimeOfDay>, String> {
    if text == "off" {
        return Ok(None);
    }
    let time = TimeOfDay::parse(text).map(Some);
    time.ok_or_else(|| "no time of day; write it as \"08:00\", or \"off\" for no digest".to_owned())
}

/// `90s`, `10m`, `2h`, `7d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let read = desk::duration::read(text).filter(|length| !length.is_zero());
    read.ok_or_else(|| format!("not a length of time; {}", desk::duration::FORM))
}

/// How long an owner may be silent.
pub(super) fn absence(text: &str) -> Result<Duration, String> {
    let length = duration(text)?;
    let fits = (Duration::from_hours(1)..=Duration::from_hours(24 * 3650)).contains(&length);
    fits.then_some(length).ok_or_else(|| "from an hour to ten years; write it as \"14d\"".to_owned())
}

/// Somebody's id on a channel.
pub(super) fn identity(text: &str) -> Result<String, String> {
    let plain = !text.is_empty() && text.len() <= 256 && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    plain.then(|| text.to_owned()).ok_or_else(|| {
        "not an id; write it as the channel gives it, for WhatsApp \"491701234567@s.whatsapp.net\"".to_owned()
    })
}

/// `own-number`, `self-chat`.
pub(super) fn whatsapp_mode(text: &str) -> Result<WhatsappMode, String> {
    match text {
        "own-number" => Ok(WhatsappMode::OwnNumber),
        "self-chat" => Ok(WhatsappMode::SelfChat),
        _ => Err("not a mode; write \"own-number\" or \"self-chat\"".to_owned()),
    }
}

/// `192.168.1.20`, `127.0.0.1:8443`, `::1`, `[::1]:8443`.
pub(super) fn address(text: &str) -> Result<Pinned, String> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(Pinned { ip, port: None });
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(Pinned { ip: address.ip(), port: Some(address.port()) }),
        _ => Err("not an address; write it as \"192.168.1.20\" or \"192.168.1.20:8443\"".to_owned()),
    }
}

/// The engine's socket. A remote engine could not mount this machine's doors.
pub(super) fn engine_host(text: &str) -> Result<String, String> {
    let path = text.strip_prefix("unix://").unwrap_or(text);
    if path.starts_with('/') {
        return Ok(format!("unix://{path}"));
    }
    Err("not a socket on this machine, and doors cannot reach an engine elsewhere; \
         write it as \"unix:///run/docker.sock\""
        .to_owned())
}

/// The address of a server with OpenAI's API.
pub(super) fn endpoint(text: &str) -> Result<String, String> {
    let is_one =
        text.starts_with("http") && !text.contains(['?', '#', '@']) && policies::Facts::parse("POST", text).is_ok();
    match is_one {
        true => Ok(text.trim_end_matches('/').to_owned()),
        false => Err("not an address; write for example \"http://192.168.1.20:11434/v1\"".to_owned()),
    }
}

/// An image or a runtime: one word, known to the engine.
pub(super) fn word(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | ':' | '@');
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    if starts_well && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("not a name that the engine could know; use letters, digits and . - _ / : @".to_owned())
}

/// A credential's name in policies and in the audit log.
pub(crate) fn credential_name(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts_well && text.len() <= 32 && text.chars().all(inner) {
        return Ok(());
    }
    Err("a credential's name is 1 to 32 lower-case letters, digits, - or _, starting with a letter or digit".to_owned())
}

/// The variable in which a sandbox finds its surrogate. Variables set by Doorward, the loader or the shell are not
/// allowed.
pub(super) fn variable(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(inner) {
        return Err("not the name of an environment variable; write it as \"GITHUB_TOKEN\"".to_owned());
    }
    let upper = text.to_ascii_uppercase();
    let taken = ["PATH", "HOME", "USER", "SHELL", "TMPDIR", "SSL_CERT_FILE", "NODE_OPTIONS"].contains(&upper.as_str());
    if taken || upper.starts_with("LD_") || upper.starts_with("DOORWARD") || upper.ends_with("_PROXY") {
        return Err("this variable has a meaning of its own inside a sandbox; choose another".to_owned());
    }
    Ok(text.to_owned())
}

/// A path as the owner writes it: absolute, under `~/`, or relative to the configuration folder.
pub(super) fn path(text: &str, dir: &Path) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("the path is empty".to_owned());
    }
    match text.strip_prefix("~/") {
        Some(below) => {
            let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
            home.map(|home| PathBuf::from(home).join(below))
                .ok_or_else(|| "~ means nothing: HOME is not set".to_owned())
        }
        None => Ok(dir.join(text)),
    }
}

/// A folder of the host as its owner writes it: absolute or under `~/`, and without `..`.
pub(crate) fn host_folder(text: &str) -> Result<PathBuf, String> {
    const FORM: &str = "write the folder's whole path, as \"/srv/photos\" or \"~/notes\"";
    // Engines take mounts as lists in which these characters are separators.
    if let Some(odd) = text.chars().find(|c| c.is_control() || matches!(c, ',' | ':' | '"' | '\\')) {
        return Err(format!("a path with {odd:?} in it cannot be mounted; rename the folder"));
    }
    let whole = path(text, Path::new(""))?;
    let steps: PathBuf = whole.components().filter(|part| !matches!(part, Component::CurDir)).collect();
    if !steps.is_absolute() || steps.components().any(|part| part == Component::ParentDir) {
        return Err(format!("not a folder of this machine that could be meant only once; {FORM}"));
    }
    match steps.parent() {
        Some(_) => Ok(steps),
        None => Err(format!("the whole machine is not for a sandbox; {FORM}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_the_host_has_one_spelling() {
        for (text, wanted) in [("/srv/photos", "/srv/photos"), ("/srv//photos/.", "/srv/photos"), ("/a b/ü", "/a b/ü")]
        {
            assert_eq!(host_folder(text), Ok(PathBuf::from(wanted)), "{text}");
        }
        for text in ["", "/", "//", "notes", "./notes", "/srv/../etc", "/a,b", "/a:b", "/a\nb", "/a\"b", "/a\\b", "~"] {
            assert!(host_folder(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_zone_that_nobody_knows_is_said_with_how_to_write_it() {
        for (set, rule) in [("Europe/Nowhere", false), ("CET-1CEST", true), ("XYZ", false), ("<+03>-3<+04>", true)] {
            let words = unknown_zone(set);
            assert!(words.contains(&format!("{set:?}")) && words.contains("times are UTC's"), "{words}");
            assert_eq!(words.contains("M3.5.0"), rule, "{words}");
        }
    }
}
