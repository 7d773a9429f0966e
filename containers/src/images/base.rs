//! The base image: one recipe, built in whichever way works here. Debian's mmdebstrap needs no
//! image registry; the Dockerfile needs a registry and no tools.

use std::{collections::HashMap, time::Duration};

use bollard::errors::Error;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use super::{BuildError, RECIPE, dockerfile, exists, stream};
use crate::Engine;

/// An image that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageId {
    /// Its name, for [`crate::SandboxSpec::image`].
    pub tag: String,
    /// Whether it was built just now.
    pub built: bool,
}

const PACKAGES: &str = include_str!("../../images/base/packages");
const DOCKERFILE: &str = include_str!("../../images/base/Dockerfile");
const FROM: &str = "debian:bookworm-slim";
const SUITE: &str = "bookworm";
const REPOSITORY: &str = "doorward/base";
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Downloads of a few hundred megabytes on a slow line.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The name of the base image under this version's recipe.
pub fn base_tag() -> String {
    format!("{REPOSITORY}:{}", recipe())
}

/// Builds the base image unless it exists. `progress` gets a few words for each step.
#[expect(clippy::disallowed_methods, reason = "the builder of images, at the owner's command")]
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

/// A hash of everything that determines the image's content.
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
    // As in Debian's slim images: manuals are of no use in a sandbox.
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
    let tag = base_tag();
    let files = [("Dockerfile", DOCKERFILE), ("packages", PACKAGES)];
    let context = dockerfile::of_files(&files).map_err(Error::from)?;
    let build = dockerfile::Build {
        tag: &tag,
        labels: dockerfile::labels(recipe(), []),
        arguments: HashMap::new(),
        network: true,
        patience: PATIENCE,
    };
    let built = dockerfile::build(engine, build, context, progress).await;
    built.map_err(|error| BuildError::NoRegistry { from: FROM, why: error.to_string() })
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
