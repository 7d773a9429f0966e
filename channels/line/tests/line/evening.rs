//! An evening on WhatsApp, generated from a seed: people write, also where messages disappear,
//! while the daemon and the channel's program die, the connection breaks, the network does not
//! confirm, the engine stops, the disk is full and a secret is pasted. Each message gets one
//! answer, or one sentence why not, in the order in which WhatsApp delivered them, and answers
//! disappear when the chat's messages do. `DOORWARD_EVENING=SEED` replays one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::{Signal, kill_process};

use crate::disk::Disk;
use crate::engine::Engine;
use crate::support::{Daemon, Home, Response, Upstream, docker, random_key};
use crate::whatsapp::{WhatsApp, nothing_of_strangers};
use crate::{ANNA, BEN, FAMILY};

const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
do = [\"POST /notes/**\"]
private = [\"127.0.0.1/32\"]
";

/// Write in the family's group, and nowhere else.
const MEMBERS: [&str; 2] = ["491703333333@s.whatsapp.net", "491704444444@s.whatsapp.net"];

/// The chats, and their groups; Ben is the owner.
const CHATS: [(&str, &str); 3] = [(ANNA, "anna"), (BEN, "owner"), (FAMILY, "family")];

const PATIENCE: Duration = Duration::from_secs(150);
const WEEK: u32 = 604_800;
const DAY: u32 = 86_400;

/// Messages besides answers.
const REMARKS: [&str; 8] = [
    "Trying again in",
    "The message waits, and is taken on when the engine is back.",
    "It is begun again from the start.",
    "is still being started",
    "being answered;",
    "is still being worked on",
    "has written nothing for",
    "ALARM in group",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Plain,
    Writes,
    Waits,
    WritesAndWaits,
    Key,
}

#[derive(Clone, Copy, Debug)]
enum Scene {
    Dies { daemon: bool, program: bool, says: Says },
    LineBreaks,
    NoNetwork,
    NothingConfirmed,
    EngineStops,
    FullDisk,
    Pasted,
    Disappearing(Option<u32>),
    FollowUps,
}

#[derive(Clone, Debug)]
struct Written {
    id: String,
    chat: &'static str,
    says: Says,
    may_fail: bool,
    stays: Option<u32>,
}

struct Evening {
    home: Home,
    notes: Upstream,
    key: String,
    whatsapp: WhatsApp,
    engine: Engine,
    disk: Option<Disk>,
    daemon: Option<Daemon>,
    log: String,
    written: Vec<Written>,
    stays: BTreeMap<&'static str, u32>,
    dice: StdRng,
}

#[test]
fn an_evening_on_whatsapp_loses_doubles_and_silences_nothing() {
    let seed = std::env::var("DOORWARD_EVENING").ok().map(|seed| seed.parse().expect("a number"));
    let seed: u64 = seed.unwrap_or_else(|| rand::random_range(0..1 << 32));
    println!("evening {seed}");
    let mut evening = Evening::begin(seed);
    for scene in evening.drawn() {
        evening.log += &format!("==== {scene:?}\n");
        evening.play(scene);
        let more = evening.dice.random_range(0..3);
        (0..more).for_each(|_| drop(evening.says_something()));
    }
    evening.until("everything to be answered", Evening::all_told);
    evening.down(true);
    evening.judge(seed);
}

impl Evening {
    fn begin(seed: u64) -> Self {
        let notes = Upstream::start(&["notes.example"], |_| Response::ok("noted\n"));
        let (home, key) = (Home::new(), random_key("bank-"));
        let disk = Disk::of(100, &home.at("data"));
        let engine = Engine::before_the_real_one(home.path());
        let place = "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK_TOKEN\"\n";
        let home = home.config(&engine.config()).credential("bank", &key, place).host("notes.example", &notes);
        let (home, mut whatsapp) = home.linked("own-number");
        home.run(&["group", "add", "owner", "--main", "--channel", "whatsapp", "--chat", BEN, "--agent", "shell"]).ok();
        let home = home.whatsapp_group("anna", ANNA).whatsapp_group("family", FAMILY);
        CHATS.iter().for_each(|(_, group)| home.write_policy(group, POLICY));
        whatsapp.phones(&[ANNA, BEN, MEMBERS[0], MEMBERS[1]]);
        whatsapp.group(FAMILY, &MEMBERS);
        whatsapp.strangers();
        whatsapp.strangers_write(0);
        let daemon = Some(home.up());
        Evening {
            home,
            notes,
            key,
            whatsapp,
            engine,
            disk: Some(disk),
            daemon,
            log: String::new(),
            written: Vec::new(),
            stays: BTreeMap::new(),
            dice: StdRng::seed_from_u64(seed),
        }
    }

    fn drawn(&mut self) -> Vec<Scene> {
        let dies = |daemon, program, says| Scene::Dies { daemon, program, says };
        let says = [Says::Plain, Says::Writes, Says::Waits, Says::WritesAndWaits];
        let mut says = std::iter::repeat_with(|| *says.choose(&mut self.dice).unwrap());
        let mut scenes = vec![
            dies(true, false, says.next().unwrap()),
            dies(true, true, says.next().unwrap()),
            dies(false, true, says.next().unwrap()),
            Scene::LineBreaks,
            Scene::NoNetwork,
            Scene::NothingConfirmed,
            Scene::EngineStops,
            Scene::FullDisk,
            Scene::Pasted,
            Scene::Disappearing(Some(WEEK)),
            Scene::Disappearing(Some(DAY)),
            Scene::Disappearing(None),
            Scene::FollowUps,
        ];
        scenes.shuffle(&mut self.dice);
        scenes
    }

    fn play(&mut self, scene: Scene) {
        match scene {
            Scene::Dies { daemon, program, says } => self.dies(daemon, program, says),
            Scene::LineBreaks => {
                self.says_something();
                self.whatsapp.cut();
                self.says_something();
            }
            Scene::NoNetwork => {
                self.whatsapp.offline(true);
                self.says_something();
                self.whatsapp.offline(false);
            }
            Scene::NothingConfirmed => {
                self.whatsapp.silent(true);
                let id = self.says_something();
                self.whatsapp.until_taken(&id);
                self.whatsapp.silent(false);
                // Unconfirmed messages are forgotten with the connection.
                self.whatsapp.cut();
            }
            Scene::EngineStops => {
                self.befall(|_| true);
                self.engine.stop();
                docker::remove_all(&self.home.installation().unwrap());
                let id = self.says_something();
                self.befall(|_| true);
                self.whatsapp.until_taken(&id);
                let noticed = |it: &mut Self| it.daemon.as_ref().unwrap().said().contains("engine cannot be reached");
                self.until("the daemon to notice", noticed);
                self.engine.start();
            }
            Scene::FullDisk => {
                self.befall(|_| true);
                self.disk.as_ref().unwrap().fill();
                let id = self.says_something();
                self.befall(|_| true);
                // By the daemon or the program, which both write.
                let shows = |said: &str| said.contains("disk is full") || said.contains("is the disk full?");
                self.until("the full disk to show", |it| shows(&it.daemon.as_ref().unwrap().said()) || it.is_told(&id));
                self.disk.as_ref().unwrap().free();
                self.until("it to be told in the end", |it| it.is_told(&id));
            }
            Scene::Pasted => {
                let chat = self.chat();
                let id = self.say(chat, Says::Key);
                self.until("it to be refused", |it| it.is_told(&id));
            }
            Scene::Disappearing(stays) => {
                self.until("all before it to be told", Evening::all_told);
                let chat = self.chat();
                match stays {
                    Some(stays) => drop(self.stays.insert(chat, stays)),
                    None => drop(self.stays.remove(chat)),
                }
                self.say(chat, Says::Plain);
            }
            Scene::FollowUps => {
                let chat = self.chat();
                let first = self.say(chat, Says::Waits);
                self.until_at_work(&first);
                let last = self.say(chat, Says::Plain);
                self.whatsapp.until_taken(&last);
                self.release(&first);
            }
        }
    }

    fn dies(&mut self, daemon: bool, program: bool, says: Says) {
        let chat = self.chat();
        let id = self.say(chat, says);
        match says {
            Says::Waits | Says::WritesAndWaits => self.until_at_work(&id),
            _ => self.whatsapp.until_taken(&id),
        }
        if daemon {
            self.befall(|message| matches!(message.says, Says::Writes | Says::WritesAndWaits));
        }
        if program && let Some(program) = self.home.channel() {
            // An error means that it has just ended.
            let _ = kill_process(program, Signal::KILL);
        }
        if daemon {
            self.down(false);
        }
        self.release(&id);
        if daemon {
            self.daemon = Some(self.home.up());
        }
    }

    fn down(&mut self, orderly: bool) {
        let daemon = self.daemon.take().unwrap();
        let ran = if orderly { daemon.stop().ok() } else { daemon.kill() };
        self.log += &ran.err;
    }

    fn chat(&mut self) -> &'static str {
        CHATS.choose(&mut self.dice).unwrap().0
    }

    fn says_something(&mut self) -> String {
        let chat = self.chat();
        let says = *[Says::Plain, Says::Plain, Says::Writes].choose(&mut self.dice).unwrap();
        self.say(chat, says)
    }

    fn say(&mut self, chat: &'static str, says: Says) -> String {
        let id = format!("M{:03}", self.written.len());
        let write = format!("curl -sS -d x https://notes.example/notes/{id} >/dev/null");
        let wait = format!("touch at-{id}; until [ -e go-{id} ]; do sleep 0.05; done");
        let command = match says {
            Says::Plain => format!("echo answer-{id}"),
            Says::Writes => format!("{write}; echo answer-{id}"),
            Says::Waits => format!("{wait}; echo answer-{id}"),
            Says::WritesAndWaits => format!("{write}; {wait}; echo answer-{id}"),
            Says::Key => format!("echo {}", self.key),
        };
        let (called, stays) = (format!("@Doorward {command}"), self.stays.get(chat).copied());
        self.whatsapp.say(chat, MEMBERS[0], &id, if chat == FAMILY { &called } else { &command }, stays);
        self.log += &format!("==== {id} in {chat}: {says:?}\n");
        self.written.push(Written { id: id.clone(), chat, says, may_fail: false, stays });
        id
    }

    fn befall(&mut self, which: impl Fn(&Written) -> bool) {
        for number in 0..self.written.len() {
            let id = self.written[number].id.clone();
            self.written[number].may_fail |= which(&self.written[number]) && !self.is_told(&id);
        }
    }

    fn folder(&self, id: &str) -> std::path::PathBuf {
        let chat = self.written.iter().find(|message| message.id == id).unwrap().chat;
        self.home.group_folder(CHATS.iter().find(|(jid, _)| *jid == chat).unwrap().1)
    }

    fn until_at_work(&mut self, id: &str) {
        let at = self.folder(id).join(format!("at-{id}"));
        self.until("it to be at work", |it| at.exists() || it.is_told(id));
    }

    fn release(&self, id: &str) {
        std::fs::write(self.folder(id).join(format!("go-{id}")), "").unwrap();
    }

    fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            if started.elapsed() > PATIENCE {
                let (shown, said) = (self.whatsapp.shown(), self.daemon.as_ref().map(Daemon::said));
                panic!("waited in vain: {what}\n{shown:#?}\n{}{}", self.log, said.unwrap_or_default());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The replies to a chat's messages, each once, as it was first shown: its text, and how long
    /// it stays.
    fn told(&mut self, chat: &str) -> Vec<(String, Option<u32>)> {
        let mut ids = BTreeSet::new();
        let said = self.whatsapp.said_to(phones(chat)).into_iter().filter(|(id, ..)| ids.insert(id.clone()));
        let said = said.map(|(_, text, stays)| (text, stays));
        said.filter(|(text, _)| !REMARKS.iter().any(|remark| text.contains(remark))).collect()
    }

    /// An answer names its message. A sentence why there is none does not: each of these belongs to
    /// the next message of its chat.
    fn is_told(&mut self, id: &str) -> bool {
        let chat = self.written.iter().find(|message| message.id == id).unwrap().chat;
        let told: Vec<String> = self.told(chat).into_iter().map(|(text, _)| text).collect();
        let here = self.written.iter().filter(|message| message.chat == chat);
        let mut unanswered = here.filter(|message| !told.contains(&message.answer()));
        let Some(number) = unanswered.position(|message| message.id == id) else { return true };
        told.iter().filter(|text| !text.starts_with("answer-")).count() > number
    }

    fn all_told(&mut self) -> bool {
        let count = |it: &Self, chat: &str| it.written.iter().filter(|message| message.chat == chat).count();
        CHATS.iter().all(|(chat, _)| self.told(chat).len() >= count(self, chat))
    }

    fn judge(&mut self, seed: u64) {
        let mut wrong = Vec::new();
        let sent_again = self.whatsapp.sent_again();
        for (chat, _) in CHATS {
            let told = self.told(chat);
            let here = self.written.iter().filter(|message| message.chat == chat);
            // Messages that a crash made unreadable were resent by their phone, later than they were written.
            let (again, here): (Vec<_>, Vec<_>) = here.partition(|message| sent_again.contains(&message.id));
            if !fits(&here, &again, &told) {
                wrong.push(format!("{chat}: {here:#?}, sent again {again:#?}, told {told:#?}"));
            }
        }
        for message in &self.written {
            if self.notes.lines().iter().filter(|line| line.ends_with(&message.id)).count() > 1 {
                wrong.push(format!("{message:?} wrote twice"));
            }
        }
        let pasted = self.written.iter().any(|message| message.says == Says::Key);
        let heard = self.whatsapp.said_to(&[BEN]).iter().any(|(_, text, _)| text.contains("ALARM in group"));
        if pasted != heard {
            wrong.push("the owner did not hear of the secret".to_owned());
        }
        if !self.home.containers().is_empty() {
            wrong.push("containers are left".to_owned());
        }
        // What is quoted was pasted by its own writer.
        let told = self.whatsapp.shown().iter().any(|shown| shown.text.contains(&self.key));
        if told || self.log.contains(&self.key) {
            wrong.push("the secret was told".to_owned());
        }
        self.home.run(&["audit", "verify"]).ok();
        nothing_of_strangers(&self.home, &self.log);
        assert!(wrong.is_empty(), "evening {seed}: {wrong:#?}\n{:#?}\n{}", self.whatsapp.shown(), self.log);
    }
}

impl Written {
    fn answer(&self) -> String {
        format!("answer-{}", self.id)
    }

    /// Whether this may be the reply to it.
    fn is_told_by(&self, (text, stays): &(String, Option<u32>)) -> bool {
        let right = match self.says {
            Says::Key => text.contains("withheld"),
            _ => *text == self.answer(),
        };
        (right || self.may_fail && !text.contains("answer-")) && *stays == self.stays
    }
}

/// Whether each message has one reply: these in order, those anywhere.
fn fits(here: &[&Written], again: &[&Written], told: &[(String, Option<u32>)]) -> bool {
    let Some((next, rest)) = told.split_first() else { return here.is_empty() && again.is_empty() };
    let in_order = here.first().is_some_and(|message| message.is_told_by(next) && fits(&here[1..], again, rest));
    let without = |at: usize| [&again[..at], &again[at + 1..]].concat();
    in_order || (0..again.len()).any(|at| again[at].is_told_by(next) && fits(here, &without(at), rest))
}

/// The phones that show a chat.
fn phones(chat: &str) -> &[&str] {
    match chat {
        ANNA => &[ANNA],
        BEN => &[BEN],
        _ => &[FAMILY, MEMBERS[0], MEMBERS[1]],
    }
}

impl Drop for Evening {
    fn drop(&mut self) {
        self.engine.go_on();
        drop(self.daemon.take());
        if let Some(id) = self.home.installation() {
            docker::remove_all(&id);
        }
        drop(self.disk.take());
    }
}
