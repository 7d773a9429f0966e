//! An open door as the daemon tends it: whose run it is, that it is shut, and connections through it
//! that asked for nothing.

use std::sync::atomic::Ordering;

use gate::audit::Noted;

use crate::door::Door;

impl Door {
    /// Sets the run of the agent that the next requests belong to.
    pub fn set_run(&self, run: Option<u64>) {
        self.gate.set_run(run);
    }

    /// Shuts the door for good: requests in flight are cut, and recorded as revoked for this
    /// reason, and nothing new is let through. The first reason stands.
    pub fn shut(&self, why: &str) {
        if self.gate.shut(why) {
            self.tell_idle_connections();
        }
    }

    /// Cuts what is in flight if the owner has locked the group.
    pub fn cut_if_locked(&self) {
        self.gate.cut_if_locked();
    }

    /// Why it was shut, if it was.
    pub fn why_shut(&self) -> Option<&str> {
        self.gate.why_shut()
    }

    /// Before the agent starts, the guest connects once and sends nothing, to test the door: the
    /// first such connection is not logged.
    pub fn will_be_looked_at(&self) {
        self.looked_at.store(true, Ordering::Relaxed);
    }

    /// A connection ended without a request: some programs open them for later use.
    pub(crate) fn came_without_request(&self) {
        if !self.looked_at.swap(false, Ordering::Relaxed) {
            self.idle.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Logs these together, so that they do not wait for a request to be logged.
    pub fn tell_idle_connections(&self) {
        let count = self.idle.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let text = format!("connections that ended without a request: {count}");
        let noted = Noted { identity: self.identity().clone(), what: "idle_connections", count, text };
        if let Err(error) = self.gate.ledger().noted(&noted) {
            tracing::error!(%error, "Connections without a request not stored");
        }
    }
}
