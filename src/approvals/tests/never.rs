//! Whatever is asked, answered, restarted, saved and set: nothing goes out that no answer allowed.

use proptest::prelude::*;

use super::*;

const URLS: [&str; 2] = ["https://forms.example/submit", "https://forms.example/other?x=1"];

#[derive(Clone, Debug)]
enum Step {
    Ask {
        url: usize,
        body: u8,
        head: u8,
        in_run: bool,
    },
    /// A waiting request goes away.
    Leave(usize),
    Answer {
        ask: usize,
        what: usize,
        from_chat: bool,
    },
    PolicyChanges,
    TimeGoes(u64),
    ClockIsSet(i64),
    RunEnds,
    Restart,
    OtherMain,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..2_usize, 0..2_u8, 0..2_u8, any::<bool>())
            .prop_map(|(url, body, head, in_run)| Step::Ask { url, body, head, in_run }),
        2 => any::<usize>().prop_map(Step::Leave),
        6 => (any::<usize>(), 0..5_usize, any::<bool>())
            .prop_map(|(ask, what, from_chat)| Step::Answer { ask, what, from_chat }),
        1 => Just(Step::PolicyChanges),
        2 => (0..700_u64).prop_map(Step::TimeGoes),
        2 => (-700_000..700_000_i64).prop_map(Step::ClockIsSet),
        1 => Just(Step::RunEnds),
        1 => Just(Step::Restart),
        1 => Just(Step::OtherMain),
    ];
    prop::collection::vec(step, 1..40)
}

/// The asking request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    url: usize,
    body: u8,
    head: u8,
    run: Option<u64>,
}

/// A yes as the test itself remembers it.
#[derive(Clone, Debug)]
struct Yeses {
    question: Asked,
    of_answer: bool,
    left: u32,
    at: (u64, i64),
    main: Option<u64>,
}

/// The present state; a yes from another one no longer counts.
#[derive(Default)]
struct Model {
    yeses: Vec<Yeses>,
    main: u64,
    run: u64,
    run_is_over: bool,
}

impl Model {
    /// Whether a yes lets this go; uses it up.
    fn lets_go(&mut self, asked: Asked, (steady, wall): (u64, i64)) -> bool {
        let (main, run, over) = (self.main, self.run, self.run_is_over);
        let good = |yes: &&mut Yeses| {
            let of = &yes.question;
            let same = of.url == asked.url && of.head == asked.head && (yes.of_answer || of.body == asked.body);
            let run = !yes.of_answer || (of.run == asked.run && asked.run == Some(run) && !over);
            let lasts = if yes.of_answer { 900 } else { 600 };
            let by_steady = steady - yes.at.0 < lasts;
            let by_wall = yes.at.1 <= wall && wall < yes.at.1 + i64::try_from(lasts).unwrap() * 1000;
            same && run && by_steady && by_wall && yes.left > 0 && yes.main.is_none_or(|then| then == main)
        };
        let found = self.yeses.iter_mut().find(good);
        found.map(|yes| yes.left -= 1).is_some()
    }
}

fn run(steps: Vec<Step>) {
    let mut scene = Scene::new();
    let mut model = Model::default();
    let mut waiting: Vec<(Asked, Waiting)> = Vec::new();
    let mut asked = std::collections::BTreeMap::new();
    let (main, family) = ("owner", group("family"));
    model.run = scene.begin_run(0);
    let now = |scene: &Scene| (scene.steady.load(Ordering::SeqCst), scene.wall.load(Ordering::SeqCst));
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Ask { url, body, head, in_run } => {
                let of = Asked { url, body, head, run: in_run.then_some(model.run) };
                match scene.ask(of.question()) {
                    Ok(Ok(yes)) => assert!(model.lets_go(of, now(&scene)), "{yes:?} for {of:?}: {:?}", model.yeses),
                    Ok(Err(_)) => {}
                    Err(waits) => {
                        for ask in scene.now.approvals.open_asks().unwrap() {
                            asked.entry(ask.id).or_insert(of);
                        }
                        waiting.push((of, waits));
                    }
                }
            }
            Step::Leave(which) if !waiting.is_empty() => drop(waiting.remove(which % waiting.len())),
            Step::Answer { ask, what, from_chat } => {
                let open: Vec<_> = asked.keys().copied().collect();
                let Some(id) = open.get(ask % open.len().max(1)) else { continue };
                let ask = scene.now.store.ask(*id).unwrap().unwrap();
                let main_group = scene.now.store.main_group().unwrap();
                let by =
                    main_group.as_ref().filter(|_| from_chat).map_or(By::command(), |main| By::reply(main, "anna"));
                let (what, of) = (Answered::ALL[what], asked[id]);
                if scene.now.approvals.answer(ask.id, &answer(what), by).is_ok() {
                    let gives = match what {
                        Answered::Once => Some((false, 1)),
                        Answered::Answer => Some((true, 10)),
                        Answered::Always | Answered::No | Answered::Never => None,
                    };
                    let main = by.main().map(|_| model.main);
                    let at = now(&scene);
                    model.yeses.extend(gives.map(|(of_answer, left)| Yeses {
                        question: of,
                        of_answer,
                        left,
                        at,
                        main,
                    }));
                }
            }
            Step::PolicyChanges => {
                scene.now.approvals.policy_changed(&family);
                model.yeses.clear();
            }
            Step::TimeGoes(seconds) => scene.goes_on(seconds),
            Step::ClockIsSet(by) => drop(scene.wall.fetch_add(by, Ordering::SeqCst)),
            Step::RunEnds => {
                scene.now.store.fail_run(RunId(model.run), "over", None, &[]).unwrap();
                model.run = scene.begin_run(number + 1);
            }
            Step::Restart => {
                waiting.clear();
                scene.restart();
                model.yeses.clear();
                asked.clear();
            }
            Step::OtherMain => {
                scene.now.store.remove_group(&group(main)).unwrap();
                let chat = format!("owner-{number}");
                let new = NewGroup { name: &group(main), channel: "whatsapp", chat: &chat, is_main: true };
                scene.now.store.add_group(&new).unwrap();
                model.main += 1;
            }
            Step::Leave(_) => {}
        }
        // An answered request goes now, or was refused.
        waiting.retain_mut(|(of, waits)| match waits.now_or_never() {
            None => true,
            Some(Ok(Yes::Anew)) | Some(Err(_)) => false,
            Some(Ok(yes)) => {
                assert!(model.lets_go(*of, now(&scene)), "{yes:?} for {of:?}: {:?}", model.yeses);
                false
            }
        });
    }
}

impl Asked {
    fn question(&self) -> Question {
        let asked = question(URLS[self.url], &self.body.to_string(), self.run);
        let head = HeadHash::of([("content-type", &[self.head][..])]);
        Question { fingerprint: Fingerprint::of(&group("family"), &asked.facts, None, head), ..asked }
    }
}

impl Scene {
    fn begin_run(&self, number: usize) -> u64 {
        let sender = Sender::default();
        let id = format!("run-{number}");
        let new = crate::store::NewMessage {
            group: &group("family"),
            id: &id,
            sender: &sender,
            text: "",
            at: 1,
            means: crate::store::Means::Call,
            quote: None,
        };
        let (crate::store::Inserted::Row(row) | crate::store::Inserted::AlreadyThere(row)) =
            self.now.store.insert_message(&new).unwrap();
        self.now.store.begin_run(&group("family"), row, row, &SandboxId::new("abc123").unwrap()).unwrap().id.0
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn nothing_goes_that_no_answer_allowed(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { run(steps) });
    }
}
