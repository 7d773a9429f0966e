//! A sandbox that does what its prompt says.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use containers::protocol::{Forgotten, FromGuest, ToGuest};
use policies::{GroupName, SandboxId};
use proxy::audit::{Allowed, Decision, Identity, Ledger as _, Protocol};
use tokio::sync::{mpsc, watch};

use crate::agents::Order;
use crate::pipeline::Allowance;
use crate::pipeline::prompt::Form;
use crate::pipeline::sandbox::{Lost, Sandbox, StartFailure, StartSandbox};
use crate::store::ledger::AuditLog;
use crate::store::{Group, RunId};

/// Starts fakes, and counts them.
#[derive(Clone)]
pub(super) struct Fakes {
    pub(super) ledger: Arc<AuditLog>,
    /// What the owner's `lock` has locked, in order.
    pub(super) locked: Arc<Mutex<Vec<Option<String>>>>,
    pub(super) started: Arc<AtomicUsize>,
    pub(super) live: watch::Sender<usize>,
    /// The session that each start was to resume.
    pub(super) resumed: Arc<Mutex<Vec<Option<String>>>>,
    /// Groups whose agent reads context, and whether it obeys the last message instead of repeating everything.
    pub(super) readers: Arc<Mutex<Vec<(GroupName, bool)>>>,
    /// How many prompts are being held.
    pub(super) holding: watch::Sender<usize>,
    pub(super) failures: Arc<Mutex<VecDeque<StartFailure>>>,
    /// Groups whose folder was removed under a live sandbox; each is reported once.
    pub(super) folders_gone: Arc<Mutex<std::collections::BTreeSet<GroupName>>>,
    /// Everything that agents read.
    pub(super) prompts: Arc<Mutex<Vec<String>>>,
    /// How many runs a group may have.
    pub(super) runs: Arc<AtomicUsize>,
    /// How many agents each group has.
    pub(super) agents: Arc<Mutex<usize>>,
    /// How many of them are overloaded, counted from the first.
    pub(super) overloaded: Arc<AtomicUsize>,
    /// How many prompts `die` kills before it answers.
    pub(super) deaths: Arc<AtomicUsize>,
    /// Whether stopping sandboxes may end; how many want to.
    pub(super) may_end: watch::Sender<bool>,
    pub(super) ending: watch::Sender<usize>,
}

pub(super) struct Fake {
    of: Fakes,
    group: GroupName,
    id: SandboxId,
    order: Order,
    run: Mutex<Option<RunId>>,
    says: mpsc::UnboundedReceiver<FromGuest>,
    say: Option<mpsc::UnboundedSender<FromGuest>>,
    held: Vec<u64>,
}

impl Fakes {
    pub(super) fn new(ledger: Arc<AuditLog>) -> Self {
        let zero = || Arc::new(AtomicUsize::new(0));
        let (live, may_end, ending) = (watch::Sender::new(0), watch::Sender::new(true), watch::Sender::new(0));
        let holding = watch::Sender::new(0);
        Fakes {
            ledger,
            locked: Arc::default(),
            started: zero(),
            live,
            resumed: Arc::default(),
            readers: Arc::default(),
            holding,
            failures: Arc::default(),
            folders_gone: Arc::default(),
            prompts: Arc::default(),
            runs: Arc::new(AtomicUsize::new(usize::MAX)),
            deaths: zero(),
            agents: Arc::new(Mutex::new(1)),
            overloaded: zero(),
            may_end,
            ending,
        }
    }

    pub(super) fn allowance(&self) -> Allowance {
        let runs = Arc::clone(&self.runs);
        Allowance::new(move |_| Some((u64::try_from(runs.load(Ordering::SeqCst)).unwrap(), 0)))
    }
}

impl StartSandbox for Fakes {
    type Sandbox = Fake;

