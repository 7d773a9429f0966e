//! Doorward's own files and the machine's: never mounted, by whatever path.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use policies::GroupName;

use super::names::shown;
use super::open::Inode;
use super::{Refused, refused};
use crate::config::{Access, Config, Mount, SecretSource};
use crate::home::Home;
use crate::sandboxes::users;

/// The machine's own folders: devices, processes, accounts, sockets, and the engines' data.
const SYSTEM: [&str; 12] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/etc",
    "/boot",
    "/var/lib/docker",
    "/var/lib/containers",
    "/var/lib/containerd",
    "/var/spool/cron",
    "/var/lib/systemd",
];

/// Where desktops mount removable media.
const PLUGGED_IN: &str = "/run/media";

/// Folders and files that no mount may contain, be inside of, or be.
pub(super) struct Own {
    all: Vec<(PathBuf, &'static str)>,
    inodes: Vec<(Inode, &'static str)>,
}

impl Own {
    /// Those of this home.
    pub(super) fn of(home: &Home, config: &Config) -> Self {
        let mut all =
            vec![(home.config_dir().to_owned(), "Doorward's settings"), (home.data().to_owned(), "Doorward's data")];
        let secrets = config.credentials.values().map(|one| &one.source).chain(config.canaries.values());
        all.extend(secrets.filter_map(|source| match source {
            SecretSource::File(path) => Some((path.clone(), "a credential's secret")),
            _ => None,
        }));
        let engine = config.engine.host.as_deref().map(|host| host.strip_prefix("unix://").unwrap_or(host));
        all.extend(engine.map(|socket| (PathBuf::from(socket), "the container engine's socket")));
        all.extend(std::env::current_exe().ok().map(|program| (program, "Doorward's own program")));
        let real = all.iter().filter_map(|(path, what)| Some((path.canonicalize().ok()?, *what)));
        let mut all: Vec<_> = real.collect::<Vec<_>>().into_iter().chain(all.clone()).collect();
        let inode = |(path, what): &(PathBuf, &'static str)| {
            let found = std::fs::metadata(path).ok()?;
            Some(((found.dev(), found.ino()), *what))
        };
        let inodes = all.iter().filter_map(inode).collect();
        all.extend(SYSTEM.map(|path| (PathBuf::from(path), "the system's")));
        Own { all, inodes }
    }

    /// Refuses anything above or below one of them.
    pub(super) fn refuses(&self, path: &Path) -> Result<(), Refused> {
        let meets = |(own, _): &&(PathBuf, &str)| path.starts_with(own) || own.starts_with(path);
        let plugged_in = path.starts_with(PLUGGED_IN) && path != Path::new(PLUGGED_IN);
        let counts = |(own, _): &&(PathBuf, &str)| !plugged_in || own != Path::new("/run");
        let Some((own, what)) = self.all.iter().filter(counts).find(meets) else { return Ok(()) };
        let holds = if path.starts_with(own) { "lies in" } else { "holds" };
        let why = format!("it {holds} {} ({what})", shown(own));
        Err(refused(why, "mount another folder, or a smaller one beside that"))
    }

    /// Recognises one under another path, such as a second mount of the same disk.
    pub(super) fn is(&self, inode: Inode) -> Option<&'static str> {
        self.inodes.iter().find(|(own, _)| *own == inode).map(|(_, what)| *what)
    }
}

/// If each group has its own user, files only for the owner are closed to it.
pub(super) fn hint(home: &Home, group: &GroupName, mount: &Mount) -> Option<String> {
    let user = users::of(home, group)?;
    let found = std::fs::metadata(&mount.path).ok()?;
    let (needed, letters) = match mount.access {
        Access::Copy => return None,
        Access::Read => (0o005, "rX"),
        Access::Write => (0o007, "rwX"),
    };
    if found.uid() == user || found.mode() & needed == needed {
        return None;
    }
    let path = shown(&mount.path);
    let entry = format!("u:{user}:{letters}");
    Some(format!(
        "its sandboxes run as user {user}, who may not use it unless an access list says so: \
         setfacl -R -m {entry} -m d:{entry} {path}"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nothing_of_doorwards_is_below_or_above_a_mount() {
        let scene = tempfile::tempdir().unwrap();
        let top = scene.path().canonicalize().unwrap();
        let home = Home::at(&top.join("door")).unwrap();
        home.prepare().unwrap();
        std::fs::create_dir_all(top.join("keys")).unwrap();
        std::fs::write(top.join("keys/bank"), "x").unwrap();
        let text = format!(
            "[engine]\nhost = \"unix://{0}/engine/door.sock\"\n[credentials.bank]\nsecret = \"file:{0}/keys/bank\"\n\
             hosts = [\"bank.test\"]\nplace = [\"header:x-key\"]",
            top.display()
        );
        let own = Own::of(&home, &Config::parse("doorward.toml", &text, &top).unwrap());
        for path in ["door", "door/data", "door/data/groups/family", "", "keys", "engine"] {
            assert!(own.refuses(&top.join(path)).is_err(), "{path}");
        }
        for path in ["/proc/self", "/sys", "/run/user/1000", "/var", "/etc/ssh", "/var/run/docker.sock"] {
            assert!(own.refuses(Path::new(path)).is_err(), "{path}");
        }
        assert!(own.refuses(&std::env::current_exe().unwrap()).is_err());
        assert!(own.refuses(Path::new("/run/media")).is_err() && own.refuses(Path::new("/run/media/me/disk")).is_ok());
        for path in ["notes", "doors", "door.d", "keys.d"] {
            assert!(own.refuses(&top.join(path)).is_ok(), "{path}");
        }
        let data = std::fs::metadata(home.data()).unwrap();
        assert_eq!(own.is((data.dev(), data.ino())), Some("Doorward's data"));
    }
}
