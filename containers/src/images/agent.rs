//! The image of an agent: its program on the base image.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::errors::Error;
use sha2::{Digest, Sha256};

use super::{AgentProgram, BuildError, ImageId, base, dockerfile, exists, fetch};
use crate::Engine;

const DOCKERFILE: &str = include_str!("../../images/agent/Dockerfile");

/// 400 MB into the engine, on a slow disk.
const PATIENCE: Duration = Duration::from_secs(1800);

/// The name of an agent's image under this version's recipe.
pub fn agent_tag(program: &AgentProgram) -> String {
    format!("doorward/{}:{}", program.name, recipe(program))
}

/// A hash of everything that determines the image's content.
fn recipe(program: &AgentProgram) -> String {
    let pinned = program.build().map_or("", |build| build.sha256);
    let digest = Sha256::digest([&base::base_tag(), DOCKERFILE, program.command, pinned].join("\0"));
    digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// Builds an agent's image unless it exists, after the base image if that is missing. Downloads go
/// below `staging`, which the caller removes.
pub async fn build_agent(
    engine: &Engine,
    program: &AgentProgram,
    staging: &Path,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<ImageId, BuildError> {
    let tag = agent_tag(program);
    if exists(engine, &tag).await? {
        return Ok(ImageId { tag, built: false });
    }
    let base = base::build_base(engine, progress).await?.tag;
    let fetched = fetch::program(program, staging, progress).await?;
    progress("putting it into the image");
    let context = dockerfile::with_program(&[("Dockerfile", DOCKERFILE)], "program", &fetched).await;
    let build = dockerfile::Build {
        tag: &tag,
        labels: dockerfile::labels(recipe(program), []),
        arguments: HashMap::from([("BASE", base), ("COMMAND", program.command.to_owned())]),
        network: false,
        patience: PATIENCE,
    };
    dockerfile::build(engine, build, context.map_err(Error::from)?, progress).await?;
    Ok(ImageId { tag, built: true })
}

#[cfg(test)]
mod tests {
    use super::{super::PROGRAMS, *};

    #[test]
    fn nothing_is_fetched_inside_the_build_and_what_goes_in_is_pinned() {
        assert!(!DOCKERFILE.contains("RUN") && !DOCKERFILE.contains("ADD") && !DOCKERFILE.contains("http"));
        for program in &PROGRAMS {
            assert!(program.build().is_some(), "there is a {} for this machine", program.title);
            assert_eq!(agent_tag(program).len(), "doorward/:".len() + program.name.len() + 12);
        }
    }
}
