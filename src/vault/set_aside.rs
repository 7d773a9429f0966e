//! Hosts that sent a secret back in pieces: they get none from that group any more, until the owner trusts them again.
//! Stored as empty files, one per group and host, so that neither a new sandbox nor a new daemon forgets it.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use desk::lock;
use policies::{Authority, GroupName};

/// The hosts that are set aside, by group.
pub struct SetAside {
    folder: PathBuf,
    known: Mutex<Known>,
}

/// A cache of the folder. Nobody else adds files while this process serves.
#[derive(Default)]
struct Known {
    /// What could not be stored holds while this process lives.
    unwritten: Vec<(GroupName, Authority)>,
    /// The hosts that are not set aside, as of the last look.
    trusted: HashMap<GroupName, HashSet<Authority>>,
}

impl SetAside {
    /// Stored in this folder, which need not exist.
    pub fn at(folder: PathBuf) -> Self {
        SetAside { folder, known: Mutex::default() }
    }

    /// From now on this host gets no secret from this group.
    pub fn add(&self, group: &GroupName, host: &Authority) {
        let file = self.file(group, host);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, ""));
        let mut known = self.lock();
        known.trusted.entry(group.clone()).or_default().remove(host);
        if let Err(error) = written {
            tracing::error!(%error, %group, %host, "Cannot be written down: a host gets no credential until the daemon ends");
            known.unwritten.push((group.clone(), host.clone()));
        }
    }

    /// Whether it is set aside. If that cannot be looked up, it is.
    pub fn holds(&self, group: &GroupName, host: &Authority) -> bool {
        // Held during the lookup, so that nothing is set aside between it and the cache's update.
        let mut known = self.lock();
        if known.trusted.get(group).is_some_and(|trusted| trusted.contains(host)) {
            return false;
        }
        let written = match fs::metadata(self.file(group, host)) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::NotFound,
        };
        let holds = written || known.unwritten.iter().any(|(other, there)| other == group && there == host);
        if !holds {
            known.trusted.entry(group.clone()).or_default().insert(host.clone());
        }
        holds
    }

    /// The owner trusts it again. Returns whether it was set aside.
    pub fn lift(&self, group: &GroupName, host: &Authority) -> io::Result<bool> {
        match fs::remove_file(self.file(group, host)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            removed => removed.map(|()| true),
        }
    }

    /// All of them, as group and host.
    pub fn all(&self) -> Vec<(String, String)> {
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
            names.sort();
            names
        };
        let hosts = |group: String| names(&self.folder.join(&group)).into_iter().map(move |host| (group.clone(), host));
        names(&self.folder).into_iter().flat_map(hosts).collect()
    }

    fn file(&self, group: &GroupName, host: &Authority) -> PathBuf {
        self.folder.join(group.as_str()).join(host.to_string())
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_host_stays_set_aside_until_the_owner_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let (family, club) = (GroupName::parse("family").unwrap(), GroupName::parse("club").unwrap());
        let host = |text: &str| Authority::parse(text, None).unwrap();
        let folder = dir.path().join("set-aside");
        let aside = SetAside::at(folder.clone());
        assert!(!aside.holds(&family, &host("a.test:443")) && aside.all().is_empty());
        aside.add(&family, &host("a.test:443"));
        aside.add(&family, &host("[2001:db8::1]:8443"));
        // Another daemon.
        let aside = SetAside::at(folder);
        assert!(aside.holds(&family, &host("a.test:443")) && aside.holds(&family, &host("[2001:db8::1]:8443")));
        assert!(!aside.holds(&club, &host("a.test:443")) && !aside.holds(&family, &host("a.test:8443")));
        // The cached lookup is stale now.
        aside.add(&club, &host("a.test:443"));
        assert!(aside.holds(&club, &host("a.test:443")));
        assert_eq!(aside.all().len(), 3);
        assert!(aside.lift(&family, &host("a.test:443")).unwrap() && !aside.holds(&family, &host("a.test:443")));
        assert!(!aside.lift(&family, &host("a.test:443")).unwrap());
    }

    #[test]
    fn what_cannot_be_written_down_or_looked_up_is_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let group = GroupName::parse("family").unwrap();
        let host = Authority::parse("a.test:443", None).unwrap();
        // A file where a folder should be.
        let folder = dir.path().join("set-aside");
        fs::write(&folder, "").unwrap();
        let aside = SetAside::at(folder.clone());
        assert!(aside.holds(&group, &host));
        aside.add(&group, &host);
        fs::remove_file(&folder).unwrap();
        assert!(aside.holds(&group, &host) && !SetAside::at(folder).holds(&group, &host));
    }
}
