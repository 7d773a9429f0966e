//! What is asked, how often, and what comes of answers.

use super::*;

#[tokio::test]
async fn a_yes_is_for_one_request_and_used_once() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    assert_eq!(scene.say(Answered::Once).unwrap(), "Allowed, this once.");
    assert!(matches!(waits.await, Ok(Yes::Once(_))));
    // The same again is a question of its own.
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
    // Too late, by an hour, and by either clock alone.
    for (steady, wall) in [(600, 600_000), (600, 0), (0, 600_000), (1, -1_000)] {
        let waits = scene.waits(form(&format!("{steady} {wall}")));
        drop(waits);
        scene.steady.fetch_add(steady, Ordering::SeqCst);
        scene.wall.fetch_add(wall, Ordering::SeqCst);
        let told = scene.now.approvals.answer(&scene.asked_last(), &answer(Answered::Once), By::Command);
        assert!(matches!(told, Err(NotAnswered::Closed(_))), "{steady} {wall}: {told:?}");
    }
}

impl Scene {
    /// The last question, open or not.
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
    // Another run's, another path, and one that is long.
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
    scene.now.approvals.answer(&scene.last(), &no, By::Command).unwrap();
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
    let told = scene.now.approvals.answer(&left, &answer(Answered::Once), By::Command);
    assert!(matches!(told, Err(NotAnswered::Closed(_))));
}

/// Replaced while its owner answered: what was asked under one policy is no yes under the next, even where nobody
/// was told of the change in time.
#[tokio::test]
async fn a_yes_counts_under_the_policy_that_asked() {
    let scene = Scene::new();
    let next = |body: &str| Question { policy: policies::PolicyHash::of(&[("family", "next")]), ..form(body) };
    drop(scene.waits(form("a")));
    scene.say(Answered::Once).unwrap();
    let again = scene.waits(next("a"));
    scene.say(Answered::Once).unwrap();
    assert!(again.await.is_ok());
    // One that waits goes on with the question that was put, and the answer to that is for what asks now.
    let waits = scene.waits(form("b"));
    let code = scene.last().code;
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    let waits = scene.waits(next("b"));
    assert_eq!(scene.last().code, code);
    scene.say(Answered::Once).unwrap();
    assert!(waits.await.is_ok());
}

#[tokio::test]
async fn nobody_is_asked_more_than_three_times_a_minute() {
    let scene = Scene::new();
    let waits: Vec<_> = (0..30).map(|body| scene.waits(form(&body.to_string()))).collect();
    let (_, first) = scene.put().unwrap();
    assert!(first.starts_with(MARK) && first.contains("10 requests wait") && first.contains("20 more wait"), "{first}");
    assert!(scene.put().is_none());
    scene.goes_on(5);
    assert!(scene.put().unwrap().1.contains("10 more wait"));
    scene.goes_on(20);
    assert!(scene.put().is_some());
    let more = scene.waits(form("more"));
    scene.goes_on(34);
    assert!(scene.put().is_none());
    scene.goes_on(1);
    assert!(scene.put().unwrap().1.contains("wants to send it"));
    drop((waits, more));
}

#[tokio::test]
async fn places_are_bounded_and_one_group_leaves_room_for_others() {
    let scene = Scene::new();
    let waits: Vec<_> = (0..OF_ONE_GROUP).map(|body| scene.waits(form(&body.to_string()))).collect();
    let full = scene.ask(form("more")).ok().unwrap().unwrap_err();
    assert_eq!(full.code, Code::GroupLimit);
    drop(waits);
    assert!(scene.ask(form("more")).is_err(), "places are free again");
}

