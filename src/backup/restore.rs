//! Restores a home from a backup: unpacked beside its place, verified, then moved there.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, lchown, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;
use rustix::io::Errno;
use tar::{Archive, EntryType, Header};

use super::place::Place;
use super::{BackupError, FORMAT, Key, MANIFEST, Manifest, at};
use crate::home::Home;
use crate::store::{Store, ledger};

/// A restored home.
#[derive(Debug)]
pub struct Restored {
    /// The backup's manifest.
    pub manifest: Manifest,
    /// How many files it contained.
    pub files: u64,
    /// The groups, by name.
    pub groups: Vec<String>,
}

/// Restores this home from a backup. Nothing is in place before all of it was verified.
pub fn restore(home: &Home, key: &Key, input: impl Read) -> Result<Restored, BackupError> {
    let mut archive = Archive::new(GzDecoder::new(key.open(input)?));
    let place = Place::for_home(home)?;
    let mut unpacking: Option<Unpacking<'_>> = None;
    for entry in archive.entries().map_err(BackupError::Input)? {
        let mut entry = entry.map_err(BackupError::Input)?;
        match &mut unpacking {
            Some(unpacking) => unpacking.take(&mut entry)?,
            none => *none = Some(Unpacking::of(manifest(&mut entry)?, &place)),
        }
    }
    // Only the end shows whether it was cut off.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(BackupError::Input)?;
    io::copy(&mut rest.into_inner(), &mut io::sink()).map_err(BackupError::Input)?;
    let unpacking = unpacking.ok_or_else(|| BackupError::Other("it is empty".to_owned()))?;
    let (manifest, files) = unpacking.finish()?;
    let groups = verified(&place, &manifest)?;
    place.put()?;
    Ok(Restored { manifest, files, groups })
}

fn manifest(entry: &mut tar::Entry<'_, impl Read>) -> Result<Manifest, BackupError> {
    let other = |why: &str| BackupError::Other(why.to_owned());
    let mut text = Vec::new();
    if !entry.path().is_ok_and(|path| path == Path::new(MANIFEST)) {
        return Err(other("it does not begin as one"));
    }
    entry.take(1 << 20).read_to_end(&mut text).map_err(BackupError::Input)?;
    let value: serde_json::Value =
        serde_json::from_slice(&text).map_err(|_| other("its first entry is not readable"))?;
    if value["format"].as_u64() != Some(FORMAT.into()) {
        return Err(BackupError::Newer(value["version"].as_str().unwrap_or("of another version").to_owned()));
    }
    serde_json::from_value(value).map_err(|_| other("its first entry is not readable"))
}

/// Checks that the database opens, at this version or an older one, and that the log is intact up to the line that the
/// backup names.
fn verified(place: &Place, manifest: &Manifest) -> Result<Vec<String>, BackupError> {
    let database = place.data().join("doorward.db");
    let mut groups = Vec::new();
    if database.exists() {
        let store = Store::open(&database)?;
        if let Some(detail) = store.quick_check()? {
            return Err(BackupError::Other(format!("its database is damaged: {detail}")));
        }
        groups = store.groups()?.into_iter().map(|group| group.name.to_string()).collect();
    }
    let Some(head) = &manifest.log else { return Ok(groups) };
    let log = ledger::verify(&place.data().join("audit"), None).map_err(|error| BackupError::Log(error.to_string()))?;
    if (log.last.seq, log.last.chain.to_string()) != (head.seq, head.chain.clone()) {
        return Err(BackupError::Log(format!(
            "it should end with record {}, and ends with {}",
            head.seq, log.last.seq
        )));
    }
    Ok(groups)
}

/// An archive being unpacked. Links come last, so that nothing is written through one, and folder modes after the
/// folder's content.
struct Unpacking<'a> {
    manifest: Manifest,
    place: &'a Place,
    files: u64,
    folders: Vec<(PathBuf, Header)>,
    links: Vec<(PathBuf, PathBuf, Header)>,
    as_root: bool,
}

impl<'a> Unpacking<'a> {
    fn of(manifest: Manifest, place: &'a Place) -> Self {
        let as_root = rustix::process::geteuid().is_root();
        Unpacking { manifest, place, files: 0, folders: Vec::new(), links: Vec::new(), as_root }
    }

