//! Folders of the owner's in real sandboxes: what is seen of them, and what is never mounted.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Home, until};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

/// A home with two groups, and folders of its owner's elsewhere.
struct Owner {
    files: TempDir,
    home: Home,
}

impl Owner {
    fn new() -> Self {
        let files = tempfile::Builder::new().prefix("doorward-files-").tempdir().unwrap();
        fs::set_permissions(files.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let home = Home::new().group("one").group("two");
        let root = files.path().canonicalize().unwrap();
        let owner = Owner { home: home.config(&format!("[mounts]\nwrite = [\"{}\"]", root.display())), files };
        owner.folder("notes");
        fs::write(owner.at("notes/a.md"), "of the owner\n").unwrap();
        owner
    }

    fn at(&self, path: &str) -> PathBuf {
        self.files.path().canonicalize().unwrap().join(path)
    }

    /// Open to every user: each group is one of its own.
    fn folder(&self, path: &str) {
        fs::create_dir_all(self.at(path)).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o777)).unwrap();
    }

    fn mount_at(&self, group: &str, path: &Path) {
        let file = self.home.at("groups").join(format!("{group}.toml"));
        fs::write(file, format!("[[mount]]\npath = \"{}\"\nname = \"x\"\n", path.display())).unwrap();
    }

    fn mount(&self, group: &str, path: &str, lines: &str) {
        let file = self.home.at("groups").join(format!("{group}.toml"));
        fs::write(file, format!("[[mount]]\npath = \"{}\"\n{lines}\n", self.at(path).display())).unwrap();
    }
}

#[test]
fn a_folder_of_the_owners_is_read_and_only_written_where_that_is_said() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    owner.mount("one", "notes", "");
    let extra = "/workspace/extra/notes";
    let tries = format!("cat {extra}/a.md; echo x > {extra}/b.md || echo read only; touch {extra}/a.md || echo still");
    let seen = owner.home.exec("one", &tries).ok();
    seen.prints("of the owner\nread only\nstill\n");
    assert!(!owner.at("notes/b.md").exists());
    owner.mount("one", "notes", "name = \"mine\"\nwrite = true");
    owner.home.exec("one", "echo x > /workspace/extra/mine/b.md").ok();
    assert_eq!(fs::read_to_string(owner.at("notes/b.md")).unwrap(), "x\n");
    owner.home.run(&["mount", "check", "one"]).ok().prints("/workspace/extra/mine, read and write");
}

/// A link in it leads to what is inside, whoever made it.
#[test]
fn no_link_leads_out_of_a_mount() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    fs::write(owner.at("beside"), "beside\n").unwrap();
    symlink("../beside", owner.at("notes/up")).unwrap();
    symlink(owner.at("beside"), owner.at("notes/whole")).unwrap();
    owner.mount("one", "notes", "write = true");
    let read = "cd /workspace/extra/notes; cat up whole; ln -s /etc/hostname planted; ls";
    owner.home.exec("one", read).ok().never_says("beside\n").prints("planted");
    // What an agent plants is nothing to the next look, and leads nowhere as a mount's path.
    symlink("notes", owner.at("link")).unwrap();
    for path in ["link", "notes/planted", "link/deep"] {
        owner.mount("one", path, "name = \"x\"");
        owner.home.exec("one", "true").code(1).says("is a symbolic link, and none is followed");
    }
}

#[test]
fn what_could_be_a_key_or_another_way_out_keeps_the_sandbox_from_starting() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    owner.mount("one", "notes", "");
    owner.folder("notes/old/.ssh");
    owner.home.exec("one", "true").code(1).says("it holds old/.ssh (keys and logins)");
    owner.home.run(&["mount", "check"]).code(1).prints("REFUSED").prints("fix: mount a folder beside it");
    let json = owner.home.run(&["mount", "check", "one", "--json"]).code(1).json();
    assert!(json[0]["refused"].as_str().unwrap().contains("old/.ssh"), "{json:#}");
    fs::remove_dir(owner.at("notes/old/.ssh")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(owner.at("notes/talk")).unwrap();
    owner.home.exec("one", "true").code(1).says("talk (a socket");
    drop(socket);
    fs::remove_file(owner.at("notes/talk")).unwrap();
    owner.home.exec("one", "true").ok();
    // Nor Doorward's own, whatever the allowlist says.
    let home = owner.home.path().canonicalize().unwrap();
    owner.mount_at("one", &home.join("data"));
    owner.home.exec("one", "true").code(1).says("Doorward's settings");
    owner.mount_at("one", Path::new("/run"));
    owner.home.exec("one", "true").code(1).says("the system's");
}

