//! What one sandbox may use of the machine, and how much its folders may hold.

use std::io;
use std::path::PathBuf;

use containers::SandboxSpec;

use super::SandboxError;
use super::disk::{Bound, Usage};
use super::error::too_much;
use crate::config;

/// The limits of one sandbox.
pub(super) fn limits(group: &config::GroupLimits, engine: &config::Engine) -> containers::Limits {
    let usual = containers::Limits::default();
    containers::Limits {
        pids: i64::from(group.pids.unwrap_or(engine.pids)),
        memory: i64::try_from(group.memory.unwrap_or(engine.memory)).unwrap_or(i64::MAX),
        cpus: group.cpus.unwrap_or(engine.cpus),
        open_files: group.open_files.map_or(usual.open_files, i64::from),
        file_bytes: i64::try_from(bound(group, engine).bytes).unwrap_or(i64::MAX),
    }
}

/// The bound of a group's folders.
pub(super) fn bound(group: &config::GroupLimits, engine: &config::Engine) -> Bound {
    Bound { bytes: group.disk.unwrap_or(engine.disk), files: group.files.unwrap_or(engine.files) }
}

/// Where a sandbox may write, and the bound on all of it. The previous content of the owner's folders does not count.
pub(super) async fn kept(spec: &SandboxSpec, bound: Bound) -> Result<(Vec<PathBuf>, Bound), SandboxError> {
    let own = [&spec.folders.group, &spec.folders.home].map(Clone::clone);
    let owners: Vec<PathBuf> =
        spec.folders.extra.iter().filter(|one| !one.read_only).map(|one| one.source.clone()).collect();
    let there = kept_by(&owners, Bound { bytes: u64::MAX, files: u64::MAX }).await?;
    let bound =
        Bound { bytes: bound.bytes.saturating_add(there.bytes), files: bound.files.saturating_add(there.files) };
    Ok((own.into_iter().chain(owners).collect(), bound))
}

/// How much the folders hold; an error if that exceeds the bound.
pub(super) async fn kept_by(folders: &[PathBuf], bound: Bound) -> Result<Usage, SandboxError> {
    let (folders, first) = (folders.to_vec(), folders.first().cloned().unwrap_or_default());
    let looked = tokio::task::spawn_blocking(move || Usage::of(&folders, bound)).await;
    let usage = looked.map_err(io::Error::other).flatten();
    let usage = usage.map_err(|error| SandboxError::Folder { path: first, error })?;
    if usage.over(bound) { Err(SandboxError::TooMuch(too_much(&usage, bound))) } else { Ok(usage) }
}
