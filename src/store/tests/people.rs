//! Forgotten data is nowhere in the files any more.

use channel_protocol::Quote;

use super::*;

impl Scene {
    fn writes(&self, id: &str, who: (&str, &str), text: &str, quote: Option<&Quote>) {
        let sender = Sender { id: who.0.into(), name: who.1.into() };
        let means = Means::Call;
        let message = NewMessage { group: &name("family"), id, sender: &sender, text, at: 5, means, quote };
        self.store.insert_message(&message).unwrap();
    }

    /// Whether a text is anywhere in the database's files.
    fn holds(&self, text: &str) -> bool {
        ["doorward.db", "doorward.db-wal"].iter().any(|file| {
            let bytes = std::fs::read(self.dir.path().join(file)).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    }
}

const ANNA: (&str, &str) = ("49151-anna-7c1e", "Anna-Zwiebelfisch");
const BEN: (&str, &str) = ("49152-ben-51b2", "Ben-Kartoffel");

fn member(who: (&str, &str)) -> Sender {
    Sender { id: who.0.into(), name: who.1.into() }
}

/// The cost of a name grows with its words, and a network may send any name.
#[test]
fn a_long_name_is_cut_where_it_is_kept() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let long = format!("a{}", "\u{e9} ".repeat(4096));
    scene.writes("m1", ("eve", &long), "hello", None);
    let members = scene.store.members(&name("family")).unwrap();
    assert_eq!(members[0].name.len(), 127, "at a letter's border");
    // As an older version stored it.
    scene
        .store
        .write(|transaction| {
            let update = "UPDATE messages SET sender_name = ?1";
            transaction.execute(update, [&long]).map_err(|error| scene.store.explain(&error))
        })
        .unwrap();
    assert!(scene.store.members(&name("family")).unwrap()[0].name.len() <= 128);
}

#[tokio::test]
async fn what_is_forgotten_is_overwritten_in_the_database_and_its_log() {
    for served in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("doorward.db");
        let store = if served { Store::serve(&at) } else { Store::open(&at) }.unwrap();
        let scene = Scene { dir, store };
        scene.add("family", false).unwrap();
        let long = "the-parsnip-is-in-the-attic ".repeat(400);
        scene.writes("m1", ANNA, "the-cellar-key-is-under-the-mat", None);
        scene.writes("m2", ANNA, &long, None);
        let quote = Quote { id: "m1".into(), sender: ANNA.1.into(), text: "the-cellar-key-is-under-the-mat".into() };
        scene.writes("m3", BEN, "is-it-still-there", Some(&quote));
        assert_eq!(scene.store.kept_of(&name("family"), ANNA.0).unwrap().messages, 2);
        assert_eq!(scene.store.members(&name("family")).unwrap().len(), 2);
        assert!(scene.holds("the-cellar-key") && scene.holds(ANNA.1) && scene.holds(ANNA.0));

        // Also in answers.
        let said = format!("it is {}'s, or {}", ANNA.1, BEN.1);
        let said = NewOutgoing { kind: OutgoingKind::Reply, text: Sayable::unchecked(said), in_reply_to: None };
        let said = scene.store.enqueue(&name("family"), None, &said).unwrap();
        assert_eq!(scene.store.forget(&name("family"), &member(ANNA)).unwrap(), 2);
        let said = scene.store.outgoing(said).unwrap().unwrap().text;
        assert_eq!(said.as_str(), format!("it is …'s, or {}", BEN.1));
        for gone in ["the-cellar-key", "the-parsnip-is", ANNA.0, ANNA.1] {
            assert!(!scene.holds(gone), "served: {served}: {gone}");
        }
        assert!(scene.holds("is-it-still-there") && scene.holds(BEN.1));
        assert_eq!(scene.store.kept_of(&name("family"), ANNA.0).unwrap(), KeptOf::default());
        // Delivered again, it is recognised; and her number is not reused.
        scene.writes("m1", ANNA, "the-cellar-key-is-under-the-mat", None);
        assert!(!scene.holds("the-cellar-key"));
        scene.writes("m4", ("new", "Cleo"), "hello", None);
        let members = scene.store.members(&name("family")).unwrap();
        let members: Vec<_> = members.iter().map(|member| (member.number, member.name.as_str())).collect();
        assert_eq!(members, [(2, BEN.1), (3, "Cleo")]);
        assert_eq!(scene.pending("family"), ["m3", "m4"], "what of hers waited waits no more");
    }
}

