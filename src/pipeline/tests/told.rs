//! What chats of people other than the owner are told, and the log's record of a stop.

use std::sync::Arc;

use containers::StartError;
use policies::{GroupName, SandboxId};

use super::house::{Guarded, House, SECRET};
use crate::channels::outward::Outward;
use crate::channels::protocol::OutgoingKind;
use crate::config::ConfigError;
use crate::gateway::GatewayError;
use crate::pipeline::{live, notice};
use crate::sandboxes::SandboxError;
use crate::sandboxes::mounts::MountError;
use crate::store::ledger::{Events, Filter};
use crate::store::{Group, MARK, MessageRow, NewOutgoing, NotSaid, Queued, Say, Sayable};

/// People in a chat are not the owner, and learn of no credential.
#[test]
fn a_chat_of_others_hears_no_name_of_a_credential() {
    let house = House::new();
    let family = house.group("family");
    let chat = Group { channel: "whatsapp".into(), ..family.clone() };
    let say = Say::new(Arc::new(Guarded), Arc::clone(&house.fakes.ledger));
    let refusal = say.check(&family.name, SECRET).unwrap_err();
    assert!(notice::withheld(&family, &refusal).in_english().contains("credential bank"));
    let said = notice::withheld(&chat, &refusal).in_english();
    assert!(said.contains("withheld") && !said.contains("bank"), "{said}");
}

/// A file's name goes to the chat, too: it is checked as it arrives there, and none is empty or hidden.
#[test]
fn a_files_name_is_looked_at_as_it_arrives() {
    let house = House::new();
    let family = house.group("family");
    let say = Say::new(Arc::new(Guarded), Arc::clone(&house.fakes.ledger));
    let (first, last) = SECRET.split_at(SECRET.len() / 2);
    for mark in desk::screen::MARKS {
        let name = format!("{first}{mark}{last}.txt");
        let refusal = say.file(&family.name, &name, "text/plain", "x".into()).unwrap_err();
        assert_eq!(refusal.code, policies::Code::SecretInRequest);
    }
}

/// However an answer arrives, no part of a secret is shown while it grows, and what is shown goes to the chat with a
/// record.
#[test]
fn no_part_of_a_secret_is_shown_while_an_answer_grows() {
    let house = House::new();
    let family = house.group("family");
    let say = Say::new(Arc::new(Guarded), Arc::clone(&house.fakes.ledger));
    let text = format!("{}{SECRET}{}", "before ".repeat(300), " after".repeat(400));
    for size in [1, 7, 64] {
        let mut growing = say.growing(&family.name);
        let pieces = text.as_bytes().chunks(size).map(|piece| String::from_utf8(piece.to_vec()).unwrap());
        let shown: String = pieces.filter_map(|piece| growing.more(piece)).map(|text| text.to_string()).collect();
        assert!(text.starts_with(&shown) && shown.len() > 500, "{shown}");
        assert!(shown.len() <= "before ".len() * 300, "{}", shown.len());
    }
    // The mark of questions, removed from a text, must not hide a secret's two halves.
    let (first, last) = SECRET.split_at(SECRET.len() / 2);
    let marked = format!("{}{first}{MARK}{last}{}", "before ".repeat(300), " after".repeat(400));
    let mut growing = say.growing(&family.name);
    let pieces = marked.as_bytes().chunks(700).map(|piece| String::from_utf8_lossy(piece).into_owned());
    let shown: String = pieces.filter_map(|piece| growing.more(piece)).map(|text| text.to_string()).collect();
    assert!(!shown.contains(SECRET) && !shown.contains(last), "{shown}");
    let events = house.fakes.ledger.entries(&Filter { events: Events::Alone, ..Filter::default() }).unwrap();
    let begun = events.iter().filter(|entry| entry.event.as_ref().is_some_and(|event| event.what == "reply_begun"));
    assert_eq!(begun.count(), 4);
}

/// Whatever the calling code says.
#[test]
fn a_text_goes_to_the_chat_it_was_checked_for_and_to_no_other() {
    let house = House::new();
    let (family, work) = (house.group("family"), house.group("work"));
    let say = Say::new(Arc::new(Guarded), Arc::clone(&house.fakes.ledger));
    let text = say.own(&family.name, "for the family");
    let new = NewOutgoing { kind: OutgoingKind::Notice, text: text.clone(), in_reply_to: None };
    house.store.enqueue(&work.name, None, &new).unwrap();
    assert!(house.store.next_outgoing_of(&work.name, i64::MAX).unwrap().is_none());
    let queued = house.store.next_outgoing_of(&family.name, i64::MAX).unwrap().unwrap();
    assert_eq!((&queued.text, &queued.chat), (&text, &family.chat));
    assert!(!house.store.send_instead(queued.id, "why", &say.own(&work.name, "for work")).unwrap());
    assert_eq!(house.store.outgoing(queued.id).unwrap().unwrap().text, text);
    assert!(house.store.send_instead(queued.id, "why", &say.own(&family.name, "for the family too")).unwrap());
    assert!(text.parts(|text| text.split(' ').collect()).iter().all(|part| *part.goes_to(&work.name) == family.name));
    assert!(Outward::growing(&work, "m1".to_owned(), &text).is_none());
    assert!(Outward::growing(&family, "m1".to_owned(), &text).is_some());
}

