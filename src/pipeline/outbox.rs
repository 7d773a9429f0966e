//! The outbox: hands queued rows to the connected channels, in order within each chat, until a channel confirms each.
//!
//! Nothing goes out before it is on the disk: a message that was sent and then forgotten would be sent twice. An
//! unconfirmed row is sent again with the same id. A row waits while its channel is disconnected or offline. A row that
//! cannot be sent, or during which its channel repeatedly disconnects, is replaced by a notice; if that fails too, the
//! main group is told. The text itself stays in the store. Typing indicators take the same way but are not stored.

mod beside;
mod link;
mod waiting;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use policies::GroupName;

use self::beside::line;
pub use self::link::{Link, LinkId};
use self::waiting::{millis, pause_in_millis};
use super::reply;
use crate::channels::outward::Outward;
use crate::channels::protocol::{ChannelState, OutgoingKind};
use crate::phrases::Phrases;
use crate::store::{self, Group, NewOutgoing, OutboxId, Queued, Say, Sayable, Store, StoreError};

/// How often a row is tried before it is given up.
const ATTEMPTS: u32 = 10;
/// How often a channel may disconnect while it has a row before that row is given up.
const BREAKS: u32 = 5;
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(store::LONGEST_PAUSE.unsigned_abs());
/// How many times longer than a text a file may take.
const FILES_TAKE: u32 = 4;
/// The shortest interval between two reports to the owner about an unreachable chat.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

/// A handle to the outbox.
#[derive(Clone, Debug)]
pub struct OutboxHandle(mpsc::UnboundedSender<Event>);

#[derive(Debug)]
enum Event {
    Wake,
    Attach(LinkId, Link),
    Detach(LinkId),
    State(LinkId, ChannelState),
    Sent { link: LinkId, id: OutboxId, sent_as: Option<String>, noted: oneshot::Sender<()> },
    Failed { link: LinkId, id: OutboxId, why: String, retry: bool },
    Typing { channel: String, chat: String, on: bool },
    Growing { channel: String, chat: String, line: Outward },
    Channels(oneshot::Sender<Vec<(String, bool)>>),
}

impl OutboxHandle {
    /// Something was queued.
    pub fn wake(&self) {
        self.tell(Event::Wake);
    }

    /// A channel has connected.
    pub fn attach(&self, id: LinkId, link: Link) {
        self.tell(Event::Attach(id, link));
    }

    /// A channel has disconnected; what it did not confirm is sent again when it is back.
    pub fn detach(&self, id: LinkId) {
        self.tell(Event::Detach(id));
    }

    /// A channel's state on its network.
    pub fn state(&self, id: LinkId, state: ChannelState) {
        self.tell(Event::State(id, state));
    }

    /// A channel confirms a row. Returns once that is recorded: the channel's next message may be an echo of it.
    pub async fn sent(&self, link: LinkId, id: OutboxId, sent_as: Option<String>) {
        let (noted, done) = oneshot::channel();
        self.tell(Event::Sent { link, id, sent_as, noted });
        // An error means that the outbox has ended.
        let _ = done.await;
    }

    /// A channel could not send what it was given.
    pub fn failed(&self, link: LinkId, id: OutboxId, why: String, retry: bool) {
        self.tell(Event::Failed { link, id, why, retry });
    }

    /// Shows or hides a chat's typing indicator.
    pub fn typing(&self, channel: &str, chat: &str, on: bool) {
        self.tell(Event::Typing { channel: channel.to_owned(), chat: chat.to_owned(), on });
    }

    /// Shows more of a growing answer, on channels that show such.
    pub fn growing(&self, group: &Group, in_reply_to: &str, text: &Sayable) {
        if let Some(line) = Outward::growing(group, in_reply_to.to_owned(), text) {
            self.tell(Event::Growing { channel: group.channel.clone(), chat: group.chat.clone(), line });
        }
    }

    /// The connected channels, each with whether it can send; none once the outbox has ended.
    pub async fn channels(&self) -> Vec<(String, bool)> {
        let (to, told) = oneshot::channel();
        self.tell(Event::Channels(to));
        told.await.unwrap_or_default()
    }

