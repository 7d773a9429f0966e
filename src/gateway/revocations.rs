//! The owner's certificate revocation lists, `[upstream] crl`: read at the start, and again whenever one of the files
//! is saved, since lists expire.
//!
//! What it is not: fetching them. That is for the owner, with a timer and curl.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use notify::{Config, Event, EventKind, PollWatcher, RecursiveMode, Watcher};
use proxy::Revocations;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::PemObject;

use super::GatewayError;
use super::policy_files::{is_saved, tell_unwatched};

type List = CertificateRevocationListDer<'static>;

/// The lists in all files. A missing, malformed or expired one is an error: nobody knows which certificates it should
/// have listed.
pub(super) fn read(files: &[PathBuf]) -> Result<Vec<List>, GatewayError> {
    let mut lists = Vec::new();
    for path in files {
        let wrong = |why: String| GatewayError::Crl { path: path.clone(), why };
        let found = read_one(path).map_err(wrong)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for list in &found {
            let ends =
                ends_at(list).ok_or_else(|| wrong("this is no list of revoked certificates (RFC 5280)".to_owned()))?;
            if ends <= i64::try_from(now).unwrap_or(i64::MAX) {
                let ended = jiff::Timestamp::from_second(ends).map(|at| at.to_string()).unwrap_or_default();
                return Err(wrong(format!("the list ended at {ended}; fetch its issuer's current one")));
            }
        }
        lists.extend(found);
    }
    Ok(lists)
}

/// Lists are re-read for as long as this lives.
pub(super) type Watching = Box<dyn Watcher + Send + Sync>;

/// The interval for checking the folders where the system has no watches left.
const LOOK: Duration = Duration::from_secs(30);

/// Re-reads the lists whenever one is saved, for as long as the watcher lives. If that fails, the previous lists stay
/// until they expire.
pub(super) fn watch(files: &[PathBuf], revocations: &Arc<Revocations>) -> Result<Option<Watching>, GatewayError> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    if folders.is_empty() {
        return Ok(None);
    }
    let reader = |counts| reader(files, revocations, counts);
    let told = || notify::recommended_watcher(reader(is_saved)).map(|watcher| Box::new(watcher) as Watching);
    match watching(told, &folders).inspect_err(tell_unwatched) {
        Ok(watcher) => Ok(Some(watcher)),
        Err(_) => Ok(Some(watching(|| looking(LOOK, reader(is_seen)), &folders)?)),
    }
}

/// Polls the folders. Compares contents too: file times have a resolution of a second.
fn looking(every: Duration, reader: impl FnMut(notify::Result<Event>) + Send + 'static) -> notify::Result<Watching> {
    let config = Config::default().with_poll_interval(every).with_compare_contents(true);
    PollWatcher::new(reader, config).map(|watcher| Box::new(watcher) as Watching)
}

/// Polling does not see when a file is closed. A half-written list does not parse, and differs at the next look.
fn is_seen(kind: &EventKind) -> bool {
    kind.is_create() || kind.is_modify()
}

fn watching(made: impl FnOnce() -> notify::Result<Watching>, folders: &BTreeSet<&Path>) -> notify::Result<Watching> {
    let mut watcher = made()?;
    folders.iter().try_for_each(|folder| watcher.watch(folder, RecursiveMode::NonRecursive))?;
    Ok(watcher)
}

fn reader(
    files: &[PathBuf],
    revocations: &Arc<Revocations>,
    counts: fn(&EventKind) -> bool,
) -> impl FnMut(notify::Result<Event>) + Send + use<> {
    let (again, revocations) = (files.to_vec(), revocations.clone());
    move |event| {
        // By file name: a folder's path can be written in several ways.
        let is_ours = |path: &PathBuf| again.iter().any(|file| file.file_name() == path.file_name());
        let ours = |event: &Event| counts(&event.kind) && event.paths.iter().any(is_ours);
        if event.is_ok_and(|event| ours(&event)) {
            replace(&again, &revocations);
        }
    }
}

fn replace(files: &[PathBuf], revocations: &Revocations) {
    let replaced = read(files).and_then(|lists| {
        let count = lists.len();
        revocations.replace(&lists).map_err(proxy::TlsError::from)?;
        Ok(count)
    });
    match replaced {
        Ok(count) => tracing::info!(count, "Revocation lists in force"),
        Err(error) => tracing::error!(%error, "Revocation lists not read; those before stay until they end"),
    }
}

/// A file holds one or more lists as PEM, or one as DER.
fn read_one(path: &Path) -> Result<Vec<List>, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if bytes.first() == Some(&SEQUENCE) {
        return Ok(vec![List::from(bytes)]);
    }
    let found: Result<Vec<List>, _> = List::pem_slice_iter(&bytes).collect();
    let found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        return Err("there is no list of revoked certificates in it (BEGIN X509 CRL)".to_owned());
    }
    Ok(found)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// When a list expires, in seconds of Unix time (RFC 5280 §5.1: version, algorithm, issuer, thisUpdate, nextUpdate).
/// rustls compares it with the clock at each handshake, but does not expose it.
fn ends_at(list: &[u8]) -> Option<i64> {
    let (_, whole, _) = part(list)?;
    let (_, signed, _) = part(whole)?;
    let mut rest = signed;
    let mut times = Vec::new();
    while times.len() < 2 {
        let (tag, content, behind) = part(rest)?;
        rest = behind;
        match tag {
            UTC_TIME | GENERALIZED_TIME => times.push((tag, content)),
            INTEGER | SEQUENCE if times.is_empty() => {}
            _ => return None,
        }
    }
    let (tag, text) = times.pop()?;
    seconds(tag, std::str::from_utf8(text).ok()?)
}

/// One DER value: its tag, its content, and the bytes after it.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..0x80 => (usize::from(first), rest),
        _ => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(8))?;
            (digits.iter().fold(0_usize, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((tag, content, behind))
}

/// `260131120000Z`, or with a four-digit year; two digits mean 1950 to 2049.
fn seconds(tag: u8, text: &str) -> Option<i64> {
    let whole = match tag {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        _ => text.to_owned(),
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%SZ", &whole).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests;