    async fn start(&self, group: &Group, at: usize, resume: Option<String>) -> Result<Fake, StartFailure> {
        if let Some(failure) = self.failures.lock().unwrap().pop_front() {
            return Err(failure);
        }
        self.resumed.lock().unwrap().push(resume);
        let number = self.started.fetch_add(1, Ordering::SeqCst) + 1;
        self.live.send_modify(|live| *live += 1);
        let (say, says) = mpsc::unbounded_channel();
        let id = SandboxId::new(&format!("{number:032x}")).unwrap();
        let (of, group) = (self.clone(), group.name.clone());
        let names = |at: usize| ["Ada", "Bo", "Cy"].get(at).map(|name| (*name).to_owned());
        let many = *self.agents.lock().unwrap();
        let next = names(at + 1).filter(|_| at + 1 < many);
        let order = Order { at, name: names(at).unwrap(), next };
        Ok(Fake { of, group, id, order, run: Mutex::default(), says, say: Some(say), held: Vec::new() })
    }
}

impl Fake {
    fn answer(&self, id: u64, text: &str) {
        for line in [FromGuest::Text { id, text: text.to_owned() }, FromGuest::Done { id, with: None }] {
            if let Some(say) = &self.say {
                say.send(line).unwrap();
            }
        }
    }

    fn obey(&mut self, id: u64, text: &str) {
        self.of.prompts.lock().unwrap().push(text.to_owned());
        // An agent that reads context says what it read.
        let obeys = || self.of.readers.lock().unwrap().iter().any(|(group, obeys)| *group == self.group && *obeys);
        if text.starts_with(['<']) && !obeys() {
            return self.answer(id, text);
        }
        let text = last_message(text);
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        match word {
            "who" if self.order.at < self.of.overloaded.load(Ordering::SeqCst) => {
                let message = "overloaded".to_owned();
                let error = FromGuest::Error { id, message, fatal: false, retry: true, another: true };
                self.say.as_ref().unwrap().send(error).unwrap();
            }
            "who" => self.answer(id, &self.order.name.clone()),
            "write-and-who" => {
                record(&self.of.ledger, &self.group, *self.run.lock().unwrap(), "POST", Allowed::Allow);
                let message = "overloaded".to_owned();
                let error = FromGuest::Error { id, message, fatal: false, retry: true, another: true };
                self.say.as_ref().unwrap().send(error).unwrap();
            }
            "echo" => self.answer(id, rest),
            // Answers when it reads `release`.
            "hold" => {
                self.held.push(id);
                self.of.holding.send_modify(|holding| *holding += 1);
            }
            "release" => {
                // The later one first: answers must still come in the order of the messages.
                self.answer(id, "released");
                std::mem::take(&mut self.held).into_iter().for_each(|held| self.answer(held, "held"));
            }
            // One turn for both: the later one's answer.
            "merge" => {
                for held in std::mem::take(&mut self.held) {
                    self.say.as_ref().unwrap().send(FromGuest::Done { id: held, with: Some(id) }).unwrap();
                }
                self.answer(id, "both");
            }
            "session" => {
                self.say.as_ref().unwrap().send(FromGuest::Session { session: Some(rest.to_owned()) }).unwrap();
                self.answer(id, "noted");
            }
            "error" => {
                let error =
                    FromGuest::Error { id, message: rest.to_owned(), fatal: false, retry: true, another: false };
                self.say.as_ref().unwrap().send(error).unwrap();
            }
            // Fails because of its content.
            "refuse" => {
                for line in [
                    FromGuest::Session { session: None },
                    FromGuest::Forgot { id, what: Forgotten::Turn },
                    FromGuest::Error { id, message: rest.to_owned(), fatal: false, retry: false, another: false },
                ] {
                    self.say.as_ref().unwrap().send(line).unwrap();
                }
            }
            "nothing" => self.answer(id, ""),
            "alive" => {
                let sign = FromGuest::Progress { id, what: "thinks".to_owned() };
                self.say.as_ref().unwrap().send(sign).unwrap();
                self.held.push(id);
            }
            "die" if self.of.deaths.load(Ordering::SeqCst) == 0 => self.answer(id, "alive"),
            "die" => {
                self.of.deaths.fetch_sub(1, Ordering::SeqCst);
                self.say = None;
            }
            "post-and-die" => {
                record(&self.of.ledger, &self.group, *self.run.lock().unwrap(), "POST", Allowed::Allow);
                self.say = None;
            }
            "refused" => {
                record(&self.of.ledger, &self.group, *self.run.lock().unwrap(), "GET", Allowed::Deny);
                self.answer(id, "tried");
            }
            // Orders of the main chat, which are none in others.
            "lock" | "pause" => self.answer(id, "no order"),
            other => panic!("the fake does not know {other:?}"),
        }
    }
}

