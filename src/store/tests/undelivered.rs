//! Undelivered texts are kept.

use super::*;

#[test]
fn a_text_that_could_not_be_delivered_stays() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let family = name("family");
    let queue = |kind, text: &str| {
        let new = NewOutgoing { kind, text: Sayable::unchecked(text), in_reply_to: None };
        scene.store.enqueue(&family, None, &new).unwrap()
    };
    let (told, silent) = (queue(OutgoingKind::Reply, "one"), queue(OutgoingKind::Notice, "two"));
    let (failure, done) = (queue(OutgoingKind::Failure, "three"), queue(OutgoingKind::Done, ""));
    let word = || Sayable::unchecked("word of it");
    let next = || scene.store.next_outgoing_of(&family, now()).unwrap().unwrap();
    assert!(scene.store.send_instead(told, "refused (479)", &word()).unwrap());
    assert!(!scene.store.send_instead(told, "refused again", &word()).unwrap(), "it is such word already");
    assert_eq!((next().id, next().kind, next().text.as_str()), (told, OutgoingKind::Failure, "word of it"));
    scene.store.mark_sent(told, Some("NET1")).unwrap();
    assert_eq!(scene.store.quoted(&family, "NET1").unwrap(), Some((None, "word of it".into())));
    assert!(scene.store.send_instead(silent, "refused (463)", &word()).unwrap());
    scene.store.mark_failed(silent, "that too", None).unwrap();
    assert!(!scene.store.send_instead(failure, "refused", &word()).unwrap(), "word of word");
    scene.store.mark_failed(failure, "refused", None).unwrap();
    scene.store.mark_failed(done, "refused", None).unwrap();
    queue(OutgoingKind::Reply, "it waits");
    let all = scene.store.undelivered(None).unwrap();
    let all: Vec<_> = all.iter().map(|one| (&*one.text, &*one.why, one.chat_was_told)).collect();
    assert_eq!(all, [("one", "refused (479)", true), ("two", "refused (463)", false), ("three", "refused", false)]);
    scene.add("work", false).unwrap();
    assert_eq!(scene.store.undelivered(Some(&name("work"))).unwrap(), []);
    assert_eq!(scene.store.undelivered(Some(&family)).unwrap().len(), 3);
}
