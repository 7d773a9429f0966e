//! What another user of the machine could open or change.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::{Check, Mend, keys};
use crate::channels::program;
use crate::config::{Config, WHATSAPP_PROGRAM};
use crate::home::Home;

/// Programs that run as the owner, and folders that lead to private files. `engine` is the engine's socket.
pub(super) fn check(home: &Home, config: &Config, engine: Option<&Path>) -> Vec<Check> {
    let mut checks: Vec<Check> = programs(config).iter().filter_map(|path| changeable(path)).collect();
    checks.extend([home.config_dir(), home.data()].into_iter().find_map(replaceable));
    checks.extend(private_files(home, &keys::exposed(config)));
    checks.extend(engine.and_then(open_engine));
    if checks.is_empty() {
        checks.push(Check::fine("other users", "none can read or change anything of Doorward"));
    }
    checks
}

fn programs(config: &Config) -> Vec<PathBuf> {
    let mut programs = Vec::from_iter(std::env::current_exe());
    if config.channels.whatsapp.enabled {
        programs.extend(program::find(config.channels.whatsapp.program.as_deref(), WHATSAPP_PROGRAM));
    }
    programs.extend(config.alarm.command.first().map(PathBuf::from));
    programs
}

/// A program that somebody else can write is somebody else's program.
fn changeable(path: &Path) -> Option<Check> {
    let found = std::fs::metadata(path).ok()?;
    let shown = path.display().to_string();
    if !is_ours_or_roots(&found) {
        let words = format!("{shown} belongs to user {}, who can replace it", found.uid());
        return Some(Check::broken("other users", words, format!("sudo chown root {shown}")));
    }
    let written_by_all = found.mode() & 0o002 != 0;
    written_by_all.then(|| {
        let words = format!("every user of this machine can change {shown}, which runs as you");
        Check::broken("other users", words, format!("chmod o-w {shown}"))
            .mended_by(Mend::Mode { path: path.to_owned(), mode: found.mode() & 0o7755 })
    })
}

/// A world-writable parent folder lets anyone replace the one below it.
fn replaceable(dir: &Path) -> Option<Check> {
    let above = dir.ancestors().skip(1).find(|above| {
        std::fs::metadata(above).is_ok_and(|found| found.mode() & 0o002 != 0 && found.mode() & 0o1000 == 0)
    })?;
    let words = format!("every user can replace {}, because all may write {}", dir.display(), above.display());
    Some(Check::broken("other users", words, format!("chmod o-w {}, or choose another --home", above.display())))
}

/// Channels' keys and the databases; also sockets, which a copy may have left open. Those in `told` are reported
/// already.
fn private_files(home: &Home, told: &BTreeSet<PathBuf>) -> Option<Check> {
    let folders =
        [home.config_dir().join("secrets"), home.data().to_path_buf(), home.channel_dir("whatsapp"), home.run_dir()];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten());
    let open = files.map(|entry| entry.path()).filter(|path| !told.contains(path)).find(|path| {
        let found = std::fs::symlink_metadata(path);
        found.is_ok_and(|found| (found.is_file() || found.file_type().is_socket()) && found.mode() & 0o007 != 0)
    })?;
    let shown = open.display().to_string();
    let words = format!("{shown} is for you alone, and its mode lets others at it");
    Some(
        Check::warning("other users", words, format!("chmod 600 {shown}"))
            .mended_by(Mend::Mode { path: open, mode: 0o600 }),
    )
}

/// Whoever can use the engine owns the machine and every sandbox.
fn open_engine(socket: &Path) -> Option<Check> {
    let found = std::fs::metadata(socket).ok()?;
    (found.mode() & 0o006 != 0).then(|| {
        let shown = socket.display();
        let words =
            format!("every user of this machine can use the container engine at {shown}, and with it all of Doorward");
        Check::broken("other users", words, format!("sudo chmod o-rw {shown}"))
    })
}

fn is_ours_or_roots(found: &Metadata) -> bool {
    found.uid() == 0 || found.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_others_can_change_is_told_and_mended() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("program");
        std::fs::write(&file, "").unwrap();
        let mode = |mode| std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        assert!(changeable(&file).is_none());
        mode(0o777);
        let check = changeable(&file).unwrap();
        assert_eq!(check.fix.as_deref(), Some(&*format!("chmod o-w {}", file.display())));
        assert!(check.mend.unwrap().done().is_ok() && changeable(&file).is_none());
    }

    #[test]
    fn a_folder_that_all_may_write_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("below/home");
        std::fs::create_dir_all(&home).unwrap();
        assert!(replaceable(&home).is_none(), "the folder of temporary files is sticky");
        std::fs::set_permissions(dir.path().join("below"), Permissions::from_mode(0o777)).unwrap();
        assert!(replaceable(&home).unwrap().found.contains("below"));
    }
}
