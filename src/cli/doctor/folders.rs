//! Content of a group's folder that runs when its owner opens it. The folder is the agent's: git, direnv, an editor and
//! Claude Code all start programs that a folder names.
//!
//! What it is not: protection. It looks only two levels deep, and there are other programs.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use super::Check;
use crate::home::Home;

/// Files that are run wherever they are, and by which program.
const COMMANDS: [(&str, &str); 8] = [
    (".envrc", "direnv"),
    (".vscode/tasks.json", "VS Code"),
    (".vscode/settings.json", "VS Code"),
    (".devcontainer/devcontainer.json", "VS Code"),
    (".exrc", "vim"),
    (".nvim.lua", "Neovim"),
    (".claude/settings.json", "Claude Code"),
    (".mcp.json", "Claude Code"),
];

/// The keys that git itself writes into a new or cloned repository's configuration. Any other key may name a program
/// (git-config(1): fsmonitor, hooksPath, sshCommand, filter, textconv, …).
const HARMLESS: [&str; 21] = [
    "core.repositoryformatversion",
    "core.filemode",
    "core.bare",
    "core.logallrefupdates",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.symlinks",
    "core.autocrlf",
    "core.sharedrepository",
    "remote.url",
    "remote.fetch",
    "remote.tagopt",
    "branch.remote",
    "branch.merge",
    "branch.rebase",
    "submodule.url",
    "submodule.active",
    "user.name",
    "user.email",
    "pull.rebase",
    "push.default",
];

/// More than any such file holds, unless it was made to be a burden.
const LONGEST: u64 = 64 << 10;

/// As many entries as a folder usually has.
const MOST: usize = 2000;

/// A line for each group whose folder would run something.
pub(super) fn check(home: &Home, groups: impl IntoIterator<Item = policies::GroupName>) -> Vec<Check> {
    let check = |group: policies::GroupName| {
        let found = look(&home.group_dir(&group));
        let fix = format!(
            "do not open it with these; look at it from inside: doorward exec {group} -- git log, or see docs/sandbox.md"
        );
        let what = format!("folder of {group}");
        (!found.is_empty())
            .then(|| Check::warning(what, format!("opened, it runs programs: {}", found.join(", ")), fix))
    };
    groups.into_iter().filter_map(check).collect()
}

/// What would run, and by which program, in a folder and its direct subfolders.
fn look(folder: &Path) -> Vec<String> {
    let below = fs::read_dir(folder).into_iter().flatten().flatten().take(MOST);
    // A link leads elsewhere and is not part of the folder.
    let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != *".git");
    let below = below.map(|entry| entry.path());
    let mut found = Vec::new();
    if fs::symlink_metadata(folder.join(".git")).is_ok_and(|found| !found.is_dir()) {
        found.push(".git (git: leads elsewhere)".to_owned());
    }
    for place in [folder.to_path_buf()].into_iter().chain(below) {
        let shown = |name: &str| match place.strip_prefix(folder).ok().and_then(Path::to_str) {
            None | Some("") => name.to_owned(),
            Some(inside) => format!("{inside}/{name}"),
        };
        let named = COMMANDS.iter().filter(|(name, _)| fs::symlink_metadata(place.join(name)).is_ok());
        found.extend(named.map(|(name, whom)| format!("{} ({whom})", shown(name))));
        for git in [place.join(".git"), place.clone()] {
            let name = if git == place { "" } else { ".git/" };
            found.extend(hook(&git).map(|hook| format!("{} (git)", shown(&format!("{name}hooks/{hook}")))));
            found.extend(odd_key(&git).map(|key| format!("{} (git: {key})", shown(&format!("{name}config")))));
        }
    }
    found.truncate(5);
    found
}

