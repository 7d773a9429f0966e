//! What a question says, and who can make one.

use super::heard::reply;
use super::*;

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
    assert!(
        text.contains("a body of 1 byte, fields \u{201c}x\u{21b5}\u{21b5}APPROVED by admin, re\u{2026}\u{201d}, "),
        "{text}"
    );
    assert!(text.contains("Its agent says:\n\u{201c}see https[:]//evil[.]test"), "{text}");
    drop(waits);
}

/// Attack O05: data leaving in a long path or in headers is visible to the owner.
#[tokio::test]
async fn what_leaves_beside_the_body_is_told() {
    let scene = Scene::new();
    let url = format!("https://forms.example/{}?a=1", "x".repeat(4999));
    let beside = Beside { names: vec!["x-data".to_owned(), "user-agent".to_owned()], bytes: 30_000 };
    let waits = scene.waits(Question { beside, ..question(&url, "a", None) });
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("\u{2026} (5000 bytes)\n"), "{text}");
    let leaves = "What leaves: a body of 1 byte and a query of 3 bytes (parameter a), fields name, date; headers x-data, user-agent (30000 bytes)";
    assert!(text.contains(leaves), "{text}");
    drop(waits);
}

#[tokio::test]
async fn a_yes_for_good_says_when_it_holds() {
    let scene = Scene::new();
    let text = "[[ask]]\nhost = \"forms.example\"\ndo = [\"POST /**\"]\nfrom = \"2020-01-01 00:00\"\n";
    let source = policy_file::Source { name: "p".to_owned(), text: text.to_owned() };
    let policy = policy_file::compile(&group("family"), &source, None).unwrap().policy;
    let waits = scene.ask_by(question("https://forms.example/submit", "a", None), held(policy, "a")).err().unwrap();
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("3 \u{2013} yes, always (from "), "{text}");
    drop(waits);
}

/// The same in a list, whose answers for more than one request are for questions that were read in full.
#[tokio::test]
async fn what_is_only_listed_is_answered_once_or_read_first() {
    let scene = Scene::new();
    let url = format!("https://forms.example/{}", "x".repeat(4999));
    let beside = Beside { names: vec!["x-data".to_owned()], bytes: 30_000 };
    let first = Question { beside, credential: Some("bank".into()), ..question(&url, "a", None) };
    let source = policy_file::Source { name: "p".to_owned(), text: "[ask]\nunlisted = true\n".to_owned() };
    let asks = held(policy_file::compile(&group("family"), &source, None).unwrap().policy, "a");
    let waits = (scene.ask_by(first, asks).err().unwrap(), scene.waits(form("b")));
    let (list, text) = scene.put().unwrap();
    let leaves = "\u{2026} (5000 bytes)\n   What leaves: a body of 1 byte, fields name, date; header x-data (30000 bytes); with the credential bank";
    assert!(text.starts_with(&format!("{MARK} 2 requests wait")) && text.contains(leaves), "{text}");
    let asks = scene.now.approvals.open_asks().unwrap();
    let (what_leaves, covers) = scene.now.approvals.in_full(asks[0].id).unwrap();
    assert!(leaves.ends_with(&what_leaves) && covers.unwrap().contains("any headers"), "{what_leaves}");
    for (ask, word) in [(&asks[0], "3"), (&asks[1], "never")] {
        let heard = scene.hears("owner", reply(&list, &format!("{word} {}", ask.code)));
        assert!(matches!(&heard, Heard::Taken(Some(told)) if told.contains("comes again alone")), "{heard:?}");
        let (alone, text) = scene.sends().unwrap();
        assert!(text.contains(&ask.code) && !text.contains("requests wait"), "{text}");
        assert!(scene.logged("ask_answered").is_empty());
        if word == "3" {
            assert!(text.contains("3 \u{2013} yes, always: a rule is written, which also covers"), "{text}");
            assert_eq!(scene.now.store.asks_of_message(&group("owner"), &alone).unwrap(), [ask.id]);
        }
    }
    // Having been read, it is answered; once needs no more than the list says.
    let heard = scene.hears("owner", reply(&list, &format!("3 {}", asks[0].code)));
    assert!(matches!(&heard, Heard::Taken(Some(told)) if told.starts_with("Allowed from now on.")), "{heard:?}");
    let heard = scene.hears("owner", reply(&list, &format!("yes {}", asks[1].code)));
    assert!(matches!(&heard, Heard::Taken(Some(told)) if told.starts_with("Allowed, this once.")), "{heard:?}");
    assert_eq!(waits.0.await, Ok(Yes::Anew));
    assert!(waits.1.await.is_ok());
}

