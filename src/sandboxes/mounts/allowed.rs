//! The allow-list: `[mounts]` in `doorward.toml`, and NanoClaw's `mount-allowlist.json` beside it. Both are in the
//! configuration folder, which is never mounted.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use policies::GroupName;
use serde::Deserialize;

use super::names::shown;
use super::{Refused, refused};
use crate::config::{Access, Mount, Mounts, host_folder};
use crate::home::Home;

/// NanoClaw's name for it.
const FILE: &str = "mount-allowlist.json";

/// The group that NanoClaw calls main.
const MAIN: &str = "main";

/// Folders below which groups may be given any.
pub(super) struct Allowed {
    roots: Vec<Root>,
    nanoclaw: Result<NanoClaw, Refused>,
    settings: PathBuf,
}

struct Root {
    path: PathBuf,
    write: bool,
}

/// The part of NanoClaw's format that says what is allowed.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NanoClaw {
    allowed_roots: Vec<NanoClawRoot>,
    #[serde(default)]
    blocked_patterns: Vec<String>,
    #[serde(default)]
    non_main_read_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NanoClawRoot {
    path: String,
    #[serde(default)]
    allow_read_write: bool,
}

impl Allowed {
    /// Reads both.
    pub(super) fn read(home: &Home, mounts: &Mounts) -> Self {
        let root = |write| move |path: &PathBuf| Root { path: path.clone(), write };
        let roots = mounts.read.iter().map(root(false)).chain(mounts.write.iter().map(root(true))).collect();
        Allowed { roots, nanoclaw: nanoclaw(&home.config_dir().join(FILE)), settings: home.config_file() }
    }

    /// The folders below which some group's agent may write.
    pub(super) fn writable(&self) -> Result<Vec<PathBuf>, Refused> {
        let its = self.nanoclaw.as_ref().map_err(Clone::clone)?.allowed_roots.iter();
        let its = its.filter(|root| root.allow_read_write).map(|root| PathBuf::from(&root.path));
        Ok(self.roots.iter().filter(|root| root.write).map(|root| root.path.clone()).chain(its).collect())
    }

    /// The root that allows this mount for this group.
    pub(super) fn root(&self, group: &GroupName, mount: &Mount) -> Result<&Path, Refused> {
        let nanoclaw = self.nanoclaw.as_ref().map_err(Clone::clone)?;
        let path = &mount.path;
        let parts = || path.iter().map(|part| part.to_string_lossy());
        if let Some(pattern) = nanoclaw.blocked_patterns.iter().find(|one| parts().any(|part| part.contains(&***one))) {
            let why = format!("its path holds {pattern:?}, which {FILE} refuses");
            return Err(refused(why, format!("take that out of blockedPatterns in {FILE}, or do not mount it")));
        }
        let above = self.roots.iter().filter(|root| path.starts_with(&root.path));
        let others_read_only = nanoclaw.non_main_read_only && group.as_str() != MAIN;
        let mut all: Vec<(&Path, bool)> = above.map(|root| (root.path.as_path(), root.write)).collect();
        let its = nanoclaw.allowed_roots.iter().map(|root| (Path::new(&root.path), root.allow_read_write));
        all.extend(
            its.filter(|(root, _)| path.starts_with(root)).map(|(root, write)| (root, write && !others_read_only)),
        );
        let writable = all.iter().find(|(_, write)| *write).map(|(root, _)| *root);
        match (mount.access, writable, all.first()) {
            (_, _, None) => Err(self.not_listed(path)),
            (Access::Write, Some(root), _) => Ok(root),
            (Access::Write, None, _) => {
                let fix =
                    format!("put it into write = […] under [mounts] in {}, or take write = true out", self.file());
                Err(refused("the allowlist lets groups read it and no more", fix))
            }
            (_, _, Some((root, _))) => Ok(root),
        }
    }

    fn not_listed(&self, path: &Path) -> Refused {
        let why = "it is below no folder that the allowlist names";
        refused(why, format!("write read = [\"{}\"] under [mounts] in {}", shown(path), self.file()))
    }

    fn file(&self) -> String {
        shown(&self.settings)
    }
}

