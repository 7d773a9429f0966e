//! What reaches beyond a group: the owner is asked, and a yes is for exactly that, once.

use super::*;
use crate::store::{Answered, Ask, AskState};

impl House {
    pub(super) fn add(&self, name: &str) {
        let new = NewGroup { name: &group(name), channel: "terminal", chat: name, is_main: false };
        self.store.add_group(&new).unwrap();
    }

    /// Waits until this many questions are open.
    pub(super) async fn until_asked(&self, count: usize) {
        while self.owner.open_asks().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Calls a tool that the owner is asked about; the owner answers.
    pub(super) async fn asks(
        &self,
        name: &str,
        tool: &str,
        arguments: Value,
        what: Answered,
    ) -> (Ask, Result<String, String>) {
        let open = self.owner.open_asks().unwrap().len();
        let answers = async {
            self.until_asked(open + 1).await;
            let ask = self.owner.open_asks().unwrap().pop().unwrap();
            self.owner.answer_by_code(&ask.code, what, None).unwrap();
            ask
        };
        let (called, ask) = tokio::join!(self.call(name, tool, arguments), answers);
        (ask, called)
    }

    fn of_group(&self, name: &str) -> Vec<String> {
        let queued = self.queued().into_iter().filter(|queued| queued.group.as_str() == name);
        queued.map(|queued| queued.text.to_string()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_another_group_waits_for_a_yes_to_its_very_words() {
    let house = House::new();
    house.add("club");
    let door = house.door("family");
    house.run("family", &door);
    let text = "see you at nine,\nhttp://evil.test";
    let message = json!({ "text": format!("{text}<internal>hm</internal>"), "chat": "club" });
    let (ask, said) = house.asks("family", "send_message", message.clone(), Answered::Once).await;
    assert_eq!(
        ask.says, "say in the chat of club: \u{201c}see you at nine,\u{21b5}http[:]//evil[.]test\u{201d}",
        "all of it, and nothing else"
    );
    assert_eq!(said.unwrap(), "The message is on its way to the chat of club.");
    assert_eq!(house.of_group("club"), [text]);
    // The same again is asked about again, and a no refuses it.
    let (_, said) = house.asks("family", "send_message", message.clone(), Answered::No).await;
    assert!(said.unwrap_err().contains("ask_refused"));
    // A no holds for a moment, for anything similar.
    let again = house.call("family", "send_message", json!({ "text": "other words", "chat": "club" })).await;
    assert!(again.unwrap_err().contains("a moment ago"));
    assert_eq!(house.of_group("club").len(), 1);
    let records = house.operations();
    let verdicts: Vec<_> = records.iter().map(|entry| entry.decision.verdict.as_str()).collect();
    assert_eq!(verdicts, ["allow", "deny", "deny"]);
    // Its words are in no log.
    for file in std::fs::read_dir(house.home.audit_log()).unwrap() {
        let log = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
        assert!(!log.contains("nine") && !log.contains("other words"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_but_once_and_no_is_one_for_an_operation() {
    let house = House::new();
    house.add("club");
    let door = house.door("family");
    house.run("family", &door);
    let call = house.call("family", "send_message", json!({ "text": "hi", "chat": "club" }));
    let answers = async {
        house.until_asked(1).await;
        let ask = house.owner.open_asks().unwrap().pop().unwrap();
        for what in [Answered::Answer, Answered::Always, Answered::Never] {
            let told = house.owner.answer_by_code(&ask.code, what, None).unwrap_err();
            assert!(told.contains("once or not at all"), "{told}");
        }
        let because = Some("not on Sundays".to_owned());
        house.owner.answer_by_code(&ask.code, Answered::No, because).unwrap();
    };
    let (called, ()) = tokio::join!(call, answers);
    assert!(called.unwrap_err().contains("not on Sundays"));
    assert_eq!(house.of_group("club"), [""; 0]);
}

/// A yes after the run has ended, or for other words, does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_for_the_run_and_the_words_it_was_asked_in() {
    let house = House::new();
    house.add("club");
    let door = house.door("family");
    let run = house.run("family", &door);
    let message = |text: &str| json!({ "text": text, "chat": "club" });
    {
        let call = house.call("family", "send_message", message("hi"));
        tokio::select! {
            called = call => panic!("{called:?}"),
            () = house.until_asked(1) => {}
        }
    }
    // The asking run has gone; the owner says yes all the same.
    let ask = loop {
        let ask = house.owner.open_asks().unwrap().pop().unwrap();
        if ask.state == AskState::Gone {
            break ask;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    house.owner.answer_by_code(&ask.code, Answered::Once, None).unwrap();
    let (_, other) = house.asks("family", "send_message", message("hi!"), Answered::Once).await;
    other.unwrap();
    assert_eq!(house.of_group("club"), ["hi!"]);
    house.store.fail_run(run, "over", None, &[]).unwrap();
    let late = house.call("family", "send_message", message("hi")).await;
    assert!(late.unwrap_err().contains("ended meanwhile"), "the yes is used, and nothing is said");
    assert_eq!(house.of_group("club").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_come_to_nothing_asks_nobody() {
    let house = House::new();
    house.add("club");
    let door = house.door("family");
    house.run("family", &door);
    let long = "x".repeat(message::LONGEST_ELSEWHERE + 1);
    for (chat, text, why) in [
        ("nobody", "hi", "no such group"),
        ("../club", "hi", "no such group"),
        ("club", " ", "nothing to say"),
        ("club", long.as_str(), "at most 1000 characters"),
        ("club", SECRET, "secret_in_request"),
    ] {
        let refused = house.call("family", "send_message", json!({ "text": text, "chat": chat })).await.unwrap_err();
        assert!(refused.contains(why) && !refused.contains(SECRET), "{refused}");
    }
    assert_eq!(house.owner.open_asks().unwrap(), []);
    // Its own chat may be named.
    for chat in ["family"] {
        house.call("family", "send_message", json!({ "text": "hi", "chat": chat })).await.unwrap();
    }
}