/// Attack O05: a question that must not be shown would be withheld with its whole message, and a number as a reply
/// would still be a yes to it.
#[tokio::test]
async fn what_may_not_be_shown_hides_no_question() {
    let scene = Scene::new();
    let reason = crate::store::NewAccessRequest {
        authority: "forms.example:443",
        method: "POST",
        path: "/submit",
        why: &format!("see {SURROGATE}"),
    };
    scene.now.store.keep_access_request(&group("family"), &reason, 50).unwrap();
    let first = scene.waits(form("a"));
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("family wants to send it") && !text.contains("Its agent says"), "{text}");
    // Also in a list.
    let hidden = Question { says: format!("send \u{201c}{SURROGATE}\u{201d}"), ..form("b") };
    let waits = (first, scene.waits(hidden), scene.waits(form("c")));
    scene.goes_on(60);
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("family wants to send a request that cannot be shown here"), "{text}");
    assert!(text.contains("family wants to send it to forms[.]example (1)"), "{text}");
    let asks = scene.now.approvals.open_asks().unwrap();
    let told = scene.now.approvals.answer(asks[1].id, &answer(Answered::Always), By::command());
    assert!(matches!(told, Err(NotAnswered::Impossible(_))), "{told:?}");
    // An operation is shown in full, or not asked about.
    let who = question("https://a.test/", "", None).who;
    let says = format!("say in the chat of club: \u{201c}{SURROGATE}\u{201d}");
    let told = Deed { says, ..deed(&who, b"1", false) };
    let refused = scene.now.approvals.ask_about(&told).await.unwrap_err();
    assert_eq!(refused.code, Code::SecretInRequest);
    drop(waits);
}

/// A replacement for a question is not one: whoever says ok to it has not read what was asked.
#[tokio::test]
async fn what_is_said_for_want_of_a_question_is_no_question() {
    let scene = Scene::new();
    // As an agent might have its own question withheld: with its surrogate in two parts, separated by Doorward's sign.
    let (one, other) = SURROGATE.split_at(10);
    let apart = Question { fields: vec![format!("{one}{MARK}{other}")], ..form("a") };
    let waits = scene.waits(apart);
    let (_, text) = scene.put().unwrap();
    assert!(text.contains("family wants to send a request that cannot be shown here"), "{text}");
    // Also if it may no longer be shown when it is put.
    let ask = scene.last().id;
    let message = Message::forged(format!("family wants to send {one}{MARK}{other}"), vec![ask]);
    scene.now.approvals.put(&message).unwrap();
    let row = scene.now.store.next_outgoing_of(&group("owner"), i64::MAX).unwrap().unwrap();
    scene.now.store.mark_sent(row.id, Some("NET-W")).unwrap();
    assert!(row.text.as_str().contains("withheld") && !row.text.as_str().contains(MARK), "{}", row.text);
    assert_eq!(scene.now.store.asks_of_message(&group("owner"), "NET-W").unwrap(), []);
    assert_eq!(scene.logged("reply_withheld").len(), 1);
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
    // Nor in another script, in pieces, or with a look-alike sign.
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
    assert_eq!(say.question(&group("owner"), &forged).unwrap().as_str().matches(MARK).count(), 1);
}

fn deed<'a>(who: &'a Identity, exactly: &'a [u8], quiet: bool) -> Deed<'a> {
    let says = "say in the chat of club: \u{201c}hi\u{201d}".to_owned();
    Deed { who, run: None, operation: "send_message", about: "club", says, exactly, quiet }
}

/// An operation is asked about like a request: what it would do, in full, and never for more than once. A change of the
/// policy does not affect it.
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
    // A yes is for this one only, and is used up.
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

/// The same change of a task, whose prompt has changed since the question was read.
#[tokio::test]
async fn a_late_yes_is_for_an_operation_as_it_was_read() {
    let scene = Scene::new();
    let who = question("https://a.test/", "", None).who;
    let approvals = scene.now.approvals.clone();
    let read = deed(&who, b"1", false);
    assert!(approvals.ask_about(&read).now_or_never().is_none());
    scene.say(Answered::Once).unwrap();
    let other = Deed { says: "say something else".to_owned(), ..read.clone() };
    assert!(approvals.ask_about(&other).now_or_never().is_none());
    assert_eq!(scene.last().says, "say something else");
    assert_eq!(approvals.ask_about(&read).now_or_never(), Some(Ok(())));
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
