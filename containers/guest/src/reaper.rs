//! Pid 1's duty: waits for every process that ends in the sandbox, including orphans, and reports
//! exits to whoever asked.

use std::{cell::RefCell, collections::HashMap, rc::Rc};

use rustix::process::{Pid, WaitOptions, WaitStatus, wait};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// Collects the dead. One per process: it waits for any child.
#[derive(Clone, Default)]
pub struct Reaper {
    waiting: Rc<RefCell<HashMap<i32, oneshot::Sender<WaitStatus>>>>,
}

impl Reaper {
    /// Starts collecting; must be called before the first child is started.
    pub fn start() -> std::io::Result<Self> {
        let reaper = Self::default();
        let signals = signal(SignalKind::child())?;
        tokio::task::spawn_local(reaper.clone().collect(signals));
        Ok(reaper)
    }

    /// The exit of one child. Must be called right after it was started, before anything is
    /// awaited: on this single thread no exit is missed that way.
    pub fn exit_of(&self, pid: u32) -> oneshot::Receiver<WaitStatus> {
        let (tell, told) = oneshot::channel();
        self.waiting.borrow_mut().insert(pid as i32, tell);
        told
    }

    async fn collect(self, mut signals: Signal) {
        // One signal may stand for several exits.
        while signals.recv().await.is_some() {
            while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
                self.report(pid, status);
            }
        }
    }

    fn report(&self, pid: Pid, status: WaitStatus) {
        if let Some(tell) = self.waiting.borrow_mut().remove(&pid.as_raw_nonzero().get()) {
            let _ = tell.send(status);
        }
    }
}