/// Empty if there is no file; an unreadable one refuses every mount, as in NanoClaw.
fn nanoclaw(path: &Path) -> Result<NanoClaw, Refused> {
    let wrong = |why: String| {
        let fix = format!("mend {}, or remove it and write [mounts] in doorward.toml", shown(path));
        refused(format!("{FILE} {why}"), fix)
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(NanoClaw::default()),
        Err(error) => return Err(wrong(format!("cannot be read: {error}"))),
    };
    let mut read: NanoClaw =
        serde_json::from_str(&text).map_err(|error| wrong(format!("is not what it was: {error}")))?;
    for root in &mut read.allowed_roots {
        let folder = host_folder(&root.path).map_err(|why| wrong(format!("has the root {:?}: {why}", root.path)))?;
        root.path = folder.to_string_lossy().into_owned();
    }
    read.blocked_patterns.retain(|pattern| !pattern.is_empty());
    Ok(read)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn allowed(nanoclaw: Option<&str>, mounts: &Mounts) -> Allowed {
        let scene = tempfile::tempdir().unwrap();
        let home = Home::at(scene.path()).unwrap();
        if let Some(text) = nanoclaw {
            std::fs::write(home.config_dir().join(FILE), text).unwrap();
        }
        Allowed::read(&home, mounts)
    }

    fn asks(allowed: &Allowed, group: &str, path: &str, access: Access) -> Result<PathBuf, String> {
        let mount = Mount { path: path.into(), name: "x".into(), access, known: Vec::new() };
        let root = allowed.root(&GroupName::parse(group).unwrap(), &mount);
        root.map(Path::to_owned).map_err(|refused| format!("{}; {}", refused.why, refused.fix))
    }

    #[test]
    fn only_below_what_is_listed_and_written_only_where_that_is_said() {
        let mounts = Mounts { read: vec!["/srv".into()], write: vec!["/srv/work".into()], refuse: Vec::new() };
        let allowed = allowed(None, &mounts);
        for (path, access, wanted) in [
            ("/srv", Access::Read, Ok("/srv")),
            ("/srv/photos", Access::Copy, Ok("/srv")),
            ("/srv/work/a", Access::Read, Ok("/srv")),
            ("/srv/work/a", Access::Write, Ok("/srv/work")),
            ("/srv/photos", Access::Write, Err("read it and no more")),
            ("/srvx", Access::Read, Err("below no folder")),
            ("/", Access::Read, Err("below no folder")),
            ("/home/me", Access::Read, Err("read = [\"/home/me\"] under [mounts]")),
        ] {
            match (asks(&allowed, "family", path, access), wanted) {
                (Ok(root), Ok(wanted)) => assert_eq!(root, Path::new(wanted), "{path}"),
                (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{path}: {why}"),
                (got, _) => panic!("{path}: {got:?}"),
            }
        }
    }

    #[test]
    fn nanoclaws_list_counts_as_it_does_there() {
        let text = r#"{"allowedRoots": [{"path": "/srv/a", "allowReadWrite": true, "description": "x"}, {"path": "/srv/b"}],
                       "blockedPatterns": ["secret", ""], "nonMainReadOnly": true}"#;
        let allowed = allowed(Some(text), &Mounts::default());
        let asks = |group: &str, path: &str, access| asks(&allowed, group, path, access);
        assert_eq!(asks("main", "/srv/a/x", Access::Write), Ok("/srv/a".into()));
        assert!(asks("family", "/srv/a/x", Access::Write).unwrap_err().contains("read it and no more"));
        assert_eq!(asks("family", "/srv/a/x", Access::Read), Ok("/srv/a".into()));
        assert!(asks("main", "/srv/b", Access::Write).is_err());
        assert!(asks("main", "/srv/a/my-secrets", Access::Read).unwrap_err().contains("\"secret\""));
        assert!(asks("main", "/etc", Access::Read).is_err());
    }

    #[test]
    fn a_list_that_cannot_be_read_allows_nothing() {
        let mounts = Mounts { read: vec!["/srv".into()], ..Mounts::default() };
        for text in ["", "{", "[]", "{\"allowedRoots\": 1}", "{\"allowedRoots\": [{\"path\": \"../x\"}]}"] {
            let refused = asks(&allowed(Some(text), &mounts), "main", "/srv/a", Access::Read).unwrap_err();
            assert!(refused.contains(FILE), "{text}: {refused}");
        }
    }
}
