//! What is asked, how often, and what answers lead to.

use super::*;

#[tokio::test]
async fn a_yes_is_for_one_request_and_used_once() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    assert_eq!(scene.say(Answered::Once).unwrap(), "Allowed, this once.");
    assert!(matches!(waits.await, Ok(Yes::Once(_))));
    // The same request again is a separate question.
    let again = scene.waits(form("a"));
    assert_eq!(scene.last().state, AskState::Waiting);
    drop(again);
    assert_eq!(scene.last().state, AskState::Gone);
}

#[tokio::test]
async fn two_that_wait_for_one_yes_do_not_both_go() {
    let scene = Scene::new();
    let (first, second) = (scene.waits(form("a")), scene.waits(form("a")));
    assert_eq!(scene.now.approvals.open_asks().unwrap().len(), 1, "one question for both");
    scene.say(Answered::Once).unwrap();
    let (first, second) = (first.await, second.await);
    assert!(first.is_ok() && second.is_err_and(|refusal| refusal.code == Code::AskRefused));
}

#[tokio::test]
async fn a_late_yes_is_for_the_same_request_for_ten_minutes() {
    let scene = Scene::new();
    drop(scene.waits(form("a")));
    scene.goes_on(599);
    assert!(scene.say(Answered::Once).unwrap().contains("its agent is told"));
    scene.goes_on(599);
    assert!(scene.ask(form("b")).is_err(), "another body");
    assert!(matches!(scene.ask(form("a")), Ok(Ok(Yes::Once(_)))));
    assert!(scene.ask(form("a")).is_err(), "used up");
    // Too late: by an hour, and by either clock alone.
    for (steady, wall) in [(600, 600_000), (600, 0), (0, 600_000), (1, -1_000)] {
        let waits = scene.waits(form(&format!("{steady} {wall}")));
        drop(waits);
        scene.steady.fetch_add(steady, Ordering::SeqCst);
        scene.wall.fetch_add(wall, Ordering::SeqCst);
        let told = scene.now.approvals.answer(scene.asked_last().id, &answer(Answered::Once), By::command());
        assert!(matches!(told, Err(NotAnswered::Closed(_))), "{steady} {wall}: {told:?}");
    }
}

impl Scene {
    /// The last question, in any state.
    fn asked_last(&self) -> Ask {
        let id = (1..).take_while(|id| self.now.store.ask(crate::store::AskId(*id)).unwrap().is_some()).last();
        self.now.store.ask(crate::store::AskId(id.unwrap())).unwrap().unwrap()
    }
}

#[tokio::test]
async fn a_yes_for_an_answer_is_bounded() {
    let scene = Scene::new();
    let said = scene.waits(form("a"));
    assert!(matches!(scene.say(Answered::Answer), Err(NotAnswered::Impossible(_))), "it belongs to no run");
    drop(said);
    let row = scene.message();
    let run = scene.now.store.begin_run(&group("family"), row, row, &SandboxId::new("abc123").unwrap()).unwrap().id;
    let of_run = |body: &str| question("https://forms.example/submit", body, Some(run.0));
    let waits = scene.waits(of_run("b"));
    scene.say(Answered::Answer).unwrap();
    assert!(matches!(waits.await, Ok(Yes::Answer(_))));
    for body in 1..10 {
        assert!(matches!(scene.ask(of_run(&body.to_string())), Ok(Ok(Yes::Answer(_)))), "{body}");
    }
    assert!(scene.ask(of_run("ten")).is_err(), "ten were");
    // Another run's, another path, and a body that is long.
    drop(scene.waits(of_run("c")));
    scene.say(Answered::Answer).unwrap();
    let long = Question { bytes: 65 << 10, ..of_run("d") };
    for other in [form("d"), question("https://forms.example/other", "d", Some(run.0)), long] {
        assert!(scene.ask(other).is_err());
    }
    assert!(matches!(scene.ask(of_run("d")), Ok(Ok(Yes::Answer(_)))));
    scene.now.store.fail_run(run, "stopped", None, &[]).unwrap();
    assert!(scene.ask(of_run("e")).is_err(), "the run has ended");
}

impl Scene {
    fn message(&self) -> crate::store::MessageRow {
        let sender = Sender::default();
        let new = crate::store::NewMessage {
            group: &group("family"),
            id: "m1",
            sender: &sender,
            text: "",
            at: 1,
            means: crate::store::Means::Call,
            quote: None,
        };
        match self.now.store.insert_message(&new).unwrap() {
            crate::store::Inserted::Row(row) | crate::store::Inserted::AlreadyThere(row) => row,
        }
    }
}

