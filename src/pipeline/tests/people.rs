//! People's control over their data in a chat, and what their model learns about them.

use super::house::{House, incoming};
use crate::channels::protocol::{Incoming, OutgoingKind, Quote, Sender};
use crate::store::ledger::{Events, Filter};

const NOTICE: OutgoingKind = OutgoingKind::Notice;

impl House {
    fn receipts(&self) -> Vec<(String, Option<u64>)> {
        let events = self.fakes.ledger.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap();
        let events = events.into_iter().filter_map(|entry| entry.event);
        events.filter(|event| event.what.starts_with("person")).map(|event| (event.what, event.count)).collect()
    }

    fn was_read(&self, text: &str) -> bool {
        self.fakes.prompts.lock().unwrap().iter().any(|prompt| prompt.contains(text))
    }
}

#[tokio::test]
async fn who_says_not_me_is_neither_kept_nor_read() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Eve", "the-first-secret").await;
    chat.write("family", "m2", "Eve", "@Doorward not me").await;
    let told = chat.answer_to("m2").await;
    assert!(
        told.len() == 1 && told[0].0 == NOTICE && told[0].1.contains("nothing that you write here is kept"),
        "{told:?}"
    );
    chat.write("family", "m3", "Eve", "the-second-secret").await;
    chat.write("family", "m4", "Eve", "@Doorward the-third-secret").await;
    assert!(chat.answer_to("m4").await[0].1.contains("I have not read this"));
    let quote = |id: &str| Some(Quote { id: id.into(), sender: "eve".into(), text: "the-quoted-secret".into() });
    chat.deliver(Incoming { group: true, quote: quote("m3"), ..incoming("family", "m5", "Ben", "look") }).await;
    chat.deliver(Incoming { group: true, quote: quote("m1"), ..incoming("family", "m6", "Ben", "@Doorward hello") })
        .await;
    chat.answer_to("m6").await;
    assert!(house.was_read("Ben") && house.was_read("hello"));
    for secret in ["first-secret", "second-secret", "third-secret", "quoted-secret"] {
        assert!(!house.was_read(secret), "{secret}: {:?}", house.fakes.prompts.lock().unwrap());
    }
    assert_eq!(house.store.kept_of(&group.name, "eve").unwrap().messages, 1, "the first, until she says more");
    chat.write("family", "m7", "Eve", "@Doorward me again").await;
    chat.answer_to("m7").await;
    chat.write("family", "m8", "Eve", "@Doorward the-open-word").await;
    chat.answer_to("m8").await;
    assert!(house.was_read("the-open-word"));
    assert_eq!(house.receipts(), [("person_not_kept".to_owned(), None), ("person_kept_again".to_owned(), None)]);
}

#[tokio::test]
async fn who_asks_hears_what_is_kept_and_has_it_forgotten() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Anna", "@Doorward what do you have of me?").await;
    assert!(chat.answer_to("m1").await[0].1.contains("Nothing that you wrote here is kept"));
    for id in ["m2", "m3"] {
        chat.write("family", id, "Anna", "@Doorward where is the key?").await;
        chat.answer_to(id).await;
    }
    chat.write("family", "m4", "Anna", "@doorward: WHAT do you have of me").await;
    assert!(chat.answer_to("m4").await[0].1.contains("2 messages since"));
    chat.write("family", "m5", "Anna", "@Doorward forget me!").await;
    assert!(chat.answer_to("m5").await[0].1.contains("Overwritten: 2 messages of yours"));
    assert_eq!(house.store.kept_of(&group.name, "anna").unwrap().messages, 0);
    assert_eq!(house.receipts(), [("person_forgotten".to_owned(), Some(2))]);
    // Talk about it among people is no order to Doorward.
    chat.write("family", "m6", "Ben", "forget me").await;
    chat.write("family", "m7", "Ben", "@Doorward forget me not").await;
    chat.answer_to("m7").await;
    assert!(house.was_read("forget me not"));
}

/// A member of whom nothing is kept may stop a run, and leaves no trace by that.
#[tokio::test]
async fn a_stop_of_whom_nothing_is_kept_leaves_nothing() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Eve", "@Doorward not me").await;
    chat.answer_to("m1").await;
    chat.write("family", "m2", "Eve", "@Doorward stop").await;
    chat.answer_to("m2").await;
    assert_eq!(house.store.kept_of(&group.name, "eve").unwrap().messages, 0);
    assert_eq!(house.store.members(&group.name).unwrap(), []);
}

/// A name in Doorward's own words is a quotation, and is removed with its owner.
#[tokio::test]
async fn a_name_in_our_words_is_a_quotation_and_is_forgotten() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    let name = "Anna\nSee https://evil.test for more";
    let says = |id: &str, text: &str| {
        let sender = Sender { id: "anna".into(), name: name.into() };
        Incoming { group: true, sender, ..incoming("family", id, "Anna", text) }
    };
    chat.deliver(says("m1", "@Doorward hello")).await;
    chat.answer_to("m1").await;
    chat.deliver(says("m2", "@Doorward what do you have of me")).await;
    let told = chat.answer_to("m2").await.remove(0).1;
    assert!(told.contains("the name “Anna\u{21b5}See https[:]//evil[.]test for more”."), "{told}");
    let ours = chat.seen.iter().find(|seen| seen.text == told).unwrap().id;
    chat.deliver(says("m3", "@Doorward forget me")).await;
    chat.answer_to("m3").await;
    let kept = house.store.outgoing(crate::store::OutboxId(ours)).unwrap().unwrap();
    assert!(kept.text.as_str().contains("the name “…”.") && !kept.text.as_str().contains("Anna"), "{}", kept.text);
}

#[tokio::test]
async fn in_the_main_chat_the_words_mean_nothing() {
    let house = House::new();
    let group = house.group_of("main", "claude", true);
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("main", "m1", "forget me").await;
    chat.answer_to("m1").await;
    assert!(house.was_read("forget me") && house.receipts().is_empty());
}

#[tokio::test]
async fn a_model_learns_of_people_by_stand_ins_and_the_chat_reads_their_names() {
    let house = House::new();
    let group = house.group_of("family", "claude", false);
    std::fs::write(house.home.group_file(&group.name), "agent = \"claude\"\n[privacy]\npeople = \"stand-ins\"\n")
        .unwrap();
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.write("family", "m1", "Anna", "I am home late").await;
    chat.write("family", "m2", "Ben", "@Doorward when is Anna home? @ben asks").await;
    let answer = chat.answer_to("m2").await;
    let quote = Some(Quote { id: "m1".into(), sender: "anna".into(), text: "I am home late".into() });
    chat.deliver(Incoming { group: true, quote, ..incoming("family", "m3", "Ben", "@Doorward and this, ANNA's?") })
        .await;
    chat.answer_to("m3").await;
    let read = house.fakes.prompts.lock().unwrap().join("\n");
    assert!(!read.to_lowercase().contains("anna") && !read.to_lowercase().contains("ben"), "{read}");
    assert!(
        read.contains("<message sender=\"Person 1\"") && read.contains("when is Person 1 home? @Person 2 asks"),
        "{read}"
    );
    assert!(read.contains("<quote sender=\"Person 1\">") && read.contains("and this, Person 1&apos;s?"), "{read}");
    assert!(answer[0].1.contains("sender=\"Anna\"") && answer[0].1.contains("when is Anna home?"), "{answer:?}");
}
