//! The images that sandboxes run: whether they are there, and building the base one.

use std::collections::HashMap;

use bollard::{errors::Error, query_parameters::ListImagesOptionsBuilder};

use crate::Engine;

mod base;
mod stream;

pub use base::{BuildError, ImageId, base_tag, build_base};

/// Every image of Doorward's own carries the hash of its recipe under this label.
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

/// Whether the engine has an image of this name.
pub async fn exists(engine: &Engine, image: &str) -> Result<bool, Error> {
    match engine.docker.inspect_image(image).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error),
    }
}
