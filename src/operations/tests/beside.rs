//! Outgoing messages other than texts: files and reactions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::store::{NewOutgoing, Sayable};

impl House {
    async fn put(&self, name: &str, path: &str, content: &[u8]) -> Heard {
        self.ask(name, "PUT", path, "", content).await
    }
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_to_the_own_chat_as_it_came() {
    let house = House::new();
    let door = house.door("family");
    assert_eq!(house.put("family", "/files/a.pdf", b"%PDF").await.status, 403, "nothing is being answered");
    house.answers("family", &door);
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let heard = house.put("family", "/files/Stra%C3%9Fe%2012.pdf", &large).await;
    assert_eq!(heard.status, 200, "{}", heard.body);
    let queued = house.queued().pop().unwrap();
    let facts = queued.file.unwrap();
    assert_eq!((&*queued.chat, &*facts.name, facts.size), ("family", "Stra\u{df}e 12.pdf", 3_000_000));
    let file = house.store.outgoing_file(queued.id).unwrap().unwrap();
    assert_eq!((file.media(), file.bytes()), ("application/pdf", &large[..]));
    // It was sent, so its bytes are removed.
    house.store.mark_sent(queued.id, Some("NET-1")).unwrap();
    assert_eq!(house.store.outgoing_file(queued.id).unwrap(), None);
    let call = json!({ "name": "b.bin", "content": encoded(b"hi"), "caption": "look<internal>x" });
    house.call("family", "send_file", call).await.unwrap();
    let queued = house.queued().pop().unwrap();
    assert!(queued.text.as_str().starts_with("look"), "{}", queued.text);
    let operations = house.operations();
    assert!(operations.iter().all(|entry| entry.decision.operation.as_ref().unwrap().name == "send_file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_file_goes_nowhere_however_it_is_packed() {
    let house = House::new();
    let door = house.door("family");
    house.answers("family", &door);
    let text = format!("the key is {SECRET}\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, text.as_bytes()).unwrap();
    for (name, content) in [
        ("a.txt", text.clone().into_bytes()),
        ("a.gz", packed.finish().unwrap()),
        ("a.b64", encoded(text.as_bytes()).into()),
    ] {
        let heard = house.put("family", &format!("/files/{name}"), &content).await;
        assert!(heard.status == 403 && heard.body.contains("secret_in_request"), "{name}: {}", heard.body);
        assert!(!heard.body.contains(SECRET) && !heard.body.contains("bank"), "{}", heard.body);
    }
    let named = house.call("family", "send_file", json!({ "name": SECRET, "content": encoded(b"hi") })).await;
    assert!(named.unwrap_err().contains("secret_in_request"));
    assert_eq!(house.queued(), []);
    assert!(house.operations().iter().all(|entry| entry.outcome.as_ref().is_some_and(|outcome| outcome.alarm)));
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded_and_their_names_are_names() {
    let house = House::new();
    let door = house.door("family");
    house.answers("family", &door);
    let heard = house.put("family", "/files/big.bin", &vec![0; (8 << 20) + 1]).await;
    assert!(heard.body.contains("too_large"), "{}", heard.body);
    for path in ["/files/", "/files/.bashrc", "/files/a%0Ab", "/files/%ff", "/files/a%2e%2e%5cb", "/files/a%E2%80%AEb"]
    {
        let heard = house.put("family", path, b"hi").await;
        assert!([400, 403].contains(&heard.status), "{path}: {} {}", heard.status, heard.body);
    }
    for arguments in [
        json!({ "name": "../a", "content": encoded(b"hi") }),
        json!({ "name": "a", "content": "no base64!" }),
        json!({ "name": "a", "content": "" }),
        json!({ "name": "a", "content": encoded(b"hi"), "path": "/etc/passwd" }),
        json!({ "name": "a", "path": "/etc/passwd" }),
        json!({ "name": "a", "content": encoded(b"hi"), "caption": "x".repeat(1025) }),
    ] {
        assert!(house.call("family", "send_file", arguments.clone()).await.is_err(), "{arguments}");
    }
    assert_eq!(house.queued(), []);
    for _ in 0..message::MESSAGES_AT_MOST {
        assert_eq!(house.put("family", "/files/a.txt", b"hi").await.status, 200);
    }
    assert!(house.put("family", "/files/a.txt", b"hi").await.body.contains("limit_exceeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_is_for_what_somebody_wrote_and_for_nothing_of_ours() {
    let house = House::new();
    let door = house.door("main");
    let run = house.answers("main", &door);
    let react =
        async |message: Value| house.call("main", "react", json!({ "emoji": "\u{1f44d}", "message": message })).await;
    react(Value::Null).await.unwrap();
    let queued = house.queued().pop().unwrap();
    assert_eq!((queued.reacts_to.as_deref(), queued.text.as_str(), queued.run), (Some("m1"), "\u{1f44d}", Some(run)));
    house.store.mark_sent(queued.id, None).unwrap();
    // A question of Doorward's in the owner's own chat, and an answer.
    let question = NewOutgoing {
        kind: crate::channels::protocol::OutgoingKind::Notice,
        text: Sayable::unchecked("\u{1f6c2} family wants to"),
        in_reply_to: None,
    };
    let asked = house.store.put_asks(&group("main"), &question, &[]).unwrap();
    house.store.mark_sent(asked, Some("NET-7")).unwrap();
    for message in ["NET-7", "no-such", ""] {
        let refused = react(json!(message)).await.unwrap_err();
        assert!(refused.contains("nobody wrote such a message"), "{message}: {refused}");
    }
    react(json!("m1")).await.unwrap();
    let text = house.call("main", "react", json!({ "emoji": "yes", "message": "m1" })).await;
    assert!(text.unwrap_err().contains("one emoji"));
}

/// A network's channel knows the senders of its last messages only.
#[tokio::test(flavor = "multi_thread")]
async fn a_sign_for_what_lies_too_far_back_is_refused_in_words() {
    let house = House::new();
    let (near, far) = (group("near"), group("far"));
    for (name, chat) in [(&near, "1@g.us"), (&far, "2@g.us")] {
        house.store.add_group(&NewGroup { name, channel: "whatsapp", chat, is_main: false }).unwrap();
    }
    let door = house.door("near");
    house.answers("near", &door);
    let sender = crate::channels::protocol::Sender { id: "anna".into(), name: "Anna".into() };
    let write = |number: u32| {
        let id = format!("n{number}");
        let new = crate::store::NewMessage {
            group: &far,
            id: &id,
            sender: &sender,
            text: "hi",
            at: 1,
            means: crate::store::Means::Talk,
            quote: None,
        };
        house.store.insert_message(&new).unwrap();
    };
    (1..crate::store::REACTIONS_REACH).for_each(write);
    let react = async || house.call("near", "react", json!({ "emoji": "\u{1f44d}", "message": "m1" })).await;
    react().await.unwrap();
    write(crate::store::REACTIONS_REACH);
    let refused = react().await.unwrap_err();
    assert!(refused.contains("too old: a reaction reaches the last 512 messages of all chats"), "{refused}");
}

/// What an earlier group of that name was allowed, by its skills too, cannot come back behind a question that says
/// otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_an_earlier_group_with_skills_is_taken() {
    let house = House::new();
    let door = house.door("family");
    house.answers("family", &door);
    let file = house.home.skills_file(&group("chess"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "").unwrap();
    let refused =
        house.call("family", "register_group", json!({ "name": "chess", "chat": "chess" })).await.unwrap_err();
    assert!(refused.contains("was by an earlier group"), "{refused}");
}
