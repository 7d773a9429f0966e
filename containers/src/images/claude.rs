//! The image of groups whose agent is Claude Code: its program on the base image.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::errors::Error;
use sha2::{Digest, Sha256};

use super::{BuildError, ImageId, base, dockerfile, exists, fetch};
use crate::Engine;

const DOCKERFILE: &str = include_str!("../../images/claude/Dockerfile");
const REPOSITORY: &str = "doorward/claude";

/// 400 MB into the engine, on a slow disk.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The name of the Claude image of this Doorward's recipe.
pub fn claude_tag() -> String {
    format!("{REPOSITORY}:{}", recipe())
}

/// A hash of everything that determines the image's content.
fn recipe() -> String {
    let digest = Sha256::digest([&base::base_tag(), DOCKERFILE, fetch::pinned()].join("\0"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Builds the Claude image unless it exists, and first the base image where that is missing.
/// Downloads go below `staging`, for the caller to remove.
pub async fn build_claude(
    engine: &Engine,
    staging: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<ImageId, BuildError> {
    let tag = claude_tag();
    if exists(engine, &tag).await? {
        return Ok(ImageId { tag, built: false });
    }
    let base = base::build_base(engine, progress).await?.tag;
    let program = fetch::claude(staging, progress).await?;
    progress("putting it into the image");
    let context = dockerfile::with_program(&[("Dockerfile", DOCKERFILE)], "claude", &program).await;
    let build = dockerfile::Build {
        tag: &tag,
        recipe: recipe(),
        arguments: HashMap::from([("BASE", base)]),
        network: false,
        patience: PATIENCE,
    };
    dockerfile::build(engine, build, context.map_err(Error::from)?, progress).await?;
    Ok(ImageId { tag, built: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_fetched_inside_the_build_and_what_goes_in_is_pinned() {
        assert!(!DOCKERFILE.contains("RUN") && !DOCKERFILE.contains("ADD") && !DOCKERFILE.contains("http"));
        assert_eq!(fetch::pinned().len(), 64, "this machine's program has a hash");
        assert_eq!(claude_tag().len(), "doorward/claude:".len() + 12);
    }
}