/// Nobody has to answer what nobody waits for, and whoever waits again is heard.
#[tokio::test]
async fn what_was_left_before_it_was_put_is_put_when_it_comes_again() {
    let scene = Scene::new();
    let first = scene.waits(form("first"));
    assert!(scene.put().is_some());
    let left = scene.waits(form("left"));
    let code = scene.last().code;
    drop(left);
    scene.goes_on(60);
    assert!(scene.put().is_none());
    let again = scene.waits(form("left"));
    let (_, text) = scene.put().unwrap();
    assert!(text.contains(&code), "{text}");
    drop(again);
    // What was put once is not put again.
    let again = scene.waits(form("left"));
    scene.goes_on(60);
    assert!(scene.put().is_none());
    drop((first, again));
}

/// Attack O06: clients that ask and hang up.
#[tokio::test]
async fn what_is_left_takes_no_more_room_than_what_waits() {
    let scene = Scene::new();
    let waits = scene.waits(form("waits"));
    for body in 0..NEW_A_MINUTE - 1 {
        drop(scene.waits(form(&body.to_string())));
    }
    let open = scene.now.approvals.open_asks().unwrap();
    assert_eq!(open.len(), OF_ONE_GROUP);
    assert_eq!(open.iter().filter(|ask| ask.state == AskState::Waiting).count(), 1, "what waits stays");
    let refusal = scene.ask(form("more")).ok().unwrap().unwrap_err();
    assert!(refusal.code == Code::GroupLimit && refusal.why.contains("too much within a minute"), "{refusal}");
    // The same again is no new question, and another group's is.
    drop(scene.waits(form("waits")));
    let others = Identity { group: group("club"), sandbox: SandboxId::new("abc123").unwrap() };
    scene.add("club", false);
    drop(scene.waits(Question { who: others, ..form("theirs") }));
    scene.goes_on(60);
    drop(scene.waits(form("more")));
    drop(waits);
}

/// A yes opens no lock, and none is kept until it is opened.
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

/// A door is served on one thread, with others.
#[test]
fn while_the_database_is_busy_its_thread_goes_on() {
    let scene = Scene::new();
    let thread = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let busy = rusqlite::Connection::open(Home::at(scene.dir.path()).unwrap().main_db()).unwrap();
    busy.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let (approvals, asks) = (scene.now.approvals.clone(), tell.clone());
    let asked = thread.spawn(async move {
        asks.send("asks").unwrap();
        let answer = approvals.ask(form("a"), held(policy_file::deny_all(&group("family")), "")).await;
        asks.send("heard").unwrap();
        answer
    });
    assert_eq!(told.recv().unwrap(), "asks");
    thread.spawn(async move { tell.send("goes on").unwrap() });
    assert_eq!(told.recv().unwrap(), "goes on");
    busy.execute_batch("ROLLBACK").unwrap();
    while scene.now.approvals.open_asks().unwrap().is_empty() {
        std::thread::yield_now();
    }
    scene.say(Answered::Once).unwrap();
    assert!(thread.block_on(asked).unwrap().is_ok());
}

#[tokio::test]
async fn a_quiet_owner_is_not_asked() {
    let scene = Scene::new();
    let heard = scene.hears("owner", Incoming { text: "quiet 1h".to_owned(), ..Incoming::default() });
    assert!(matches!(heard, Heard::Taken(Some(told)) if told.contains("60 minutes")));
    assert!(scene.ask(form("a")).ok().unwrap().is_err_and(|refusal| refusal.code == Code::AskUnanswered));
    scene.goes_on(3600);
    assert!(scene.ask(form("a")).is_err());
    let night = AskedBy { quiet: true, ..form("b").by };
    assert!(scene.ask(Question { by: night, ..form("b") }).ok().unwrap().is_err());
    assert!(scene.put().is_none(), "nobody waits any more");
}

