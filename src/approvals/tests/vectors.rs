//! The attacks on questions and answers in `tests/vectors`, as `[[chat]]`: each is played against real questions, with
//! their database and log; the README there describes the format.

use std::collections::BTreeSet;

use policies::ASKED_AT_MOST;

use super::*;
use crate::approvals::reading;
use case::{Asks, Case, Command, Event, Record, Says, Step, cases};

mod case;

/// What was put of a question.
struct Put {
    id: String,
    code: String,
    text: String,
}

/// A case being played.
struct Play {
    scene: Scene,
    put: Vec<Put>,
    came: Vec<Came>,
    faults: Vec<String>,
    /// Whether anything that reads like an answer counts, from anyone: then each attack must be noticed.
    credulous: bool,
}

enum Came {
    Waits(Waiting),
    Ended(String),
}

fn ended(told: Result<Yes, Refusal>) -> String {
    match told {
        Ok(Yes::Once(_)) => "once".to_owned(),
        Ok(Yes::Answer(_)) => "answer".to_owned(),
        Ok(Yes::Anew) => "anew".to_owned(),
        Err(refusal) => refusal.code.as_str().to_owned(),
    }
}

impl Play {
    fn new(credulous: bool) -> Self {
        Play { scene: Scene::new(), put: Vec::new(), came: Vec::new(), faults: Vec::new(), credulous }
    }

    fn fault(&mut self, what: String) {
        self.faults.push(what);
    }

