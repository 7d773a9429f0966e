#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests start programs, and fail by panicking")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(&dir.path().join("h")).unwrap();
    (dir, home)
}

#[test]
fn everything_is_under_the_folder_that_was_named() {
    let home = Home::at(Path::new("/srv/door")).unwrap();
    let family = GroupName::parse("family").unwrap();
    for (path, want) in [
        (home.config_file(), "/srv/door/doorward.toml"),
        (home.policy_file(&family), "/srv/door/policies/family.toml"),
        (home.base_policy_file(), "/srv/door/policies/base.toml"),
        (home.main_db(), "/srv/door/data/doorward.db"),
        (home.audit_log(), "/srv/door/data/audit"),
        (home.group_dir(&family), "/srv/door/data/groups/family"),
        (home.agent_home(&family), "/srv/door/data/agents/family"),
        (home.inbox(&family), "/srv/door/data/inbox/family"),
        (home.control_socket(), "/srv/door/data/run/control.sock"),
    ] {
        assert_eq!(path, Path::new(want));
    }
}

#[test]
fn naming_a_home_creates_nothing() {
    let (dir, home) = home();
    assert!(!home.is_served());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn folders_are_private_even_where_they_were_open_before() {
    let (_dir, home) = home();
    std::fs::create_dir_all(home.run_dir()).unwrap();
    std::fs::set_permissions(home.run_dir(), std::fs::Permissions::from_mode(0o777)).unwrap();
    home.prepare().unwrap();
    home.prepare().unwrap();
    for path in [home.data(), &home.run_dir(), &home.doors_dir(), &home.policies_dir()] {
        assert_eq!(std::fs::metadata(path).unwrap().mode() & 0o777, 0o700, "{}", path.display());
    }
}

#[test]
fn a_file_where_a_folder_belongs_is_said_to_be_one() {
    let (dir, home) = home();
    std::fs::write(dir.path().join("h"), "").unwrap();
    let error = home.prepare().unwrap_err().to_string();
    assert!(error.contains("h") && error.to_lowercase().contains("not a directory"), "{error}");
}

#[test]
fn a_home_too_long_for_a_socket_is_refused_at_once() {
    let long = format!("/{}", "a".repeat(59));
    let error = Home::at(Path::new(&long)).unwrap_err().to_string();
    assert!(error.contains("118 bytes") && error.contains("shorter --home"), "{error}");
    let longest_that_fits = format!("/{}", "a".repeat(48));
    assert!(Home::at(Path::new(&longest_that_fits)).is_ok());
    assert!(Home::at(Path::new(&format!("{longest_that_fits}b"))).is_err());
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_there() {
    let (_dir, home) = home();
    let lock = home.lock().unwrap();
    assert!(home.is_served());
    let error = home.lock().unwrap_err().to_string();
    let want = format!(
        "another doorward (pid {}) already serves {home}; stop it or choose another --home",
        std::process::id()
    );
    assert_eq!(error, want);
    drop(lock);
    assert!(!home.is_served());
    home.lock().unwrap();
}

/// Whatever is removed that can be created again: the file that names the daemon, or the name by which it was found.
#[test]
fn a_home_is_served_once_whatever_becomes_of_the_lock_file() {
    let (dir, home) = home();
    home.prepare().unwrap();
    let other_name = dir.path().join("other");
    std::os::unix::fs::symlink(home.data().parent().unwrap(), &other_name).unwrap();
    let by_another_name = Home::at(&other_name).unwrap();
    let lock = home.lock().unwrap();
    for removed in [false, true] {
        if removed {
            std::fs::remove_file(home.lock_file()).unwrap();
        }
        for home in [&home, &by_another_name] {
            let error = home.lock().unwrap_err().to_string();
            let pid = if removed { String::new() } else { format!(" (pid {})", std::process::id()) };
            assert_eq!(error, format!("another doorward{pid} already serves {home}; stop it or choose another --home"));
            assert!(home.is_served());
            assert_eq!(home.served_by(), (!removed).then_some(std::process::id()));
        }
    }
    // A new file in its place proves nothing either.
    std::fs::write(home.lock_file(), "1\n").unwrap();
    assert!(home.lock().is_err() && home.is_served());
    drop(lock);
    assert!(!home.is_served() && home.served_by().is_none());
    home.lock().unwrap();
}

/// A copy contains the first one's id, and must not take its sandboxes for its own.
#[test]
fn a_copied_home_is_another_installation() {
    let (dir, first) = home();
    let id = first.installation_id().unwrap();
    let copied = dir.path().join("copy");
    let copy = Home::at(&copied).unwrap();
    std::fs::create_dir_all(copy.data()).unwrap();
    for file in ["installation-id", "installation-of"] {
        std::fs::copy(first.data().join(file), copy.data().join(file)).unwrap();
    }
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| copy.installation_id().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(ids[0] != id && ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    assert_eq!(copy.installation_id().unwrap(), ids[0], "it keeps its own");
    assert_eq!(first.installation_id().unwrap(), id, "and so does the first");
}

/// A home that was moved, or is from before the folder was recorded, keeps its identity.
#[test]
fn a_moved_home_is_the_same_installation() {
    let (dir, home) = home();
    let id = home.installation_id().unwrap();
    std::fs::rename(dir.path().join("h"), dir.path().join("moved")).unwrap();
    let moved = Home::at(&dir.path().join("moved")).unwrap();
    assert_eq!(moved.installation_id().unwrap(), id);
    std::fs::remove_file(moved.data().join("installation-of")).unwrap();
    assert_eq!(moved.installation_id().unwrap(), id);
    // A file system that does not know the creation time.
    let inode = std::fs::metadata(moved.data()).unwrap().ino();
    for (line, same) in [(format!("{inode} -\n"), true), (format!("{} -\n", inode + 1), false)] {
        std::fs::write(moved.data().join("installation-of"), &line).unwrap();
        assert_eq!(moved.installation_id().unwrap() == id, same, "{line}");
    }
}

/// A daemon is killed while it starts a program, which holds the lock until its exec.
#[test]
fn a_lock_that_a_child_of_the_dead_still_has_is_waited_for() {
    let (_dir, home) = home();
    drop(home.lock().unwrap());
    let mut dead = std::process::Command::new("true").spawn().unwrap();
    dead.wait().unwrap();
    std::fs::write(home.lock_file(), format!("{}\n", dead.id())).unwrap();
    let lock = std::fs::File::open(home.lock_file()).unwrap();
    lock.lock().unwrap();
    let mut child = std::process::Command::new("sleep").arg("0.5").stdin(lock).spawn().unwrap();
    home.lock().unwrap();
    assert!(child.try_wait().unwrap().is_some(), "it was free no earlier");
}

#[test]
fn the_installation_id_is_made_once() {
    let (_dir, home) = home();
    let ids: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| home.installation_id().unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ids[0].len(), 32);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(home.installation_id().unwrap(), ids[0]);
    let path = home.data().join("installation-id");
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    std::fs::write(&path, "short\n").unwrap();
    let error = home.installation_id().unwrap_err().to_string();
    assert!(error.contains("installation-id") && error.contains("32 hex digits"), "{error}");
}
