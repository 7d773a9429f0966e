//! An owner's image: one of Doorward's, plus additions. Its build has no network: everything it
//! needs was fetched before, through a door.

use std::{collections::HashMap, time::Duration};

use bollard::errors::Error;
use sha2::{Digest, Sha256};

use super::{Addition, AgentProgram, BuildError, Fetched, Image, ImageId, agent, base, dockerfile, exists, remove};
use crate::Engine;

/// The label with the engine's id of the base image.
const BUILT_ON: &str = "doorward.built-on";

/// An installer may compile something.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The parts of an owner's image.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// The agent whose image it extends; the base image if there is none.
    pub from: Option<&'static AgentProgram>,
    /// What is added.
    pub addition: Addition,
    /// The script that fetches what is added; empty if nothing is fetched.
    pub fetch: String,
}

/// The state of an extension's image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is not there.
    Missing,
    /// Its base image was rebuilt since.
    Outdated,
    /// It matches its files.
    Current,
}

impl Extension {
    /// The name of its image: a new one for each change of its files or its base image.
    pub fn tag(&self) -> String {
        format!("doorward/{}:{}", self.name, self.recipe())
    }

    /// The name of its base image.
    pub fn from_tag(&self) -> String {
        self.from.map_or_else(base::base_tag, agent::agent_tag)
    }

    fn dockerfile(&self) -> String {
        self.addition.on(&self.from_tag())
    }

    /// A hash of all of its files. What `fetch` finds may differ from day to day, unless the script checks hashes.
    fn recipe(&self) -> String {
        let digest = Sha256::digest([&self.dockerfile(), &self.fetch].map(String::as_str).join("\0"));
        digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The state of its image.
pub async fn standing(engine: &Engine, extension: &Extension) -> Result<Standing, Error> {
    let tag = extension.tag();
    if !exists(engine, &tag).await? {
        return Ok(Standing::Missing);
    }
    let labels = engine.docker.inspect_image(&tag).await?.config.and_then(|config| config.labels).unwrap_or_default();
    let now = id(engine, &extension.from_tag()).await?;
    let same = now.is_none() || labels.get(BUILT_ON) == now.as_ref();
    Ok(if same { Standing::Current } else { Standing::Outdated })
}

/// Builds the image on its base image, which must exist, with the fetched files.
pub async fn build_extension(
    engine: &Engine,
    extension: &Extension,
    fetched: &Fetched,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<ImageId, BuildError> {
    let (tag, from) = (extension.tag(), extension.from_tag());
    // The engine would ask a registry for a missing one.
    let on = id(engine, &from).await?.ok_or_else(|| BuildError::NothingToBuildOn(from))?;
    let before = id(engine, &tag).await?;
    let context = dockerfile::with_archive(&[("Dockerfile", &extension.dockerfile())], fetched.archive()).await;
    let build = dockerfile::Build {
        tag: &tag,
        labels: dockerfile::labels(extension.recipe(), [(BUILT_ON, on)]),
        arguments: HashMap::new(),
        network: false,
        patience: PATIENCE,
    };
    dockerfile::build(engine, build, context.map_err(Error::from)?, progress).await?;
    if let Some(before) = before
        && id(engine, &tag).await?.as_ref() != Some(&before)
    {
        // It no longer has a name. One in use by a sandbox stays, for `docker image prune`.
        remove(engine, &Image { id: before, tags: Vec::new(), size: 0, recipe: String::new() }).await?;
    }
    Ok(ImageId { tag, built: true })
}

/// The engine's id of an image.
async fn id(engine: &Engine, image: &str) -> Result<Option<String>, Error> {
    match engine.docker.inspect_image(image).await {
        Ok(found) => Ok(found.id),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_name_changes_with_whatever_is_written_down() {
        let one = |from, addition, fetch: &str| Extension {
            name: "tools".to_owned(),
            from: AgentProgram::named(from),
            addition: Addition::parse(addition).unwrap(),
            fetch: fetch.to_owned(),
        };
        let usual = one("claude", "COPY files/a /a", "curl x").tag();
        assert_eq!(usual, one("claude", "# a word\nCOPY files/a /a", "curl x").tag());
        for other in [
            one("", "COPY files/a /a", "curl x"),
            one("claude", "COPY files/b /a", "curl x"),
            one("claude", "COPY files/a /a", "curl y"),
        ] {
            assert_ne!(usual, other.tag());
        }
        assert!(usual.starts_with("doorward/tools:") && usual.len() == "doorward/tools:".len() + 12);
        assert_eq!(super::super::how_to_get(&usual), "doorward image build tools");
    }
}
