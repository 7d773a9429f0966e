//! One evening: the household, what it does, and what befalls it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;

use super::cast::{Cast, POLICY};
use super::clock::Clock;
use super::disk::Disk;
use super::engine::Engine;
use super::plan::{Chat, Death, Ended, Moment, Says, Scene};
use crate::support::{Daemon, Home, Phone, Ran, docker};

/// The bound of a run, in seconds: long enough for an honest one on a busy machine.
const LONGEST: u64 = 20;

/// For what has to happen in the end: after the pauses between all attempts.
const PATIENCE: Duration = Duration::from_secs(150);

/// A message that was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub id: String,
    pub chat: Chat,
    pub says: Says,
    /// Something befell the household that may keep it from an answer.
    pub may_fail: bool,
    /// The disk was full, so that its command may have met a shut door.
    pub may_differ: bool,
}

/// The household.
pub struct Evening {
    pub cast: Cast,
    pub phone: Phone,
    pub written: Vec<Written>,
    /// What the daemons and the commands said.
    pub log: String,
    /// The groups of whose faults the owner must hear, and in which words.
    pub heard: Vec<(Chat, &'static str)>,
    daemon: Option<Daemon>,
    engine: Engine,
    clock: Option<Clock>,
    disk: Option<Disk>,
    pub home: Home,
    began: Instant,
}

impl Evening {
    pub fn begin() -> Self {
        let (cast, phone) = (Cast::new(), Phone::new());
        let home = Home::with_anthropic(&cast.key, &cast.anthropic);
        let disk = Disk::of(200, &home.at("data"));
        let engine = Engine::before_the_real_one(home.path());
        let place = "hosts = [\"notes.example\"]\nplace = [\"header:authorization\"]\nenv = \"NOTES_TOKEN\"\n";
        let home = home
            .config(&engine.config())
            .config(&format!("[queue]\nsandboxes = 3\nlongest = \"{LONGEST}s\""))
            .config(&phone.config())
            .host("notes.example", &cast.notes)
            .host("more.example", &cast.notes)
            .credential("notes", &cast.notes_key, &format!("{place}prefix = \"notes-\"\n"));
        home.run(&["group", "add", "owner", "--main", "--channel", "whatsapp", "--chat", "owner", "--agent", "shell"])
            .ok();
        let home = home.claude_group("family", &["--channel", "whatsapp", "--chat", "family"]);
        let home = home.chat_group("club").chat_group("work");
        let preset = std::fs::read_to_string(home.policy_file("family")).unwrap();
        home.write_policy("family", &format!("{preset}\n{POLICY}"));
        for group in ["owner", "club", "work"] {
            home.write_policy(group, POLICY);
        }
        let mut evening = Evening {
            cast,
            phone,
            written: Vec::new(),
            log: String::new(),
            heard: Vec::new(),
            daemon: None,
            engine,
            clock: None,
            disk: Some(disk),
            home,
            began: Instant::now(),
        };
        evening.up();
        evening
    }

    /// How long it has lasted.
    pub fn lasted(&self) -> Duration {
        self.began.elapsed()
    }

    /// All that was said, also by the daemon that is still there.
    pub fn told(&mut self) -> String {
        self.cast.released.all();
        self.engine.go_on();
        if let Some(daemon) = self.daemon.take() {
            let ran = daemon.stop();
            self.keep(&ran);
        }
        self.log.clone()
    }

    pub fn play(&mut self, scene: Scene) {
        self.note(&format!("{scene:?}"));
        match scene {
            Scene::Talk(talk) => drop(self.say_all(&talk)),
            Scene::FollowUps(chat, behind) => self.follow_ups(chat, &behind),
            Scene::Restart { chat, moment, death, behind } => self.restart(chat, moment, death, &behind),
            Scene::BrokenPolicy(chat) => self.broken_policy(chat),
            Scene::FullDisk(talk) => self.full_disk(&talk),
            Scene::WrongClock { seconds, then, death, says } => self.wrong_clock(seconds, then, death, &says),
            Scene::Hung(chat, ended, behind) => self.hung(chat, ended, &behind),
            Scene::EngineStops(talk) => self.engine_stops(&talk),
            Scene::EngineHangs(talk) => self.engine_hangs(&talk),
            Scene::PastedSecret(chat, says) => self.pasted_secret(chat, says),
            Scene::LineBreaks(talk) => self.line_breaks(&talk),
            Scene::NoNetwork(talk) => self.no_network(&talk),
        }
    }

