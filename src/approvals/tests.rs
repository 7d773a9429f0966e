#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::{
    AskedBy, Authority, BodyHash, Code, Facts, Fingerprint, GroupName, HeadHash, Moment, PolicyHash, Refusal, RuleRef,
    SandboxId,
};
use proxy::audit::Identity;
use proxy::ports::{Beside, Held, Owner, Question, Yes};
use proxy::ports::{SecretUnavailable, Secrets};
use scan::{Watched, WatchedKind, Watchlist};
use secrecy::SecretString;
use tokio::time::Instant;

use super::answering::NotAnswered;
use super::book::{NEW_A_MINUTE, NOES, NOES_WITHIN, OF_ONE_GROUP};
use super::open::Message;
use super::owner::By;
use super::reading::Answer;
use super::yes::Counted;
use super::*;
use crate::channels::protocol::{Incoming, Quote, Sender};
use crate::store::{Answered, Ask, AskState, Group, MARK, NewGroup, RunId};

mod anew;
mod asked;
mod bounds;
mod heard;
mod never;
mod shown;
mod vectors;

/// An installation without a network, whose clocks a test sets.
struct Scene {
    dir: tempfile::TempDir,
    wall: Arc<AtomicI64>,
    /// In seconds.
    steady: Arc<AtomicU64>,
    now: Daemon,
}

/// One lifetime of a daemon.
struct Daemon {
    store: Arc<Store>,
    ledger: Arc<AuditLog>,
    approvals: Arc<Approvals>,
}

/// A surrogate of the family's: no other chat may read it.
const SURROGATE: &str = "family-surrogate-0123456789abcdef";

/// A policy that the daemon has not noticed yet.
const SAVED_ANEW: &str = "# saved anew\n";

/// A vault with only that.
struct Guarded;

impl Secrets for Guarded {
    fn reveal(&self, _: &str) -> Result<SecretString, SecretUnavailable> {
        Ok(SecretString::from(""))
    }

    fn held(&self, _: &str) -> Vec<SecretString> {
        Vec::new()
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        let what = WatchedKind::Surrogate {
            credential: "bank".into(),
            sandbox: SandboxId::new("abc123").unwrap(),
            group: group("family"),
            retired: false,
        };
        Arc::new(Watchlist::build([Watched::new(what, &SecretString::from(SURROGATE))]).unwrap())
    }

    fn set_aside(&self, _: &Identity, _: &Authority) {}

    fn is_set_aside(&self, _: &GroupName, _: &Authority) -> bool {
        false
    }
}

type Waiting = BoxFuture<'static, Result<Yes, Refusal>>;

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (wall, steady) = (Arc::new(AtomicI64::new(1_795_000_000_000)), Arc::new(AtomicU64::new(1000)));
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        let now = Daemon::start(&home, &wall, &steady);
        let scene = Scene { dir, wall, steady, now };
        scene.add("owner", true);
        scene.add("family", false);
        scene
    }

    fn add(&self, name: &str, is_main: bool) {
        let new = NewGroup { name: &group(name), channel: "whatsapp", chat: name, is_main };
        self.now.store.add_group(&new).unwrap();
    }

    fn group(&self, name: &str) -> Group {
        self.now.store.group(&group(name)).unwrap().unwrap()
    }

    fn restart(&mut self) {
        let home = Home::at(self.dir.path()).unwrap();
        // The log allows one writer.
        let Daemon { store, ledger, approvals } = std::mem::replace(&mut self.now, Daemon::of_nothing());
        drop((approvals, store, ledger));
        self.now = Daemon::start(&home, &self.wall, &self.steady);
    }

    fn goes_on(&self, seconds: u64) {
        self.steady.fetch_add(seconds, Ordering::SeqCst);
        self.wall.fetch_add(i64::try_from(seconds).unwrap() * 1000, Ordering::SeqCst);
    }

    /// Starts asking; returns the request that still waits.
    fn ask(&self, question: Question) -> Result<Result<Yes, Refusal>, Waiting> {
        self.ask_by(question, held(policy_file::deny_all(&group("family")), ""))
    }

    fn ask_by(&self, question: Question, held: Held) -> Result<Result<Yes, Refusal>, Waiting> {
        let approvals = self.now.approvals.clone();
        let mut waiting: Waiting = Box::pin(async move { approvals.ask(question, held).await });
        match (&mut waiting).now_or_never() {
            Some(answered) => Ok(answered),
            None => Err(waiting),
        }
    }

    #[track_caller]
    fn waits(&self, question: Question) -> Waiting {
        self.ask(question).expect_err("it waits")
    }

    fn last(&self) -> Ask {
        self.now.approvals.open_asks().unwrap().pop().unwrap()
    }

    fn say(&self, what: Answered) -> Result<String, NotAnswered> {
        self.now.approvals.answer(self.last().id, &answer(what), By::command())
    }

    /// The log's entries of this kind of event.
    fn logged(&self, what: &str) -> Vec<String> {
        let folder = Home::at(self.dir.path()).unwrap().audit_log();
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
        files.sort();
        let lines: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let what = format!("\"what\":\"{what}\"");
        lines.lines().filter(|line| line.contains(&what)).map(ToOwned::to_owned).collect()
    }

    /// A message in a chat, from its only other person.
    fn hears(&self, chat: &str, message: Incoming) -> Heard {
        self.now.approvals.hears_answer(&self.group(chat), &message).unwrap()
    }

    /// Puts what is due; returns the message's id on the network.
    fn put(&self) -> Option<(String, String)> {
        let before = self.now.store.next_outgoing_of(&group("owner"), i64::MAX).unwrap();
        assert_eq!(before, None, "each message is sent before the next");
        self.now.approvals.put_due();
        self.sends()
    }

    /// Sends the next message that was put.
    fn sends(&self) -> Option<(String, String)> {
        let row = self.now.store.next_outgoing_of(&group("owner"), i64::MAX).unwrap()?;
        let id = format!("NET-{}", row.id.0);
        self.now.store.mark_sent(row.id, Some(&id)).unwrap();
        Some((id, row.text.to_string()))
    }
}

