//! A pipeline in its own folder, and a terminal to talk to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::tz::TimeZone;
use policies::{Authority, GroupName};
use proxy::audit::Identity;
use proxy::ports::{SecretUnavailable, Secrets};
use scan::{Watched, WatchedKind, Watchlist};
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fake::Fakes;
use crate::absence::Absence;
use crate::approvals::{Approvals, Times};
use crate::channels::outward::Outward;
use crate::channels::protocol::{FromChannel, Incoming, Outgoing, OutgoingKind, Sender, Takes, ToChannel, VERSION};
use crate::channels::terminal::{CHANNEL, Link};
use crate::config::PeopleNotice;
use crate::home::Home;
use crate::phrases::Language;
use crate::pipeline::calling::Name;
use crate::pipeline::outbox::{self, Patience};
use crate::pipeline::retries::Backoff;
use crate::pipeline::router::Peer;
use crate::pipeline::scheduler::TaskBell;
use crate::pipeline::waiting::Waits;
use crate::pipeline::{Assistant, Locks, Parts, Pipeline, PipelineTask, Settings};
use crate::store::ledger::AuditLog;
use crate::store::{Group, NewGroup, Say, Store};

/// Long enough for a busy machine; nothing waits that long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct House {
    pub(super) home: Home,
    pub(super) store: Arc<Store>,
    pub(super) fakes: Fakes,
    pub(super) settings: Settings,
    pub(super) patience: Patience,
    pub(super) language: Language,
    _folder: TempDir,
}

pub(super) struct Running {
    pub(super) pipeline: Arc<Pipeline>,
    _task: PipelineTask,
}

pub(super) struct Terminal {
    pub(super) say: mpsc::Sender<FromChannel>,
    pub(super) hear: mpsc::Receiver<Outward>,
    /// Everything that it was sent, in order.
    pub(super) seen: Vec<Outgoing>,
}

impl House {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        home.prepare().unwrap();
        let store = Arc::new(Store::open(&home.main_db()).unwrap());
        let ledger = AuditLog::open(&home.audit_log()).unwrap().marking_runs_in(Arc::clone(&store));
        let ledger = Arc::new(ledger);
        let assistant = Assistant { name: Name::new("Doorward"), shown: "Doorward".into(), zone: TimeZone::UTC };
        let settings = Settings {
            assistant,
            cap: 2,
            idle: PATIENCE,
            backoff: Backoff { first: Duration::from_millis(2) },
            waits: Waits::default(),
            again: PATIENCE,
            people_notice: PeopleNotice::default(),
        };
        let patience = Patience { first_retry: Duration::from_millis(5), confirm: PATIENCE };
        House {
            home,
            store,
            fakes: Fakes::new(ledger),
            settings,
            patience,
            language: Language::English,
            _folder: folder,
        }
    }

    pub(super) fn group(&self, name: &str) -> Group {
        self.group_of(name, "shell", false)
    }

    pub(super) fn group_of(&self, name: &str, agent: &str, is_main: bool) -> Group {
        let name = GroupName::parse(name).unwrap();
        if agent != "shell" {
            self.fakes.readers.lock().unwrap().push((name.clone(), agent == "obeys"));
        }
        let new = NewGroup { name: &name, channel: CHANNEL, chat: name.as_str(), is_main };
        self.store.add_group(&new).unwrap()
    }

    pub(super) fn start(&self) -> Running {
        let language = self.language;
        let say = Say::new(Arc::new(Guarded), Arc::clone(&self.fakes.ledger)).speaking(move |_| language);
        let (outbox, inbox) = outbox::handle();
        inbox.start(Arc::clone(&self.store), say.clone(), self.patience);
        let (store, ledger) = (Arc::clone(&self.store), Arc::clone(&self.fakes.ledger));
        let approvals = Approvals::open(&self.home, store, ledger, Times::of_the_machine()).unwrap();
        let (pipeline, task) = Pipeline::start(Parts {
            locks: {
                let locked = Arc::clone(&self.fakes.locked);
                Locks::new(move |group| {
                    locked.lock().unwrap().push(group.map(ToString::to_string));
                    Ok(())
                })
            },
            allowance: self.fakes.allowance(),
            absence: Absence::open(
                (None, self.home.absence_file()),
                Arc::clone(&self.fakes.ledger),
                (Times::of_the_machine(), String::new()),
                |_| {},
            ),
            home: self.home.clone(),
            store: Arc::clone(&self.store),
            ledger: Arc::clone(&self.fakes.ledger),
            say,
            outbox,
            approvals,
            bell: TaskBell::default(),
            sandboxes: self.fakes.clone(),
            settings: self.settings.clone(),
        })
        .unwrap();
        Running { pipeline, _task: task }
    }

    pub(super) fn started(&self) -> usize {
        self.fakes.started.load(Ordering::SeqCst)
    }

    pub(super) fn live(&self) -> usize {
        *self.fakes.live.borrow()
    }

    /// A group whose agent obeys the last message of a prompt, with several prompts at once.
    pub(super) fn group_that_obeys(&self, name: &str) -> Group {
        self.group_of(name, "obeys", false)
    }

    /// Waits until this many prompts have been held since the start.
    pub(super) async fn holds(&self, many: usize) {
        let mut holding = self.fakes.holding.subscribe();
        timeout(PATIENCE, holding.wait_for(|holding| *holding >= many)).await.expect("it holds in time").unwrap();
    }

    /// Waits until a sandbox lives.
    pub(super) async fn lives(&self) {
        let mut live = self.fakes.live.subscribe();
        timeout(PATIENCE, live.wait_for(|live| *live > 0)).await.expect("a sandbox starts in time").unwrap();
    }
}