    /// Until all is answered; then the daemon ends.
    pub fn end(&mut self) {
        self.note("the end");
        self.until("everything to be answered", |evening| evening.open().is_empty());
        self.down(Death::Term);
    }

    fn follow_ups(&mut self, chat: Chat, behind: &[Says]) {
        let first = self.say(chat, Says::Waits);
        self.until_at_work(&first);
        let behind: Vec<_> = behind.iter().map(|says| self.say(chat, *says)).collect();
        self.until_accepted(&behind);
        self.release(&first);
    }

    fn restart(&mut self, chat: Chat, moment: Moment, death: Death, behind: &[Says]) {
        let (says, lines) = match moment {
            Moment::AtWork => (Says::Waits, 0),
            Moment::Wrote => (Says::WritesAndWaits, 0),
            Moment::Asked => (Says::Held, 0),
            Moment::Lines(lines) => (Says::Plain, self.lines() + lines),
            Moment::Accepted | Moment::Shown => (Says::Plain, 0),
        };
        let id = self.say(chat, says);
        match moment {
            Moment::Accepted => self.until_accepted(std::slice::from_ref(&id)),
            Moment::AtWork | Moment::Wrote => self.until_at_work(&id),
            Moment::Asked => self.until("it to be upstream", |it| it.cast.writes(&id) > 0 || it.is_settled(&id)),
            Moment::Shown => self.until("it to be shown", |it| it.phone.shown().iter().any(|shown| shown.to == id)),
            Moment::Lines(_) => {}
        }
        for says in behind {
            self.say(chat, *says);
        }
        if let Moment::Lines(_) = moment {
            self.until("so many lines", |it| it.lines() >= lines || it.open().is_empty());
        }
        self.down(death);
        self.release(&id);
        self.up();
    }

    /// The one before stays in force; the owner hears of it; mended, it is taken.
    fn broken_policy(&mut self, chat: Chat) {
        let (group, file) = (chat.name(), self.home.policy_file(chat.name()));
        let before = std::fs::read_to_string(file).unwrap();
        let events = |it: &Self, what: &str| it.home.audit_with(&["--group", group, "--events"]).events(what).len();
        let seen = events(self, "policy_rejected");
        self.home.write_policy(group, &format!("{before}\n[[allow]\nhost = \"more.example\"\n"));
        self.until("the broken policy to be noticed", |it| events(it, "policy_rejected") > seen);
        self.heard.push((chat, "was saved with a mistake"));
        let reads = self.say(chat, Says::Reads);
        self.until("the old policy to serve", |it| it.is_settled(&reads));
        let seen = events(self, "policy_in_force");
        let mended = "[[allow]]\nhost = \"more.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";
        self.home.write_policy(group, &format!("{POLICY}\n{mended}"));
        self.until("the mended policy to be in force", |it| events(it, "policy_in_force") > seen);
        self.say(chat, Says::Writes);
    }

    fn full_disk(&mut self, talk: &[(Chat, Says)]) {
        let connections = self.connections();
        self.befall(|_| true, true);
        self.disk.as_ref().unwrap().fill();
        let ids = self.say_all(talk);
        self.befall(|message| ids.contains(&message.id), true);
        self.until("the full disk to show", |it| {
            it.connections() > connections || ids.iter().any(|id| it.is_settled(id))
        });
        self.disk.as_ref().unwrap().free();
        self.until_accepted(&ids);
        self.befall(|_| true, true);
    }

    fn wrong_clock(&mut self, seconds: i64, then: i64, death: Death, talk: &[(Chat, Says)]) {
        let clock = Clock::new(self.home.path());
        clock.set(seconds);
        self.down(death);
        self.clock = Some(clock);
        self.up();
        let (first, rest) = talk.split_at(talk.len() / 2);
        let ids = self.say_all(first);
        self.until_accepted(&ids);
        self.clock.as_ref().unwrap().set(then);
        let ids = self.say_all(rest);
        self.until_accepted(&ids);
        self.down(death);
        self.clock = None;
        self.up();
    }