    /// `<<code 1>>`, `<<question 1>>`, `<<repeat 100 x>>`.
    fn filled(&self, text: &str) -> String {
        let mut pieces = text.split("<<");
        let mut filled = pieces.next().unwrap().to_owned();
        for piece in pieces {
            let (value, behind) = piece.split_once(">>").unwrap_or_else(|| panic!("{text}"));
            let (what, of) = value.split_once(' ').unwrap_or_else(|| panic!("{value}"));
            let put = |number: &str| &self.put[number.parse::<usize>().unwrap() - 1];
            filled += &match what {
                "code" => put(of).code.clone(),
                "question" => put(of).text.clone(),
                "repeat" => {
                    let (times, what) = of.split_once(' ').unwrap();
                    what.repeat(times.parse().unwrap())
                }
                _ => panic!("{value}"),
            };
            filled += behind;
        }
        filled
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Asks(asks) => self.asks(asks),
            Step::Says(says) => self.says(says),
            Step::Command(command) => self.command(command),
            Step::Passes(seconds) => {
                self.scene.goes_on(*seconds);
                self.look();
            }
            Step::ClockJumps(seconds) => drop(self.scene.wall.fetch_add(seconds * 1000, Ordering::SeqCst)),
            Step::Happens(Event::Restarts) => {
                self.hear();
                for came in &mut self.came {
                    if matches!(came, Came::Waits(_)) {
                        *came = Came::Ended("gone".to_owned());
                    }
                }
                self.scene.restart();
            }
            Step::Happens(Event::PolicyChanges) => self.scene.now.approvals.policy_changed(&group("family")),
            Step::AgentSays(why) => {
                let why = &self.filled(why);
                let (authority, path) = ("forms.example:443", "/submit");
                let wish = crate::store::NewAccessRequest { authority, method: "POST", path, why };
                self.scene.now.store.keep_access_request(&group("family"), &wish, 50).unwrap();
            }
            Step::Leaves(number) => self.came[number - 1] = Came::Ended("gone".to_owned()),
        }
        self.hear();
    }

    fn asks(&mut self, asks: &Asks) {
        let (url, body) = (self.filled(&asks.url), self.filled(&asks.body));
        for number in 0..asks.times {
            let body = if asks.times == 1 { body.clone() } else { format!("{body}{number}") };
            let fields = asks.fields.iter().map(|field| self.filled(field)).collect();
            let question = Question { fields, ..question(&url, &body, None) };
            assert!(question.bytes <= ASKED_AT_MOST, "the door asks about no more");
            self.came.push(match self.scene.ask(question) {
                Ok(told) => Came::Ended(ended(told)),
                Err(waits) => Came::Waits(waits),
            });
        }
        let Some(text) = self.look() else {
            if !(asks.shows.is_empty() && asks.hides.is_empty()) {
                self.fault("nothing was put".to_owned());
            }
            return;
        };
        for wanted in asks.shows.iter().filter(|wanted| !text.contains(&***wanted)) {
            self.fault(format!("the question lacks {wanted:?}: {text}"));
        }
        for unwanted in asks.hides.iter().filter(|unwanted| text.contains(&***unwanted)) {
            self.fault(format!("the question shows {unwanted:?}: {text}"));
        }
    }

    /// Puts what is due.
    fn look(&mut self) -> Option<String> {
        let (id, text) = self.scene.put()?;
        let code = self.scene.last().code;
        self.put.push(Put { id, code, text: text.clone() });
        Some(text)
    }

    fn says(&mut self, says: &Says) {
        let text = self.filled(&says.text);
        let network = |number: usize| number.checked_sub(1).map_or("NET-77", |number| &self.put[number].id).to_owned();
        let quoted =
            |number: usize| number.checked_sub(1).map_or("something", |number| &self.put[number].text).to_owned();
        let quote = says.reply.map(|to| Quote { id: network(to), sender: "bot".to_owned(), text: quoted(to) });
        let message = Incoming {
            id: "m1".to_owned(),
            text: text.clone(),
            sender: Sender { id: says.by.clone(), name: "Anna".to_owned() },
            quote,
            reacts_to: says.reacts.map(network),
            forwarded: says.forwarded,
            edits: says.edited.then(|| "m0".to_owned()),
            group: says.several,
            ..Incoming::default()
        };
        let heard = if self.credulous { self.believed(&text) } else { None };
        let heard = heard.unwrap_or_else(|| self.scene.hears(&says.chat, message));
        let told = match heard {
            Heard::Other => None,
            Heard::Taken(told) => Some(told.unwrap_or_default()),
            Heard::Wish(told) => Some(told.in_english()),
        };
        let agrees = match (&says.told, &told) {
            (None, None) => true,
            (Some(wanted), Some(told)) => {
                wanted.is_empty() && told.is_empty() || !wanted.is_empty() && told.contains(wanted)
            }
            _ => false,
        };
        if !agrees {
            self.fault(format!("{text:?} came to {told:?}, not {:?}", says.told));
        }
        let knows = |put: &Put| text.contains(&put.code) || text.contains(&put.text);
        if told.is_none() && self.put.iter().any(knows) {
            self.fault(format!("an agent reads of a question: {text:?}"));
        }
    }

    /// As if anyone who says yes or no were the owner, about any open question.
    fn believed(&self, text: &str) -> Option<Heard> {
        let words = reading::coded(text).map_or_else(|| text.to_owned(), |coded| coded.words);
        let answer = reading::answer(&words).or_else(|| reading::reaction(text))?;
        let open = self.scene.now.approvals.open_asks().unwrap().pop()?;
        let told = self.scene.now.approvals.answer(open.id, &answer, By::command());
        Some(Heard::Taken(Some(told.unwrap_or_else(|not| not.to_string()))))
    }

    fn command(&mut self, command: &Command) {
        let answer = reading::answer(&command.answer).unwrap();
        let told = self.scene.now.approvals.answer_by_code(&self.filled(&command.code), answer.what, answer.because);
        let told = told.unwrap_or_else(|not| not);
        if !told.contains(&command.told) {
            self.fault(format!("the command line was told {told:?}, not {:?}", command.told));
        }
    }

    /// Collects what waiting requests were told.
    fn hear(&mut self) {
        for came in &mut self.came {
            if let Came::Waits(waiting) = came
                && let Some(told) = waiting.now_or_never()
            {
                *came = Came::Ended(ended(told));
            }
        }
    }

    fn ends(&mut self, wanted: &[String]) {
        self.hear();
        let ends = self.came.iter().map(|came| match came {
            Came::Waits(_) => "waits",
            Came::Ended(how) => how,
        });
        let mut grouped: Vec<(String, usize)> = Vec::new();
        for end in ends {
            match grouped.last_mut() {
                Some((last, times)) if last == end => *times += 1,
                _ => grouped.push((end.to_owned(), 1)),
            }
        }
        let ends: Vec<_> =
            grouped.into_iter().map(|(end, times)| if times == 1 { end } else { format!("{times} {end}") }).collect();
        if ends != wanted {
            self.fault(format!("it ended {ends:?}, not {wanted:?}"));
        }
    }

    fn is_logged(&mut self, wanted: &[Record]) {
        let log = self.scene.events();
        let line = |one: &serde_json::Value| format!("{} {} {}", one["what"], one["group"], one["text"]);
        if log.len() != wanted.len() {
            let log: Vec<_> = log.iter().map(line).collect();
            return self.fault(format!("the log has {log:#?}"));
        }
        for (one, wanted) in log.iter().zip(wanted) {
            let text = one["text"].as_str().unwrap();
            let agrees = one["what"] == *wanted.what
                && wanted.group.as_ref().is_none_or(|group| one["group"] == **group)
                && wanted.has.iter().all(|has| text.contains(has))
                && !wanted.lacks.iter().any(|lacks| text.contains(lacks));
            if !agrees {
                self.fault(format!("the log has {}, not {} {:?}", line(one), wanted.what, wanted.has));
            }
        }
    }

    /// Whatever happened, the owner is still asked, and their yes counts.
    fn goes_on(&mut self) {
        self.came.clear();
        self.scene.goes_on(7200);
        let Err(mut waits) = self.scene.ask(question("https://forms.example/after", "", None)) else {
            return self.fault("afterwards nobody is asked".to_owned());
        };
        self.scene.say(Answered::Once).unwrap();
        if !matches!((&mut waits).now_or_never(), Some(Ok(Yes::Once(_)))) {
            self.fault("afterwards a yes is none".to_owned());
        }
    }
}

