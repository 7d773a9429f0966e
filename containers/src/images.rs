//! The images that sandboxes run: whether they exist, and how Doorward's own are built.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::query_parameters::{ListImagesOptionsBuilder, RemoveImageOptions};

use crate::Engine;

mod addition;
mod agent;
mod base;
mod dockerfile;
mod extension;
mod fetch;
mod fetched;
mod programs;
mod stream;
mod told;

pub use addition::{Addition, AdditionError, LONGEST_ADDITION};
pub use agent::{agent_tag, build_agent};
pub use base::{ImageId, base_tag, build_base};
pub use extension::{Extension, Standing, build_extension, standing};
pub use fetch::FetchError;
pub use fetched::{FILES, Fetched, FetchedError, MOST_FETCHED, PACK};
pub use programs::{AgentProgram, PROGRAMS};

/// Every image of Doorward's carries the hash of its recipe under this label.
pub(crate) const RECIPE: &str = "doorward.recipe";

/// An image that was built for Doorward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The engine's id.
    pub id: String,
    /// Its names.
    pub tags: Vec<String>,
    /// In bytes.
    pub size: u64,
    /// The hash of its recipe.
    pub recipe: String,
}

/// The image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The engine refused.
    #[error("the container engine could not build the image: {0}")]
    Engine(Error),
    /// A step failed.
    #[error("{step}{said}\n{error}")]
    Step {
        /// Which.
        step: String,
        /// The last lines that it wrote, each after a line break.
        said: String,
        /// What the engine says.
        error: Error,
    },
    /// Its base image is missing.
    #[error("the image {0} that it begins with is not there; `{how}` makes it", how = how_to_get(.0))]
    NothingToBuildOn(String),
    /// The engine's disk is full.
    #[error(
        "the disk where the container engine keeps its images is full; an image takes up to 800 MB there. Make room \
         (`docker system df` shows what is there, `docker image prune` removes what nothing uses), then try again"
    )]
    NoSpace,
    /// Part of it could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// mmdebstrap failed.
    #[error(
        "mmdebstrap could not build the base image ({status}): {said}\nCheck that this machine reaches its Debian mirror, then try again"
    )]
    Mmdebstrap {
        /// How it ended.
        status: String,
        /// The last lines that it wrote.
        said: String,
    },
    /// Neither way works.
    #[error(
        "the base image could not be built from {from}: {why}\nWhere no image registry can be reached, install \
         Debian's own tool and try again: `sudo apt-get install mmdebstrap`"
    )]
    NoRegistry {
        /// The Dockerfile's base.
        from: &'static str,
        /// What the engine said.
        why: String,
    },
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        if error.to_string().to_lowercase().contains("no space left") { Self::NoSpace } else { Self::Engine(error) }
    }
}

/// How to get a missing image.
pub fn how_to_get(image: &str) -> String {
    match image.strip_prefix("doorward/").and_then(|rest| rest.split_once(':')) {
        Some(("base", _)) => "doorward image build".to_owned(),
        Some((name, _)) => format!("doorward image build {name}"),
        None => "build or pull it with the container engine, or name another image".to_owned(),
    }
}

/// Whether an owner may give an image this name: the names of Doorward's own are taken.
pub fn is_free(name: &str) -> bool {
    name != "base" && AgentProgram::named(name).is_none()
}

/// The images that were built for Doorward.
pub async fn list(engine: &Engine) -> Result<Vec<Image>, Error> {
    let filters = HashMap::from([("label", vec![RECIPE.to_owned()])]);
    let listed = engine.docker.list_images(Some(ListImagesOptionsBuilder::new().filters(&filters).build())).await?;
    Ok(listed
        .into_iter()
        .filter_map(|mut image| {
            let recipe = image.labels.remove(RECIPE)?;
            Some(Image { id: image.id, tags: image.repo_tags, size: image.size.max(0) as u64, recipe })
        })
        .collect())
}

/// Removes an image unless a container uses it; returns whether it is gone.
pub async fn remove(engine: &Engine, image: &Image) -> Result<bool, Error> {
    for name in if image.tags.is_empty() { std::slice::from_ref(&image.id) } else { &image.tags } {
        match engine.docker.remove_image(name, None::<RemoveImageOptions>, None).await {
            Ok(_) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(Error::DockerResponseServerError { status_code: 409, .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Whether the engine has an image of this name.
pub async fn exists(engine: &Engine, image: &str) -> Result<bool, Error> {
    match engine.docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