/// Two that see a file can pass signs by locking it, also where both may only read.
#[test]
fn no_folder_is_seen_by_two_groups_but_in_copies() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    owner.mount("one", "notes", "");
    owner.mount("two", "notes", "");
    owner.home.exec("two", "true").code(1).says("is mounted for group one as well").says("copy = true");
    owner.mount("two", "notes", "copy = true");
    let inode = "stat -c %d:%i /workspace/extra/notes/a.md; cat /workspace/extra/notes/a.md";
    let (one, two) = (owner.home.exec("one", inode).ok(), owner.home.exec("two", inode).ok());
    let first = |text: &str| text.lines().next().unwrap().to_owned();
    assert_ne!(first(&one.out), first(&two.out));
    assert!(one.out.ends_with("of the owner\n") && two.out.ends_with("of the owner\n"), "{one:?} {two:?}");
    assert_eq!(
        first(&one.out).split(':').nth(1).unwrap(),
        fs::metadata(owner.at("notes/a.md")).unwrap().ino().to_string()
    );
    owner.home.exec("two", "echo x > /workspace/extra/notes/a.md").code(2);
}

/// A sandbox that lives goes on with what it has, whatever the file says by now.
#[test]
fn a_folder_is_another_groups_only_once_the_first_ones_sandbox_is_gone() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    owner.mount("one", "notes", "write = true");
    let wait = "echo ready; while [ ! -e /workspace/group/go ]; do sleep 0.02; done";
    let first = owner.home.start(&["exec", "one", "--", "sh", "-c", wait]);
    until("the first sandbox to be there", || first.printed().contains("ready"));
    owner.mount("one", "elsewhere", "");
    owner.folder("elsewhere");
    owner.mount("two", "notes", "");
    owner.home.exec("two", "true").code(1).says("`doorward stop one` ends that");
    fs::write(owner.home.group_folder("one").join("go"), "").unwrap();
    first.wait().ok();
    // Its sandbox is being removed.
    until("the folder to be free", || owner.home.exec("two", "true").code == Some(0));
    owner.home.exec("two", "cat /workspace/extra/notes/a.md").ok().prints("of the owner");
}

/// Somebody exchanges the folder with another one all the time: what is looked at is what is mounted, or nothing is.
#[test]
fn a_race_between_the_look_and_the_mount_is_lost_by_whoever_runs_it() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    owner.folder("other/.ssh");
    fs::write(owner.at("other/a.md"), "of nobody's\n").unwrap();
    owner.mount("one", "notes", "");
    let stop = AtomicBool::new(false);
    let (notes, other) = (owner.at("notes"), owner.at("other"));
    let (mut seen, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                renameat_with(CWD, &notes, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..8 {
            let ran = owner.home.exec("one", "cat /workspace/extra/notes/a.md; ls -A /workspace/extra/notes");
            assert!(!ran.out.contains("of nobody's") && !ran.out.contains(".ssh"), "{ran:#?}");
            if ran.code == Some(0) { seen += 1 } else { refused += 1 }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(refused > 0, "the race was never run: {seen} were let through");
}

/// What an owner has from NanoClaw counts as it did there.
#[test]
fn nanoclaws_allowlist_is_read() {
    let owner = Owner::new();
    let _daemon = owner.home.up();
    fs::write(owner.home.at("doorward.toml"), "").unwrap();
    let list = serde_json::json!({"allowedRoots": [{"path": owner.at("notes"), "allowReadWrite": true}],
                                  "blockedPatterns": ["private"], "nonMainReadOnly": true});
    fs::write(owner.home.at("mount-allowlist.json"), list.to_string()).unwrap();
    owner.mount("one", "notes", "");
    owner.home.exec("one", "cat /workspace/extra/notes/a.md").ok().prints("of the owner");
    owner.mount("one", "notes", "write = true");
    owner.home.exec("one", "true").code(1).says("lets groups read it and no more");
    fs::write(owner.home.at("mount-allowlist.json"), "{").unwrap();
    owner.mount("one", "notes", "");
    owner.home.exec("one", "true").code(1).says("mount-allowlist.json is not what it was");
}
