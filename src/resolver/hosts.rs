//! `/etc/hosts`, read as glibc does with `hosts: files dns`: if the name is in it at all, its addresses are the answer,
//! and no resolver is asked. The resolver library would look there per record type, and ask the network for a missing
//! type.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use desk::lock;

const SYSTEM: &str = "/etc/hosts";

/// The file's names, read again when it has changed.
pub(super) struct Hosts {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Table>)>>,
}

type Table = HashMap<String, Vec<IpAddr>>;

/// Identifies a version of the file: device, inode, size and both times.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([i128; 5]);

impl Default for Hosts {
    fn default() -> Self {
        Hosts::at(Path::new(SYSTEM))
    }
}

impl Hosts {
    pub(super) fn at(path: &Path) -> Self {
        Hosts { path: path.to_owned(), read: Mutex::default() }
    }

    /// Its addresses in the file's order; `None` if it is not there. An unreadable file may contain the name: then
    /// nobody is asked for it.
    pub(super) fn addresses(&self, name: &str) -> Result<Option<Vec<IpAddr>>, String> {
        Ok(self.table()?.and_then(|table| table.get(&name.to_ascii_lowercase()).cloned()))
    }

    fn table(&self) -> Result<Option<Arc<Table>>, String> {
        let unreadable = |error: std::io::Error| format!("{} cannot be read: {}", self.path.display(), error.kind());
        let stamp = match fs::metadata(&self.path) {
            Ok(metadata) => Stamp::of(&metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        let mut read = lock(&self.read);
        if let Some((known, table)) = &*read
            && *known == stamp
        {
            return Ok(Some(table.clone()));
        }
        let table = Arc::new(parse(&fs::read(&self.path).map_err(unreadable)?));
        *read = Some((stamp, table.clone()));
        Ok(Some(table))
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        let nanos = |seconds: i64, nanos: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
        Stamp([
            metadata.dev().into(),
            metadata.ino().into(),
            metadata.len().into(),
            nanos(metadata.mtime(), metadata.mtime_nsec()),
            nanos(metadata.ctime(), metadata.ctime_nsec()),
        ])
    }
}

/// One address with its names per line, comments from `#` (hosts(5)). Invalid lines are skipped, as are addresses with
/// a zone, which cannot be dialled from here.
fn parse(text: &[u8]) -> Table {
    let mut table = Table::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
        for name in words {
            let addresses = table.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !addresses.contains(&ip) {
                addresses.push(ip);
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(text: &str, name: &str) -> Vec<String> {
        parse(text.as_bytes()).get(name).map_or_else(Vec::new, |all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_line_is_an_address_and_names() {
        let text = "# 10.0.0.1 not.home\n10.0.0.2\tone.home ONE.Home\r\n  ::1 two.home # three.home\n10.0.0.3 one.home.\n\
                    10.0.0.2 one.home\nfe80::1%eth0 zone.home\n10.0.0 short.home\n0.0.0.0 blocked.home\n10.0.0.4\n\u{fffd}";
        assert_eq!(found(text, "one.home"), ["10.0.0.2", "10.0.0.3"]);
        assert_eq!(found(text, "two.home"), ["::1"]);
        assert_eq!(found(text, "blocked.home"), ["0.0.0.0"], "for the permit to judge");
        for none in ["not.home", "three.home", "zone.home", "short.home", "home", "xone.home"] {
            assert!(found(text, none).is_empty(), "{none}");
        }
    }

    /// However people and programs write the file.
    #[test]
    fn odd_lines_are_read_as_they_are_meant() {
        let long = format!("10.0.0.9 {} last.home", "a.home ".repeat(20_000));
        for (text, name, wanted) in [
            ("10.0.0.5 a.home#b.home", "a.home", vec!["10.0.0.5"]),
            ("10.0.0.5 a.home#b.home", "b.home", vec![]),
            ("10.0.0.5\t\t a.home \t b.home\t", "b.home", vec!["10.0.0.5"]),
            ("10.0.0.5 a.home", "a.home", vec!["10.0.0.5"]),
            ("::FFFF:10.0.0.5 a.home", "a.home", vec!["::ffff:10.0.0.5"]),
            ("0:0:0:0:0:0:0:1 a.home", "a.home", vec!["::1"]),
            ("10.0.0.5 a.home\r\n10.0.0.6 a.home\r\n", "a.home", vec!["10.0.0.5", "10.0.0.6"]),
            ("127.1 a.home\n10.0.0.5 b.home", "a.home", vec![]),
            ("010.0.0.5 a.home", "a.home", vec![]),
            ("10.0.0.5 a.home\0b.home", "a.home", vec![]),
            ("#10.0.0.5 a.home\n  # 10.0.0.6 a.home", "a.home", vec![]),
            ("10.0.0.5 .home\n10.0.0.6 *.home", "a.home", vec![]),
            (&*long, "last.home", vec!["10.0.0.9"]),
            ("10.0.0.5 xn--bcher-kva.home", "xn--bcher-kva.home", vec!["10.0.0.5"]),
        ] {
            assert_eq!(found(text, name), wanted, "{:.60} {name}", text);
        }
    }

    #[test]
    fn a_file_that_changes_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        let hosts = Hosts::at(&path);
        assert_eq!(hosts.addresses("a.home"), Ok(None), "there is none");
        for (text, wanted) in
            [("10.0.0.1 a.home\n", Some("10.0.0.1")), ("10.0.0.2 A.home\n", Some("10.0.0.2")), ("", None)]
        {
            // As editors do, so that even a file of the same size and time is another one.
            let new = dir.path().join("new");
            fs::write(&new, text).unwrap();
            fs::rename(&new, &path).unwrap();
            let wanted = wanted.map(|ip| vec![ip.parse::<IpAddr>().unwrap()]);
            assert_eq!(hosts.addresses("a.home"), Ok(wanted));
        }
    }

    /// It may contain the name: a resolver asked instead would learn it.
    #[test]
    fn a_file_that_cannot_be_read_is_not_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let hosts = Hosts::at(dir.path());
        let why = hosts.addresses("a.home").unwrap_err();
        assert!(why.contains("cannot be read"), "{why}");
    }
}
