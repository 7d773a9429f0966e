//! Imports a tarball into the engine as an image while a command writes it.

use std::{future::Future, io, process::Stdio, time::Duration};

use bollard::{body_try_stream, errors::Error, query_parameters::CreateImageOptionsBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt, stream};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
};

use crate::Engine;

/// A command that failed.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) status: String,
    pub(super) said: String,
}

/// What a running command reports.
pub(super) struct Narration {
    lines: mpsc::Receiver<String>,
    status: tokio::sync::oneshot::Receiver<io::Result<std::process::ExitStatus>>,
}

/// Starts a command. Its standard output becomes the stream, which fails if the command does: half
/// a tarball must not become an image.
#[expect(clippy::disallowed_methods, reason = "the builders of images, at the owner's command")]
pub(super) fn of_command(
    program: &str,
    arguments: &[String],
) -> Result<(impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>, Narration), Error> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let missing = || io::Error::other("the command's output is not connected");
    let output = child.stdout.take().ok_or_else(missing)?;
    let errors = child.stderr.take().ok_or_else(missing)?;
    let (say, lines) = mpsc::channel(64);
    tokio::spawn(async move {
        let mut errors = BufReader::new(errors).lines();
        while let Ok(Some(line)) = errors.next_line().await {
            if say.send(line).await.is_err() {
                return;
            }
        }
    });
    let (told, status) = tokio::sync::oneshot::channel();
    Ok((tarball(output, child, told), Narration { lines, status }))
}

fn tarball(
    output: ChildStdout,
    child: Child,
    told: tokio::sync::oneshot::Sender<io::Result<std::process::ExitStatus>>,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(Some((output, child, told)), |state| async {
        let (mut output, mut child, told) = state?;
        let mut chunk = BytesMut::with_capacity(256 * 1024);
        match output.read_buf(&mut chunk).await {
            Ok(1..) => return Some((Ok(chunk.freeze()), Some((output, child, told)))),
            Ok(0) => {}
            Err(error) => return Some((Err(error), None)),
        }
        let status = child.wait().await;
        let failed = !status.as_ref().is_ok_and(std::process::ExitStatus::success);
        let _ = told.send(status);
        failed.then(|| (Err(io::Error::other("the command failed")), None))
    })
}

/// Imports a tarball under a name.
pub(super) async fn import(
    engine: &Engine,
    tag: &str,
    changes: Vec<String>,
    patience: Duration,
    tarball: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
) -> Result<(), Error> {
    let options = CreateImageOptionsBuilder::new().from_src("-").repo(tag).changes(changes).build();
    let docker = engine.docker.clone().with_timeout(patience);
    let mut steps = Box::pin(docker.create_image(Some(options), Some(body_try_stream(tarball)), None));
    while let Some(step) = steps.next().await {
        step?;
    }
    Ok(())
}

/// Runs the import to its end, reporting the command's output and how it ended.
pub(super) async fn narrated<T>(
    import: impl Future<Output = T>,
    mut narration: Narration,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> (T, Result<(), Ended>) {
    let mut said: Vec<String> = Vec::new();
    let mut import = Box::pin(import);
    let imported = loop {
        tokio::select! {
            imported = &mut import => break imported,
            Some(line) = narration.lines.recv() => {
                // "I: installing essential packages..."
                if let Some(step) = line.strip_prefix("I: ") {
                    progress(step.trim_end_matches('.'));
                }
                said.push(line);
            }
        }
    };
    drop(import);
    while let Some(line) = narration.lines.recv().await {
        said.push(line);
    }
    // No status: the engine gave up first and the command was stopped; its error says why.
    let ended = match narration.status.await {
        Ok(Ok(status)) if !status.success() => Err(status.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        _ => Ok(()),
    };
    let tail = said.len().saturating_sub(8);
    (imported, ended.map_err(|status| Ended { status, said: said[tail..].join("\n") }))
}