/// A quote's author is unknown if the quoted message was never stored, or has expired.
#[test]
fn quotes_of_what_is_not_kept_go_with_whoever_is_forgotten() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let quote = |id: &str, text: &str| Quote { id: id.into(), sender: ANNA.1.into(), text: text.into() };
    scene.writes("m1", ANNA, "hello", None);
    scene.writes("m2", BEN, "the-boat-is-mine", None);
    scene.writes("m3", BEN, "yes", Some(&quote("from-before", "the-cellar-key")));
    let of_ben = Quote { sender: BEN.1.into(), ..quote("m2", "the-boat-is-mine") };
    scene.writes("m4", ("cleo", "Cleo"), "and", Some(&of_ben));
    let said = NewOutgoing { kind: OutgoingKind::Reply, text: Sayable::unchecked("said"), in_reply_to: None };
    let said = scene.store.enqueue(&name("family"), None, &said).unwrap();
    scene.store.mark_sent(said, Some("ours")).unwrap();
    scene.writes("m5", BEN, "why", Some(&Quote { sender: "bot".into(), ..quote("ours", "the-answer") }));
    scene.store.forget(&name("family"), &member(ANNA)).unwrap();
    assert!(!scene.holds("the-cellar-key") && !scene.holds(ANNA.1));
    for others in ["the-boat-is-mine", "the-answer"] {
        assert!(scene.holds(others), "{others}");
    }
}

/// The database in each schema, copied before it was brought up to date.
#[test]
fn what_is_forgotten_is_overwritten_in_copies_of_every_schema() {
    for schema in 1..=schemas::STEPS.len() {
        let (dir, path) = schemas::left_by(schema);
        let store = Store::open(&path).unwrap();
        let copy = dir.path().join(format!("doorward.db.schema-{schema}"));
        let holds = |text: &str| {
            let files = std::fs::read_dir(dir.path()).unwrap();
            let mut files = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
            files.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
        };
        // As in a row: sender and text; and what another one quotes.
        let traces = ["annAnnanswered", "m1Annanswered"];
        assert!(holds(traces[0]) && holds(traces[1]) == (schema > 1) && copy.exists(), "schema {schema}");
        let made = std::fs::metadata(&copy).unwrap().modified().unwrap();
        store.forget(&name("family"), &member(("ann", "Ann"))).unwrap();
        assert!(!traces.iter().any(|trace| holds(trace)), "schema {schema}");
        assert_eq!(std::fs::metadata(&copy).unwrap().modified().unwrap(), made, "it goes in its time");
        let still = Connection::open(&copy).unwrap();
        assert_eq!(migrations::version(&still).unwrap(), u32::try_from(schema).unwrap());
    }
}

/// A copy that cannot be overwritten is removed.
#[test]
fn a_copy_that_cannot_be_overwritten_goes() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    scene.writes("m1", ANNA, "the-cellar-key", None);
    let copy = scene.dir.path().join("doorward.db.schema-3");
    std::fs::write(&copy, "torn: the-cellar-key").unwrap();
    scene.store.forget(&name("family"), &member(ANNA)).unwrap();
    assert!(!copy.exists());
}

#[test]
fn of_whom_nothing_is_kept_nothing_is_quoted_and_talk_goes() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let sender = Sender { id: ANNA.0.into(), name: ANNA.1.into() };
    let family = name("family");
    let talk = NewMessage {
        group: &family,
        id: "t1",
        sender: &sender,
        text: "just-between-us",
        at: 5,
        means: Means::Talk,
        quote: None,
    };
    scene.store.insert_message(&talk).unwrap();
    assert!(scene.store.quoted(&family, "t1").unwrap().is_some());
    assert!(!scene.store.keeps_nothing_of_some(&family).unwrap());
    scene.store.keep_nothing_of(&family, ANNA.0).unwrap();
    scene.store.keep_nothing_of(&family, ANNA.0).unwrap();
    assert!(scene.store.keeps_nothing_of(&family, ANNA.0).unwrap());
    assert!(!scene.store.keeps_nothing_of(&family, BEN.0).unwrap());
    assert_eq!(scene.store.quoted(&family, "t1").unwrap(), None);
    scene.row("family", "m1");
    let pending = scene.store.pending_messages(&family).unwrap();
    assert!(pending.iter().all(|message| !message.text.contains("just-between-us")), "{pending:?}");
    scene.store.keep_again(&family, ANNA.0).unwrap();
    assert!(!scene.store.keeps_nothing_of(&family, ANNA.0).unwrap());
}

#[test]
fn a_chat_hears_once_what_is_kept() {
    let scene = Scene::new();
    scene.add("family", false).unwrap();
    let family = name("family");
    assert!(!scene.store.people_were_told(&family).unwrap());
    assert!(scene.store.tell_people_once(&family, &reply("what is kept")).unwrap());
    assert!(!scene.store.tell_people_once(&family, &reply("what is kept")).unwrap());
    assert!(scene.store.people_were_told(&family).unwrap());
    assert_eq!(scene.due(), ["what is kept"]);
}
