//! The container engine as its own command line shows it.

use std::process::Command;

use super::{Ran, Running};

/// Fails with what to do where a test of sandboxes cannot run.
pub fn require_engine_and_image() {
    require(&containers::images::base_tag());
}

/// The same for the image with Claude Code.
pub fn require_engine_and_claude() {
    require_engine_and("claude");
}

/// The same for the image with another agent.
pub fn require_engine_and(agent: &str) {
    let program = containers::images::AgentProgram::named(agent).expect("an agent with an image");
    require(&containers::images::agent_tag(program));
}

fn require(image: &str) {
    let version = docker(&["version", "--format", "{{.Server.Version}}"]);
    assert!(version.code == Some(0), "no container engine answers; run `make setup` first: {}", version.err);
    let found = docker(&["image", "inspect", "--format", "{{.Id}}", image]);
    let how = containers::images::how_to_get(image);
    assert!(found.code == Some(0), "the image {image} is missing; first: {how}: {}", found.err);
}

/// The image with the clients that the base image has not, built where it is missing.
pub fn image_of_clients() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/clients-image.sh");
    Running::start(Command::new(script), "").wait().ok().out.trim().to_owned()
}

/// An installation's containers, whatever their state.
pub fn containers(installation: &str) -> Vec<String> {
    let filter = format!("label=doorward.installation={installation}");
    let listed = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).ok();
    listed.out.lines().map(str::to_owned).collect()
}

/// All that the engine knows about a container, as text.
pub fn inspect(container: &str) -> String {
    docker(&["inspect", container]).ok().out
}

/// Removes what is left of an installation.
pub fn remove_all(installation: &str) {
    for container in containers(installation) {
        docker(&["rm", "--force", &container]);
    }
}

/// The names of a repository's images.
pub fn tags(repository: &str) -> Vec<String> {
    let listed = docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", repository]).ok();
    listed.out.lines().map(str::to_owned).collect()
}

/// The engine's id of an image.
pub fn id(image: &str) -> String {
    docker(&["image", "inspect", "--format", "{{.Id}}", image]).ok().out.trim().to_owned()
}

/// Whether the engine has an image.
pub fn is_there(image: &str) -> bool {
    docker(&["image", "inspect", image]).code == Some(0)
}

/// Removes a repository's images.
pub fn remove_images(repository: &str) {
    for tag in tags(repository) {
        docker(&["image", "rm", "--force", &tag]);
    }
}

/// Builds a Dockerfile without a context.
pub fn build(dockerfile: &str, tag: &str) {
    let mut command = Command::new("docker");
    command.args(["build", "--quiet", "--network", "none", "--tag", tag, "-"]);
    Running::start(command, dockerfile).wait().ok();
}

fn docker(args: &[&str]) -> Ran {
    let mut command = Command::new("docker");
    command.args(args);
    Running::start(command, "").wait()
}
