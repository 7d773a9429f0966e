//! `doorward service`: the daemon as a systemd service.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, anyhow};

use super::show::Styled;
use super::{Failure, environment, refused, show, usage};
use crate::home::Home;
use crate::units::{self, Manager};

/// Let systemd keep the daemon running: from boot on, and after a crash.
///
/// As an ordinary user it is a service of yours. As root it is one of the system, which runs as the
/// user that --for names. `install` writes the unit and starts nothing, unless you say --now.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward service install --now             starts it, now and at each boot
  sudo doorward service install --for alice  the system's, running as alice
  doorward service status
  journalctl --user -u doorward -f           what it logs")]
pub struct ServiceArgs {
    #[command(subcommand)]
    command: ServiceCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ServiceCommand {
    /// Write the unit
    Install {
        /// Start it too, now and at each boot
        #[arg(long)]
        now: bool,
        /// As root: the user that it runs as
        #[arg(long = "for", value_name = "USER")]
        user: Option<String>,
        /// Show the unit and where it would stand, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Tell whether there is one, and whether it runs
    Status,
    /// Stop it and remove the unit
    Remove,
}

pub(super) fn run(home: &Home, args: ServiceArgs) -> Result<ExitCode, Failure> {
    match args.command {
        ServiceCommand::Install { now, user, dry_run } => install(home, user, now, dry_run),
        ServiceCommand::Status => status(home),
        ServiceCommand::Remove => {
            let removed = remove(home)?;
            show::line(match removed {
                Some(file) => format!("The service is stopped, and {} removed.", file.display()),
                None => "There is no service.".to_owned(),
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn install(home: &Home, user: Option<String>, now: bool, dry_run: bool) -> Result<ExitCode, Failure> {
    let manager = manager(user.as_deref())?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    // Another user's home is at its default place, unless one was named.
    let places = if user.is_some() { home.where_it_was_named() } else { home.environment() };
    let unit = units::unit(&manager, &program, &places).map_err(refused)?;
    let file = file(&manager, home)?;
    if dry_run {
        show::line(Styled::from(format!("{}:\n\n", file.display())) + Styled::fixed(unit.trim_end()))?;
        return Ok(ExitCode::SUCCESS);
    }
    needs_systemd()?;
    if now && home.is_served() && !is_active(&manager) {
        let by = home.served_by().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
        return Err(environment(anyhow!("a daemon{by} serves {home} already; end it first, then say this again")));
    }
    write(&file, &unit)?;
    systemctl(&manager, &["daemon-reload"])?;
    let mut text = format!("Wrote {}.", file.display());
    if now {
        systemctl(&manager, &["enable", units::NAME])?;
        systemctl(&manager, &["restart", units::NAME])?;
        text += "\nThe daemon runs, and starts at each boot.";
        text += &linger(&manager);
    } else {
        let ctl = said(&manager);
        text += &format!("\nNothing was started. Start it, now and at each boot:\n  {ctl} enable --now doorward");
        if manager == Manager::Own {
            text += "\nIt ends when you log out, unless you say once:\n  loginctl enable-linger";
        }
    }
    show::line(text)?;
    Ok(ExitCode::SUCCESS)
}

fn status(home: &Home) -> Result<ExitCode, Failure> {
    let served = match home.served_by() {
        Some(pid) => format!("A daemon serves {home} (pid {pid})."),
        None if home.is_served() => format!("A daemon serves {home}."),
        None => format!("No daemon serves {home}."),
    };
    let Some((manager, file)) = installed(home) else {
        show::line(format!("There is no service; `doorward service install` makes one.\n{served}"))?;
        return Ok(ExitCode::from(1));
    };
    let state = |verb| asked(&manager, &[verb, units::NAME]).unwrap_or_else(|| "unknown".to_owned());
    let active = state("is-active");
    show::line(format!(
        "{}\n  now      {active}\n  at boot  {}\n{served}\nIts log: {} -u doorward",
        file.display(),
        state("is-enabled"),
        if manager == Manager::Own { "journalctl --user" } else { "journalctl" },
    ))?;
    Ok(ExitCode::from(u8::from(active != "active")))
}

/// Writes the caller's unit, and (re)starts it, now and at each boot.
pub(super) fn start(home: &Home) -> Result<(), Failure> {
    install(home, None, true, false).map(drop)
}

/// Stops the caller's service until it is started again; `false` if there is none.
pub(super) fn pause(home: &Home) -> Result<bool, Failure> {
    let Some((manager, _)) = installed(home).filter(|(manager, _)| runs_systemd() && is_active(manager)) else {
        return Ok(false);
    };
    systemctl(&manager, &["stop", units::NAME])?;
    Ok(true)
}

/// Starts a paused service again.
pub(super) fn resume(home: &Home) -> Result<(), Failure> {
    installed(home).map_or(Ok(()), |(manager, _)| systemctl(&manager, &["start", units::NAME]))
}

/// Stops the service and removes its unit; returns that file's path.
pub(super) fn remove(home: &Home) -> Result<Option<PathBuf>, Failure> {
    let Some((manager, file)) = installed(home) else { return Ok(None) };
    if runs_systemd() {
        systemctl(&manager, &["disable", "--now", units::NAME])?;
    }
    std::fs::remove_file(&file).with_context(|| file.display().to_string())?;
    if runs_systemd() {
        systemctl(&manager, &["daemon-reload"])?;
    }
    Ok(Some(file))
}

/// The unit that `install` has written for the caller.
pub(super) fn installed(home: &Home) -> Option<(Manager, PathBuf)> {
    let manager = manager(None).ok()?;
    let file = manager.file(home).filter(|file| file.exists())?;
    Some((manager, file))
}

fn manager(user: Option<&str>) -> Result<Manager, Failure> {
    let root = rustix::process::geteuid().is_root();
    match user {
        None if root => Ok(Manager::System { user: "root".to_owned() }),
        None => Ok(Manager::Own),
        Some(_) if !root => Err(usage(anyhow!("only root can install a service for somebody; leave --for out"))),
        Some(user) if is_user(user) => Ok(Manager::System { user: user.to_owned() }),
        Some(user) => Err(usage(anyhow!("there is no user {user:?} here; `getent passwd` lists them"))),
    }
}

fn is_user(user: &str) -> bool {
    let plain = user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    plain && program("getent").args(["passwd", user]).status().is_ok_and(|status| status.success())
}

fn file(manager: &Manager, home: &Home) -> Result<PathBuf, Failure> {
    manager.file(home).ok_or_else(|| environment(anyhow!("cannot tell where your units are: HOME is not set")))
}

fn write(file: &Path, unit: &str) -> Result<(), Failure> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let written = std::fs::create_dir_all(folder).and_then(|()| {
        let mut aside = tempfile::NamedTempFile::new_in(folder)?;
        io::Write::write_all(&mut aside, unit.as_bytes())?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        aside.as_file().set_permissions(readable)?;
        aside.persist(file)?;
        Ok::<_, io::Error>(())
    });
    Ok(written.with_context(|| format!("cannot write {}", file.display()))?)
}

/// Whether systemd is the machine's first process (sd_booted(3)).
fn runs_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// What to do if systemd does not run; `None` if it does.
pub(super) fn without_systemd() -> Option<String> {
    if runs_systemd() {
        return None;
    }
    let program = std::env::current_exe().unwrap_or_else(|_| "doorward".into());
    let program = program.display();
    Some(format!(
        "systemd does not run here, so there is no service to install. Have what starts services on your system run \
         `{program} up` as you: it stays in the foreground, logs to stderr and ends on SIGTERM. Without any: \
         `setsid {program} up >doorward.log 2>&1 </dev/null &` stays up after this terminal closes, until the next boot"
    ))
}

fn needs_systemd() -> Result<(), Failure> {
    without_systemd().map_or(Ok(()), |what_to_do| Err(environment(anyhow!(what_to_do))))
}

/// A user's own service ends with their last session, unless lingering is enabled.
fn linger(manager: &Manager) -> String {
    if *manager != Manager::Own {
        return String::new();
    }
    let lingers = || {
        let user = rustix::process::getuid().as_raw().to_string();
        let arguments = ["show-user", user.as_str(), "--property=Linger", "--value"];
        let output = program("loginctl").args(arguments).stdout(Stdio::piped()).output();
        output.is_ok_and(|output| output.stdout.starts_with(b"yes"))
    };
    if lingers() || program("loginctl").arg("enable-linger").status().is_ok_and(|status| status.success()) {
        return "\nIt stays up when you log out (`loginctl disable-linger` undoes that).".to_owned();
    }
    "\nIt ends when you log out, unless you say once: sudo loginctl enable-linger \"$USER\"".to_owned()
}

fn is_active(manager: &Manager) -> bool {
    asked(manager, &["is-active", units::NAME]).as_deref() == Some("active")
}

fn said(manager: &Manager) -> String {
    std::iter::once("systemctl").chain(manager.arguments().iter().copied()).collect::<Vec<_>>().join(" ")
}

/// systemctl's one-word answer.
fn asked(manager: &Manager, arguments: &[&str]) -> Option<String> {
    let output = program("systemctl").args(manager.arguments()).args(arguments).stdout(Stdio::piped()).output().ok()?;
    let word = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Some(word).filter(|word| !word.is_empty())
}

fn systemctl(manager: &Manager, arguments: &[&str]) -> Result<(), Failure> {
    let output = program("systemctl").args(manager.arguments()).args(arguments).stderr(Stdio::piped()).output();
    let what = format!("{} {}", said(manager), arguments.join(" "));
    let output = output.with_context(|| what.clone()).map_err(environment)?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(environment(anyhow!("`{what}` failed: {why}")))
}

/// One of systemd's own programs.
#[expect(clippy::disallowed_methods, reason = "systemd's own programs, at the owner's word; see docs/exits.md")]
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
