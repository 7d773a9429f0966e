//! What becomes of questions when their policy is replaced.

use policies::Policy;

use super::heard::{reply, said};
use super::*;

const URL: &str = "https://forms.example/submit";
const UNLISTED: &str = "[ask]\nunlisted = true\n";
const NAMED: &str = "[[ask]]\nhost = \"forms.example\"\ndo = [\"POST /**\"]\nwhy = \"new\"\n";

fn compiled(text: &str) -> Policy {
    let source = policy_file::Source { name: "policies/family.toml".to_owned(), text: text.to_owned() };
    policy_file::compile(&group("family"), &source, None).unwrap().policy
}

/// As the gate asks under this policy.
fn asked_under(text: &str, question: &Question) -> (Question, Held) {
    let policy = compiled(text);
    let by = AskedBy { why: text.contains("new").then(|| "new".to_owned()), ..(*question.by).clone() };
    (Question { policy: policy.hash(), by: Arc::new(by), ..question.clone() }, held(policy, "a"))
}

impl Scene {
    fn waits_under(&self, text: &str, asked: &Question) -> Waiting {
        let (asked, held) = asked_under(text, asked);
        self.ask_by(asked, held).expect_err("it waits")
    }
}

#[tokio::test]
async fn a_question_that_would_read_otherwise_is_another() {
    let scene = Scene::new();
    let file = Home::at(scene.dir.path()).unwrap().policy_file(&group("family"));
    let asked = question(URL, "a", None);
    let waits = scene.waits_under(UNLISTED, &asked);
    let (id, _) = scene.put().unwrap();
    let old = scene.last();
    // One that says the same is the same.
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    let waits = scene.waits_under(&format!("# a comment\n{UNLISTED}"), &asked);
    scene.goes_on(60);
    assert_eq!((scene.last().code, scene.put()), (old.code.clone(), None));
    // One by another rule is another: in its words, and in what always writes.
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    let waits = scene.waits_under(NAMED, &asked);
    let open = scene.now.approvals.open_asks().unwrap();
    let [new] = &open[..] else { panic!("{open:?}") };
    assert_ne!(new.code, old.code);
    for what in Answered::ALL {
        let told = scene.now.approvals.answer(old.id, &answer(what), By::command());
        assert!(matches!(told, Err(NotAnswered::Closed(_))), "{what:?}: {told:?}");
    }
    for message in [reply(&id, "yes"), reply(&id, "always"), said(&format!("always {}", old.code))] {
        let heard = scene.hears("owner", message);
        assert!(matches!(&heard, Heard::Taken(Some(told)) if told.contains("not open any more")), "{heard:?}");
    }
    assert!(!file.exists() && scene.logged("ask_answered").is_empty());
    let (_, text) = scene.put().unwrap();
    assert!(text.contains(&new.code) && !text.contains(&old.code) && text.contains("Asked because: new"), "{text}");
    scene.say(Answered::Once).unwrap();
    assert!(matches!(waits.await, Ok(Yes::Once(_))));
}

/// All that waited for one question wait for the other, and none of it is the group's doing.
#[tokio::test]
async fn whoever_waits_waits_for_the_other_question() {
    let scene = Scene::new();
    let asked = question(URL, "a", None);
    let waits = [scene.waits_under(UNLISTED, &asked), scene.waits_under(UNLISTED, &asked)];
    for body in 0..NEW_A_MINUTE - 1 {
        drop(scene.waits(form(&body.to_string())));
    }
    scene.now.approvals.policy_changed(&group("family"));
    for waits in waits {
        assert_eq!(waits.await, Ok(Yes::Anew));
    }
    let waits = [scene.waits_under(NAMED, &asked), scene.waits_under(NAMED, &asked)];
    assert_eq!(scene.now.approvals.open_asks().unwrap().len(), 1);
    scene.say(Answered::No).unwrap();
    for waits in waits {
        assert_eq!(waits.await.unwrap_err().code, Code::AskRefused);
    }
    let full = scene.ask(question("https://forms.example/other", "a", None)).ok().unwrap().unwrap_err();
    assert_eq!(full.code, Code::GroupLimit, "it had asked as much as it may");
}

/// The new policy's hours.
#[tokio::test]
async fn nobody_is_asked_anew_in_quiet_hours() {
    let scene = Scene::new();
    let asked = question(URL, "a", None);
    let waits = scene.waits_under(UNLISTED, &asked);
    scene.now.approvals.policy_changed(&group("family"));
    assert_eq!(waits.await, Ok(Yes::Anew));
    let (asked, held) = asked_under(NAMED, &asked);
    let by = Arc::new(AskedBy { quiet: true, ..(*asked.by).clone() });
    let refusal = scene.ask_by(Question { by, ..asked }, held).ok().unwrap().unwrap_err();
    assert!(refusal.why.contains("does not want to be asked now"), "{refusal}");
    assert_eq!(scene.now.approvals.open_asks().unwrap(), []);
}

/// A request that was judged before a save, beside one after it: neither sends the other back to be judged.
#[tokio::test]
async fn two_that_ask_under_two_policies_have_a_question_each() {
    let scene = Scene::new();
    let asked = question(URL, "a", None);
    let first = scene.waits_under(UNLISTED, &asked);
    let other = scene.waits_under(NAMED, &asked);
    let again = (scene.waits_under(UNLISTED, &asked), scene.waits_under(NAMED, &asked));
    let open = scene.now.approvals.open_asks().unwrap();
    assert_eq!(open.len(), 2);
    for ask in open {
        scene.now.approvals.answer(ask.id, &answer(Answered::No), By::command()).unwrap();
    }
    for waits in [first, other, again.0, again.1] {
        assert_eq!(waits.await.unwrap_err().code, Code::AskRefused);
    }
}

/// Those that are woken open theirs again while the others are closed.
#[test]
fn what_is_asked_again_stays_open() {
    let scene = Scene::new();
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let bodies = (0..OF_ONE_GROUP).map(|body| body.to_string());
    let asking: Vec<_> = bodies
        .map(|body| {
            let (approvals, asked) = (scene.now.approvals.clone(), form(&body));
            threads.spawn(async move {
                let held = || held(policy_file::deny_all(&group("family")), &body);
                assert_eq!(approvals.ask(asked.clone(), held()).await, Ok(Yes::Anew));
                approvals.ask(Question { policy: PolicyHash::of(&[("family", "next")]), ..asked }, held()).await
            })
        })
        .collect();
    let all_wait = || {
        while scene.now.approvals.book().waiting(&group("family")).0 < OF_ONE_GROUP {
            std::thread::yield_now();
        }
        scene.now.approvals.open_asks().unwrap()
    };
    let before = all_wait();
    scene.now.approvals.policy_changed(&group("family"));
    let open = all_wait();
    assert_eq!(open.len(), OF_ONE_GROUP);
    for (before, ask) in before.iter().zip(&open) {
        assert_eq!((ask.state, &ask.code), (AskState::Waiting, &before.code));
        scene.now.approvals.answer(ask.id, &answer(Answered::Once), By::command()).unwrap();
    }
    for asked in asking {
        assert!(matches!(threads.block_on(asked).unwrap(), Ok(Yes::Once(_))));
    }
}
