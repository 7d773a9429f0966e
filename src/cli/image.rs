//! `doorward image`: the images of sandboxes.

mod fetch;
mod new;
mod own;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::anyhow;
use containers::Engine;
use containers::images::{self, AgentProgram, Extension, ImageId, Standing};

use super::show::{Styled, Tone};
use super::{Failure, environment, refused, show, up, usage};
use crate::config::Config;
use crate::home::Home;
use crate::images as owners;

pub(super) use own::outdated;

/// Build, list or try the images that sandboxes run, and make your own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward image build            the base image; a minute, and again only when its recipe changes
  doorward image build claude     the image with Claude Code, which pip or npm fetches (about 170 MB)
  doorward image build opencode   the image with opencode, which npm fetches (about 60 MB)
  doorward image build codex      the image with Codex, which npm fetches (about 75 MB)
  doorward image new tools        begin an image of yours; with --from claude, on Claude's
  doorward image build tools      fetch what it needs through a door, then build it without network
  doorward image list             what is there
  doorward image check            start each one and see whether what is in it runs")]
pub struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ImageCommand {
    /// Begin an image of yours: what it is made of is for you to write
    New(new::NewArgs),
    /// Build an image, unless it is there
    Build {
        /// Which: base, claude, opencode, codex, or one of yours
        #[arg(default_value = "base")]
        name: String,
        /// One of yours also where it is there: fetch and build it anew
        #[arg(long)]
        again: bool,
    },
    /// Show the images that were built for Doorward
    List {
        /// One line of JSON each
        #[arg(long)]
        json: bool,
    },
    /// Tell which images are there, which are of another version, and whether they work
    Check,
}

/// Doorward's own images: the base, and one for each agent that is a program.
const NAMES: [&str; 4] = ["base", "claude", "opencode", "codex"];

pub(super) async fn run(home: &Home, args: ImageArgs) -> Result<ExitCode, Failure> {
    let engine = async || {
        let config = Config::load(home)?;
        Engine::connect(config.engine.host.as_deref()).await.map_err(environment)
    };
    match args.command {
        ImageCommand::New(args) => return new::run(home, &args),
        ImageCommand::Build { name, again } => {
            let engine = engine().await?;
            let image = match owners::named(home, &name).map_err(refused)? {
                Some(own) => own::build(home, &engine, &own, again).await?,
                None if !NAMES.contains(&name.as_str()) => return Err(no_image(home, &name)),
                None if again => {
                    return Err(usage(anyhow!("--again is for images of yours; Doorward's own are pinned")));
                }
                None => build(home, &engine, &name).await?,
            };
            let what = if image.built { "was built" } else { "is there already" };
            show::line(format!("The {name} image {} {what}.", image.tag))?;
        }
        ImageCommand::List { json } => list(home, &engine().await?, json).await?,
        ImageCommand::Check => return check(home, &engine().await?).await,
    }
    Ok(ExitCode::SUCCESS)
}

fn no_image(home: &Home, name: &str) -> Failure {
    let own: Vec<String> = owners::all(home).into_iter().map(|(name, _)| name).collect();
    let all = NAMES.into_iter().chain(own.iter().map(String::as_str));
    let help = match desk::did_you_mean(name, all.clone()) {
        Some(meant) => format!("did you mean {meant}?"),
        None => format!("there are {}; `doorward image new {name}` begins one", all.collect::<Vec<_>>().join(", ")),
    };
    usage(anyhow!("there is no image {name}; {help}"))
}

/// A needed image, built first if it is missing, with a note on stderr.
pub(super) async fn ensure(home: &Home, engine: &Engine, name: &str) -> Result<(), Failure> {
    if !images::exists(engine, &tag(name)).await.map_err(environment)? {
        let how_long = match AgentProgram::named(name) {
            None => "a minute or two".to_owned(),
            Some(program) => format!("some minutes: about {} MB are fetched", program.megabytes),
        };
        show::aside(format!("The {name} image for sandboxes is built now. This happens once, and takes {how_long}."));
        build(home, engine, name).await?;
    }
    Ok(())
}

/// Prints each step with the seconds since the start.
fn progress() -> impl Fn(&str) + Send + Sync {
    let started = Instant::now();
    move |step: &str| show::aside(format!("  {:>3} s  {step}", started.elapsed().as_secs()))
}

async fn build(home: &Home, engine: &Engine, name: &str) -> Result<ImageId, Failure> {
    let built = async {
        let Some(program) = AgentProgram::named(name) else {
            return Ok(images::build_base(engine, &progress()).await?);
        };
        home.prepare()?;
        // Removed with its content, however the build ends.
        let staging = tempfile::tempdir_in(home.run_dir())?;
        Ok::<_, anyhow::Error>(images::build_agent(engine, program, staging.path(), &progress()).await?)
    };
    tokio::select! {
        built = built => built.map_err(environment),
        () = up::interrupted() => Err(environment(anyhow!("the build was interrupted; nothing of it is left"))),
    }
}

