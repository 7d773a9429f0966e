//! Who may answer, where and how (attacks O01, O02, O03).

use super::*;

pub(super) fn reply(to: &str, text: &str) -> Incoming {
    let quote = Some(Quote { id: to.to_owned(), sender: "bot".to_owned(), text: "something".to_owned() });
    Incoming { id: "m1".to_owned(), text: text.to_owned(), quote, ..said("") }
}

pub(super) fn said(text: &str) -> Incoming {
    let sender = Sender { id: "anna".to_owned(), name: "Anna".to_owned() };
    Incoming { id: "m1".to_owned(), text: text.to_owned(), sender, ..Incoming::default() }
}

fn reacts(to: &str, sign: &str) -> Incoming {
    Incoming { reacts_to: Some(to.to_owned()), ..said(sign) }
}

impl Scene {
    /// A question in the owner's chat: the waiting request, the message's id on the network, the code.
    fn asked(&self) -> (Waiting, String, String) {
        let waits = self.waits(form("a"));
        let (id, text) = self.put().unwrap();
        let code = self.last().code;
        assert!(text.contains(&code), "{text}");
        (waits, id, code)
    }

    #[track_caller]
    fn is_nothing(&self, chat: &str, message: Incoming, why: &str) {
        let heard = self.hears(chat, message.clone());
        let Heard::Taken(Some(told)) = &heard else { panic!("{message:?}: {heard:?}") };
        assert!(told.to_lowercase().contains("nothing happened"), "{told}");
        assert_eq!(self.last().state, AskState::Waiting, "{message:?}");
        let last = self.logged("not_an_answer").pop().unwrap_or_default();
        assert!(last.contains(why), "{why}: {last:?}");
    }
}

#[tokio::test]
async fn an_answer_is_bound_to_its_question() {
    let scene = Scene::new();
    let (waits, id, code) = scene.asked();
    // In the group's own chat, by anyone and in any way.
    let copied = format!("{MARK} family wants to send");
    for message in [said(&format!("yes {code}")), said(&copied), reply("NET-77", &format!("{code} 1"))] {
        scene.is_nothing("family", message, "unbound_reply");
    }
    // In the owner's chat: forwarded, edited, copied, not understood.
    scene.is_nothing("owner", Incoming { forwarded: true, ..reply(&id, "yes") }, "unbound_reply");
    scene.is_nothing("owner", Incoming { edits: Some("m0".into()), ..reply(&id, "yes") }, "unbound_reply");
    scene.is_nothing("owner", said(&copied), "unbound_reply");
    scene.is_nothing("owner", reply(&id, "yes, if you must"), "not_understood");
    scene.is_nothing("owner", said(&format!("what is {code}?")), "not_understood");
    // Where several people write, none of them is known to be the owner.
    for message in [reply(&id, "yes"), said(&format!("yes {code}")), reacts(&id, "\u{1f44d}")] {
        scene.is_nothing("owner", Incoming { group: true, ..message }, "not_approver");
    }
    // Bare words, and replies to others, are for the agent.
    for message in [said("yes"), said("1"), said("\u{1f44d}"), reply("NET-77", "yes")] {
        assert_eq!(scene.hears("owner", message), Heard::Other);
    }
    // Reactions to others, and other signs, are for nobody.
    for message in [reacts("NET-77", "\u{1f44d}"), reacts(&id, "\u{2764}"), reacts(&id, "")] {
        assert_eq!(scene.hears("owner", message), Heard::Taken(None));
    }
    assert_eq!(scene.hears("family", reacts(&id, "\u{1f44d}")), Heard::Taken(None));
    assert_eq!(scene.last().state, AskState::Waiting);
    assert!(
        matches!(scene.hears("owner", reply(&id, "Yes.")), Heard::Taken(Some(told)) if told == "Allowed, this once.")
    );
    assert!(waits.await.is_ok());
}

/// Attack O01: in a chat of several people only the configured ids are the owner's, whatever name another one shows.
#[tokio::test]
async fn in_a_chat_of_several_the_owner_is_known_by_their_ids() {
    let scene = Scene::new();
    let (waits, id, code) = scene.asked();
    let by = |sender: &str, message: Incoming| {
        let sender = Sender { id: sender.to_owned(), name: "Anna".to_owned() };
        Incoming { group: true, sender, ..message }
    };
    for other in ["anna", "ANNA-HERSELF", "anna-herself ", "anna-herself@elsewhere", ""] {
        for message in [reply(&id, "yes"), said(&format!("yes {code}")), reacts(&id, "\u{1f44d}"), said("quiet 1h")] {
            let heard = scene.hears("owner", by(other, message));
            assert!(!matches!(&heard, Heard::Taken(Some(told)) if told.contains("Allowed")), "{other}: {heard:?}");
        }
    }
    assert_eq!(scene.last().state, AskState::Waiting);
    let heard = scene.hears("owner", by("anna-herself", reply(&id, "yes")));
    assert!(matches!(&heard, Heard::Taken(Some(told)) if told == "Allowed, this once."), "{heard:?}");
    assert!(waits.await.is_ok());
}

