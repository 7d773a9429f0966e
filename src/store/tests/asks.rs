//! Questions to the owner, and the grants of their answers.

use policies::GrantId;

use super::*;

const EXACT: &str = "f1/b1";
const SHAPE: &str = "f1";

impl Scene {
    fn with_main() -> Self {
        let scene = Scene::new();
        scene.add("family", false).unwrap();
        scene.add("owner", true).unwrap();
        scene
    }

    fn ask(&self, code: &str, run: Option<RunId>) -> AskId {
        let new = NewAsk {
            code,
            group: &name("family"),
            run,
            sandbox: &sandbox(),
            method: "POST",
            authority: "forms.example:443",
            path: "/submit",
            credential: None,
            exact: EXACT,
            shape: SHAPE,
            says: "send 4 bytes to forms.example",
            at: 1000,
        };
        self.store.begin_ask(&new).unwrap()
    }

    fn run(&self) -> RunId {
        let row = self.row("family", &format!("m{}", self.store.running_runs().unwrap().len()));
        self.store.begin_run(&name("family"), row, row, &sandbox()).unwrap().id
    }

    fn yes(&self, ask: AskId, grant: &NewGrant<'_>) -> Option<Option<GrantId>> {
        self.store.answer_ask(ask, Answered::Once, "on the command line", 1000, Some(grant)).unwrap()
    }

    fn take(&self, grant: GrantId, wanted: &Wanted<'_>) -> bool {
        self.store.take_grant(grant, wanted).unwrap()
    }
}

fn once<'a>(group: &'a GroupName, main: Option<&'a Group>) -> NewGrant<'a> {
    NewGrant { group, matches: EXACT, of_answer: false, run: None, main, uses: 1, lasts: 600 }
}

fn wanted(group: &GroupName) -> Wanted<'_> {
    Wanted { group, run: None, exact: EXACT, shape: SHAPE, is_short: true, at: 1001 }
}

#[test]
fn a_question_is_answered_once() {
    let scene = Scene::with_main();
    let (family, ask) = (name("family"), scene.ask("k7q2mx", None));
    let first = scene.yes(ask, &once(&family, None)).unwrap().unwrap();
    assert_eq!(scene.yes(ask, &once(&family, None)), None);
    assert!(!scene.store.leave_ask(ask, AskState::Gone).unwrap());
    assert_eq!(scene.store.ask_of_code("k7q2mx").unwrap(), Some(ask));
    let ask = scene.store.ask(ask).unwrap().unwrap();
    assert_eq!(
        (ask.state, ask.answer, ask.how.as_deref()),
        (AskState::Yes, Some(Answered::Once), Some("on the command line"))
    );
    assert!(scene.take(first, &wanted(&family)) && !scene.take(first, &wanted(&family)));
}

#[test]
fn a_grant_is_for_what_it_was_given_for_and_for_its_time() {
    let scene = Scene::with_main();
    let (family, owner) = (name("family"), name("owner"));
    let grant = scene.yes(scene.ask("k7q2mx", None), &once(&family, None)).unwrap().unwrap();
    let wanted = wanted(&family);
    for other in [
        Wanted { group: &owner, ..wanted },
        Wanted { exact: "f1/b2", ..wanted },
        Wanted { exact: "f2/b1", ..wanted },
        Wanted { at: 999, ..wanted },
        Wanted { at: 1600, ..wanted },
    ] {
        assert!(!scene.take(grant, &other), "{other:?}");
    }
    assert_eq!(scene.store.grants_for(&wanted).unwrap().len(), 1);
    assert!(scene.take(grant, &wanted));
    assert_eq!(scene.store.grants_for(&wanted).unwrap(), []);
}

#[test]
fn a_grant_of_an_answer_ends_with_its_run() {
    let scene = Scene::with_main();
    let (family, run) = (name("family"), scene.run());
    let new = NewGrant { matches: SHAPE, of_answer: true, run: Some(run), uses: 2, ..once(&family, None) };
    let grant = scene.yes(scene.ask("k7q2mx", Some(run)), &new).unwrap().unwrap();
    let own = Wanted { run: Some(run), exact: "f1/b9", ..wanted(&family) };
    for other in [wanted(&family), Wanted { is_short: false, ..own }, Wanted { shape: "f2", ..own }] {
        assert!(!scene.take(grant, &other), "{other:?}");
    }
    assert!(scene.take(grant, &own));
    scene.store.fail_run(run, "stopped", None, &[]).unwrap();
    assert!(!scene.take(grant, &own));
}

