#![allow(clippy::unwrap_used)]
#![allow(clippy::disallowed_methods, reason = "a socket that a mount must not hold")]

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use super::*;

/// A home, and folders of its owner's next to it.
struct Scene {
    _folder: tempfile::TempDir,
    top: PathBuf,
    home: Home,
    held: Held,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        let home = Home::at(&top.join("door")).unwrap();
        home.prepare().unwrap();
        let scene = Scene { _folder: folder, top, home, held: Held::default() };
        fs::create_dir_all(scene.at("files/notes/deep")).unwrap();
        fs::write(scene.at("files/notes/a.md"), "nothing").unwrap();
        scene.settings(&format!("[mounts]\nread = [\"{0}\"]\nwrite = [\"{0}\"]\n", scene.at("files").display()));
        scene
    }

    fn at(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    fn settings(&self, text: &str) {
        fs::write(self.home.config_file(), text).unwrap();
    }

    /// Gives the group these mounts, each a folder below `files` with further lines.
    fn group(&self, name: &str, mounts: &[(&str, &str)]) -> GroupName {
        let group = GroupName::parse(name).unwrap();
        let one = |(path, lines): &(&str, &str)| {
            format!("[[mount]]\npath = \"{}\"\n{lines}\n", self.at("files").join(path).display())
        };
        fs::write(self.home.group_file(&group), mounts.iter().map(one).collect::<String>()).unwrap();
        group
    }

    /// The reports about the group's mounts, without those that are fine.
    fn told(&self, group: &GroupName) -> Vec<String> {
        let reports = check(&self.home, group).unwrap();
        let told = |report: Report| match report.looked {
            Ok(_) => String::new(),
            Err(Refused { why, fix }) => format!("{why}; {fix}"),
        };
        reports.into_iter().map(told).collect()
    }

    /// The same for a single mount of `notes` with nothing else set.
    fn told_of_notes(&self) -> String {
        self.told(&self.group("family", &[("notes", "")])).remove(0)
    }

    fn claim(&self, id: &str, group: &GroupName) -> Result<(Claim, Vec<containers::Extra>), MountError> {
        let mounts = GroupSettings::load(&self.home, group).unwrap().mounts;
        claim(&self.home, group, &mounts, &self.held, (id, &self.at("own").join(id)))
    }
}

#[test]
fn a_folder_below_a_root_is_mounted() {
    let scene = Scene::new();
    let family = scene.group("family", &[("notes", "write = true")]);
    let [report] = &check(&scene.home, &family).unwrap()[..] else { panic!() };
    let seen = report.looked.as_ref().unwrap();
    assert_eq!((seen.entries, seen.read), (2, 1));
    let (_claim, extra) = scene.claim("s1", &family).unwrap();
    assert_eq!(
        (extra[0].source.clone(), &*extra[0].name, extra[0].read_only),
        (scene.at("files/notes"), "notes", false)
    );
    scene.settings("");
    assert!(
        scene.told_of_notes().contains("below no folder that the allowlist names"),
        "what is taken back counts at once"
    );
}

