//! The command line: one file per command.
//!
//! To add a command: a file with its arguments (a `clap::Args` whose doc comment is its help) and `run`, a line in
//! `Command`, a line in `Command::run`.

pub mod ask;
pub mod audit;
pub mod backup;
pub mod chat;
pub mod credential;
pub mod doctor;
pub mod door;
pub mod drill;
pub mod exec;
pub mod group;
pub mod image;
pub mod import;
pub mod pages;
pub mod lock;
pub mod logs;
pub mod mount;
pub mod pause;
pub mod policy;
pub mod requests;
pub mod restore;
pub mod secret;
pub mod service;
pub mod setup;
pub mod skill;
pub mod status;
pub mod stop;
pub mod task;
pub mod tour;
pub mod undelivered;
pub mod uninstall;
pub mod up;
pub mod usage;
pub mod whatsapp;

mod agent;
mod ahead;
mod change;
mod failure;
mod hidden;
mod log;
mod progress;
mod question;
mod reach;
mod show;
mod stoppable;
mod times;
mod when;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub use failure::{Failure, environment, refused, usage};

use crate::home::Home;

/// A personal assistant in your chats whose only way out is a door you control.
///
/// An agent answers from inside a container that has no network at all. Its one way
/// out is Doorward's door: what your policy for that group names goes through, all
/// else is refused, and both are written down.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, after_help = FIRST_STEPS, after_long_help = concat_help())]
pub struct Cli {
    /// Keep everything of this installation under DIR (or set DOORWARD_HOME).
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  doorward tour                            see it at work, with nothing set up
  doorward setup                           set it up: chats, agent, key, what it may reach
  doorward doctor                          is everything there?
  doorward chat                            talk to a group (makes the first one, `main`)
  doorward policy explain main GET https://example.org/
                                           may it reach this, and which line says so?
  doorward audit                           what went out, what was refused
  doorward drill                           attack your own installation";

const EXIT_CODES: &str = "\
Exit codes:
  0  done, allowed
  1  refused or failed
  2  the command line is wrong
  3  the surroundings are: no container engine, the home is in use, no space";

fn concat_help() -> String {
    format!("{FIRST_STEPS}\n\n{EXIT_CODES}")
}

#[derive(Debug, Subcommand)]
enum Command {
    Setup(setup::SetupArgs),
    Tour(tour::TourArgs),
    Up(up::UpArgs),
    Chat(chat::ChatArgs),
    Group(group::GroupArgs),
    Agent(agent::AgentArgs),
    Policy(policy::PolicyArgs),
    Skill(skill::SkillArgs),
    Ask(ask::AskArgs),
    Requests(requests::RequestsArgs),
    Task(task::TaskArgs),
    Undelivered(undelivered::UndeliveredArgs),
    Usage(usage::UsageArgs),
    /// See what was asked at the door, and what became of it
    Audit(audit::AuditArgs),
    Credential(credential::CredentialArgs),
    Secret(secret::SecretArgs),
    Exec(exec::ExecArgs),
    Door(door::DoorArgs),
    Stop(stop::StopArgs),
    Lock(lock::LockArgs),
    Unlock(lock::UnlockArgs),
    Pause(pause::PauseArgs),
    Resume(pause::ResumeArgs),
    Status(status::StatusArgs),
    Logs(logs::LogsArgs),
    Whatsapp(whatsapp::WhatsappArgs),
    Image(image::ImageArgs),
    Mount(mount::MountArgs),
    Drill(drill::DrillArgs),
    Doctor(doctor::DoctorArgs),
    Backup(backup::BackupArgs),
    Restore(restore::RestoreArgs),
    Import(import::ImportArgs),
    Service(service::ServiceArgs),
    Uninstall(uninstall::UninstallArgs),
    #[command(hide = true)]
    Pages(pages::PagesArgs),
}

impl Command {
    /// Whether it reports itself what is wrong with a home, or needs none.
    fn looks_by_itself(&self) -> bool {
        matches!(self, Command::Doctor(_) | Command::Tour(_) | Command::Pages(_))
    }

