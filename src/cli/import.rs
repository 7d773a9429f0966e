//! `doorward import`: takes over another assistant's data.

mod files;
mod group;
mod left;
mod report;
mod tasks;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::anyhow;

use super::{Failure, refused, show, task};
use crate::config::{Assistant, Config};
use crate::edit::Edit;
use crate::home::Home;
use crate::store::{NanoClaw, Store};
use report::Report;

/// Take over what another assistant has kept.
///
/// Groups, messages, memories, tasks and the list of folders that may be mounted come along; what does not is said, with
/// what to do instead. A task that you have to look at first is paused. The other program's files are read and not changed. To do it again takes what has come since, and nothing
/// twice.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward import nanoclaw ~/nanoclaw --dry-run
  doorward import nanoclaw ~/nanoclaw")]
pub struct ImportArgs {
    #[command(subcommand)]
    command: ImportCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ImportCommand {
    /// Take over from NanoClaw 1: its folder is the one with `store` and `groups` in it
    Nanoclaw(NanoclawArgs),
}

#[derive(Debug, clap::Args)]
struct NanoclawArgs {
    /// NanoClaw's folder
    dir: PathBuf,
    /// Its list of folders that may be mounted; where NanoClaw keeps it without a word
    #[arg(long, value_name = "FILE")]
    mount_allowlist: Option<PathBuf>,
    /// Say what would be taken, and take nothing
    #[arg(long)]
    dry_run: bool,
}

/// An import in progress.
struct Import<'a> {
    home: &'a Home,
    config: Config,
    /// `None` if there is no database yet and none is to be created.
    store: Option<Store>,
    source: NanoClaw,
    dir: &'a Path,
    assistant: String,
    dry_run: bool,
    report: Report,
}

/// NanoClaw's default name.
const USUAL_NAME: &str = "Andy";

pub(super) async fn run(home: &Home, args: ImportArgs) -> Result<ExitCode, Failure> {
    let ImportCommand::Nanoclaw(NanoclawArgs { dir, mount_allowlist, dry_run }) = args.command;
    let allowlist = mount_allowlist.or_else(usual_allowlist);
    let report = nanoclaw(home, &dir, allowlist.as_deref(), dry_run)?;
    show::line(report.text(&dir, dry_run))?;
    if !dry_run && report.has_taken("task") {
        task::tell_daemon(home).await?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nanoclaw(home: &Home, dir: &Path, allowlist: Option<&Path>, dry_run: bool) -> Result<Report, Failure> {
    let database = dir.join("store/messages.db");
    if !database.is_file() {
        let what = match dir.join("data/v2.db").is_file() {
            true => {
                "is of NanoClaw 2, whose database this command cannot read; a copy from before its migration can be"
            }
            false => "has no store/messages.db: name the folder that NanoClaw was started in",
        };
        return Err(refused(anyhow!("{} {what}", dir.display())));
    }
    let source = NanoClaw::open(&database).map_err(refused)?;
    let is_new = !home.main_db().exists();
    let store = if dry_run && is_new { None } else { Some(super::group::open_store(home)?) };
    let config = Config::load(home).map_err(refused)?;
    let assistant = assistant_of(dir);
    let mut import = Import { home, config, store, source, dir, assistant, dry_run, report: Report::default() };
    import.name()?;
    import.groups()?;
    import.shared_memory()?;
    import.allowlist(allowlist)?;
    import.tasks()?;
    import.left();
    Ok(import.report)
}

fn usual_allowlist() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".config/nanoclaw/mount-allowlist.json"))
}

/// The assistant's name from `.env`; nothing else in it is used, since it contains keys as well.
fn assistant_of(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join(".env")).unwrap_or_default();
    let name = text.lines().find_map(|line| line.trim().strip_prefix("ASSISTANT_NAME="));
    let name = name.map(|name| name.trim().trim_matches(['"', '\'']).to_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| USUAL_NAME.to_owned())
}

impl Import<'_> {
    /// Keeps the assistant's name, unless the owner has chosen one here.
    fn name(&mut self) -> Result<(), Failure> {
        if self.config.assistant.name != Assistant::default().name || self.config.assistant.name == self.assistant {
            return Ok(());
        }
        let edit = Edit::config(self.home)?.set(&["assistant"], "name", self.assistant.as_str())?;
        match edit.check() {
            Ok(_) if self.dry_run => {}
            Ok(_) => drop(edit.write()?),
            Err(_) => return Ok(()),
        }
        self.report.taken("name", format!("people call it @{}", self.assistant));
        Ok(())
    }

    /// The memory of all groups.
    fn shared_memory(&mut self) -> Result<(), Failure> {
        let (from, to) = (self.dir.join("groups/global"), self.home.global_dir());
        if !from.is_dir() {
            return Ok(());
        }
        if to.read_dir().is_ok_and(|mut inside| inside.next().is_some()) {
            self.report.there("memory", "the one for all groups");
            return Ok(());
        }
        let copied = files::copy(&from, &to, files::Whose::Owners, self.dry_run)?;
        self.report.taken("memory", format!("for all groups: {}", copied.said()));
        self.report.left_out("global", &copied.left);
        Ok(())
    }

    /// The list of folders that may be mounted.
    fn allowlist(&mut self, from: Option<&Path>) -> Result<(), Failure> {
        let Some((from, text)) = from.and_then(|from| Some((from, std::fs::read_to_string(from).ok()?))) else {
            return Ok(());
        };
        let to = self.home.config_dir().join("mount-allowlist.json");
        if let Err(error) = serde_json::from_str::<serde_json::Value>(&text) {
            self.report.left(format!("{}: it is no JSON ({error})", from.display()));
            return Ok(());
        }
        if to.exists() {
            self.report.there("mounts", &to.display().to_string());
            return Ok(());
        }
        if !self.dry_run {
            files::write_new(&to, text.as_bytes())?;
        }
        self.report.taken("mounts", format!("the list of folders that may be mounted, to {}", to.display()));
        Ok(())
    }
}
