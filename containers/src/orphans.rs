//! Which sandboxes belong to this installation: containers carry the installation, the group and
//! the sandbox as labels, and only those with this installation's label are touched.

use std::{collections::HashMap, time::Duration};

use bollard::{
    errors::Error,
    query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder},
};

use crate::{Engine, SandboxSpec};

pub(crate) const INSTALLATION: &str = "doorward.installation";
const GROUP: &str = "doorward.group";
const SANDBOX: &str = "doorward.sandbox";

/// A container of this installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// The engine's id.
    pub container: String,
    /// The group it belongs to.
    pub group: String,
    /// The sandbox's own id.
    pub sandbox: String,
}

impl Engine {
    /// The installation's containers, whatever their state.
    pub async fn running(&self, installation: &str) -> Result<Vec<Running>, Error> {
        let filters = HashMap::from([("label", vec![format!("{INSTALLATION}={installation}")])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await?;
        let ours = listed.into_iter().filter_map(|container| {
            let mut labels = container.labels.unwrap_or_default();
            // If an engine ignores the filter, containers of others must not be removed.
            if labels.get(INSTALLATION).map(String::as_str) != Some(installation) {
                return None;
            }
            Some(Running {
                container: container.id?,
                group: labels.remove(GROUP).unwrap_or_default(),
                sandbox: labels.remove(SANDBOX).unwrap_or_default(),
            })
        });
        Ok(ours.collect())
    }

    /// Removes what a dead daemon left behind: the installation's containers, except those whose
    /// container or sandbox id is in `keep`. Returns the ids of the removed ones.
    pub async fn remove_orphans(&self, installation: &str, keep: &[&str]) -> Result<Vec<String>, Error> {
        let mut removed = Vec::new();
        for running in self.running(installation).await? {
            if keep.contains(&running.container.as_str()) || keep.contains(&running.sandbox.as_str()) {
                continue;
            }
            self.remove(&running.container).await?;
            removed.push(running.container);
        }
        Ok(removed)
    }

    /// Ends a sandbox that another part of the program holds, which will find it gone.
    pub async fn end(&self, container: &str) -> Result<(), Error> {
        self.remove(container).await
    }

    /// Kills and removes one container, and returns once it is gone. It may already be gone.
    pub(crate) async fn remove(&self, container: &str) -> Result<(), Error> {
        let mut tries_left = REMOVAL_TRIES;
        loop {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            match self.docker.remove_container(container, Some(options)).await {
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(()),
                // 409: another removal is in progress. 500: Podman, while the container exits by itself.
                Err(Error::DockerResponseServerError { status_code: 409 | 500, .. }) if tries_left > 0 => {
                    tries_left -= 1;
                    tokio::time::sleep(REMOVAL_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn labels(spec: &SandboxSpec) -> HashMap<String, String> {
    [(INSTALLATION, &spec.installation), (GROUP, &spec.group), (SANDBOX, &spec.id)]
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .into()
}
