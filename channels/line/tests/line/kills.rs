//! Fifty kills without warning, of the daemon, of the channel's program and of both, at each step
//! of a message's way. The phones do not drop duplicates: they show whatever they get.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::{Signal, kill_process};

use crate::support::{Daemon, Home, Response, Upstream, until};
use crate::whatsapp::{WhatsApp, nothing_of_strangers, shown};
use crate::{ANNA, FAMILY};

/// The POST is for one server, which records it.
const POLICY: &str = "\
[[allow]]
host = \"notes.example\"
do = [\"POST /notes/**\"]
private = [\"127.0.0.1/32\"]
";

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dies {
    Daemon,
    Program,
    Both,
}

/// When.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The message is stored and acknowledged.
    Stored,
    /// The agent is at work.
    Running,
    /// It has written to an outside server, and is still at work.
    Wrote,
    /// The answer exists but cannot be sent.
    Produced,
    /// A phone shows the answer, but WhatsApp has not confirmed it.
    Sending,
}

const DEATHS: [Dies; 3] = [Dies::Daemon, Dies::Program, Dies::Both];
const STEPS: [Step; 5] = [Step::Stored, Step::Running, Step::Wrote, Step::Produced, Step::Sending];

#[test]
fn fifty_deaths_lose_nothing_and_say_nothing_twice() {
    std::thread::scope(|scope| {
        for first in (0..50).step_by(10) {
            scope.spawn(move || Family::new().goes_through(first..first + 10));
        }
    });
}

struct Family {
    home: Home,
    notes: Upstream,
    whatsapp: WhatsApp,
    daemon: Option<Daemon>,
    log: String,
    /// The messages so far, and whether their chat must be told of a failure.
    came: Vec<(usize, bool)>,
}

impl Family {
    fn new() -> Self {
        let notes = Upstream::start(&["notes.example"], |_| Response::ok("noted\n"));
        let (home, whatsapp) = Home::new().host("notes.example", &notes).linked("own-number");
        let home = home.whatsapp_group("family", FAMILY).policy("family", POLICY);
        whatsapp.phones(&[ANNA]);
        whatsapp.group(FAMILY, &[ANNA]);
        whatsapp.strangers();
        Family { home, notes, whatsapp, daemon: None, log: String::new(), came: Vec::new() }
    }

    fn goes_through(mut self, deaths: std::ops::Range<usize>) {
        for death in deaths {
            let (dies, step) = (DEATHS[death % 3], STEPS[death % 5]);
            self.whatsapp.strangers_write(death);
            self.reach(step, death);
            self.die(dies);
            self.home.release(death);
            self.whatsapp.offline(false);
            self.whatsapp.silent(false);
            self.came.push((death, step == Step::Wrote && dies != Dies::Program));
        }
        self.up();
        self.say(50, "echo answer-50");
        self.came.push((50, false));
        self.until_all_told();
        self.told_once();
        let whatsapp = &self.whatsapp;
        until("all to be acknowledged", || whatsapp.unacknowledged().is_empty());
        self.log += &self.daemon.take().unwrap().stop().ok().err;
        nothing_of_strangers(&self.home, &self.log);
    }

    /// Sends a message, and lets it get as far as this step.
    fn reach(&mut self, step: Step, death: usize) {
        self.up();
        let waits = format!("touch at-{death}; until [ -e go-{death} ]; do sleep 0.02; done; echo answer-{death}");
        match step {
            Step::Stored => {
                self.say(death, &format!("echo answer-{death}"));
                self.whatsapp.until_taken(&format!("M{death}"));
            }
            Step::Running | Step::Produced => {
                self.say(death, &waits);
                self.home.until_at_work(death);
            }
            Step::Wrote => {
                self.say(death, &format!("curl -sS -d x https://notes.example/notes/{death} >/dev/null; {waits}"));
                self.home.until_at_work(death);
            }
            Step::Sending => {
                // Otherwise an earlier message would wait for its confirmation instead.
                self.until_all_told();
                self.whatsapp.silent(true);
                self.say(death, &format!("echo answer-{death}"));
                let answer = format!("answer-{death}");
                self.whatsapp.until("the answer to be shown", |seen| {
                    shown(seen).iter().any(|shown| shown.text == answer).then_some(())
                });
            }
        }
        if step == Step::Produced {
            self.whatsapp.offline(true);
            self.home.release(death);
            until("the answer to be there", || self.home.unconfirmed() > 0);
        }
    }

    fn die(&mut self, dies: Dies) {
        let program = self.home.channel();
        if dies != Dies::Daemon
            && let Some(program) = program
        {
            // An error means that it has just ended.
            let _ = kill_process(program, Signal::KILL);
        }
        if dies != Dies::Program {
            self.log += &self.daemon.take().unwrap().kill().err;
        }
    }

    fn up(&mut self) {
        if self.daemon.is_none() {
            self.daemon = Some(self.home.up_logging("debug"));
        }
    }

    /// Anna calls the assistant, once WhatsApp has a connection to deliver it.
    fn say(&mut self, death: usize, command: &str) {
        self.whatsapp.write_group(FAMILY, ANNA, &format!("M{death}"), &format!("@Doorward {command}"));
    }

    /// Waits until every message so far was answered, or its failure told, and that was confirmed.
    fn until_all_told(&mut self) {
        let came = self.came.len();
        self.whatsapp.until("an answer to each", |seen| {
            let settling = shown(seen).into_iter().filter(|shown| !is_begun_again(&shown.text));
            let ids: BTreeSet<String> = settling.map(|shown| shown.id).collect();
            (ids.len() >= came).then_some(())
        });
        until("all to be confirmed", || self.home.unconfirmed() == 0);
    }

    /// Each message has one answer under one id, or its failure was told; in order.
    fn told_once(&self) {
        let all = self.whatsapp.shown();
        // The first time that each was shown: a resend has the same id.
        let mut first = BTreeMap::new();
        for (at, message) in all.iter().enumerate() {
            let (_, before) = first.entry(&message.id).or_insert((at, message));
            // The program knows what to quote only until it is restarted.
            assert_eq!((&before.to, &before.text), (&message.to, &message.text), "one id is one message");
        }
        let mut told: Vec<_> = first.into_values().collect();
        told.sort_by_key(|(at, _)| *at);
        let told: Vec<&str> = told.into_iter().map(|(_, message)| &*message.text).collect();
        // Told before the answer, about work that a restart repeats.
        let told: Vec<&str> = told.into_iter().filter(|text| !is_begun_again(text)).collect();
        assert_eq!(told.len(), self.came.len(), "{told:#?}");
        for ((death, wrote), told) in self.came.iter().zip(told) {
            let failed = told.contains("so it is not repeated by itself");
            assert!(if *wrote { failed } else { told == format!("answer-{death}") }, "{death}: {told}");
        }
        let mut notes = self.notes.lines();
        notes.sort();
        notes.dedup();
        assert_eq!(notes.len(), self.notes.lines().len(), "nothing was noted twice");
    }
}

fn is_begun_again(text: &str) -> bool {
    text.contains("It is begun again from the start.")
}

impl Home {
    fn until_at_work(&self, death: usize) {
        until("the agent to be at work", || self.group_folder("family").join(format!("at-{death}")).exists());
    }

    /// Lets the agent go on.
    fn release(&self, death: usize) {
        std::fs::write(self.group_folder("family").join(format!("go-{death}")), "").unwrap();
    }

    /// How many messages wait to be sent or confirmed, according to the database.
    fn unconfirmed(&self) -> i64 {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database = rusqlite::Connection::open_with_flags(self.at("data/doorward.db"), flags).unwrap();
        database.busy_timeout(crate::support::PATIENCE).unwrap();
        let count = "SELECT count(*) FROM outbox WHERE state = 'queued' AND kind <> 'done'";
        database.query_row(count, [], |row| row.get(0)).unwrap()
    }
}