    fn hung(&mut self, chat: Chat, ended: Ended, behind: &[Says]) {
        let id = self.say(chat, Says::Hangs);
        if chat == Chat::Family {
            self.until("the model to be asked", |it| it.cast.was_asked(&id) || it.is_settled(&id));
        } else {
            self.until_at_work(&id);
        }
        let behind: Vec<_> = behind.iter().map(|says| self.say(chat, *says)).collect();
        self.until_accepted(&behind);
        self.befall(|message| message.chat == chat, false);
        let said = match ended {
            Ended::Bound => None,
            Ended::Stop => Some(self.say(chat, Says::Stop)),
            Ended::Owner => Some(self.say(Chat::Owner, Says::StopClub)),
            Ended::Command => {
                self.command(&["stop", chat.name()]);
                None
            }
        };
        self.until("it to be ended", |it| it.is_settled(&id) && said.as_ref().is_none_or(|said| it.is_settled(said)));
        self.release(&id);
    }

    /// Its containers end with it.
    fn engine_stops(&mut self, talk: &[(Chat, Says)]) {
        let before = self.failed_starts();
        self.befall(|_| true, false);
        self.engine.stop();
        docker::remove_all(&self.home.installation().unwrap());
        let ids = self.say_all(talk);
        self.befall(|_| true, false);
        self.until_accepted(&ids);
        self.until("a sandbox not to start", |it| it.failed_starts() > before);
        self.befall(|_| true, false);
        self.engine.start();
    }

    /// What stops at once, whatever the engine does, is a stop.
    fn engine_hangs(&mut self, talk: &[(Chat, Says)]) {
        self.befall(|_| true, false);
        self.engine.hang();
        let before = self.phone.shown().len();
        self.say_all(talk);
        self.befall(|_| true, false);
        let words = ["is still being started", "It was ended after", "did not start it", "was lost"];
        self.until("somebody to hear of it", |it| {
            it.phone
                .look(|state| state.shown[before..].iter().any(|shown| words.iter().any(|it| shown.text.contains(it))))
        });
        let chat = talk.last().map_or(Chat::Work, |(chat, _)| *chat);
        let stop = self.say(chat, Says::Stop);
        self.until("a stop to be answered while the engine hangs", |it| it.is_settled(&stop));
        self.befall(|_| true, false);
        self.engine.go_on();
    }

    /// It goes nowhere, and the group goes on talking.
    fn pasted_secret(&mut self, chat: Chat, says: Says) {
        // What the model is asked together with it has no better fate.
        self.befall(|message| message.chat == chat && chat == Chat::Family, false);
        let id = self.say(chat, says);
        self.until("the secret to be refused", |it| it.is_settled(&id));
        self.heard.push((chat, "ALARM in group"));
        let next = self.say(chat, Says::Plain);
        self.until("the group to go on", |it| it.is_settled(&next));
    }

    fn line_breaks(&mut self, talk: &[(Chat, Says)]) {
        let ids = self.say_all(talk);
        let (lines, connections) = (self.lines() + 3, self.connections());
        self.until("some lines", |it| it.lines() >= lines || ids.iter().all(|id| it.is_settled(id)));
        self.phone.cut();
        self.until("the line to stand again", |it| it.connections() > connections && it.is_linked());
    }

