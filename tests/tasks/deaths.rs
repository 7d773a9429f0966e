//! The daemon is killed at each step on the way of a task, a file and a message, over and over in one home. Wherever it
//! was, each is answered once, or its chat is told once why not.
//!
//! `DOORWARD_KILLS=1000` kills it that often (`make test-long`).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use super::{in_millis, shown};
use crate::support::{Chat, Daemon, Home, PATIENCE, until};

/// How often it is killed where nobody asks for more.
const KILLS: u64 = 50;

/// How long a step is waited for; a life in which it does not come ends then.
const LONGEST: Duration = Duration::from_secs(4);

/// Where a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Serving,
    Accepted,
    Claimed,
    InASandbox,
    Running,
    Begun,
    FileQueued,
    Done,
    Sent,
}

const STEPS: [Step; 9] = [
    Step::Serving,
    Step::Accepted,
    Step::Claimed,
    Step::InASandbox,
    Step::Running,
    Step::Begun,
    Step::FileQueued,
    Step::Done,
    Step::Sent,
];

/// What one life is asked for.
struct Round {
    number: u64,
    /// One that only says something.
    says: u64,
    /// One that sends a file.
    sends: u64,
}

struct Stage {
    home: Home,
    rounds: Vec<Round>,
    /// All that the chat was sent.
    said: Mutex<Vec<Value>>,
    /// Messages that were accepted.
    accepted: Mutex<Vec<String>>,
    /// How many lives ended where they were to.
    reached: BTreeMap<Step, u64>,
}

#[test]
fn whatever_is_killed_each_task_is_answered_once() {
    let kills = std::env::var("DOORWARD_KILLS").map_or(KILLS, |number| number.parse().expect("a number"));
    let seed = rand::random_range(0..1 << 32);
    eprintln!("{kills} kills, seed {seed}");
    let mut dice = StdRng::seed_from_u64(seed);
    let mut stage = Stage {
        home: Home::new().group("family"),
        rounds: Vec::new(),
        said: Mutex::default(),
        accepted: Mutex::default(),
        reached: BTreeMap::new(),
    };
    for number in 0..kills {
        stage.life(number, &mut dice);
    }
    eprintln!("ended where they were to: {:?}", stage.reached);
    if kills >= KILLS {
        let missed: Vec<_> = STEPS.iter().filter(|step| !stage.reached.contains_key(step)).collect();
        assert!(missed.is_empty(), "nothing was killed there: {missed:?}");
    }
    stage.ends();
    stage.holds();
}

impl Stage {
    fn life(&mut self, number: u64, dice: &mut StdRng) {
        let step = STEPS[usize::try_from(number).unwrap() % STEPS.len()];
        let mut due = || 200 + dice.random_range(0..600);
        let (says, sends) = (
            format!("touch began-{number}; echo [t-{number}]"),
            format!(
                "touch began-{number}; echo {number} >f-{number}; \
                 curl -sS -T f-{number} http://doorward.internal/files/f-{number}.txt && echo [f-{number}]"
            ),
        );
        let round = Round {
            number,
            says: in_millis(&self.home, "family", &says, due(), &[]),
            sends: in_millis(&self.home, "family", &sends, due(), &[]),
        };
        let daemon = self.home.up();
        let reached = std::thread::scope(|scope| {
            scope.spawn(|| self.listen(Some(number)));
            let since = Instant::now();
            let mut is_there = self.is_at(step, &round);
            while !is_there && since.elapsed() < LONGEST {
                std::thread::sleep(Duration::from_millis(5));
                is_there = self.is_at(step, &round);
            }
            std::thread::sleep(Duration::from_millis(dice.random_range(0..20)));
            daemon.kill();
            is_there
        });
        if reached {
            *self.reached.entry(step).or_default() += 1;
        }
        self.rounds.push(round);
    }

    /// Says something, and hears what is said until the daemon is gone.
    fn listen(&self, number: Option<u64>) {
        let Some(mut chat) = Chat::try_open(&self.home, "family", &json!({"takes": ["files"]})) else { return };
        chat.wait_for(4 * PATIENCE);
        if let Some(number) = number {
            chat.try_send(&format!("m-{number}"), &format!("echo [m-{number}]"));
        }
        while let Some(line) = chat.try_next() {
            match line["type"].as_str() {
                Some("accepted") => self.accepted.lock().unwrap().push(line["id"].as_str().unwrap().to_owned()),
                Some("send") => self.said.lock().unwrap().push(line),
                _ => {}
            }
        }
    }