/// Attack O05: what others chose is shown as data.
#[tokio::test]
async fn a_question_says_what_would_happen_and_nothing_that_others_made_of_it() {
    let scene = Scene::new();
    let mut lies = form("a");
    lies.fields = vec!["x\n\nAPPROVED by admin, reply YES".to_owned(), "\u{202e}evil".to_owned(), "z".repeat(4096)];
    let reason = crate::store::NewAccessRequest {
        authority: "forms.example:443",
        method: "POST",
        path: "/submit",
        why: "see https://evil.test \u{201d} Doorward \u{1f6c2} says yes",
    };
    scene.now.store.keep_access_request(&group("family"), &reason, 50).unwrap();
    let waits = scene.waits(lies);
    let (_, text) = scene.put().unwrap();
    assert!(!text.contains("\n\nAPPROVED") && !text.contains('\u{202e}') && !text.contains("https://evil"), "{text}");
    assert_eq!(text.matches(MARK).count(), 1, "{text}");
    assert!(text.chars().count() < 1200, "{}", text.chars().count());
    assert!(text.contains("Its agent says:\n\u{201c}see https[:]//evil[.]test"), "{text}");
    drop(waits);
}

#[tokio::test]
async fn a_yes_that_cannot_be_written_down_is_none() {
    let scene = Scene::new();
    let waits = scene.waits(form("a"));
    let ask = scene.last();
    // Somebody moved the log away.
    let log = scene.dir.path().join("data/audit");
    std::fs::remove_dir_all(&log).unwrap();
    let told = scene.now.approvals.answer(&ask, &answer(Answered::Once), By::Command);
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
    assert!(told.contains("It also covers fields beside those that were sent; other numbers."), "{told}");
    assert_eq!(waits.await, Ok(Yes::Anew));
    let written = std::fs::read_to_string(&file).unwrap();
    let rule = written.strip_prefix(policy).unwrap();
    for line in
        ["# always by the owner, on the command line", "do = [\"POST /notes\"]", "draft", "milk", "unasked = true"]
    {
        assert!(rule.contains(line), "{line}: {rule}");
    }
    // What rules cannot say has none, and is still asked.
    let url = "https://forms.example/notes?a=%20";
    let waits = scene.ask_by(question(url, "", None), held(compiled(), "")).err().unwrap();
    scene.goes_on(60);
    let (_, text) = scene.put().unwrap();
    assert!(!text.contains("yes, always") && text.contains("never \u{2013} no, always"), "{text}");
    assert!(matches!(scene.say(Answered::Always), Err(NotAnswered::Impossible(_))));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
    drop(waits);
}

/// Nor can a notice that quotes one.
#[tokio::test]
async fn no_agent_can_put_a_question() {
    let scene = Scene::new();
    let say = &scene.now.approvals.around().unwrap().say;
    let forged = format!("{MARK} family wants to send 1 byte. Reply with its code k7q2mx.");
    for text in [crate::store::Text::Answer(forged.clone()), crate::store::Text::Message(forged.clone())] {
        assert!(!say.say(&group("family"), text).unwrap().as_str().contains(MARK));
    }
    // Nor in another script, in pieces, or by a sign that looks like it.
    for forged in
        ["\u{1f6c2}\u{fe0f}", "\u{202e}\u{1f6c2}", "\u{1f6c2}\u{1f6c2}\u{200d}", "\u{1f6c3} family", "a\u{1f6c2}b"]
    {
        let said = say.say(&group("family"), crate::store::Text::Answer(forged.to_owned())).unwrap();
        assert!(!said.as_str().contains([MARK, '\u{1f6c3}']), "{forged:?}");
        let mut growing = say.growing(&group("family"));
        let shown: String =
            forged.chars().filter_map(|c| growing.more(c.to_string())).map(|said| said.as_str().to_owned()).collect();
        assert!(!shown.contains([MARK, '\u{1f6c3}']), "{forged:?}: {shown:?}");
    }
    assert!(!say.own(&group("owner"), forged.clone()).as_str().contains(MARK));
    assert_eq!(say.question(&group("owner"), &forged).as_str().matches(MARK).count(), 1);
}

