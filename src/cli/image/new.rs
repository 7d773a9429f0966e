//! `doorward image new`: creates the files of an image of the owner's, to be filled in.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};

use super::super::{Failure, change, refused, show, usage};
use super::NAMES;
use crate::home::{Home, create_private_dir};
use crate::images::policy_of;

#[derive(Debug, clap::Args)]
pub(super) struct NewArgs {
    /// What it is called
    name: String,
    /// The image that it begins with
    #[arg(long, default_value = "base", value_parser = NAMES)]
    from: String,
    /// With what is already written for it
    #[arg(long = "with", value_name = "RECIPE", value_parser = recipe_names())]
    recipe: Option<String>,
}

/// The files for an image; `NAME` stands for its name.
struct Recipe {
    name: &'static str,
    addition: &'static str,
    fetch: &'static str,
}

const EMPTY: Recipe = Recipe {
    name: "empty",
    addition: include_str!("recipes/empty/Dockerfile.add"),
    fetch: include_str!("recipes/empty/fetch"),
};

static RECIPES: [Recipe; 1] = [Recipe {
    name: "browser",
    addition: include_str!("recipes/browser/Dockerfile.add"),
    fetch: include_str!("recipes/browser/fetch"),
}];

fn recipe_names() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.name).collect()
}

pub(super) fn run(home: &Home, args: &NewArgs) -> Result<ExitCode, Failure> {
    let NewArgs { name, from, recipe } = args;
    let policy = policy_of(name).map_err(|why| usage(anyhow!(why)))?;
    let folder = home.images_dir().join(name);
    let (shown, file) = (folder.display(), home.policy_file(&policy));
    if folder.exists() {
        return Err(refused(anyhow!(
            "there is an image {name} already, in {shown}; change it there, or choose another name"
        )));
    }
    if file.exists() || change::registered(home)?.contains(&policy) {
        return Err(refused(anyhow!(
            "what {name} fetches would go by {}, and that is somebody's already; choose another name, or remove it",
            file.display()
        )));
    }
    let recipe = RECIPES.iter().find(|known| Some(known.name) == recipe.as_deref()).unwrap_or(&EMPTY);
    home.prepare()?;
    create_private_dir(&folder)?;
    let settings = format!("# Which of Doorward's images this one begins with.\nfrom = \"{from}\"\n");
    write(&folder.join("image.toml"), &settings)?;
    write(&folder.join("Dockerfile.add"), recipe.addition)?;
    write(&folder.join("fetch"), &recipe.fetch.replace("NAME", name))?;
    write(
        &file,
        &format!(
            "# What `fetch` of the image {name} may reach. When it is refused, the command that would allow it is shown.\n"
        ),
    )?;
    show::line(format!(
        "Your image {name} has its files in {shown}: `fetch` fetches what it needs, Dockerfile.add adds it to the {from} \
         image. What `fetch` may reach stands in {}: nothing yet.\n\nNext: doorward image build {name}\nThen: doorward group \
         set GROUP image {name}",
        file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a file of the owner's that does not exist yet.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = std::fs::OpenOptions::new().write(true).create_new(true).open(path);
    let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
    Ok(written.with_context(|| format!("cannot write {}", path.display()))?)
}
