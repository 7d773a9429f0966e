//! `doorward uninstall`: removes from this machine what Doorward has put there.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use containers::Engine;
use containers::images::{self, Image};

use super::{Failure, environment, progress, refused, service, show, usage};
use crate::config::Config;
use crate::control::client::Client;
use crate::control::protocol::Request;
use crate::home::Home;
use crate::sandboxes::removal::remove_all;

/// Take off this machine what Doorward has put there: service, sandboxes, images.
///
/// Settings, policies, messages, folders of groups and the audit log stay, unless you say --data.
/// It shows first what it will remove, and asks.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward uninstall --dry-run     shows what it would remove
  doorward uninstall               keeps your data
  doorward uninstall --data        removes your data too; think of a backup")]
pub struct UninstallArgs {
    /// Remove settings, policies, messages, folders of groups, secrets and the audit log as well
    #[arg(long)]
    data: bool,
    /// Leave the images on the container engine: other installations there use the same ones
    #[arg(long)]
    keep_images: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What there is to remove.
struct Found {
    service: Option<PathBuf>,
    served: bool,
    engine: Option<Engine>,
    installation: Option<String>,
    sandboxes: usize,
    images: Vec<Image>,
    data: Vec<PathBuf>,
}

pub(super) async fn run(home: &Home, args: UninstallArgs) -> Result<ExitCode, Failure> {
    let found = progress::while_waiting("looking", look(home, &args)).await?;
    let plan = found.plan();
    if plan.is_empty() {
        show::line(format!("There is nothing to remove.\n{}", rest(home, args.data)))?;
        return Ok(ExitCode::SUCCESS);
    }
    show::line(format!("To be removed:\n  {}\n{}", plan.join("\n  "), rest(home, args.data)))?;
    if args.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && !confirmed(args.data)? {
        show::line("Nothing was removed.")?;
        return Ok(ExitCode::from(1));
    }
    for line in remove(home, &found).await? {
        show::line(line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn confirmed(data: bool) -> Result<bool, Failure> {
    if !show::is_interactive() {
        return Err(usage(anyhow!("nobody is here to ask; say it with --yes")));
    }
    let question = if data { "Remove all of this, your data for good?" } else { "Remove this?" };
    Ok(show::asks(question)?)
}

async fn look(home: &Home, args: &UninstallArgs) -> Result<Found, Failure> {
    let host = Config::load(home).ok().and_then(|config| config.engine.host);
    let engine = Engine::connect(host.as_deref()).await.ok();
    let installation = home.known_installation_id();
    let (mut sandboxes, mut images) = (0, Vec::new());
    if let Some(engine) = &engine {
        if let Some(id) = &installation {
            sandboxes = engine.running(id).await.map_err(environment)?.len();
        }
        if !args.keep_images {
            images = images::list(engine).await.map_err(environment)?;
        }
    }
    Ok(Found {
        service: service::installed(home).map(|(_, file)| file),
        served: home.is_served(),
        engine,
        installation,
        sandboxes,
        images,
        data: if args.data { home.everything() } else { Vec::new() },
    })
}

impl Found {
    fn plan(&self) -> Vec<String> {
        let mut plan = Vec::new();
        if let Some(file) = &self.service {
            plan.push(format!("the service {}", file.display()));
        }
        if self.served {
            plan.push("the running daemon".to_owned());
        }
        if self.sandboxes > 0 {
            plan.push(format!("sandboxes: {}", self.sandboxes));
        }
        for image in &self.images {
            plan.push(format!("the image {} ({} MB)", named(image), image.size / 1_000_000));
        }
        plan.extend(self.data.iter().map(|path| format!("{}, for good", path.display())));
        plan
    }
}

fn named(image: &Image) -> String {
    if image.tags.is_empty() { image.id.clone() } else { image.tags.join(", ") }
}

/// What is not removed, and how to remove it.
fn rest(home: &Home, data: bool) -> String {
    let mut text = String::new();
    if !data && !home.everything().is_empty() {
        text += &format!("Your data stay ({home}); --data removes them as well.\n");
    }
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("doorward"));
    text += "The program stays: ";
    text + &match program.starts_with("/usr/bin") {
        true => "sudo apt-get remove doorward".to_owned(),
        false => format!("rm {} {}", program.display(), program.with_file_name("doorward-whatsapp").display()),
    }
}

async fn remove(home: &Home, found: &Found) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    if let Some(file) = service::remove(home)? {
        done.push(format!("Removed the service {}.", file.display()));
    }
    end_daemon(home).await?;
    if let Some(engine) = &found.engine {
        if let Some(id) = &found.installation {
            // The daemon has removed its own.
            let left = progress::while_waiting("removing sandboxes", engine.remove_orphans(id, &[])).await;
            let gone = left.map_err(environment)?.len().max(found.sandboxes);
            done.extend((gone > 0).then(|| format!("Removed sandboxes: {gone}.")));
        }
        for image in &found.images {
            done.push(match images::remove(engine, image).await.map_err(environment)? {
                true => format!("Removed the image {}.", named(image)),
                false => format!("The image {} is in use by another container, and stays.", named(image)),
            });
        }
    } else {
        done.push("No container engine answers; what is on it stays there.".to_owned());
    }
    for path in &found.data {
        remove_all(path).with_context(|| path.display().to_string())?;
        done.push(format!("Removed {}.", path.display()));
    }
    // Folders made only for Doorward are left empty.
    if !found.data.is_empty() {
        let _ = fs::remove_dir(home.config_dir());
    }
    Ok(done)
}

/// Ends the daemon that serves the home, and waits for its end.
async fn end_daemon(home: &Home) -> Result<(), Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else {
        return match home.is_served() {
            true => Err(refused(anyhow!("a daemon serves {home} and does not listen; end it, then say this again"))),
            false => Ok(()),
        };
    };
    let (_, held) = client.ask(&Request::Shutdown {}).await?;
    drop(held);
    let ended = async {
        while home.is_served() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    progress::while_waiting("ending the daemon", ended).await;
    Ok(())
}