    fn take(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), BackupError> {
        let name = entry.path().map_err(BackupError::Input)?.into_owned();
        let to = self.path(&name).ok_or_else(|| BackupError::Other(format!("{} leads elsewhere", name.display())))?;
        let header = entry.header().clone();
        match header.entry_type() {
            EntryType::Directory => {
                folder(&to)?;
                self.folders.push((to, header));
            }
            EntryType::Regular => {
                folder(to.parent().unwrap_or(&to))?;
                let mut file =
                    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to).map_err(at(&to))?;
                io::copy(entry, &mut file).map_err(at(&to))?;
                self.dress(&to, &header, Some(&file))?;
                self.files += 1;
            }
            EntryType::Link => {
                let other = entry.link_name().map_err(BackupError::Input)?.unwrap_or_default();
                // No link stands anywhere yet, so this is a file from this archive.
                let file = self.path(&other).filter(|file| is_one_groups(&name, &other) && file.is_file());
                let file = file.ok_or_else(|| BackupError::Other(format!("{} leads elsewhere", name.display())))?;
                folder(to.parent().unwrap_or(&to))?;
                self.further_name(&file, &to, &header)?;
                self.files += 1;
            }
            EntryType::Symlink => {
                // Its folder is made while no link stands anywhere: none is reached through another.
                folder(to.parent().unwrap_or(&to))?;
                let target = entry.link_name().map_err(BackupError::Input)?;
                self.links.push((to, target.unwrap_or_default().into_owned(), header));
                self.files += 1;
            }
            _ => return Err(BackupError::Other(format!("{} is of a kind that it cannot hold", name.display()))),
        }
        Ok(())
    }

    /// A further name of a file; a copy, where the file system has no further names.
    fn further_name(&self, file: &Path, to: &Path, header: &Header) -> Result<(), BackupError> {
        let Err(error) = fs::hard_link(file, to) else { return Ok(()) };
        if !matches!(
            error.raw_os_error().map(Errno::from_raw_os_error),
            Some(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK)
        ) {
            return Err(at(to)(error));
        }
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(at(to))?;
        io::copy(&mut File::open(file).map_err(at(to))?, &mut copy).map_err(at(to))?;
        self.dress(to, header, Some(&copy))
    }

    /// The path for an entry; `None` for one outside of a home.
    fn path(&self, name: &Path) -> Option<PathBuf> {
        let mut parts = name.components();
        let root = match parts.next()? {
            Component::Normal(part) if part == "config" => self.place.config(),
            Component::Normal(part) if part == "data" => self.place.data(),
            _ => return None,
        };
        let below = parts.as_path();
        below.components().all(|part| matches!(part, Component::Normal(_))).then(|| root.join(below))
    }

    fn finish(self) -> Result<(Manifest, u64), BackupError> {
        for (path, target, header) in &self.links {
            symlink(target, path).map_err(at(path))?;
            self.own(path, header)?;
        }
        for (path, header) in self.folders.iter().rev() {
            self.dress(path, header, None)?;
        }
        Ok((self.manifest, self.files))
    }

    /// Sets owner, mode and time as they were.
    fn dress(&self, path: &Path, header: &Header, file: Option<&File>) -> Result<(), BackupError> {
        self.own(path, header)?;
        let mode = header.mode().map_err(BackupError::Input)? & 0o777;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at(path))?;
        if let (Some(file), Ok(seconds)) = (file, header.mtime()) {
            let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            file.set_times(FileTimes::new().set_modified(changed)).map_err(at(path))?;
        }
        Ok(())
    }

    /// The owner's files go to whoever restores them; only root can give the others to groups' users.
    fn own(&self, path: &Path, header: &Header) -> Result<(), BackupError> {
        let number = |number: io::Result<u64>| number.ok().and_then(|number| u32::try_from(number).ok());
        let (Some(user), Some(group)) = (number(header.uid()), number(header.gid())) else { return Ok(()) };
        if !self.as_root {
            return Ok(());
        }
        if user != self.manifest.owner {
            return lchown(path, Some(user), Some(group)).map_err(at(path));
        }
        // Without root, agents ran as the owner; under root they have their own users.
        let agents = ["groups", "agents"].iter().any(|folder| path.starts_with(self.place.data().join(folder)));
        if user != 0 && agents {
            let first = containers::FIXED_UID;
            return lchown(path, Some(first), Some(first)).map_err(at(path));
        }
        Ok(())
    }
}