    async fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        match self {
            Command::Setup(args) => setup::run(home, args).await,
            Command::Tour(args) => tour::run(home, args).await,
            Command::Up(args) => up::run(home, args).await,
            Command::Chat(args) => chat::run(home, args).await,
            Command::Group(args) => group::run(home, args).await,
            Command::Agent(args) => agent::run(home, args).await,
            Command::Policy(args) => policy::run(home, args).await,
            Command::Skill(args) => skill::run(home, args),
            Command::Ask(args) => ask::run(home, args).await,
            Command::Requests(args) => requests::run(home, &args),
            Command::Task(args) => task::run(home, args).await,
            Command::Undelivered(args) => undelivered::run(home, &args),
            Command::Usage(args) => usage::run(home, &args),
            Command::Audit(args) => Ok(audit::run(&args, home)?),
            Command::Credential(args) => credential::run(home, args),
            Command::Secret(args) => secret::run(home, args),
            Command::Exec(args) => exec::run(home, args).await,
            Command::Door(args) => door::run(home, args).await,
            Command::Stop(args) => stop::run(home, args).await,
            Command::Lock(args) => lock::lock(home, args).await,
            Command::Unlock(args) => lock::unlock(home, args).await,
            Command::Pause(args) => pause::pause(home, args).await,
            Command::Resume(args) => pause::resume(home, args).await,
            Command::Status(args) => status::run(home, args).await,
            Command::Logs(args) => logs::run(home, args).await,
            Command::Whatsapp(args) => whatsapp::run(home, args).await,
            Command::Drill(args) => drill::run(home, args).await,
            Command::Image(args) => image::run(home, args).await,
            Command::Mount(args) => mount::run(home, args),
            Command::Doctor(args) => doctor::run(home, args).await,
            Command::Backup(args) => backup::run(home, args).await,
            Command::Restore(args) => restore::run(home, args).await,
            Command::Import(args) => import::run(home, args).await,
            Command::Service(args) => service::run(home, args),
            Command::Uninstall(args) => uninstall::run(home, args).await,
            Command::Pages(args) => pages::run(&args),
        }
    }
}

/// On a terminal of this width, no example of a command is broken.
const BROKEN_BY_CLAP: usize = 80;

/// The program: parses the command line, runs the command, reports failures.
pub fn run() -> ExitCode {
    let mut line = Cli::command();
    // clap breaks lines anywhere; on a narrow terminal `show` wraps them and keeps commands whole.
    if show::Screen::stdout().columns().is_some_and(|columns| columns < BROKEN_BY_CLAP) {
        line = line.term_width(0);
    }
    let cli = match line.try_get_matches().and_then(|given| Cli::from_arg_matches(&given)) {
        Ok(cli) => cli,
        Err(answer) => return failure::command_line(&answer),
    };
    match run_command(cli) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn run_command(cli: Cli) -> Result<ExitCode, Failure> {
    let home = Home::find(cli.home.as_deref()).map_err(usage)?;
    if !cli.command.looks_by_itself() {
        can_be_read(&home).map_err(environment)?;
    }
    times::go_by(&home);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(environment)?;
    let code = runtime.block_on(cli.command.run(&home));
    // A pending read from the terminal must not delay the exit.
    runtime.shutdown_background();
    code
}

/// Fails if a folder of a home exists but is no folder, or this user may not read it: it would look empty without being
/// so.
fn can_be_read(home: &Home) -> anyhow::Result<()> {
    let settings = [home.config_dir().to_owned(), home.policies_dir(), home.groups_dir(), home.skills_files_dir()];
    for dir in settings.into_iter().chain([home.data().to_owned(), home.audit_log()]) {
        match std::fs::read_dir(&dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot read {}", dir.display()));
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_home_that_cannot_be_looked_into_is_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("home")).unwrap();
        can_be_read(&home).unwrap();
        std::fs::write(home.config_dir(), "a file").unwrap();
        assert!(can_be_read(&home).unwrap_err().to_string().starts_with("cannot read "));
        std::fs::remove_file(home.config_dir()).unwrap();
        home.prepare().unwrap();
        can_be_read(&home).unwrap();
        std::fs::write(home.audit_log(), "a file").unwrap();
        assert!(can_be_read(&home).unwrap_err().to_string().contains("data/audit"));
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every new command is on the page, too.
    #[test]
    fn the_page_has_every_command() {
        let page = include_str!("../../docs/command-line.md");
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            let row = format!("| `{name}");
            let beside = format!("`{name} [");
            assert!(page.contains(&row) || page.contains(&beside), "docs/command-line.md says nothing of `{name}`");
        }
    }

    /// The help of each command, at each width: no line is too long, no word broken.
    #[test]
    fn help_fits_every_terminal() {
        fn look(command: &clap::Command) -> usize {
            let help = command.clone().render_long_help().to_string();
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            for columns in [40, 80, 120] {
                let shown = show::wrap(&help, columns);
                let is_whole = |line: &str| {
                    let line = line.trim_start();
                    line.starts_with(['`', '(']) || line.strip_prefix("sudo ").unwrap_or(line).starts_with("doorward ")
                };
                let is_command = |line: &str| is_whole(line) && help.contains(line.trim());
                let wider = shown.lines().find(|line| line.trim_end().chars().count() > columns && !is_command(line));
                assert_eq!(wider, None, "{} at {columns}", command.get_name());
                assert_eq!(words(&shown), words(&help), "{} at {columns}", command.get_name());
            }
            let examples = help.lines().filter(|line| line.starts_with("  doorward "));
            let mut examples = examples.filter_map(|line| line.trim_start().split("  ").next());
            assert_eq!(examples.find(|example| example.len() + 2 > BROKEN_BY_CLAP), None);
            1 + command.get_subcommands().map(look).sum::<usize>()
        }
        let mut command = Cli::command();
        command.build();
        assert!(look(&command) > 60);
    }

    #[test]
    fn every_command_says_what_it_is_for() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