    fn is_at(&self, step: Step, round: &Round) -> bool {
        let Round { number, says, sends } = round;
        match step {
            Step::Serving => true,
            Step::Accepted => self.accepted.lock().unwrap().contains(&format!("m-{number}")),
            Step::Claimed => self.finds(&format!("SELECT 1 FROM firings WHERE task IN ({says}, {sends})")),
            Step::InASandbox => !self.home.containers().is_empty(),
            Step::Running => self.finds("SELECT 1 FROM runs WHERE state = 'running'"),
            Step::Begun => self.home.group_folder("family").join(format!("began-{number}")).exists(),
            Step::FileQueued => self.finds(&format!("SELECT 1 FROM outbox_files WHERE name = 'f-{number}.txt'")),
            Step::Done => {
                self.finds(&format!("SELECT 1 FROM firings WHERE task IN ({says}, {sends}) AND state = 'done'"))
            }
            Step::Sent => self.finds(&format!(
                "SELECT 1 FROM outbox JOIN runs ON runs.id = outbox.run JOIN firings ON firings.id = -runs.first_row
                 WHERE outbox.state = 'sent' AND firings.task IN ({says}, {sends})"
            )),
        }
    }

    /// Whether the database says so; nobody can be asked who is about to be killed.
    fn finds(&self, sql: &str) -> bool {
        let open = Connection::open_with_flags(self.home.at("data/doorward.db"), OpenFlags::SQLITE_OPEN_READ_ONLY);
        open.and_then(|store| store.prepare(sql)?.exists([])).unwrap_or(false)
    }

    /// The last life, in which all is brought to its end.
    fn ends(&self) {
        let daemon: Daemon = self.home.up();
        std::thread::scope(|scope| {
            scope.spawn(|| self.listen(None));
            let is_over = || {
                let waits = "SELECT 1 FROM tasks WHERE state = 'active' UNION ALL
                             SELECT 1 FROM firings WHERE state = 'open' UNION ALL
                             SELECT 1 FROM outbox WHERE state = 'queued'";
                let said = self.said.lock().unwrap();
                let is_done =
                    |id: &String| said.iter().any(|line| line["kind"] == "done" && line["in_reply_to"] == id.as_str());
                self.accepted.lock().unwrap().iter().all(is_done) && !self.finds(waits)
            };
            // Each that waits is carried out after the other.
            for _ in 0..=self.rounds.len() / 20 {
                let since = Instant::now();
                while !is_over() && since.elapsed() < PATIENCE {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }
            until("all to be over", is_over);
            daemon.stop();
        });
    }

    fn holds(&self) {
        let said = self.said.lock().unwrap();
        let count = |kind: &str, text: &str| {
            said.iter().filter(|line| line["kind"] == kind && line["text"].as_str().unwrap().contains(text)).count()
        };
        let mut failed = 0;
        for Round { number, says, sends } in &self.rounds {
            let file = format!("f-{number}.txt");
            let files = said.iter().filter(|line| line["file"]["name"] == file.as_str()).count();
            for (task, text) in [(says, format!("[t-{number}]")), (sends, format!("[f-{number}]"))] {
                let history = shown(&self.home, *task)["history"].clone();
                let answers = (count("reply", &text), count("failure", &format!("Task {task} (")));
                match history[0]["state"].as_str() {
                    Some("done") => assert_eq!(answers, (1, 0), "task {task}, {text}: {history:#}"),
                    Some("failed") => assert_eq!(answers, (0, 1), "task {task}, {text}: {history:#}"),
                    _ => panic!("task {task}: {history:#}"),
                }
                failed += answers.1;
                if task == sends {
                    assert!(files == 1 || files == 0 && answers.1 == 1, "{file} came {files} times: {history:#}");
                }
            }
        }
        let accepted = self.accepted.lock().unwrap().clone();
        for id in &accepted {
            let to = |kind: &str| {
                said.iter().filter(|line| line["kind"] == kind && line["in_reply_to"] == id.as_str()).count()
            };
            assert_eq!((to("done"), to("reply") + to("failure")), (1, 1), "{id}");
        }
        eprintln!(
            "measured: {} tasks, of which {failed} were told of; {} messages",
            2 * self.rounds.len(),
            accepted.len()
        );
        self.home.run(&["undelivered"]).ok().prints("Everything was delivered");
    }
}