#[test]
fn a_file_goes_to_the_chat_it_was_checked_for_and_to_no_other() {
    let house = House::new();
    let (family, work) = (house.group("family"), house.group("work"));
    let say = Say::new(Arc::new(Guarded), Arc::clone(&house.fakes.ledger));
    let run =
        house.store.begin_run(&work.name, MessageRow(1), MessageRow(1), &SandboxId::new("abc").unwrap()).unwrap().id;
    let file = say.file(&family.name, "a.txt", "text/plain", "x".into()).unwrap();
    let send = |caption: &Sayable| house.store.send_file_in_run(&work.name, run, (&file, caption), (9, 99));
    assert!(
        matches!(send(&say.own(&work.name, "for work")), Err(NotSaid::Store(_))),
        "not with words for another chat"
    );
    send(&Sayable::default()).unwrap();
    assert!(house.store.next_outgoing_of(&work.name, i64::MAX).unwrap().is_none());
    let row = house.store.next_outgoing_of(&family.name, i64::MAX).unwrap().unwrap();
    let kept = house.store.outgoing_file(row.id).unwrap().unwrap();
    assert_eq!((&row.chat, &kept), (&family.chat, &file));
    let theirs = Queued { group: work.name.clone(), chat: work.chat.clone(), ..row.clone() };
    let sent = |row| serde_json::to_value(Outward::send(row, Some(&kept))).unwrap()["file"].is_object();
    assert!(sent(&row) && !sent(&theirs));
}

/// They quote what others chose: a host, a channel's reason.
#[tokio::test]
async fn doorwards_own_words_are_checked_as_well() {
    let house = House::new();
    let main = house.group_of("main", "shell", true);
    let running = house.start();
    for (words, heard) in [("asked for a.test", "a.test"), (&*format!("asked for {SECRET}.test"), "withheld")] {
        assert!(running.pipeline.tell_owner(words).unwrap());
        let told = house.store.next_outgoing_of(&main.name, i64::MAX).unwrap().unwrap();
        assert!(told.text.as_str().contains(heard) && !told.text.as_str().contains(SECRET), "{told:?}");
        house.store.mark_sent(told.id, None).unwrap();
    }
    let filter = Filter { events: Events::Alone, group: Some(main.name.clone()), ..Filter::default() };
    let events = house.fakes.ledger.entries(&filter).unwrap();
    let [event] = &events[..] else { panic!("one record, of what was withheld: {events:?}") };
    assert_eq!(event.event.as_ref().unwrap().what, "reply_withheld");
    assert!(event.why().unwrap().contains("credential bank"), "{event:?}");
    assert!(!event.decision.alarm, "an alarm of an alarm would not end");
}

/// Nor any path of the host.
#[test]
fn a_chat_of_others_hears_no_path_of_the_host() {
    let path = || std::path::PathBuf::from("/home/owner/x");
    let denied = || std::io::Error::other("/home/owner/y");
    let errors = [
        SandboxError::Folder { path: path(), error: denied() },
        SandboxError::Door(GatewayError::Socket { path: path(), error: denied() }),
        SandboxError::Orphans("/home/owner/z".to_owned()),
        SandboxError::Mount(MountError::InUse { path: path(), other: GroupName::parse("family").unwrap() }),
        SandboxError::Settings(ConfigError::Unreadable { path: path(), source: denied() }),
        SandboxError::Start(StartError::ImageMissing { image: "doorward/base:1".to_owned() }),
    ];
    for error in errors {
        let said = live::in_a_chat(&error).in_english();
        assert!(!said.is_empty() && !said.contains("/home/"), "{said}");
    }
}

#[tokio::test]
async fn a_stop_is_in_the_log_whoever_said_it() {
    let house = House::new();
    let group = house.group("family");
    let running = house.start();
    let mut chat = running.terminal(Some(&group)).await;
    chat.send("family", "m1", "stop").await;
    chat.answer_to("m1").await;
    running.pipeline.stop_group(&group.name).await;
    let filter = Filter { events: Events::Alone, group: Some(group.name.clone()), ..Filter::default() };
    let events = house.fakes.ledger.entries(&filter).unwrap();
    let said: Vec<_> = events.iter().map(|entry| entry.event.as_ref().unwrap()).collect();
    assert!(said.iter().all(|event| event.what == "stopped"), "{said:?}");
    let texts: Vec<_> = said.iter().map(|event| event.text.as_str()).collect();
    assert_eq!(texts, ["somebody said stop in the group's chat", "the owner stopped the group"]);
}

/// `doorward setup` may be run any number of times.
#[tokio::test]
async fn a_main_chat_is_greeted_once() {
    let house = House::new();
    let main = house.group_of("main", "shell", true);
    let running = house.start();
    let (_, first) = running.pipeline.greet().unwrap().unwrap();
    assert_eq!(running.pipeline.greet().unwrap().unwrap().1, first, "it waits");
    let mut owner = running.terminal(Some(&main)).await;
    let greeting = owner.receive().await;
    assert!(greeting.text.starts_with("Doorward is set up"), "{}", greeting.text);
    owner.confirm(greeting.id).await;
    owner.send("main", "m1", "echo heard").await;
    owner.answer_to("m1").await;
    assert_eq!(running.pipeline.greet().unwrap().unwrap().1, first, "it was sent");
}
