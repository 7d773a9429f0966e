//! Builds an image of the owner's: what it needs is fetched through a door, then the build runs without a network.

use anyhow::anyhow;
use containers::Engine;
use containers::images::{self, BuildError, Extension, ImageId, Standing};

use super::super::{Failure, environment, refused, show, up};
use super::fetch;
use crate::home::Home;

/// Builds it, unless it exists and matches its files.
pub(super) async fn build(home: &Home, engine: &Engine, own: &Extension, again: bool) -> Result<ImageId, Failure> {
    let standing = images::standing(engine, own).await.map_err(environment)?;
    if standing == Standing::Current && !again {
        return Ok(ImageId { tag: own.tag(), built: false });
    }
    super::ensure(home, engine, "base").await?;
    super::ensure(home, engine, own.from.map_or("base", |program| program.name)).await?;
    home.prepare()?;
    // Removed with its content, however this ends.
    let staging = tempfile::tempdir_in(home.run_dir()).map_err(anyhow::Error::new)?;
    let fetched = fetch::run(home, engine, own, staging.path()).await?;
    if !own.fetch.is_empty() {
        let (size, files) = (desk::size::about(fetched.bytes), fetched.files);
        let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
        show::aside(format!("`fetch` left {files}, {size}. Now the image is built, without network."));
    }
    let progress = super::progress();
    tokio::select! {
        built = images::build_extension(engine, own, &fetched, &progress) => built.map_err(|error| failed(home, own, error)),
        () = up::interrupted() => Err(environment(anyhow!("the build was interrupted; nothing of it is left"))),
    }
}

fn failed(home: &Home, own: &Extension, error: BuildError) -> Failure {
    match error {
        BuildError::Step { .. } => {
            let file = home.images_dir().join(&own.name);
            refused(anyhow!(
                "{} is not built: a step of {file}/Dockerfile.add failed.\n{error}\nThe build has no network; what a step \
                 needs, {file}/fetch fetches before.",
                own.name,
                file = file.display()
            ))
        }
        error => environment(error),
    }
}

/// The report about an image whose base has been rebuilt since.
pub(in crate::cli) fn outdated(own: &Extension) -> String {
    let from = own.from.map_or("base", |program| program.name);
    let name = &own.name;
    format!("the {from} image that {name} begins with was built anew since; `doorward image build {name}` does so too")
}
