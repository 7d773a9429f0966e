//! The outbox at work: what is queued in the store goes to the channels that are
//! there, in the order of each chat, until the channel says that it was sent.
//!
//! A row that a channel does not confirm is sent again with the same id. A row
//! whose channel is not there waits. Typing signs go the same way but are not kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::channels::protocol::{Outgoing, ToChannel};
use crate::store::{self, OutboxId, Queued, Store, StoreError};

/// How often a row is tried before it is given up.
const ATTEMPTS: u32 = 10;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// One connected channel program or terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// A channel that can be written to.
#[derive(Debug)]
pub struct Link {
    /// `terminal`, `whatsapp`, …
    pub channel: String,
    /// The one chat that it shows; all of its channel's where it is `None`.
    pub chat: Option<String>,
    /// Where its lines go. A channel that does not read fast enough gets them later.
    pub to: mpsc::Sender<ToChannel>,
}

/// The way to the outbox. Calls never wait.
#[derive(Clone, Debug)]
pub struct OutboxHandle(mpsc::UnboundedSender<Event>);

#[derive(Debug)]
enum Event {
    Wake,
    Attach(LinkId, Link),
    Detach(LinkId),
    Sent(OutboxId),
    Failed { id: OutboxId, why: String, retry: bool },
    Typing { channel: String, chat: String, on: bool },
}

impl OutboxHandle {
    /// Something was queued.
    pub fn wake(&self) {
        self.tell(Event::Wake);
    }

    /// A channel is there.
    pub fn attach(&self, id: LinkId, link: Link) {
        self.tell(Event::Attach(id, link));
    }

    /// A channel has gone; what it did not confirm is sent again when one comes back.
    pub fn detach(&self, id: LinkId) {
        self.tell(Event::Detach(id));
    }

    /// A channel confirms.
    pub fn sent(&self, id: OutboxId) {
        self.tell(Event::Sent(id));
    }

    /// A channel could not send.
    pub fn failed(&self, id: OutboxId, why: String, retry: bool) {
        self.tell(Event::Failed { id, why, retry });
    }

    /// Shows or hides the typing sign of a chat.
    pub fn typing(&self, channel: &str, chat: &str, on: bool) {
        self.tell(Event::Typing { channel: channel.to_owned(), chat: chat.to_owned(), on });
    }

    /// The outbox ends with the daemon; what it did not hear waits in the store.
    fn tell(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

/// The pauses of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before a row that failed is tried again; doubled with each failure.
    pub first_retry: Duration,
    /// How long a channel may take to confirm.
    pub confirm: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { first_retry: Duration::from_secs(5), confirm: Duration::from_secs(60) }
    }
}

/// Starts the outbox; it ends when every handle is gone.
pub fn start(store: Arc<Store>, patience: Patience) -> OutboxHandle {
    let (to, events) = mpsc::unbounded_channel();
    let outbox = Outbox {
        store,
        patience,
        events,
        links: BTreeMap::new(),
        flying: HashMap::new(),
        retries: Vec::new(),
        again: None,
    };
    tokio::spawn(outbox.run());
    OutboxHandle(to)
}

struct Outbox {
    store: Arc<Store>,
    patience: Patience,
    events: mpsc::UnboundedReceiver<Event>,
    links: BTreeMap<LinkId, Link>,
    flying: HashMap<OutboxId, Flying>,
    /// When rows that failed may be tried again.
    retries: Vec<Instant>,
    /// When to look again although nothing happens.
    again: Option<Instant>,
}

/// A row that was handed to channels and is not confirmed yet.
struct Flying {
    row: Queued,
    links: BTreeSet<LinkId>,
    until: Instant,
}