impl Scene {
    /// Everything in the log except requests and its own start.
    fn events(&self) -> Vec<serde_json::Value> {
        let folder = Home::at(self.dir.path()).unwrap().audit_log();
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "jsonl"));
        files.sort();
        let lines: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let events = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.filter(|event| event["what"].is_string() && event["what"] != "opened").collect()
    }
}

fn play(case: &Case, credulous: bool) -> Vec<String> {
    let mut play = Play::new(credulous);
    for step in &case.steps {
        play.step(step);
    }
    play.ends(&case.ends);
    play.is_logged(&case.record);
    play.goes_on();
    play.faults
}

#[tokio::test]
async fn every_attack_on_answers_meets_its_end() {
    let cases = cases();
    let faults: Vec<_> = cases
        .iter()
        .flat_map(|(name, case)| play(case, false).into_iter().map(move |fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let families: BTreeSet<_> = cases.iter().map(|(name, _)| &name[..3]).collect();
    assert!(cases.len() >= 40 && families.len() >= 6, "cases are missing: {} {families:?}", cases.len());
    assert!(cases.iter().all(|(_, case)| !case.record.is_empty()), "each says what the log has of it");
}

/// If anyone's yes were believed, each case with somebody else's would notice.
#[tokio::test]
async fn attacks_on_answers_can_succeed() {
    let is_refused = |step: &Step| match step {
        Step::Says(says) => {
            let words = says.text.replace("<<code 1>>", "").replace(':', "");
            let answers = reading::answer(&words).is_some() || reading::reaction(&says.text).is_some();
            let is_late = |told: &str| told.contains("not open any more") || told.contains("answered before");
            let counts = |told: &str| told.starts_with("Allowed") || told.starts_with("Refused") || is_late(told);
            answers && !says.told.as_deref().is_some_and(counts)
        }
        _ => false,
    };
    let attacks: Vec<_> = cases().into_iter().filter(|(_, case)| case.steps.iter().any(is_refused)).collect();
    let unnoticed: Vec<_> =
        attacks.iter().filter(|(_, case)| play(case, true).is_empty()).map(|(name, _)| name).collect();
    assert!(unnoticed.is_empty(), "these cannot fail: {unnoticed:#?}");
    assert!(attacks.len() >= 15, "{}", attacks.len());
}