fn tag(name: &str) -> String {
    AgentProgram::named(name).map_or_else(images::base_tag, images::agent_tag)
}

/// The engine's names of the owner's images, and their states.
async fn standing_of(home: &Home, engine: &Engine) -> Result<Vec<(Extension, Standing)>, Failure> {
    let mut all = Vec::new();
    for own in owners::all(home).into_iter().filter_map(|(_, own)| own.ok()) {
        let standing = images::standing(engine, &own).await.map_err(environment)?;
        all.push((own, standing));
    }
    Ok(all)
}

/// The names of those in use.
fn in_use(theirs: &[(Extension, Standing)]) -> Vec<String> {
    let current = theirs.iter().filter(|(_, standing)| *standing == Standing::Current);
    NAMES.map(tag).into_iter().chain(current.map(|(own, _)| own.tag())).collect()
}

async fn list(home: &Home, engine: &Engine, json: bool) -> Result<(), Failure> {
    let current = in_use(&standing_of(home, engine).await?);
    let found = images::list(engine).await.map_err(environment)?;
    if json {
        for image in &found {
            let in_use = image.tags.iter().any(|tag| current.contains(tag));
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
    let rows: Vec<Vec<Styled>> = found
        .iter()
        .map(|image| {
            let in_use = image.tags.iter().any(|tag| current.contains(tag));
            let what = if in_use { Tone::Good.of("current") } else { Styled::from("of another version") };
            vec![image.tags.join(", ").into(), format!("{} MB", image.size / 1_000_000).into(), what]
        })
        .collect();
    Ok(show::line(show::table(&["IMAGE", "SIZE", "RECIPE"], &rows))?)
}

async fn check(home: &Home, engine: &Engine) -> Result<ExitCode, Failure> {
    let (mut rows, mut broken) = (Vec::new(), false);
    let mut row = |tag: String, state: Styled, what: String| rows.push(vec![tag.into(), state, what.into()]);
    for name in NAMES {
        let tag = tag(name);
        if images::exists(engine, &tag).await.map_err(environment)? {
            let (state, what) = tried(home, engine, AgentProgram::named(name), &tag, &mut broken).await?;
            row(tag, state, what);
        } else {
            // An agent's image is only needed once a group has that agent.
            broken |= name == "base";
            row(tag.clone(), Tone::Warning.of("missing"), images::how_to_get(&tag));
        }
    }
    for (name, why) in owners::all(home).into_iter().filter_map(|(name, own)| Some((name, own.err()?))) {
        broken = true;
        row(name, Tone::Bad.of("broken"), why.to_string());
    }
    let theirs = standing_of(home, engine).await?;
    for (own, standing) in &theirs {
        let (state, what) = match standing {
            Standing::Current => tried(home, engine, own.from, &own.tag(), &mut broken).await?,
            Standing::Missing => (Tone::Warning.of("missing"), images::how_to_get(&own.tag())),
            Standing::Outdated => (Tone::Warning.of("outdated"), outdated(own)),
        };
        row(own.tag(), state, what);
    }
    let known: Vec<String> = in_use(&theirs).into_iter().chain(theirs.iter().map(|(own, _)| own.tag())).collect();
    for image in images::list(engine).await.map_err(environment)? {
        for tag in image.tags.into_iter().filter(|tag| !known.contains(tag)) {
            let what = format!("of another version or installation; docker image rm {tag}");
            row(tag, Tone::Warning.of("stale"), what);
        }
    }
    show::line(show::table(&["IMAGE", "STATE", "WHAT"], &rows))?;
    Ok(ExitCode::from(u8::from(broken)))
}

/// Whether an image's programs run.
async fn tried(
    home: &Home,
    engine: &Engine,
    program: Option<&AgentProgram>,
    tag: &str,
    broken: &mut bool,
) -> Result<(Styled, String), Failure> {
    Ok(match try_out(home, engine, program, tag).await? {
        Ok(said) => (Tone::Good.of("works"), said),
        Err(why) => {
            *broken = true;
            (Tone::Bad.of("broken"), why)
        }
    })
}

/// The version that the image's main program reports, or why there is none.
async fn try_out(
    home: &Home,
    engine: &Engine,
    program: Option<&AgentProgram>,
    tag: &str,
) -> Result<Result<String, String>, Failure> {
    home.prepare()?;
    let (command, wanted) = match program {
        Some(program) => (program.says_version.to_owned(), program.version),
        None => ("curl --version | head -n 1".to_owned(), "curl"),
    };
    let dir = tempfile::Builder::new().prefix("try").tempdir_in(home.run_dir())?;
    let installation = home.installation_id()?;
    let tried = containers::try_out(engine, &installation, tag, &command, dir.path());
    let tried = tokio::select! {
        tried = tried => tried,
        () = up::interrupted() => return Err(environment(anyhow!("interrupted"))),
    };
    Ok(match tried {
        Ok(said) if said.contains(wanted) => Ok(said.trim().to_owned()),
        Ok(said) => Err(format!("`{command}` said: {}", said.trim())),
        Err(error) => Err(error.to_string()),
    })
}