impl Outbox {
    async fn run(mut self) {
        loop {
            let again = self.again;
            let timer = async move {
                match again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            let event = tokio::select! {
                event = self.events.recv() => match event { Some(event) => event, None => return },
                () = timer => Event::Wake,
            };
            self.again = None;
            if let Err(error) = self.take(event).and_then(|()| self.deliver()) {
                tracing::error!(%error, "the outbox cannot be read or written; it tries again");
                self.look_again(Instant::now() + self.patience.first_retry);
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Wake => self.give_up_waiting(),
            Event::Attach(id, link) => {
                // A row that failed before a restart is tried again when its time comes.
                if let Some(at) = self.store.next_outgoing_at(&link.channel)? {
                    self.retries.push(Instant::now() + millis(at - store::now()));
                }
                self.links.insert(id, link);
                Ok(())
            }
            Event::Detach(id) => {
                self.links.remove(&id);
                self.flying.retain(|_, flying| {
                    flying.links.remove(&id);
                    !flying.links.is_empty()
                });
                Ok(())
            }
            Event::Sent(id) => {
                self.store.mark_sent(id)?;
                self.flying.remove(&id);
                Ok(())
            }
            Event::Failed { id, why, retry } => self.failed(id, &why, retry),
            Event::Typing { channel, chat, on } => {
                let line = ToChannel::Typing { chat: chat.clone(), on };
                for link in self.links.values().filter(|link| link.shows(&channel, &chat)) {
                    // A sign that finds no room is not missed.
                    let _ = link.to.try_send(line.clone());
                }
                Ok(())
            }
        }
    }

    /// Hands out what is due: of each chat the oldest row.
    fn deliver(&mut self) -> Result<(), StoreError> {
        let channels: BTreeSet<String> = self.links.values().map(|link| link.channel.clone()).collect();
        for channel in channels {
            for row in self.store.next_outgoing(&channel, store::now())? {
                if !self.flying.contains_key(&row.id) {
                    self.hand_out(row);
                }
            }
        }
        let now = Instant::now();
        self.retries.retain(|at| *at > now);
        let confirmations = self.flying.values().map(|flying| flying.until);
        if let Some(next) = confirmations.chain(self.retries.iter().copied()).min() {
            self.look_again(next);
        }
        Ok(())
    }

    fn hand_out(&mut self, row: Queued) {
        let mut taken = BTreeSet::new();
        let mut full = false;
        for (id, link) in self.links.iter().filter(|(_, link)| link.shows(&row.channel, &row.chat)) {
            match link.to.try_send(ToChannel::Send(outgoing(&row))) {
                Ok(()) => {
                    taken.insert(*id);
                }
                Err(mpsc::error::TrySendError::Full(_)) => full = true,
                // It is about to be detached.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        if !taken.is_empty() {
            let until = Instant::now() + self.patience.confirm;
            self.flying.insert(row.id, Flying { row, links: taken, until });
        } else if full {
            self.look_again(Instant::now() + self.patience.first_retry);
        }
    }

    /// Rows that no channel confirmed in time have failed.
    fn give_up_waiting(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        let late: Vec<OutboxId> =
            self.flying.iter().filter(|(_, flying)| flying.until <= now).map(|(id, _)| *id).collect();
        late.into_iter().try_for_each(|id| self.failed(id, "the channel did not confirm it in time", true))
    }

    fn failed(&mut self, id: OutboxId, why: &str, retry: bool) -> Result<(), StoreError> {
        // Not under way: another terminal has confirmed it, or a channel makes it up.
        let Some(flying) = self.flying.get(&id) else { return Ok(()) };
        let attempts = flying.row.attempts + 1;
        let pause = (retry && attempts < ATTEMPTS).then(|| self.pause(attempts));
        let retry_at = pause.map(|pause| store::now() + pause_in_millis(pause));
        self.store.mark_failed(id, why, retry_at)?;
        self.retries.extend(pause.map(|pause| Instant::now() + pause + Duration::from_millis(1)));
        let Some(flying) = self.flying.remove(&id) else { return Ok(()) };
        let given_up = retry_at.is_none();
        tracing::warn!(outgoing = id.0, group = %flying.row.group, attempts, given_up, "a message could not be sent");
        Ok(())
    }

    fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.patience.first_retry.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE)
    }

    fn look_again(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |earlier| earlier.min(at)));
    }
}

impl Link {
    fn shows(&self, channel: &str, chat: &str) -> bool {
        self.channel == channel && self.chat.as_deref().is_none_or(|only| only == chat)
    }
}

/// At least a millisecond, so that what is due then is due.
fn millis(wait: i64) -> Duration {
    Duration::from_millis(u64::try_from(wait).unwrap_or(0) + 1)
}

fn pause_in_millis(pause: Duration) -> store::Millis {
    i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)
}

fn outgoing(row: &Queued) -> Outgoing {
    Outgoing {
        id: row.id.0,
        chat: row.chat.clone(),
        kind: row.kind,
        text: row.text.clone(),
        in_reply_to: row.in_reply_to.clone(),
    }
}
