//! How much is asked, and that it delays nobody else.

use super::*;

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

/// Attack O06: after a no, a sandbox asks for something slightly different.
#[tokio::test]
async fn after_some_noes_nobody_is_asked_for_a_while() {
    let scene = Scene::new();
    scene.add("club", false);
    let url = |number: usize| format!("https://forms.example/submit?{number}");
    for number in 0..NOES {
        let waits = scene.waits(question(&url(number), "a", None));
        scene.say(Answered::No).unwrap();
        drop(waits.await.unwrap_err());
        scene.goes_on(10);
    }
    let refusal = scene.ask(question(&url(NOES), "a", None)).ok().unwrap().unwrap_err();
    assert!(refusal.code == Code::AskRefused && refusal.why.contains("no several times"), "{refusal}");
    let others = Identity { group: group("club"), sandbox: SandboxId::new("abc123").unwrap() };
    drop(scene.waits(Question { who: others, ..form("theirs") }));
    scene.goes_on(NOES_WITHIN.as_secs() - 10 * NOES as u64);
    drop(scene.waits(question(&url(NOES), "a", None)));
}

/// Attack O06: a group that asks a lot delays no other's questions.
#[tokio::test]
async fn each_group_has_its_turn() {
    let scene = Scene::new();
    scene.add("club", false);
    let many: Vec<_> = (0..30).map(|body| scene.waits(form(&body.to_string()))).collect();
    let who = Identity { group: group("club"), sandbox: SandboxId::new("abc123").unwrap() };
    let club = scene.waits(Question { who, ..form("theirs") });
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("club wants to") && text.contains("21 more wait"), "{text}");
    drop((many, club));
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

/// A question that nobody waits for needs no answer; when its request comes again, it is put.
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
    // A question that was put is not put again.
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
    // The same request again is no new question; another group's is.
    drop(scene.waits(form("waits")));
    let others = Identity { group: group("club"), sandbox: SandboxId::new("abc123").unwrap() };
    scene.add("club", false);
    drop(scene.waits(Question { who: others, ..form("theirs") }));
    scene.goes_on(60);
    drop(scene.waits(form("more")));
    drop(waits);
}

/// A door shares its thread with others.
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
    assert!(matches!(heard, Heard::Wish(told) if told.in_english().contains("60 minutes")));
    assert!(scene.ask(form("a")).ok().unwrap().is_err_and(|refusal| refusal.code == Code::AskUnanswered));
    scene.goes_on(3600);
    assert!(scene.ask(form("a")).is_err());
    let night = Arc::new(AskedBy { quiet: true, ..AskedBy::clone(&form("b").by) });
    assert!(scene.ask(Question { by: night, ..form("b") }).ok().unwrap().is_err());
    assert!(scene.put().is_none(), "nobody waits any more");
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
    // The owner is told about them in one message, and another group's questions still come.
    assert!(scene.put().unwrap().1.contains("990 more wait"));
    let other = scene.waits(form("other"));
    // Every other one is allowed.
    for (number, ask) in asks.iter().enumerate().filter(|(number, _)| number % 2 == 0) {
        let told = scene.now.approvals.answer(ask.id, &answer(Answered::Once), By::command());
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