#[test]
fn keys_logins_and_other_ways_out_refuse_the_mount_wherever_they_lie() {
    let scene = Scene::new();
    let place = |name: &str| scene.at("files/notes/deep").join(name);
    let remove = |name: &str| {
        let _ = fs::remove_dir_all(place(name)).or_else(|_| fs::remove_file(place(name)));
    };
    let folders = [".ssh", ".SSH", ".aws", ".gnupg", ".mozilla", ".kube"];
    let files = [".netrc", "id_rsa", "keys.kdbx", ".env", "logins.json", "doorward.db"];
    for name in folders {
        fs::create_dir(place(name)).unwrap();
        let told = scene.told_of_notes();
        assert!(told.contains(&format!("deep/{name} (")) && !told.contains("known ="), "{told}");
        remove(name);
    }
    for name in files {
        fs::write(place(name), "x").unwrap();
        let told = scene.told_of_notes();
        assert!(told.contains(&format!("deep/{name} (")) && told.contains("known = ["), "{told}");
        remove(name);
    }
    // A link of such a name leads nowhere inside, but whoever made it meant the folder.
    symlink("/root/.ssh", place(".ssh")).unwrap();
    assert!(scene.told_of_notes().contains("deep/.ssh ("));
    remove(".ssh");
    let _listens = UnixListener::bind(place("harmless")).unwrap();
    assert!(scene.told_of_notes().contains("deep/harmless (a socket"));
    remove("harmless");
    rustix::fs::mknodat(rustix::fs::CWD, place("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(scene.told_of_notes().contains("deep/pipe (a pipe"));
    remove("pipe");
    // And a link elsewhere does no harm: inside it leads to the sandbox's own files.
    symlink("/etc/passwd", place("elsewhere")).unwrap();
    assert_eq!(scene.told_of_notes(), "");
}

#[test]
fn keys_are_known_by_what_they_hold() {
    let scene = Scene::new();
    let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ";
    for (text, what) in [
        (format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n"), "a private key"),
        (format!("notes\n\n-----BEGIN RSA PRIVATE KEY-----\n{body}\n"), "a private key"),
        ("PuTTY-User-Key-File-3: ssh-ed25519".to_owned(), "a private key"),
        ("my key is ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6 ok".to_owned(), "a GitHub token"),
    ] {
        fs::write(scene.at("files/notes/deep/harmless.txt"), text).unwrap();
        let told = scene.told_of_notes();
        assert!(told.contains(&format!("deep/harmless.txt ({what})")), "{told}");
        assert!(!told.contains(body) && !told.contains("ghp_a"), "it is not shown: {told}");
    }
    let known = scene.group("family", &[("notes", "known = [\"deep/harmless.txt\"]")]);
    assert_eq!(scene.told(&known), [""]);
    let other = scene.group("family", &[("notes", "known = [\"harmless.txt\"]")]);
    assert!(!scene.told(&other)[0].is_empty(), "only by its whole path");
}

#[test]
fn odd_names_are_looked_at_and_shown_whole() {
    let scene = Scene::new();
    let odd = std::os::unix::ffi::OsStrExt::from_bytes;
    let folder: &std::ffi::OsStr = odd(b"a\n\x1b[31m\xff");
    fs::create_dir_all(scene.at("files/notes").join(folder).join(".ssh")).unwrap();
    let told = scene.told_of_notes();
    assert!(told.contains("/.ssh (") && !told.contains(['\n', '\u{1b}']), "{told:?}");
}

#[test]
fn what_cannot_be_gone_through_is_refused() {
    let scene = Scene::new();
    fs::create_dir_all(scene.at("files/notes").join("d/".repeat(205))).unwrap();
    assert!(scene.told_of_notes().contains("not all of it was looked at"));
}

#[test]
fn no_folder_is_two_groups_unless_it_is_copied() {
    let scene = Scene::new();
    fs::create_dir(scene.at("files/other")).unwrap();
    for (ours, theirs, words) in [
        (("notes", ""), ("notes", ""), "it is mounted for group work as well"),
        (("notes", ""), ("notes/deep", ""), "a part of it is mounted for group work"),
        (("notes/deep", ""), ("notes", ""), "a part of it is mounted for group work"),
        (("notes", "write = true"), ("notes", ""), "is that group's alone"),
        (("notes", "copy = true"), ("notes", "write = true"), "is that group's alone"),
        (("notes", ""), ("notes", "copy = true"), ""),
        (("notes", "copy = true"), ("notes", "copy = true"), ""),
        (("notes", ""), ("other", ""), ""),
    ] {
        scene.group("work", &[theirs]);
        let told = scene.told(&scene.group("family", &[ours])).remove(0);
        assert!(told.contains(words) && told.is_empty() == words.is_empty(), "{ours:?} {theirs:?}: {told}");
    }
    // In one group, where it is writable.
    scene.group("work", &[]);
    for (second, refused) in [("", false), ("write = true", true)] {
        let told = scene.told(&scene.group("family", &[("notes", ""), ("notes/deep", second)]));
        assert_eq!(told.iter().all(|one| one.contains("one of the two can be written")), refused, "{told:?}");
    }
    // A group whose file cannot be read may have anything.
    fs::write(scene.home.groups_dir().join("work.toml"), "[[mount]").unwrap();
    assert!(check(&scene.home, &scene.group("family", &[("notes", "")])).is_err());
}

#[test]
fn a_file_with_two_names_is_one_file() {
    let scene = Scene::new();
    fs::create_dir(scene.at("files/other")).unwrap();
    fs::hard_link(scene.at("files/notes/a.md"), scene.at("files/other/b.md")).unwrap();
    scene.group("work", &[("other", "")]);
    assert!(scene.told_of_notes().contains("other/b.md, which group work sees"));
    scene.group("work", &[("other", "copy = true")]);
    assert_eq!(scene.told_of_notes(), "");
}

#[test]
fn what_a_live_sandbox_has_is_no_other_groups() {
    let scene = Scene::new();
    let family = scene.group("family", &[("notes", "")]);
    let first = scene.claim("s1", &family).unwrap();
    let again = scene.claim("s2", &family).unwrap();
    // The owner gives it to another group while the sandboxes run on.
    scene.group("family", &[]);
    let work = scene.group("work", &[("notes/deep", "write = true")]);
    let refused = scene.claim("s3", &work).unwrap_err();
    assert!(refused.to_string().contains("`doorward stop family`"), "{refused}");
    drop(first);
    assert!(scene.claim("s3", &work).is_err());
    drop(again);
    scene.claim("s3", &work).unwrap();
}

#[test]
fn a_copy_is_of_regular_files_alone_and_nobody_elses() {
    let scene = Scene::new();
    symlink("/etc/passwd", scene.at("files/notes/link")).unwrap();
    fs::write(scene.at("files/notes/deep/run.sh"), "x").unwrap();
    fs::set_permissions(scene.at("files/notes/deep/run.sh"), fs::Permissions::from_mode(0o700)).unwrap();
    let family = scene.group("family", &[("notes", "copy = true")]);
    let (_claim, extra) = scene.claim("s1", &family).unwrap();
    let copy = scene.at("own/s1/notes");
    assert_eq!((&extra[0].source, extra[0].read_only), (&copy, true));
    assert_eq!(fs::read_to_string(copy.join("a.md")).unwrap(), "nothing");
    assert_eq!(fs::metadata(copy.join("deep/run.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    assert!(copy.join("link").symlink_metadata().is_err());
    File::create(scene.at("files/notes/large")).unwrap().set_len(300 << 20).unwrap();
    let refused = scene.claim("s2", &family).unwrap_err().to_string();
    assert!(refused.contains("it holds too much") && refused.contains("copy = true"), "{refused}");
}

#[test]
fn a_folder_that_was_replaced_is_known() {
    let scene = Scene::new();
    let family = scene.group("family", &[("notes", "")]);
    let (claim, _) = scene.claim("s1", &family).unwrap();
    assert_eq!(claim.replaced(), None);
    fs::rename(scene.at("files/notes"), scene.at("files/away")).unwrap();
    fs::create_dir(scene.at("files/notes")).unwrap();
    assert_eq!(claim.replaced(), Some(&*scene.at("files/notes")));
    fs::remove_dir(scene.at("files/notes")).unwrap();
    symlink("away", scene.at("files/notes")).unwrap();
    assert!(claim.replaced().is_some(), "also where a link leads back to it");
}