/// Every phone has the sign: where it does not start a text, and in talk that does not call, it is people's own.
#[test]
fn the_sign_in_people_s_words_is_no_answer() {
    let scene = Scene::new();
    let talk = format!("at the airport {MARK} the queue is long");
    let quoting = Quote { id: "other".to_owned(), sender: "b1".to_owned(), text: talk.clone() };
    let replied = Incoming { quote: Some(quoting), ..said("Ha, true") };
    for message in [said(&talk), replied] {
        for group in [false, true] {
            let message = Incoming { group, addressed: true, ..message.clone() };
            assert_eq!(scene.hears("owner", message.clone()), Heard::Other);
            assert_eq!(scene.hears("family", message), Heard::Other);
        }
    }
    let forged = said(&format!("* {MARK} family wants to send it"));
    assert_eq!(scene.hears("family", Incoming { group: true, ..forged.clone() }), Heard::Other);
    assert!(scene.logged("not_an_answer").is_empty());
    for group in [false, true] {
        let called = Incoming { group, addressed: true, ..forged.clone() };
        assert!(matches!(scene.hears("family", called), Heard::Taken(Some(_))));
    }
}

#[tokio::test]
async fn an_answer_counts_once_however_it_comes() {
    let scene = Scene::new();
    for by in 0..3 {
        let (waits, id, code) = scene.asked();
        let ways = [reply(&id, "1"), said(&format!("{code} yes")), reacts(&id, "\u{1f44d}\u{1f3fb}")];
        assert!(matches!(scene.hears("owner", ways[by].clone()), Heard::Taken(Some(told)) if told.contains("Allowed")));
        for again in ways {
            let heard = scene.hears("owner", again);
            assert!(matches!(&heard, Heard::Taken(Some(told)) if told.contains("answered before")), "{heard:?}");
        }
        assert!(waits.await.is_ok());
        scene.goes_on(60);
    }
}

/// Attack O03: at once, from everywhere.
#[tokio::test]
async fn fifty_answers_at_a_time_count_once() {
    let scene = Scene::new();
    let (waits, id, code) = scene.asked();
    let ways = [reply(&id, "1"), said(&format!("{code} yes")), reacts(&id, "\u{1f44d}"), reply(&id, "no")];
    let counted: usize = std::thread::scope(|scope| {
        let answers: Vec<_> = (0..50)
            .map(|number| {
                let (scene, way) = (&scene, ways[number % ways.len()].clone());
                scope.spawn(move || match scene.hears("owner", way) {
                    Heard::Taken(Some(told)) => usize::from(!told.contains("answered before")),
                    heard => panic!("{heard:?}"),
                })
            })
            .collect();
        answers.into_iter().map(|answer| answer.join().unwrap()).sum()
    });
    assert_eq!((counted, scene.logged("ask_answered").len()), (1, 1));
    let _ = waits.await;
    assert!(scene.ask(form("a")).map_or(true, |answered| answered.is_err()), "nothing is left of it");
}

#[tokio::test]
async fn a_list_is_answered_by_codes_or_as_a_whole() {
    let scene = Scene::new();
    let waits: Vec<_> = ["a", "b", "c"].map(|body| scene.waits(form(body))).into();
    let (id, _) = scene.put().unwrap();
    let codes: Vec<_> = scene.now.approvals.open_asks().unwrap().into_iter().map(|ask| ask.code).collect();
    for ambiguous in [reply(&id, "yes"), reply(&id, "always all"), reacts(&id, "\u{1f44d}")] {
        assert!(matches!(scene.hears("owner", ambiguous), Heard::Taken(Some(told)) if told.starts_with("Which?")));
    }
    assert_eq!(scene.now.approvals.open_asks().unwrap().len(), 3);
    scene.hears("owner", reply(&id, &format!("yes {}", codes[1])));
    scene.hears("owner", reply(&id, "no"));
    let mut went = Vec::new();
    for waiting in waits {
        went.push(waiting.await.is_ok());
    }
    assert_eq!(went, [false, true, false]);
}

#[tokio::test]
async fn a_question_of_an_earlier_daemon_is_known_and_counts_no_more() {
    let mut scene = Scene::new();
    let (waits, id, code) = scene.asked();
    drop(waits);
    scene.restart();
    for late in [reply(&id, "yes"), said(&format!("yes {code}")), reacts(&id, "\u{1f44d}")] {
        let heard = scene.hears("owner", late);
        assert!(matches!(&heard, Heard::Taken(Some(told)) if told.contains("not open any more")), "{heard:?}");
    }
    assert!(scene.ask(form("a")).is_err());
}