/// A hook that git would run.
fn hook(git: &Path) -> Option<String> {
    let hooks = is_repository(git).then(|| fs::read_dir(git.join("hooks")).ok()).flatten()?;
    let runs = |entry: &fs::DirEntry| {
        let is_sample = entry.path().extension().is_some_and(|ending| ending == "sample");
        !is_sample && entry.metadata().is_ok_and(|found| !found.is_dir() && found.permissions().mode() & 0o111 != 0)
    };
    hooks.flatten().take(MOST).find(runs).map(|entry| entry.file_name().to_string_lossy().into_owned())
}

/// A configuration key that git does not write itself.
fn odd_key(git: &Path) -> Option<String> {
    if !is_repository(git) {
        return None;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(git.join("config"));
    let mut text = String::new();
    match file.and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
        Ok(_) => keys(&text).find(|key| !HARMLESS.contains(&key.as_str())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        // A link or not text: git does not write that.
        Err(_) => Some("unreadable".to_owned()),
    }
}

/// What git takes for a repository, including a bare one (gitrepository-layout(5)).
fn is_repository(git: &Path) -> bool {
    ["HEAD", "config"].iter().all(|name| fs::symlink_metadata(git.join(name)).is_ok())
}

/// `[core] bare = false` is `core.bare`, `[remote "origin"] url = …` is `remote.url`.
fn keys(text: &str) -> impl Iterator<Item = String> {
    let mut section = String::new();
    text.lines().filter_map(move |line| {
        let mut line = line.trim();
        if let Some((head, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            let name = head.split(|c: char| c.is_whitespace() || c == '.' || c == '"').next().unwrap_or_default();
            section = name.to_ascii_lowercase();
            line = rest.trim();
        }
        let key = line.split(|c: char| c == '=' || c.is_whitespace()).next().unwrap_or_default();
        let is_key = !key.is_empty() && !key.starts_with(['#', ';']);
        is_key.then(|| format!("{section}.{}", key.to_ascii_lowercase()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const CLONED: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n\turl = https://x\n\
                          \tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\tremote = origin\n# x\n";

    fn repository(at: &Path, config: &str) {
        fs::create_dir_all(at.join("hooks")).unwrap();
        fs::write(at.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        fs::write(at.join("config"), config).unwrap();
        fs::write(at.join("hooks/pre-commit.sample"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(at.join("hooks/pre-commit.sample"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn an_ordinary_folder_and_a_cloned_repository_run_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("CLAUDE.md"), "# Memory\n").unwrap();
        fs::write(folder.path().join("config"), "anything").unwrap();
        repository(&folder.path().join("work/.git"), CLONED);
        assert_eq!(look(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn what_would_run_is_named_with_who_would_run_it() {
        for (config, key) in [
            ("[core]\n\tfsmonitor = sh -c id", "core.fsmonitor"),
            ("[core] hooksPath = x", "core.hookspath"),
            ("[CORE]\nSSHCommand=x", "core.sshcommand"),
            ("[include]\n\tpath = ../evil", "include.path"),
            ("[filter \"x\"]\n\tclean = id", "filter.clean"),
            ("[diff \"x\"]\n\ttextconv = id", "diff.textconv"),
            ("[alias]\n\tst = !id", "alias.st"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            repository(&folder.path().join(".git"), &format!("{CLONED}{config}\n"));
            assert_eq!(look(folder.path()), [format!(".git/config (git: {key})")], "{config}");
        }
        let folder = tempfile::tempdir().unwrap();
        repository(&folder.path().join("bare"), CLONED);
        let hook = folder.path().join("bare/hooks/post-checkout");
        fs::write(&hook, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join(".envrc"), "id").unwrap();
        assert_eq!(look(folder.path()), [".envrc (direnv)", "bare/hooks/post-checkout (git)"]);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join(".envrc"), "id").unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("link")).unwrap();
        assert_eq!(look(folder.path()), Vec::<String>::new());
        repository(&folder.path().join(".git"), CLONED);
        assert_eq!(look(folder.path()), Vec::<String>::new());
        fs::remove_file(folder.path().join(".git/config")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join(".git/config")).unwrap();
        assert_eq!(look(folder.path()), [".git/config (git: unreadable)"]);
    }
}