    /// The outbox ends with the daemon; events that did not reach it wait in the store.
    fn tell(&self, event: Event) {
        let _ = self.0.send(event);
    }
}

/// The pauses of the outbox.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before a failed row is tried again; doubled with each failure.
    pub first_retry: Duration,
    /// How long a channel may take to confirm.
    pub confirm: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { first_retry: Duration::from_secs(5), confirm: Duration::from_secs(60) }
    }
}

/// The events for an outbox that has not started yet.
#[derive(Debug)]
pub struct Inbox(mpsc::UnboundedReceiver<Event>);

/// A handle to an outbox, and what starts it.
pub fn handle() -> (OutboxHandle, Inbox) {
    let (to, events) = mpsc::unbounded_channel();
    (OutboxHandle(to), Inbox(events))
}

impl Inbox {
    /// Starts the outbox; it ends when every handle is gone.
    pub fn start(self, store: Arc<Store>, say: Say, patience: Patience) -> JoinHandle<()> {
        let outbox = Outbox {
            store,
            say,
            patience,
            events: self.0,
            links: BTreeMap::new(),
            flying: HashMap::new(),
            breaks: HashMap::new(),
            told: HashMap::new(),
            durable: None,
            again: None,
        };
        tokio::spawn(outbox.run())
    }
}

/// The most events that are taken before due rows are looked for again.
const AT_ONCE: usize = 256;

