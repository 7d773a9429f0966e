//! An agent that knows people by stand-ins: its texts have names in its chat, and what it reads has none.

use super::*;
use crate::channels::protocol::Sender;
use crate::store::{Answered, Means, NewMessage};

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_has_said_by_stand_ins_reads_like_names() {
    let house = House::new();
    house.add("club");
    let settings = "agent = \"claude\"\n[privacy]\npeople = \"stand-ins\"\n";
    std::fs::write(house.home.group_file(&group("family")), settings).unwrap();
    let door = house.door("family");
    // Anna writes first.
    house.answers("family", &door);
    house.call("family", "send_message", json!({ "text": "Person 1 is late, Person 2 is not" })).await.unwrap();
    let file = json!({ "name": "a.txt", "content": "aGk=", "caption": "for Person 1" });
    house.call("family", "send_file", file).await.unwrap();
    let task = |prompt: &str| json!({ "prompt": prompt, "schedule_type": "interval", "schedule_value": "2h" });
    house.call("family", "schedule_task", task("remind Person 1")).await.unwrap();
    house.call("family", "pause_task", json!({ "task_id": 1 })).await.unwrap();
    let told: Vec<String> = house.told().into_iter().map(|(_, text)| text).collect();
    for (said, wanted) in told.iter().zip([
        "Anna is late, Person 2 is not",
        "for Anna",
        "as task 1: \u{201c}remind Anna\u{201d}",
        "Task 1 (\u{201c}remind Anna\u{201d}) rests",
    ]) {
        assert!(said.contains(wanted), "{wanted} in {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
    // In another chat, where Person 1 is somebody else.
    let message = json!({ "text": "Person 1 is late", "chat": "club" });
    let (ask, said) = house.asks("family", "send_message", message, Answered::Once).await;
    said.unwrap();
    assert!(ask.says.contains("\u{201c}Anna is late\u{201d}"), "{}", ask.says);
    assert!(house.told().contains(&("club".to_owned(), "Anna is late".to_owned())));
    // What it reads of a task that the owner made.
    house.owners_task_of("family", "call Anna");
    let mut gated = task("look");
    gated["gate"] = "grep -q Anna notes".into();
    house.call("family", "schedule_task", gated).await.unwrap();
    let listed = house.call("family", "list_tasks", json!({})).await.unwrap();
    assert!(
        listed.contains("call Person 1") && listed.contains("remind Person 1") && !listed.contains("Anna"),
        "{listed}"
    );
}

/// The owner said yes to a text with a name in it, which has changed by then.
#[tokio::test(flavor = "multi_thread")]
async fn a_yes_is_not_for_what_has_changed_meanwhile() {
    let house = House::new();
    house.add("club");
    let settings = "agent = \"claude\"\n[privacy]\npeople = \"stand-ins\"\n";
    std::fs::write(house.home.group_file(&group("family")), settings).unwrap();
    let door = house.door("family");
    house.answers("family", &door);
    let call = house.call("family", "send_message", json!({ "text": "Person 1 is late", "chat": "club" }));
    let answers = async {
        house.until_asked(1).await;
        let ask = house.owner.open_asks().unwrap().pop().unwrap();
        assert!(ask.says.contains("Anna is late"), "{}", ask.says);
        let sender = Sender { id: "anna".into(), name: "Free money".into() };
        let (family, means) = (group("family"), Means::Talk);
        let new = NewMessage { group: &family, id: "m2", sender: &sender, text: "hi", at: 2, means, quote: None };
        house.store.insert_message(&new).unwrap();
        house.owner.answer_by_code(&ask.code, Answered::Once, None).unwrap();
    };
    let (called, ()) = tokio::join!(call, answers);
    assert!(called.unwrap_err().contains("has changed meanwhile"));
    assert!(!house.told().iter().any(|(group, _)| group == "club"), "{:?}", house.told());
}