#[tokio::test]
async fn a_no_stands_for_a_while() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    let no = Answer { what: Answered::No, because: Some("not on Sundays".to_owned()), all: false };
    scene.now.approvals.answer(scene.last().id, &no, By::command()).unwrap();
    let refusal = waits.await.unwrap_err();
    assert_eq!(
        (refusal.code, &*refusal.why),
        (Code::AskRefused, "the owner said no: not on Sundays (the question was: send it to forms[.]example (1))")
    );
    let again = scene.ask(form("b")).ok().unwrap().unwrap_err();
    assert!(again.why.contains("so soon: not on Sundays"), "{again}");
    scene.goes_on(120);
    assert!(scene.ask(form("b")).is_err());
}

#[tokio::test]
async fn what_changes_the_policy_ends_what_was_given_and_has_what_waits_judged_anew() {
    let scene = Scene::new();
    drop(scene.waits(form("a")));
    scene.say(Answered::Once).unwrap();
    drop(scene.waits(form("b")));
    let left = scene.last();
    let waits = scene.waits(form("c"));
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    assert!(scene.ask(form("a")).is_err());
    let told = scene.now.approvals.answer(left.id, &answer(Answered::Once), By::command());
    assert!(matches!(told, Err(NotAnswered::Closed(_))));
}

/// The new policy refused its request, so an answer to it has no effect: it gives no grant, and no rule goes into a
/// file from which the owner has just removed it.
#[tokio::test]
async fn what_a_new_policy_does_not_ask_can_be_answered_no_more() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    scene.put().unwrap();
    let ask = scene.last();
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    assert_eq!(scene.now.approvals.open_asks().unwrap(), []);
    for what in Answered::ALL {
        let told = scene.now.approvals.answer(ask.id, &answer(what), By::command());
        assert!(matches!(told, Err(NotAnswered::Closed(_))), "{what:?}: {told:?}");
    }
    let file = Home::at(scene.dir.path()).unwrap().policy_file(&group("family"));
    assert!(!file.exists() && scene.logged("ask_answered").is_empty());
    // Asked by another request, it is another question, which is put.
    scene.goes_on(60);
    let waits = scene.waits(form("a"));
    assert!(scene.put().unwrap().1.contains(&scene.last().code) && scene.last().code != ask.code);
    scene.say(Answered::Once).unwrap();
    assert!(waits.await.is_ok());
}

/// The daemon checks files once a second; an owner who saves and answers is faster.
#[tokio::test]
async fn an_answer_looks_at_what_was_just_saved() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    let file = Home::at(scene.dir.path()).unwrap().policy_file(&group("family"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, SAVED_ANEW).unwrap();
    assert!(matches!(scene.say(Answered::Never), Err(NotAnswered::Closed(_))));
    assert_eq!(waits.await, Ok(Yes::Anew));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), SAVED_ANEW);
}

/// A removed group's question belongs to nobody, and delays none of a new group of that name.
#[tokio::test]
async fn a_new_group_of_a_name_asks_anew() {
    let scene = Scene::new();
    drop(scene.waits(form("a")));
    let before = scene.last();
    scene.now.store.remove_group(&group("family")).unwrap();
    scene.add("family", false);
    let waits = scene.waits(form("a"));
    assert!(scene.put().unwrap().1.contains(&scene.last().code) && scene.last().code != before.code);
    scene.say(Answered::Once).unwrap();
    assert!(waits.await.is_ok());
}

/// The policy is replaced while the owner answers: what was asked under one policy is no yes under the next, even if
/// nobody was told of the change in time.
#[tokio::test]
async fn a_yes_counts_under_the_policy_that_asked() {
    let scene = Scene::new();
    let next = |asked| Question { policy: policies::PolicyHash::of(&[("family", "next")]), ..asked };
    drop(scene.waits(form("a")));
    scene.say(Answered::Once).unwrap();
    let again = scene.waits(next(form("a")));
    scene.say(Answered::Once).unwrap();
    assert!(again.await.is_ok());
    // A waiting request rejoins the question that was put, and its answer is for the present one.
    let asked = form("b");
    let waits = scene.waits(asked.clone());
    let code = scene.last().code;
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    let waits = scene.waits(next(asked));
    assert_eq!(scene.last().code, code);
    scene.say(Answered::Once).unwrap();
    assert!(waits.await.is_ok());
}

