//! Builds a Dockerfile with the engine's own builder, and streams the context to it.

use std::{collections::HashMap, io, path::Path, time::Duration};

use bollard::{
    body_try_stream,
    errors::Error,
    query_parameters::{BuildImageOptionsBuilder, BuilderVersion},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::{fs::File, io::AsyncReadExt};

use super::{BuildError, RECIPE, told::Told};
use crate::Engine;

/// What is built, and its name.
pub(super) struct Build<'a> {
    pub(super) tag: &'a str,
    pub(super) labels: HashMap<String, String>,
    pub(super) arguments: HashMap<&'a str, String>,
    /// Whether its steps may reach the network.
    pub(super) network: bool,
    pub(super) patience: Duration,
}

/// The most memory for a step without network. 2 GiB is the most that the engine's API can express.
const MEMORY: i32 = i32::MAX;

/// Builds; `progress` gets each step.
pub(super) async fn build(
    engine: &Engine,
    build: Build<'_>,
    context: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), BuildError> {
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(build.tag)
        .rm(true)
        .forcerm(true)
        .labels(&build.labels)
        .buildargs(&build.arguments)
        .version(BuilderVersion::BuilderV1);
    let options = if build.network { options } else { options.networkmode("none").memory(MEMORY).memswap(MEMORY) };
    let docker = engine.docker.clone().with_timeout(build.patience);
    let mut steps = Box::pin(docker.build_image(options.build(), None, Some(body_try_stream(context))));
    let mut told = Told::new();
    while let Some(piece) = steps.next().await {
        match piece {
            Ok(piece) => told.piece(piece.stream.as_deref().unwrap_or_default(), progress),
            Err(error) => return Err(failed(told, error)),
        }
    }
    Ok(())
}

/// The step that failed, with its last output.
fn failed(told: Told, error: Error) -> BuildError {
    match (told.end(), BuildError::from(error)) {
        ((Some(step), said), BuildError::Engine(error)) => {
            let said = said.iter().map(|line| format!("\n  {}", line.chars().take(300).collect::<String>())).collect();
            BuildError::Step { step, said, error }
        }
        (_, error) => error,
    }
}

/// A context of small files.
pub(super) fn of_texts(files: &[(&str, &str)]) -> io::Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (name, text) in files {
        archive.extend_from_slice(header(name, 0o644, text.len() as u64)?.as_bytes());
        archive.extend_from_slice(text.as_bytes());
        archive.extend_from_slice(padding(text.len() as u64));
    }
    Ok(archive)
}

/// A context of small files and one program, which is read while it is sent.
pub(super) async fn with_program(
    files: &[(&str, &str)],
    name: &str,
    program: &Path,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>> {
    let file = File::open(program).await?;
    let size = file.metadata().await?.len();
    let mut before = of_texts(files)?;
    before.extend_from_slice(header(name, 0o755, size)?.as_bytes());
    let after = [padding(size), END].concat();
    let edge = |bytes: Vec<u8>| stream::iter([Ok(Bytes::from(bytes))]);
    Ok(edge(before).chain(chunks(file)).chain(edge(after)))
}

/// A context of small files, followed by the entries of a whole archive.
pub(super) async fn with_archive(
    files: &[(&str, &str)],
    archive: &Path,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>> {
    let before = of_texts(files)?;
    let archive = File::open(archive).await?;
    Ok(stream::iter([Ok(Bytes::from(before))]).chain(chunks(archive)))
}

/// The label of every image of Doorward's, and others beside it.
pub(super) fn labels<const N: usize>(recipe: String, beside: [(&str, String); N]) -> HashMap<String, String> {
    let beside = beside.map(|(name, value)| (name.to_owned(), value));
    beside.into_iter().chain([(RECIPE.to_owned(), recipe)]).collect()
}

/// A complete context from small files.
pub(super) fn of_files(
    files: &[(&str, &str)],
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>> {
    let archive = [of_texts(files)?, END.to_vec()].concat();
    Ok(stream::iter([Ok(Bytes::from(archive))]))
}

/// An archive ends with two empty blocks (tar(5)).
const END: &[u8] = &[0; 1024];

/// Entries start at multiples of 512.
fn padding(size: u64) -> &'static [u8] {
    let surplus = (size % 512) as usize;
    if surplus == 0 { &[] } else { &END[..512 - surplus] }
}

fn header(name: &str, mode: u32, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_mode(mode);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}

fn chunks(file: File) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::try_unfold(file, |mut file| async {
        let mut chunk = BytesMut::with_capacity(256 * 1024);
        let count = file.read_buf(&mut chunk).await?;
        Ok((count > 0).then(|| (chunk.freeze(), file)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read;

    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_context_is_an_archive_of_what_it_was_made_of() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, vec![7; 700_001]).unwrap();
        let context = with_program(&[("Dockerfile", "FROM x\n")], "claude", &program).await.unwrap();
        let archive: Vec<u8> = context.map_ok(|bytes| bytes.to_vec()).try_concat().await.unwrap();
        let mut found = Vec::new();
        for entry in tar::Archive::new(&archive[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = entry.path().unwrap().display().to_string();
            found.push((name, entry.header().mode().unwrap(), content));
        }
        let wanted = [("Dockerfile", 0o644, b"FROM x\n".to_vec()), ("claude", 0o755, vec![7; 700_001])];
        assert_eq!(found, wanted.map(|(name, mode, content)| (name.to_owned(), mode, content)));
    }
}
