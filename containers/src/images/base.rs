//! The base image, from one recipe by whichever way works here: Debian's own
//! mmdebstrap needs no image registry; the Dockerfile needs one, and no tools.

use std::time::Duration;

use bollard::{
    body_full,
    errors::Error,
    query_parameters::{BuildImageOptionsBuilder, BuilderVersion},
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::{RECIPE, exists, stream};
use crate::Engine;

/// An image that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageId {
    /// Its name, for [`crate::SandboxSpec::image`].
    pub tag: String,
    /// Whether it was built just now.
    pub built: bool,
}

/// The image could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The engine said no.
    #[error("the container engine could not build the base image: {0}")]
    Engine(#[from] Error),
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

const PACKAGES: &str = include_str!("../../images/base/packages");
const DOCKERFILE: &str = include_str!("../../images/base/Dockerfile");
const FROM: &str = "debian:bookworm-slim";
const SUITE: &str = "bookworm";
const REPOSITORY: &str = "doorward/base";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Downloads of a few hundred megabytes on a slow line.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The name of the base image of this Doorward's recipe.
pub fn base_tag() -> String {
    format!("{REPOSITORY}:{}", recipe())
}

/// Builds the base image unless it is there. `progress` is told what is being done,
/// in a few words, whenever that changes.
pub async fn build_base(engine: &Engine, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<ImageId, BuildError> {
    let tag = base_tag();
    if exists(engine, &tag).await? {
        return Ok(ImageId { tag, built: false });
    }
    let present = Command::new("mmdebstrap").arg("--version").output().await.is_ok_and(|run| run.status.success());
    if present {
        progress("building the base image from Debian packages (about a minute)");
        with_mmdebstrap(engine, progress).await?;
    } else {
        progress("building the base image from debian:bookworm-slim (about a minute)");
        with_dockerfile(engine, progress).await?;
    }
    Ok(ImageId { tag, built: true })
}

/// A hash over all that decides what is in the image.
fn recipe() -> String {
    let arguments = mmdebstrap_arguments().join("\n");
    let digest = Sha256::digest([PACKAGES, DOCKERFILE, &arguments, PATH].join("\0"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

fn packages() -> Vec<&'static str> {
    PACKAGES.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|l| !l.is_empty()).collect()
}

/// The tarball goes to standard output.
fn mmdebstrap_arguments() -> Vec<String> {
    let mut arguments = vec!["--variant=minbase".to_owned(), format!("--include={}", packages().join(","))];
    // As in the slim images: nobody reads manuals in a sandbox.
    for folder in ["man", "doc", "info", "locale"] {
        arguments.push(format!("--dpkgopt=path-exclude=/usr/share/{folder}/*"));
    }
    arguments.push("--dpkgopt=path-include=/usr/share/doc/*/copyright".to_owned());
    for (file, line) in [("passwd", "agent:x:10001:10001:agent:/home/agent:/bin/bash"), ("group", "agent:x:10001:")] {
        arguments.push(format!("--customize-hook=echo {line} >> \"$1/etc/{file}\""));
    }
    arguments.extend(["--format=tar".to_owned(), SUITE.to_owned(), "-".to_owned()]);
    arguments
}

async fn with_mmdebstrap(engine: &Engine, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), BuildError> {
    let (body, outcome) = stream::of_command("mmdebstrap", &mmdebstrap_arguments())?;
    let changes =
        vec![format!("LABEL {RECIPE}={}", recipe()), format!("ENV PATH={PATH}"), "CMD [\"/bin/bash\"]".into()];
    let tag = base_tag();
    let import = stream::import(engine, &tag, changes, PATIENCE, body);
    let imported = stream::narrated(import, outcome, progress).await;
    match imported {
        (_, Err(ended)) => Err(BuildError::Mmdebstrap { status: ended.status, said: ended.said }),
        (result, Ok(())) => Ok(result?),
    }
}

async fn with_dockerfile(engine: &Engine, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<(), BuildError> {
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(&base_tag())
        .rm(true)
        .forcerm(true)
        .labels(&[(RECIPE.to_owned(), recipe())].into())
        .version(BuilderVersion::BuilderV1)
        .build();
    let context = context().map_err(Error::from)?;
    let docker = engine.docker.clone().with_timeout(PATIENCE);
    let mut build = Box::pin(docker.build_image(options, None, Some(body_full(context.into()))));
    while let Some(step) = build.next().await {
        match step {
            Ok(info) => {
                if let Some(line) = info.stream.as_deref().map(str::trim).filter(|line| line.starts_with("Step")) {
                    progress(line);
                }
            }
            Err(error) => return Err(BuildError::NoRegistry { from: FROM, why: error.to_string() }),
        }
    }
    Ok(())
}

fn context() -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, content) in [("Dockerfile", DOCKERFILE), ("packages", PACKAGES)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, name, content.as_bytes())?;
    }
    archive.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_build_the_same_thing() {
        assert!(packages().contains(&"git") && packages().iter().all(|name| !name.contains(['#', ' '])));
        assert!(DOCKERFILE.contains(&format!("FROM {FROM}\n")) && DOCKERFILE.contains(&format!("ENV PATH={PATH}\n")));
        for account in ["agent:x:10001:10001:agent:/home/agent:/bin/bash", "agent:x:10001:"] {
            assert!(DOCKERFILE.contains(account));
            assert!(mmdebstrap_arguments().iter().any(|argument| argument.contains(account)));
        }
    }

    #[test]
    fn the_tag_is_stable() {
        assert_eq!(base_tag(), base_tag());
        assert_eq!(base_tag().len(), "doorward/base:".len() + 12);
    }
}
