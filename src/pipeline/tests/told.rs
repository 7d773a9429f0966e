//! What chats hear in which others than the owner sit, and what the log has of a stop.

use containers::StartError;
use scan::{Finding, Form, WatchedKind};

use super::house::House;
use crate::config::ConfigError;
use crate::gateway::GatewayError;
use crate::pipeline::{egress, live};
use crate::sandboxes::SandboxError;
use crate::store::Group;
use crate::store::ledger::{Events, Filter};

/// People in a chat are not the owner, and hear of no credential.
#[test]
fn a_chat_of_others_hears_no_name_of_a_credential() {
    let house = House::new();
    let family = house.group("family");
    let chat = Group { channel: "whatsapp".into(), ..family.clone() };
    let what = WatchedKind::Secret { credential: "bank".into() };
    let refusal = egress::withheld(&Finding { what, form: Form::Raw });
    assert!(egress::in_its_place(&family, &refusal).contains("credential bank"));
    let said = egress::in_its_place(&chat, &refusal);
    assert!(said.contains("withheld") && !said.contains("bank"), "{said}");
}

/// Nor where anything is on the host.
#[test]
fn a_chat_of_others_hears_no_path_of_the_host() {
    let path = || std::path::PathBuf::from("/home/owner/x");
    let denied = || std::io::Error::other("/home/owner/y");
    let errors = [
        SandboxError::Folder { path: path(), error: denied() },
        SandboxError::Door(GatewayError::Socket { path: path(), error: denied() }),
        SandboxError::Orphans("/home/owner/z".to_owned()),
        SandboxError::Settings(ConfigError::Unreadable { path: path(), source: denied() }),
        SandboxError::Start(StartError::ImageMissing { image: "doorward/base:1".to_owned() }),
    ];
    for error in errors {
        let said = live::in_a_chat(&error);
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