impl Daemon {
    fn start(home: &Home, wall: &Arc<AtomicI64>, steady: &Arc<AtomicU64>) -> Self {
        let store = Arc::new(Store::open(&home.main_db()).unwrap());
        let ledger = Arc::new(AuditLog::open(&home.audit_log()).unwrap());
        let (wall, steady) = (wall.clone(), steady.clone());
        let times =
            Times::new(move || wall.load(Ordering::SeqCst), move || Duration::from_secs(steady.load(Ordering::SeqCst)));
        let approvals = Approvals::open(home, store.clone(), ledger.clone(), times).unwrap();
        approvals.stands_among(Around {
            say: Say::new(Arc::new(Guarded), ledger.clone()),
            wake_outbox: Box::new(|| {}),
            tell_agent: Box::new(|_, _, _| {}),
            look_at_policy: Box::new({
                let (home, asked) = (home.clone(), Arc::downgrade(&approvals));
                move |group| match std::fs::read_to_string(home.policy_file(group)) {
                    Ok(text) if text == SAVED_ANEW => asked.upgrade().unwrap().policy_changed(group),
                    _ => {}
                }
            }),
            is_locked: Box::new(|group| group.as_str() == "locked"),
            owners: vec!["anna-herself".to_owned()],
        });
        Daemon { store, ledger, approvals }
    }

    /// Between two lifetimes.
    fn of_nothing() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path()).unwrap();
        home.prepare().unwrap();
        Daemon::start(&home, &Arc::default(), &Arc::default())
    }
}

fn group(name: &str) -> GroupName {
    GroupName::parse(name).unwrap()
}

fn held(policy: policies::Policy, body: &str) -> Held {
    Held {
        policy: Arc::new(policy),
        now: Moment::FAR,
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        is_json: true,
    }
}

fn answer(what: Answered) -> Answer {
    Answer { what, because: None, all: false }
}

/// A question of the family's about this URL and body, in this run.
fn question(url: &str, body: &str, run: Option<u64>) -> Question {
    let facts = Facts::parse("POST", url).unwrap();
    let by = AskedBy {
        at: RuleRef { file: "policies/family.toml".into(), line: 1 },
        why: None,
        hold: 50,
        quiet: false,
        lift: Vec::new(),
    };
    Question {
        who: Identity { group: group("family"), sandbox: SandboxId::new("abc123").unwrap() },
        run,
        shown: facts.path.clone(),
        credential: None,
        by: Arc::new(by),
        policy: PolicyHash::of(&[]),
        fingerprint: Fingerprint::of(&group("family"), &facts, None, HeadHash::default()),
        body: BodyHash::of(body.as_bytes()),
        bytes: body.len() as u64,
        fields: vec!["name".to_owned(), "date".to_owned()],
        beside: Beside::default(),
        says: format!("send it to forms.example ({})", body.len()),
        until: Instant::now() + Duration::from_secs(50),
        facts,
    }
}

fn form(body: &str) -> Question {
    question("https://forms.example/submit", body, None)
}