#[test]
fn a_grant_ends_with_the_owners_chat_and_with_the_daemon() {
    let scene = Scene::with_main();
    let (family, owner) = (name("family"), name("owner"));
    let main = scene.store.main_group().unwrap().unwrap();
    let (first, second) = (scene.ask("k7q2mx", None), scene.ask("k7q2my", None));
    let from_chat = scene.yes(first, &once(&family, Some(&main))).unwrap().unwrap();
    let from_machine = scene.yes(second, &once(&family, None)).unwrap().unwrap();
    scene.store.remove_group(&owner).unwrap();
    assert!(!scene.take(from_chat, &wanted(&family)));
    let open = scene.ask("k7q2mz", None);
    assert_eq!(scene.store.lose_asks().unwrap(), 1);
    assert!(!scene.take(from_machine, &wanted(&family)));
    assert_eq!(scene.yes(open, &once(&family, None)), None);
}

#[test]
fn a_message_is_known_by_what_it_asked() {
    let scene = Scene::with_main();
    let (owner, asks) = (name("owner"), [scene.ask("k7q2mx", None), scene.ask("k7q2my", None)]);
    let put = scene.store.put_asks(&owner, &reply("two questions"), &asks).unwrap();
    assert_eq!(scene.store.asks_of_message(&owner, "NET-1").unwrap(), []);
    scene.store.mark_sent(put, Some("NET-1")).unwrap();
    assert_eq!(scene.store.asks_of_message(&owner, "NET-1").unwrap(), asks);
    assert_eq!(scene.store.asks_of_message(&name("family"), "NET-1").unwrap(), []);
}

/// If a question cannot be delivered, another text is sent instead: an answer to that has read no question.
#[test]
fn a_text_in_the_place_of_a_question_puts_none() {
    let scene = Scene::with_main();
    let (owner, ask) = (name("owner"), scene.ask("k7q2mx", None));
    let put = scene.store.put_asks(&owner, &reply("a question"), &[ask]).unwrap();
    assert!(scene.store.send_instead(put, "refused", &Sayable::unchecked("an answer could not be delivered")).unwrap());
    scene.store.mark_sent(put, Some("NET-1")).unwrap();
    assert_eq!(scene.store.asks_of_message(&owner, "NET-1").unwrap(), []);
}

/// Data from before there were questions stays.
#[test]
fn a_database_without_questions_is_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = migrations::bring_up_to_date(&path, Connection::open(&path).unwrap(), &MIGRATIONS[..4]).unwrap();
    old.execute_batch(
        "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES ('owner', 'terminal', 'c', '', 1, 1)",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.main_group().unwrap().unwrap().name, name("owner"));
    assert_eq!((store.open_asks().unwrap(), store.lose_asks().unwrap()), (vec![], 0));
}

/// Messages queued before there were files are sent as before.
#[test]
fn a_database_without_files_is_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("doorward.db");
    let old = migrations::bring_up_to_date(&path, Connection::open(&path).unwrap(), &MIGRATIONS[..5]).unwrap();
    old.execute_batch(
        "INSERT INTO groups (name, channel, chat, agent, is_main, created_at) VALUES ('owner', 'terminal', 'c', '', 1, 1);
         INSERT INTO outbox (group_name, kind, text, state, next_attempt_at, created_at)
         VALUES ('owner', 'reply', 'hi', 'queued', 0, 1);",
    )
    .unwrap();
    drop(old);
    let store = Store::open(&path).unwrap();
    let queued = store.next_outgoing_of(&name("owner"), now()).unwrap().unwrap();
    assert_eq!((queued.text.as_str(), &queued.reacts_to, &queued.file), ("hi", &None, &None));
    assert!(store.mark_sent(queued.id, None).unwrap());
}

/// Attack O06: a sandbox that keeps asking for days.
#[test]
fn questions_that_nobody_answers_are_bounded() {
    let scene = Scene::with_main();
    let (old, answered) = (scene.ask("k7q2mx", None), scene.ask("k7q2my", None));
    scene.store.leave_ask(old, AskState::Lost).unwrap();
    scene.yes(answered, &once(&name("family"), None)).unwrap();
    let many = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
                INSERT INTO asks (code, group_name, sandbox, method, authority, path, exact, shape, says, state, asked_at)
                SELECT 'c' || n, 'family', 's', 'GET', 'a', '/', 'e', 's', 'x', 'lost', 1 FROM numbers";
    Connection::open(scene.path()).unwrap().execute(many, [super::super::asked::UNANSWERED_AT_MOST]).unwrap();
    let open = scene.ask("k7q2mz", None);
    let is_there = |ask| scene.store.ask(ask).unwrap().is_some();
    assert!(!is_there(old) && is_there(answered) && is_there(open));
    assert!(scene.store.ask_of_code("c2").unwrap().is_some());
}
