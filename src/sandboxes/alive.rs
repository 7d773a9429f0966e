//! Which sandboxes are alive, for whoever waits for the end of one.

use std::collections::BTreeMap;
use std::sync::Mutex;

use desk::lock;
use policies::SandboxId;
use tokio::sync::watch;

/// The live sandboxes, and which of its group's agents runs in each.
#[derive(Default)]
pub(super) struct Alive(Mutex<BTreeMap<String, (usize, watch::Receiver<()>)>>);

impl Alive {
    /// Registers a sandbox for as long as the returned value lives.
    pub(super) fn begin(&self, sandbox: &str, at: usize) -> watch::Sender<()> {
        let (sender, receiver) = watch::channel(());
        let mut alive = lock(&self.0);
        alive.retain(|_, (_, other)| other.has_changed().is_ok());
        alive.insert(sandbox.to_owned(), (at, receiver));
        sender
    }

    pub(super) async fn until_gone(&self, sandbox: &SandboxId) {
        let alive = lock(&self.0).get(sandbox.as_str()).cloned();
        if let Some((_, mut alive)) = alive {
            while alive.changed().await.is_ok() {}
        }
    }

    pub(super) fn place_of(&self, sandbox: &SandboxId) -> Option<usize> {
        lock(&self.0).get(sandbox.as_str()).map(|(at, _)| *at)
    }
}