    fn no_network(&mut self, talk: &[(Chat, Says)]) {
        let state = |state: &str| json!({"type": "state", "state": state, "detail": "the test's network"});
        self.phone.deliver(state("connecting"));
        let ids = self.say_all(talk);
        self.until_accepted(&ids);
        self.phone.deliver(state("connected"));
    }
}

/// What it is made of.
impl Evening {
    fn up(&mut self) {
        assert!(self.daemon.is_none());
        let environment = self.clock.as_ref().map(Clock::environment).unwrap_or_default();
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, &**value)).collect();
        self.daemon = Some(self.home.up_in(&environment));
    }

    fn down(&mut self, death: Death) {
        self.befall(|message| message.says.writes() || message.chat == Chat::Family, false);
        let Some(daemon) = self.daemon.take() else { return };
        let ran = match death {
            Death::Kill => daemon.kill(),
            Death::Term => daemon.stop().ok(),
        };
        self.keep(&ran);
    }

    /// A command of the owner's.
    fn command(&mut self, args: &[&str]) {
        let ran = self.home.run(args).ok();
        self.keep(&ran);
    }

    fn keep(&mut self, ran: &Ran) {
        self.log += &ran.out;
        self.log += &ran.err;
    }

    fn note(&mut self, what: &str) {
        self.log += &format!("==== {:5.1} s: {what}\n", self.began.elapsed().as_secs_f32());
    }

    fn say_all(&mut self, talk: &[(Chat, Says)]) -> Vec<String> {
        talk.iter().map(|(chat, says)| self.say(*chat, *says)).collect()
    }

    /// Somebody writes.
    fn say(&mut self, chat: Chat, says: Says) -> String {
        let id = format!("m{:03}", self.written.len());
        let text = self.cast.words(chat, says, &id);
        self.phone.deliver(json!({
            "type": "message", "id": id, "chat": chat.name(), "text": text, "at": 1_795_000_000_000_i64,
            "sender": {"id": "anna", "name": "Anna"}, "group": chat == Chat::Family,
        }));
        if says == Says::Stop || says == Says::StopClub {
            let stopped = if says == Says::StopClub { Chat::Club } else { chat };
            self.befall(|message| message.chat == stopped, false);
        }
        self.note(&format!("{} in {}: {says:?}", id, chat.name()));
        self.written.push(Written { id: id.clone(), chat, says, may_fail: false, may_differ: false });
        id
    }

    /// Something befalls all of these that are not answered yet.
    fn befall(&mut self, which: impl Fn(&Written) -> bool, may_differ: bool) {
        let open = self.open();
        for message in self.written.iter_mut().filter(|message| open.contains(&message.id)) {
            if which(message) {
                message.may_fail = true;
                message.may_differ |= may_differ;
            }
        }
    }

    /// Lets go what waits.
    fn release(&self, id: &str) {
        let message = self.message(id);
        // Its folder may be read only to its sandbox, and the disk may be full.
        std::fs::write(self.home.group_folder(message.chat.name()).join(format!("go-{id}")), "").unwrap();
        self.cast.released.release(id);
    }

    fn until_at_work(&self, id: &str) {
        let folder = self.home.group_folder(self.message(id).chat.name());
        self.until("it to be at work", |it| folder.join(format!("at-{id}")).exists() || it.is_settled(id));
    }

    fn until_accepted(&self, ids: &[String]) {
        self.until("it to be accepted", |it| it.phone.look(|state| ids.iter().all(|id| state.accepted.contains(id))));
    }

    /// Waits until something is so.
    fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            assert!(started.elapsed() < PATIENCE, "waited {} s in vain: {what}", PATIENCE.as_secs());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn message(&self, id: &str) -> &Written {
        self.written.iter().find(|message| message.id == id).unwrap()
    }

    /// What is not answered yet.
    fn open(&self) -> BTreeSet<String> {
        let called = self.written.iter().filter(|message| message.says != Says::Talk);
        called.filter(|message| !self.is_settled(&message.id)).map(|message| message.id.clone()).collect()
    }

    fn is_settled(&self, id: &str) -> bool {
        self.phone.look(|state| state.shown.iter().any(|shown| shown.kind == "done" && shown.to == id))
    }

    /// How often a sandbox could not be started, as the daemon says.
    fn failed_starts(&self) -> usize {
        self.daemon.as_ref().unwrap().said().matches("Sandbox not started").count()
    }

    fn lines(&self) -> usize {
        self.phone.look(|state| state.lines)
    }

    fn connections(&self) -> usize {
        self.phone.look(|state| state.connections)
    }

    fn is_linked(&self) -> bool {
        self.phone.look(|state| state.is_up())
    }
}

impl Drop for Evening {
    fn drop(&mut self) {
        self.cast.released.all();
        self.engine.go_on();
        drop(self.daemon.take());
        if let Some(id) = self.home.installation() {
            docker::remove_all(&id);
        }
        drop(self.disk.take());
    }
}