/// A yes does not open a lock, and is not kept until it is opened.
#[tokio::test]
async fn a_yes_to_a_locked_group_is_none() {
    let scene = Scene::new();
    scene.add("locked", false);
    let who = Identity { group: group("locked"), sandbox: SandboxId::new("abc123").unwrap() };
    let waits = scene.waits(Question { who, ..form("a") });
    for yes in [Answered::Once, Answered::Answer, Answered::Always] {
        let told = scene.say(yes).unwrap_err().to_string();
        assert!(told.contains("locked is locked") || told.contains("no answer of an agent"), "{yes:?}: {told}");
    }
    assert!(scene.say(Answered::No).is_ok());
    assert_eq!(waits.await.unwrap_err().code, Code::AskRefused);
}

#[tokio::test]
async fn a_yes_that_cannot_be_written_down_is_none() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    let ask = scene.last();
    // Somebody moved the log away.
    let log = scene.dir.path().join("data/audit");
    std::fs::remove_dir_all(&log).unwrap();
    let told = scene.now.approvals.answer(ask.id, &answer(Answered::Once), By::command());
    assert!(matches!(told, Err(NotAnswered::Impossible(_))), "{told:?}");
    assert_eq!(scene.now.store.ask(ask.id).unwrap().unwrap().state, AskState::Waiting);
    drop(waits);
}

#[tokio::test]
async fn always_writes_the_smallest_rule_and_says_what_else_it_covers() {
    let scene = Scene::new();
    let block = |table: &str| format!("[[{table}]]\nhost = \"forms.example\"\ndo = [\"POST /**\"]\n");
    let policy = &format!("{}\n{}", block("allow"), block("ask"));
    let file = Home::at(scene.dir.path()).unwrap().policy_file(&group("family"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, policy).unwrap();
    let source = policy_file::Source { name: "policies/family.toml".to_owned(), text: policy.clone() };
    let compiled = || policy_file::compile(&group("family"), &source, None).unwrap().policy;
    let (url, body) = ("https://forms.example/notes?draft=no", r#"{"title":"milk","count":3}"#);
    let waits = scene.ask_by(question(url, body, None), held(compiled(), body)).err().unwrap();
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("3 \u{2013} yes, always: a rule is written, which also covers fields beside"), "{text}");
    let told = scene.say(Answered::Always).unwrap();
    assert!(told.contains("It also covers fields beside those that were sent; other numbers; any headers."), "{told}");
    assert_eq!(waits.await, Ok(Yes::Anew));
    let written = std::fs::read_to_string(&file).unwrap();
    let rule = written.strip_prefix(policy).unwrap();
    for line in
        ["# always by the owner, on the command line", "do = [\"POST /notes\"]", "draft", "milk", "unasked = true"]
    {
        assert!(rule.contains(line), "{line}: {rule}");
    }
    // What rules cannot express has none, and is still asked about.
    let url = "https://forms.example/notes?a=%20";
    let waits = scene.ask_by(question(url, "", None), held(compiled(), "")).err().unwrap();
    scene.goes_on(60);
    let (_, text) = scene.put().unwrap();
    assert!(!text.contains("yes, always") && text.contains("never \u{2013} no, always"), "{text}");
    assert!(matches!(scene.say(Answered::Always), Err(NotAnswered::Impossible(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    // Nor can a rule go into a file that does not load; the log records no answer that had no effect.
    std::fs::write(&file, "nonsense = [").unwrap();
    assert!(matches!(scene.say(Answered::Never), Err(NotAnswered::Impossible(_))));
    assert_eq!(scene.logged("ask_answered").len(), 1);
    drop(waits);
}

/// Whoever keeps a question cannot make its answer count for another one, for another request, or too late.
#[tokio::test]
async fn an_answer_is_for_the_question_that_was_put() {
    let scene = Scene::new();
    let waits = (scene.waits(form("a")), scene.waits(form("b")));
    let approvals = &scene.now.approvals;
    let (asks, now) = (approvals.open_asks().unwrap(), approvals.times.now());
    let open = approvals.as_it_stands(asks[0].id, now).unwrap();
    let counts = |ask: &Ask, at| Counted::of((ask.id, &open), Answered::Once, By::command(), at).is_ok();
    assert!(counts(&asks[0], now) && !counts(&asks[1], now));
    assert!(approvals.asked_anew(&open, &form("a"), None).unwrap().is_some());
    assert!(approvals.asked_anew(&open, &form("b"), None).unwrap().is_none());
    scene.goes_on(600);
    assert!(!counts(&asks[0], approvals.times.now()));
    drop(waits);
}