impl Running {
    /// A channel's program, with chats of several people.
    pub(super) async fn program(&self, channel: &'static str) -> Terminal {
        self.connected(Peer::Program(channel), channel, Vec::new()).await
    }

    /// A terminal that shows one group, or every chat of its channel.
    pub(super) async fn terminal(&self, only: Option<&Group>) -> Terminal {
        self.terminal_taking(only, Vec::new()).await
    }

    /// The same for one that can send more than texts.
    pub(super) async fn terminal_taking(&self, only: Option<&Group>, takes: Vec<Takes>) -> Terminal {
        self.connected(Peer::Owner(only.cloned()), CHANNEL, takes).await
    }

    async fn connected(&self, peer: Peer, channel: &str, takes: Vec<Takes>) -> Terminal {
        let (say, from) = mpsc::channel(64);
        let (to, hear) = mpsc::channel(64);
        let pipeline = Arc::clone(&self.pipeline);
        tokio::spawn(async move { pipeline.serve_channel(Link { from, to }, peer).await });
        let mut terminal = Terminal { say, hear, seen: Vec::new() };
        let (channel, program) = (channel.into(), "test".into());
        let hello = FromChannel::Hello { v: VERSION, channel, program, grows: false, takes };
        terminal.say.send(hello).await.unwrap();
        assert!(matches!(terminal.next().await, ToChannel::Welcome { .. }));
        terminal
    }
}

impl Terminal {
    pub(super) async fn send(&self, chat: &str, id: &str, text: &str) {
        self.deliver(incoming(chat, id, "Owner", text)).await;
    }

    /// Somebody writes in a chat of several people.
    pub(super) async fn write(&self, chat: &str, id: &str, who: &str, text: &str) {
        self.deliver(Incoming { group: true, ..incoming(chat, id, who, text) }).await;
    }

    pub(super) async fn deliver(&self, message: Incoming) {
        self.say.send(FromChannel::Message(message)).await.unwrap();
    }

    pub(super) async fn next(&mut self) -> ToChannel {
        timeout(PATIENCE, self.hear.recv())
            .await
            .expect("something is said in time")
            .expect("the connection holds")
            .into_line()
    }

    /// Its next message, not confirmed yet.
    pub(super) async fn receive(&mut self) -> Outgoing {
        loop {
            if let ToChannel::Send(out) = self.next().await {
                self.seen.push(out.clone());
                return out;
            }
        }
    }

    pub(super) async fn confirm(&self, id: u64) {
        self.say.send(FromChannel::Sent { id, sent_as: None }).await.unwrap();
    }

    /// Waits until the daemon has taken in a message.
    pub(super) async fn accepted(&mut self, id: &str) {
        while self.next().await != (ToChannel::Accepted { id: id.to_owned() }) {}
    }

    /// Confirms everything until the answer to `id` is complete; returns what belonged to it.
    pub(super) async fn answer_to(&mut self, id: &str) -> Vec<(OutgoingKind, String)> {
        let mut all = Vec::new();
        loop {
            let out = self.receive().await;
            self.confirm(out.id).await;
            if out.in_reply_to.as_deref() != Some(id) {
                continue;
            }
            if out.kind == OutgoingKind::Done {
                return all;
            }
            all.push((out.kind, out.text));
        }
    }
}

pub(super) fn incoming(chat: &str, id: &str, who: &str, text: &str) -> Incoming {
    let sender = Sender { id: who.to_lowercase(), name: who.into() };
    Incoming { id: id.into(), chat: chat.into(), sender, text: text.into(), at: 1, ..Incoming::default() }
}

/// A secret that no reply may contain.
pub(super) const SECRET: &str = "bank-real-0123456789abcdef";

/// A vault with only [`SECRET`].
pub(super) struct Guarded;

impl Secrets for Guarded {
    fn reveal(&self, _: &str) -> Result<SecretString, SecretUnavailable> {
        Ok(SecretString::from(SECRET))
    }

    fn held(&self, _: &str) -> Vec<SecretString> {
        vec![SecretString::from(SECRET)]
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        let what = WatchedKind::Secret { credential: "bank".into() };
        Arc::new(Watchlist::build([Watched::new(what, &SecretString::from(SECRET))]).unwrap())
    }

    fn set_aside(&self, _: &Identity, _: &Authority) {}

    fn is_set_aside(&self, _: &GroupName, _: &Authority) -> bool {
        false
    }
}