/// Whether two names are of the same agent's files: no file is two groups'.
fn is_one_groups(one: &Path, other: &Path) -> bool {
    let group = |name: &Path| -> Vec<_> { name.components().take(3).map(|part| part.as_os_str().to_owned()).collect() };
    let agents = ["agents", "groups", "inbox"].iter().any(|part| one.starts_with(Path::new("data").join(part)));
    agents && group(one) == group(other)
}

/// Creates a folder and its parents, which are private until they get their own modes.
fn folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().mode(0o700).recursive(true).create(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::MetadataExt as _;

    use age::secrecy::ExposeSecret as _;

    use super::super::{Lock, write};
    use super::*;

    /// A home whose group has a file with many names, restored: what was left out, the backup's size, and the new home.
    fn elsewhere(scene: &Path, fill: impl Fn(&Path)) -> (Vec<String>, usize, Home) {
        let homes = ["old", "new"].map(|name| Home::at(&scene.join(name)).unwrap());
        homes[0].prepare().unwrap();
        drop(Store::open(&homes[0].main_db()).unwrap());
        fill(homes[0].data());
        let key = age::x25519::Identity::generate();
        let lock = Lock::keys([key.to_public().to_string().as_str()]).unwrap();
        let (written, bytes) = write(&homes[0], false, &lock, Vec::new()).unwrap();
        let key = Key::file(key.to_string().expose_secret()).unwrap();
        let restored = restore(&homes[1], &key, &bytes[..]).unwrap();
        assert_eq!(restored.files, written.files);
        let [_, new] = homes;
        (written.left, bytes.len(), new)
    }

    #[test]
    fn a_file_of_many_names_is_saved_once_and_has_them_again() {
        let scene = tempfile::tempdir().unwrap();
        let noise: Vec<u8> = (0..1 << 20).map(|_| rand::random()).collect();
        let deep = "deep-".repeat(30);
        let (left, size, new) = elsewhere(scene.path(), |data| {
            for group in ["groups/one", "groups/two"].map(|group| data.join(group)) {
                fs::create_dir_all(group.join(&deep)).unwrap();
                fs::write(group.join("a"), &noise).unwrap();
                (0..100).for_each(|number| {
                    fs::hard_link(group.join("a"), group.join(&deep).join(number.to_string())).unwrap()
                });
            }
            fs::hard_link(data.join("groups/one/a"), data.join("groups/two/shared")).unwrap();
        });
        assert!(left.is_empty(), "{left:?}");
        assert!(size < 5 << 20, "{size} bytes");
        let found = |name: &str| fs::metadata(new.data().join("groups").join(name)).unwrap();
        for group in ["one", "two"] {
            assert_eq!(fs::read(new.data().join("groups").join(group).join(&deep).join("99")).unwrap(), noise);
            assert_eq!(found(&format!("{group}/a")).ino(), found(&format!("{group}/{deep}/0")).ino());
            assert_eq!(found(&format!("{group}/a")).nlink(), 101);
        }
        assert_eq!(found("two/shared").nlink(), 1, "no file is two groups'");
    }

    #[test]
    fn a_file_that_is_almost_all_holes_is_left_out_from_a_mebibyte_on() {
        let scene = tempfile::tempdir().unwrap();
        let (left, _, new) = elsewhere(scene.path(), |data| {
            fs::create_dir_all(data.join("groups/one")).unwrap();
            let make = |name: &str| File::create(data.join("groups/one").join(name)).unwrap();
            make("small").set_len(1 << 20).unwrap();
            make("hollow").set_len((1 << 20) + 1).unwrap();
            fs::write(data.join("groups/one/full"), vec![0; 2 << 20]).unwrap();
        });
        assert_eq!(left, ["data/groups/one/hollow is almost all holes"]);
        let there = |name: &str| new.data().join("groups/one").join(name).exists();
        assert!(there("small") && there("full") && !there("hollow"));
    }

    #[test]
    fn a_further_name_is_of_the_same_agents_file() {
        let is = |one: &str, other: &str| is_one_groups(Path::new(one), Path::new(other));
        assert!(is("data/groups/one/a", "data/groups/one/b/c") && is("data/agents/one/a", "data/agents/one/b"));
        for (one, other) in [
            ("data/groups/one/a", "data/groups/two/a"),
            ("data/groups/one/a", "data/agents/one/a"),
            ("data/groups/one/a", "data/doorward.db"),
            ("data/tokens/one/a", "data/tokens/one/b"),
            ("config/groups/one/a", "config/groups/one/b"),
        ] {
            assert!(!is(one, other), "{one} {other}");
        }
    }
}