struct Outbox {
    store: Arc<Store>,
    say: Say,
    patience: Patience,
    events: mpsc::UnboundedReceiver<Event>,
    links: BTreeMap<LinkId, Link>,
    flying: HashMap<OutboxId, Flying>,
    /// How often a channel has disconnected while it had the row.
    breaks: HashMap<OutboxId, u32>,
    /// When the owner was told that a chat is unreachable.
    told: HashMap<GroupName, Instant>,
    /// The last row known to be on the disk, with all rows before it.
    durable: Option<OutboxId>,
    /// When to look again if nothing happens.
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
        let mut came = Vec::new();
        loop {
            let again = self.again.unwrap_or_else(|| Instant::now() + LONGEST_PAUSE);
            tokio::select! {
                count = self.events.recv_many(&mut came, AT_ONCE) => if count == 0 { return },
                () = tokio::time::sleep_until(again) => {}
            }
            self.again = None;
            let taken = came.drain(..).map(|event| self.take(event)).fold(Ok(()), Result::and);
            let done = match taken.and_then(|()| self.give_up_waiting()) {
                Ok(()) => self.deliver().await,
                failed => failed,
            };
            if let Err(error) = done {
                tracing::error!(%error, "the outbox cannot be read or written; it tries again");
                self.look_again(Instant::now() + self.patience.first_retry);
            }
        }
    }

    fn take(&mut self, event: Event) -> Result<(), StoreError> {
        match event {
            Event::Wake => Ok(()),
            Event::Attach(id, link) => {
                self.links.insert(id, link);
                self.join_in(id)
            }
            Event::Detach(id) => self.detach(id),
            Event::State(id, state) => {
                if let Some(link) = self.links.get_mut(&id) {
                    link.ready = state == ChannelState::Connected;
                }
                self.join_in(id)
            }
            Event::Sent { link, id, sent_as, noted } => {
                let sent = self.sent(link, id, sent_as.as_deref());
                let _ = noted.send(());
                sent
            }
            Event::Failed { link, id, why, retry } => {
                // Not in flight: another terminal has confirmed it.
                if !self.was_given(link, id) || !self.flying.contains_key(&id) {
                    return Ok(());
                }
                self.failed(id, &why, retry)
            }
            Event::Typing { channel, chat, on } => {
                let line = Outward::typing(chat.clone(), on);
                for link in self.links.values().filter(|link| link.shows(&channel, &chat)) {
                    // A lost typing indicator does no harm.
                    let _ = link.to.try_send(line.clone());
                }
                Ok(())
            }
            Event::Channels(to) => {
                let _ = to.send(self.links.values().map(|link| (link.channel.clone(), link.ready)).collect());
                Ok(())
            }
            Event::Growing { channel, chat, line } => {
                for link in self.links.values().filter(|link| link.grows && link.shows(&channel, &chat)) {
                    // Nor does a lost piece: the whole answer follows.
                    let _ = link.to.try_send(line.clone());
                }
                Ok(())
            }
        }
    }

    /// Hands out what is due: the oldest row of each chat. A row on which a channel has disconnected goes alone, so
    /// that no other row is blamed.
    async fn deliver(&mut self) -> Result<(), StoreError> {
        let channels: BTreeSet<String> = self.links.values().map(|link| link.channel.clone()).collect();
        let mut next = None;
        for channel in channels {
            let now = store::now();
            let mut due = self.store.next_outgoing(&channel, now)?;
            let later = self.store.next_outgoing_at(&channel, now)?;
            let again = later.map(|at| Instant::now() + millis(at - now).min(LONGEST_PAUSE));
            next = again.into_iter().chain(next).min();
            due.retain(|row| self.links.values().any(|link| link.takes(row)));
            if let Some(alone) = due.iter().position(|row| self.breaks.contains_key(&row.id)) {
                let busy = self.flying.values().any(|flying| flying.row.channel == channel);
                due = if busy { Vec::new() } else { vec![due.swap_remove(alone)] };
            }
            due.retain(|row| !self.flying.contains_key(&row.id));
            self.give_up_unsendable(&mut due)?;
            if let Some(newest) = due.iter().map(|row| row.id).max()
                && self.durable.is_none_or(|durable| durable < newest)
            {
                self.store.durable().await?;
                self.durable = Some(newest);
            }
            for row in due {
                self.hand_out(row)?;
            }
        }
        let confirmations = self.flying.values().map(|flying| flying.until);
        if let Some(next) = confirmations.chain(next).min() {
            self.look_again(next);
        }
        Ok(())
    }

    /// Gives a new channel the rows in flight at another one of its chat, which may be
    /// connected and not reading (a suspended terminal). The first confirmation counts.
    fn join_in(&mut self, id: LinkId) -> Result<(), StoreError> {
        let Some(link) = self.links.get_mut(&id) else { return Ok(()) };
        for flying in self.flying.values_mut() {
            let is_for_it = link.takes(&flying.row) && link.can_send(&flying.row) && !flying.links.contains(&id);
            if is_for_it && link.to.try_send(line(&self.store, &flying.row)?).is_ok() {
                flying.links.insert(id);
                link.given.insert(flying.row.id);
            }
        }
        Ok(())
    }

    fn hand_out(&mut self, row: Queued) -> Result<(), StoreError> {
        let mut taken = BTreeSet::new();
        let mut full = false;
        let send = line(&self.store, &row)?;
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.takes(&row) && link.can_send(&row)) {
            match link.to.try_send(send.clone()) {
                Ok(()) => {
                    taken.insert(*id);
                    link.given.insert(row.id);
                }
                Err(mpsc::error::TrySendError::Full(_)) => full = true,
                // It is about to be detached.
                Err(mpsc::error::TrySendError::Closed(_)) => {}
            }
        }
        if !taken.is_empty() {
            // A file is uploaded first.
            let patience = if row.file.is_some() { FILES_TAKE } else { 1 };
            let until = Instant::now() + self.patience.confirm * patience;
            self.flying.insert(row.id, Flying { row, links: taken, until });
        } else if full {
            self.look_again(Instant::now() + self.patience.first_retry);
        }
        Ok(())
    }

    /// Fails rows that no channel confirmed in time; a late confirmation may still arrive.
    fn give_up_waiting(&mut self) -> Result<(), StoreError> {
        if !self.events.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        let late: Vec<OutboxId> =
            self.flying.iter().filter(|(_, flying)| flying.until <= now).map(|(id, _)| *id).collect();
        late.into_iter().try_for_each(|id| self.failed(id, "the channel did not confirm it in time", true))
    }

    fn detach(&mut self, gone: LinkId) -> Result<(), StoreError> {
        self.links.remove(&gone);
        let mut dropped = Vec::new();
        self.flying.retain(|id, flying| {
            if flying.links.remove(&gone) && flying.links.is_empty() {
                dropped.push(*id);
            }
            !flying.links.is_empty()
        });
        for id in dropped {
            let breaks = self.breaks.entry(id).or_default();
            *breaks += 1;
            if *breaks >= BREAKS {
                self.give_up(id, "the channel broke off each time it was to be sent")?;
            }
        }
        Ok(())
    }

    fn sent(&mut self, link: LinkId, id: OutboxId, sent_as: Option<&str>) -> Result<(), StoreError> {
        if !self.was_given(link, id) {
            tracing::warn!(outgoing = id.0, "a channel confirms a message that it was not given");
            return Ok(());
        }
        self.store.mark_sent(id, sent_as)?;
        self.forget(id);
        Ok(())
    }

    fn failed(&mut self, id: OutboxId, why: &str, retry: bool) -> Result<(), StoreError> {
        let Some(flying) = self.flying.get(&id) else { return Ok(()) };
        // Its channel has lost its network, which is not the message's fault, so it waits.
        if retry && !flying.links.iter().any(|link| self.links.get(link).is_some_and(|link| link.ready)) {
            self.flying.remove(&id);
            return Ok(());
        }
        let attempts = flying.row.attempts + 1;
        let pause = (retry && attempts < ATTEMPTS).then(|| self.pause(attempts));
        tracing::warn!(outgoing = id.0, group = %flying.row.group, attempts, given_up = pause.is_none(), "a message could not be sent");
        let Some(pause) = pause else { return self.give_up(id, why) };
        self.store.mark_failed(id, why, Some(store::now() + pause_in_millis(pause)))?;
        self.flying.remove(&id);
        Ok(())
    }

    /// Tells the chat that there was an answer; if not even that can be sent, tells the owner.
    fn give_up(&mut self, id: OutboxId, why: &str) -> Result<(), StoreError> {
        if let Some(row) = self.store.outgoing(id)? {
            let words = self.say.own(&row.group, Phrases::new("not-delivered").saying("why", reply::error(why)));
            if !self.store.send_instead(id, why, &words)? && self.store.mark_failed(id, why, None)? {
                self.tell_owner(row, why)?;
            }
        }
        tracing::error!(outgoing = id.0, "a message was given up; `doorward undelivered` prints what it says");
        self.forget(id);
        Ok(())
    }

    /// Tells the main group's chat that a chat is unreachable, without the text, which belongs to the group.
    fn tell_owner(&mut self, row: Queued, why: &str) -> Result<(), StoreError> {
        if row.kind == OutgoingKind::Done {
            return Ok(());
        }
        let main = self.store.main_group()?;
        let Some(main) = main.filter(|main| main.name != row.group) else { return Ok(()) };
        let now = Instant::now();
        if self.told.get(&row.group).is_some_and(|told| now < *told + TOLD_AGAIN) {
            return Ok(());
        }
        let why = reply::error(why);
        let text = Phrases::new("chat-not-told").with("group", &row.group).saying("why", why.trim_end_matches('.'));
        let text = self.say.own(&main.name, text);
        self.store.enqueue(&main.name, None, &NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None })?;
        self.told.insert(row.group, now);
        Ok(())
    }

    fn was_given(&self, link: LinkId, id: OutboxId) -> bool {
        self.links.get(&link).is_some_and(|link| link.given.contains(&id))
    }

    /// The row is settled, one way or the other.
    fn forget(&mut self, id: OutboxId) {
        self.flying.remove(&id);
        self.breaks.remove(&id);
        for link in self.links.values_mut() {
            link.given.remove(&id);
        }
    }

    fn pause(&self, attempts: u32) -> Duration {
        let doubled = self.patience.first_retry.saturating_mul(1 << attempts.saturating_sub(1).min(16));
        doubled.min(LONGEST_PAUSE)
    }

    fn look_again(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |earlier| earlier.min(at)));
    }
}
