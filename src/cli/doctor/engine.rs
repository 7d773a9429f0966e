//! Whether there is an engine, what it lacks, and whether a sandbox on it starts and reaches its door: an existing
//! engine need not work.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use containers::images::{Extension, Standing};
use containers::{Engine, images};

use super::super::image;
use super::Check;
use super::checks::registered;
use crate::config::{Config, GroupSettings};
use crate::home::Home;
use crate::images as owners;
use crate::sandboxes;

/// A sandbox starts within seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// The checks, and the engine's socket if there is one.
pub(super) async fn check(home: &Home, config: &Config) -> (Vec<Check>, Option<PathBuf>) {
    match Engine::connect(config.engine.host.as_deref()).await {
        Ok(engine) => (of(&engine, home, config).await, Some(engine.facts().socket.clone())),
        Err(error) => (
            vec![Check::broken("container engine", error.to_string(), "see what the message says, then try again")],
            None,
        ),
    }
}

async fn of(engine: &Engine, home: &Home, config: &Config) -> Vec<Check> {
    let facts = engine.facts();
    let mut checks = vec![Check::fine(
        "container engine",
        format!("{} {} at {}", facts.kind, facts.version, facts.socket.display()),
    )];
    checks.extend(of_a_snap(&facts.root, home.data(), std::env::home_dir().as_deref()));
    let unlimited: Vec<&str> =
        [("processes", facts.enforced.pids), ("memory", facts.enforced.memory), ("cpu", facts.enforced.cpu)]
            .into_iter()
            .filter_map(|(what, enforced)| (!enforced).then_some(what))
            .collect();
    if !unlimited.is_empty() {
        let fix = "a sandbox can use all of the machine's; run the engine on a system with cgroup v2, or as root";
        checks.push(Check::warning("limits", format!("this engine does not limit: {}", unlimited.join(", ")), fix));
    }
    if let Some(runtime) = &config.engine.runtime
        && !facts.runtimes.contains(runtime)
    {
        let known = facts.runtimes.join(", ");
        checks.push(Check::broken(
            "runtime",
            format!("the engine has no runtime {runtime:?}"),
            format!("install it, or choose one of: {known}"),
        ));
    }
    let mut to_try = None;
    let (images, wrong) = wanted_images(home, config);
    checks
        .extend(wrong.into_iter().map(|why| Check::broken("image", why, "see docs/agents.md, \"An image of yours\"")));
    for image in images {
        checks.push(match images::exists(engine, &image).await {
            Ok(true) => {
                to_try.get_or_insert(image.clone());
                match outdated(engine, home, &image).await {
                    Some(own) => {
                        Check::warning("image", image::outdated(&own), format!("doorward image build {}", own.name))
                    }
                    None => Check::fine("image", image),
                }
            }
            Ok(false) => Check::broken("image", format!("{image} is not there"), images::how_to_get(&image)),
            Err(error) => Check::broken("image", error.to_string(), "see what the engine's own log says"),
        });
    }
    if let Some(image) = to_try {
        checks.push(sandbox(home, engine, &image).await);
    }
    checks
}

/// The owner's image of this name, if its base was rebuilt since.
async fn outdated(engine: &Engine, home: &Home, image: &str) -> Option<Extension> {
    let own = owners::all(home).into_iter().filter_map(|(_, own)| own.ok()).find(|own| own.tag() == image)?;
    matches!(images::standing(engine, &own).await, Ok(Standing::Outdated)).then_some(own)
}

/// Docker from a snap sees the home's visible files and little else.
fn of_a_snap(root: &Path, data: &Path, user: Option<&Path>) -> Option<Check> {
    if !root.starts_with("/var/snap") {
        return None;
    }
    let below = user.and_then(|user| data.strip_prefix(user).ok());
    let seen = below.is_some_and(|below| below.iter().all(|part| !part.to_string_lossy().starts_with('.')));
    let data = data.display();
    if seen {
        return Some(Check::fine("snap", format!("the engine is a snap, which can see {data}")));
    }
    let fix = "install the engine by other means (on Debian and Ubuntu `sudo apt-get install docker.io`), or keep \
               Doorward's home in a folder of your own that is not hidden: doorward --home ~/doorward up";
    Some(Check::broken("snap", format!("the engine is a snap, and a snap cannot see {data}"), fix))
}

/// Starts and removes a sandbox.
async fn sandbox(home: &Home, engine: &Engine, image: &str) -> Check {
    let guards: Vec<&str> =
        engine.facts().guards.iter().map(|guard| if guard == "selinux" { "SELinux" } else { "AppArmor" }).collect();
    let under = if guards.is_empty() { String::new() } else { format!(" under {}", guards.join(" and ")) };
    let what = "sandbox";
    let tried = async {
        let dir =
            tempfile::Builder::new().prefix("try").tempdir_in(home.run_dir()).map_err(|error| error.to_string())?;
        let installation = home.installation_id().map_err(|error| error.to_string())?;
        let tried = containers::try_out(engine, &installation, image, "true", dir.path());
        tried.await.map_err(|error| error.to_string())
    };
    match tokio::time::timeout(PATIENCE, tried).await {
        Ok(Ok(_)) => Check::fine(what, format!("one was started, and reached its door{under}")),
        Ok(Err(why)) => Check::broken(what, format!("none comes up{under}: {why}"), "see docs/troubleshooting.md"),
        Err(_) => {
            let found = format!("none came up within {} s{under}", PATIENCE.as_secs());
            Check::broken(what, found, "see what the engine's own log says")
        }
    }
}

/// The images of the groups' sandboxes and of a future group; and the problems of the owner's.
fn wanted_images(home: &Home, config: &Config) -> (BTreeSet<String>, BTreeSet<String>) {
    let of_groups = registered(home).into_iter().filter_map(|group| GroupSettings::load(home, &group.name).ok());
    let (mut images, mut wrong) = (BTreeSet::new(), BTreeSet::new());
    for settings in of_groups.chain([GroupSettings::default()]) {
        for agent in settings.agents() {
            match sandboxes::image(home, &GroupSettings { agent: agent.clone(), ..settings.clone() }, &config.engine) {
                Ok(image) => drop(images.insert(image)),
                Err(why) => drop(wrong.insert(why.to_string())),
            }
        }
    }
    (images, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snap_sees_what_is_not_hidden_in_a_home() {
        let found = |root: &str, data: &str| {
            of_a_snap(Path::new(root), Path::new(data), Some(Path::new("/home/me"))).map(|check| check.state)
        };
        let snap = "/var/snap/docker/common/var-lib-docker";
        assert_eq!(found("/var/lib/docker", "/home/me/.local/share/doorward"), None);
        assert_eq!(found("/var/snapshots/docker", "/home/me/.local/share/doorward"), None);
        assert_eq!(found(snap, "/home/me/doorward/data"), Some(super::super::State::Fine));
        for hidden in
            ["/home/me/.local/share/doorward", "/home/me/x/.y/data", "/srv/doorward/data", "/home/you/doorward"]
        {
            assert_eq!(found(snap, hidden), Some(super::super::State::Broken), "{hidden}");
        }
        assert!(of_a_snap(Path::new(snap), Path::new("/srv/x"), None).is_some());
    }
}
