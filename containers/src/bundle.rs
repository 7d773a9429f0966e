//! The CA bundle of a sandbox: the certificates that its image trusts and the sandbox's own
//! CA, in PEM and in Java's format.

use std::{
    fs,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::SystemTime,
};

use bollard::{errors::Error, models::ContainerCreateBody, query_parameters::DownloadFromContainerOptionsBuilder};
use futures_util::StreamExt;

use crate::{Engine, SandboxSpec, container::Container, create, guest, orphans, spec::CA_BUNDLE};

mod java;

/// The bundle could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The engine did not give the image's file.
    #[error("the certificates of the image cannot be read: {0}")]
    Engine(#[from] Error),
    /// Our file could not be written, or the image's is not what it should be.
    #[error("the CA bundle {path} cannot be made: {source}")]
    Io {
        /// Which file.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Far more than the certificate list of any image.
const MAX_BUNDLE: usize = 16 << 20;

/// Writes the image's own bundle plus the sandbox's CA, in both formats.
pub(crate) async fn write(engine: &Engine, image_id: &str, spec: &SandboxSpec) -> Result<(), BundleError> {
    let (ca, path) = (&spec.ca, &spec.ca_bundle);
    let io = |source| BundleError::Io { path: path.display().to_string(), source };
    let theirs = of_image(engine, image_id, spec).await?;
    let mut bundle = theirs.to_vec();
    if !bundle.is_empty() && !bundle.ends_with(b"\n") {
        bundle.push(b'\n');
    }
    bundle.extend_from_slice(ca.as_bytes());
    put(path, &bundle).map_err(io)?;
    put(&spec.trust_store(), &java::trust_store(&bundle, SystemTime::now())).map_err(io)
}

/// The agent's user reads it through the mount, whatever our umask is; the folder around it is
/// closed to others.
fn put(path: &Path, bundle: &[u8]) -> io::Result<()> {
    fs::write(path, bundle)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// The image's bundle; empty if it has none. Read once per image, from a container that is never
/// started.
async fn of_image(engine: &Engine, image_id: &str, spec: &SandboxSpec) -> Result<Arc<[u8]>, BundleError> {
    let known = || engine.bundles.lock().map(|bundles| bundles.get(image_id).cloned()).ok().flatten();
    if let Some(bundle) = known() {
        return Ok(bundle);
    }
    let never_run = never_run(image_id, spec);
    let name = format!("{}-certificates", Container::name(spec));
    let mut container = create::container(engine, name, never_run).await?;
    let read = read(engine, container.id()).await;
    container.remove().await;
    let bundle: Arc<[u8]> = read?.into();
    if let Ok(mut bundles) = engine.bundles.lock() {
        bundles.insert(image_id.to_owned(), Arc::clone(&bundle));
    }
    Ok(bundle)
}

fn never_run(image_id: &str, spec: &SandboxSpec) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image_id.to_owned()),
        // An image without a command needs one for the container to be created.
        entrypoint: Some(vec![guest::PATH.to_owned()]),
        network_disabled: Some(true),
        // If the daemon dies meanwhile, the container is found like any orphan.
        labels: Some(orphans::labels(spec)),
        ..Default::default()
    }
}

async fn read(engine: &Engine, container: &str) -> Result<Vec<u8>, BundleError> {
    let options = DownloadFromContainerOptionsBuilder::new().path(CA_BUNDLE).build();
    let mut stream = Box::pin(engine.docker.download_from_container(container, Some(options)));
    let mut archive = Vec::new();
    while let Some(chunk) = stream.next().await {
        match chunk {
            Ok(chunk) if archive.len() + chunk.len() <= MAX_BUNDLE => archive.extend_from_slice(&chunk),
            Ok(_) => return Err(too_large()),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
    unpack(&archive).map_err(|source| BundleError::Io { path: CA_BUNDLE.to_owned(), source })
}

fn too_large() -> BundleError {
    BundleError::Io { path: CA_BUNDLE.to_owned(), source: io::Error::other("the image's file is too large") }
}

/// The only regular file in the archive; a link or folder in its place does not count.
fn unpack(archive: &[u8]) -> io::Result<Vec<u8>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut bundle = Vec::new();
            entry.read_to_end(&mut bundle)?;
            return Ok(bundle);
        }
    }
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::create::tests::spec;

    #[test]
    fn the_container_that_is_only_read_is_found_as_an_orphan() {
        let labels = never_run("sha256:1", &spec()).labels.unwrap();
        assert_eq!(labels.get(orphans::INSTALLATION), Some(&spec().installation));
    }

    #[test]
    fn the_agents_user_can_read_it_where_the_daemons_files_are_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.crt");
        // As a umask of 077 would make it.
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        put(&path, b"pem").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read(&path).unwrap(), b"pem");
    }
}
