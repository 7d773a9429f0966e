//! A connected channel: what it can send, and what it was given.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use crate::channels::outward::Outward;
use crate::channels::protocol::Takes;
use crate::store::{OutboxId, Queued};

/// One connected channel program or terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A channel that can be written to.
#[derive(Debug)]
pub struct Link {
    pub(super) channel: String,
    chat: Option<String>,
    pub(super) to: mpsc::Sender<Outward>,
    /// Whether it can send; valid until it says otherwise.
    pub(super) ready: bool,
    /// Whether it shows growing answers.
    pub(super) grows: bool,
    /// What it can send besides texts.
    beside: Vec<Takes>,
    /// The rows that it was given and may confirm.
    pub(super) given: BTreeSet<OutboxId>,
}

impl Link {
    /// A channel, the one chat that it shows (`None`: all of its channel's), and where its lines go. A slow reader gets
    /// them later.
    pub fn new(channel: String, chat: Option<String>, to: mpsc::Sender<Outward>) -> Self {
        Link { channel, chat, to, ready: true, grows: false, beside: Vec::new(), given: BTreeSet::new() }
    }

    /// Whether it shows growing answers.
    #[must_use]
    pub fn growing(self, grows: bool) -> Self {
        Link { grows, ..self }
    }

    /// What it can send besides texts.
    #[must_use]
    pub fn taking(self, beside: Vec<Takes>) -> Self {
        Link { beside, ..self }
    }

    pub(super) fn can_send(&self, row: &Queued) -> bool {
        let wanted = [(row.reacts_to.is_some(), Takes::Reactions), (row.file.is_some(), Takes::Files)];
        wanted.into_iter().all(|(wanted, what)| !wanted || self.beside.contains(&what))
    }

    pub(super) fn takes(&self, row: &Queued) -> bool {
        self.ready && self.shows(&row.channel, &row.chat)
    }

    pub(super) fn shows(&self, channel: &str, chat: &str) -> bool {
        self.channel == channel && self.chat.as_deref().is_none_or(|only| only == chat)
    }
}
