//! `doorward image`: the images that sandboxes run.

use std::process::ExitCode;
use std::time::Instant;

use containers::{Engine, images};

use super::{Failure, environment, show};
use crate::config::Config;
use crate::home::Home;

/// Build or list the images that sandboxes run.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward image build     build the base image; a minute, and again only when its recipe changes
  doorward image list      what is there")]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ImageCommand {
    /// Build the base image, unless it is there
    Build,
    /// Show the images that were built for Doorward
    List {
        /// One line of JSON each
        #[arg(long)]
        json: bool,
    },
}

/// Runs the command.
pub(super) async fn run(home: &Home, args: ImageArgs) -> Result<ExitCode, Failure> {
    let config = Config::load(home)?;
    let engine = Engine::connect(config.engine.host.as_deref()).await.map_err(environment)?;
    match args.command {
        ImageCommand::Build => {
            let image = build(&engine).await?;
            let what = if image.built { "was built" } else { "is there already" };
            show::line(&format!("The base image {} {what}.", image.tag))?;
        }
        ImageCommand::List { json } => list(&engine, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The base image, built first where it is missing: says so on stderr.
pub(super) async fn ensure_base(engine: &Engine) -> Result<(), Failure> {
    if !images::exists(engine, &images::base_tag()).await.map_err(environment)? {
        show::aside("The base image for sandboxes is not there yet, so it is built first. This happens once.");
        build(engine).await?;
    }
    Ok(())
}

async fn build(engine: &Engine) -> Result<images::ImageId, Failure> {
    let started = Instant::now();
    let progress =
        |step: &str| show::aside(&format!("  {:>3} s  {}", started.elapsed().as_secs(), show::visible(step)));
    images::build_base(engine, &progress).await.map_err(environment)
}

async fn list(engine: &Engine, json: bool) -> Result<(), Failure> {
    let current = images::base_tag();
    let found = images::list(engine).await.map_err(environment)?;
    if json {
        for image in &found {
            let in_use = image.tags.contains(&current);
            show::json(
                &serde_json::json!({ "id": image.id, "tags": image.tags, "bytes": image.size, "current": in_use }),
            )?;
        }
        return Ok(());
    }
    if found.is_empty() {
        show::line("There is no image yet; `doorward image build` makes the base image.")?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|image| {
            let what = if image.tags.contains(&current) { "current" } else { "of another version" };
            vec![image.tags.join(", "), format!("{} MB", image.size / 1_000_000), what.to_owned()]
        })
        .collect();
    Ok(show::line(&show::table(&["IMAGE", "SIZE", "RECIPE"], &rows))?)
}