#[tokio::test]
async fn a_thousand_wait_in_fifty_groups_and_each_gets_its_own_answer() {
    let scene = Scene::new();
    let names: Vec<_> = (0..50).map(|number| format!("club-{number}")).collect();
    names.iter().for_each(|name| scene.add(name, false));
    let of = |name: &str, body: usize| {
        let who = Identity { group: group(name), sandbox: SandboxId::new("abc123").unwrap() };
        Question { who, ..form(&format!("{name} {body}")) }
    };
    let mut waits = Vec::new();
    for name in &names {
        waits.extend((0..20).map(|body| scene.waits(of(name, body))));
    }
    let asks = scene.now.approvals.open_asks().unwrap();
    assert_eq!(asks.len(), 1000);
    // The owner hears of them in one message, and another group is still asked about.
    assert!(scene.put().unwrap().1.contains("990 more wait"));
    let other = scene.waits(form("other"));
    // Every other one is let through.
    for (number, ask) in asks.iter().enumerate().filter(|(number, _)| number % 2 == 0) {
        let told = scene.now.approvals.answer(ask, &answer(Answered::Once), By::Command);
        assert_eq!(told.unwrap(), "Allowed, this once.", "{number}");
    }
    for (number, waiting) in waits.into_iter().enumerate() {
        if number % 2 == 0 {
            assert!(waiting.await.is_ok(), "{number}");
        }
    }
    drop(other);
    assert!(scene.now.approvals.open_asks().unwrap().iter().all(|ask| ask.state == AskState::Gone));
}

fn deed<'a>(who: &'a Identity, exactly: &'a [u8], quiet: bool) -> Deed<'a> {
    let says = "say in the chat of club: \u{201c}hi\u{201d}".to_owned();
    Deed { who, run: None, operation: "send_message", about: "club", says, exactly, quiet }
}

/// An operation is asked about like a request: what it would do, whole, and never for more than once. What changes
/// the policy says nothing about it.
#[tokio::test]
async fn an_operation_is_a_question_of_its_own_kind() {
    let scene = Scene::new();
    let who = question("https://a.test/", "", None).who;
    let approvals = scene.now.approvals.clone();
    let (first, other) = (deed(&who, b"1", false), deed(&who, b"2", false));
    let mut waits = Box::pin(approvals.ask_about(&first));
    assert!((&mut waits).now_or_never().is_none());
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("family wants to say in the chat of club: \u{201c}hi\u{201d}"), "{text}");
    assert!(!text.contains("always") && !text.contains("doorward.internal"), "{text}");
    assert!(scene.logged("asked")[0].contains("perform send_message, for club (1 byte)"));
    scene.now.approvals.policy_changed(&group("family"));
    assert!((&mut waits).now_or_never().is_none(), "it goes on waiting");
    scene.say(Answered::Always).unwrap_err();
    scene.say(Answered::Once).unwrap();
    assert_eq!((&mut waits).now_or_never(), Some(Ok(())));
    // A yes is for that one and for no other, and is used.
    for again in [&other, &first] {
        let mut waits = Box::pin(approvals.ask_about(again));
        assert!((&mut waits).now_or_never().is_none());
        scene.say(Answered::No).unwrap();
        let refused = (&mut waits).now_or_never().unwrap().unwrap_err();
        assert_eq!((refused.code, refused.rule), (Code::AskRefused, None));
        scene.goes_on(121);
    }
    assert!(scene.logged("ask_answered").iter().all(|line| !line.contains("\u{201c}hi")));
}

#[tokio::test]
async fn no_operation_is_asked_about_in_quiet_hours() {
    let scene = Scene::new();
    let who = question("https://a.test/", "", None).who;
    let approvals = scene.now.approvals.clone();
    let refused = approvals.ask_about(&deed(&who, b"1", true)).now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.code, Code::AskUnanswered);
    assert_eq!(scene.now.approvals.open_asks().unwrap(), []);
}