impl Sandbox for Fake {
    fn id(&self) -> &SandboxId {
        &self.id
    }

    fn reads(&self) -> Form {
        let reads = self.of.readers.lock().unwrap().iter().any(|(group, _)| *group == self.group);
        if reads { Form::Context } else { Form::Bare }
    }

    fn order(&self) -> &Order {
        &self.order
    }

    fn has_its_folder(&self) -> bool {
        !self.of.folders_gone.lock().unwrap().remove(&self.group)
    }

    async fn send(&mut self, line: &ToGuest) -> Result<(), Lost> {
        match line {
            ToGuest::Prompt { id, text } | ToGuest::FollowUp { id, text } => self.obey(*id, &text.clone()),
            ToGuest::Interrupt => {}
            other => panic!("nobody sends {other:?} here"),
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Option<FromGuest>, Lost> {
        Ok(self.says.recv().await)
    }

    fn set_run(&self, run: Option<RunId>) {
        *self.run.lock().unwrap() = run;
    }

    async fn stop(self, _: &'static str) {
        self.of.ending.send_modify(|ending| *ending += 1);
        self.of.may_end.subscribe().wait_for(|may| *may).await.unwrap();
        self.of.live.send_modify(|live| *live -= 1);
    }
}

/// The last message of a prompt, without its call.
fn last_message(text: &str) -> &str {
    if let Some((_, task)) = text.strip_suffix("</task>").and_then(|text| text.split_once('>')) {
        return task;
    }
    let Some(messages) = text.strip_suffix("</message>\n</messages>") else { return text };
    let last = &messages[messages.rfind("<message ").unwrap_or(0)..];
    let said = last.split_once('>').map_or(last, |(_, said)| said);
    said.strip_prefix("@Doorward ").unwrap_or(said)
}

/// Logs a decision of a run, as the door does.
pub(super) fn record(ledger: &AuditLog, group: &GroupName, run: Option<RunId>, method: &str, verdict: Allowed) {
    let denied = verdict == Allowed::Deny;
    let decision = Decision {
        identity: Identity { group: group.clone(), sandbox: SandboxId::new("abc").unwrap() },
        run: run.map(|run| run.0),
        connection: 1,
        protocol: Protocol::Https,
        operation: None,
        raw_target: None,
        sni: None,
        host_header: None,
        scheme: Some("https"),
        host: Some("news.example".into()),
        port: Some(443),
        method: Some(method.into()),
        path: Some("/today".into()),
        query_bytes: None,
        head_bytes: None,
        granted: None,
        observed: false,
        by_wildcard: false,
        asks_model: false,
        verdict,
        code: denied.then_some(policies::Code::NotAllowed),
        why: denied.then(|| "no rule names news.example".into()),
        rule: None,
        lift: if denied { vec!["[[allow]]".into(), "host = \"news.example\"".into()] } else { Vec::new() },
        policy: None,
        credential: None,
        swap: None,
        findings: Vec::new(),
        reserves: None,
        alarm: false,
    };
    ledger.decided(&decision).unwrap();
}
