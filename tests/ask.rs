//! A request that its owner is asked about: an agent's curl waits in a real sandbox while the owner's chat
//! shows what it would do.

use std::time::Instant;

use crate::support::{self, Chat, Daemon, Home, Phone, Response, Shown, Upstream};
use serde_json::{Value, json};

const POLICY: &str = "\
# Forms of the school.
[[allow]]
host = \"forms.example\"
do = [\"POST /*\"]
private = [\"127.0.0.1/32\"]

[[ask]]
host = \"forms.example\"
do = [\"POST /*\"]
why = \"forms reach people\"
";

/// What is posted.
const BODY: &str = "name=Anna&date=monday";

/// A family and its owner, each with a chat on the tests' network.
struct House {
    home: Home,
    phone: Phone,
    forms: Upstream,
    daemon: Option<Daemon>,
}

impl House {
    fn new() -> Self {
        House::with(POLICY)
    }

    /// One in which nobody waits long.
    fn in_a_hurry() -> Self {
        House::with(&in_a_hurry())
    }

    fn with(policy: &str) -> Self {
        let forms = Upstream::start(&["forms.example"], |_| Response::ok("thank you"));
        let phone = Phone::new();
        let home = Home::new().config(&phone.config()).host("forms.example", forms.address());
        let home = home.chat_group("family").policy("family", policy);
        home.run(&["group", "add", "owner", "--main", "--channel", "whatsapp", "--chat", "owner"]).ok();
        let daemon = Some(home.up());
        House { home, phone, forms, daemon }
    }

    /// A member of the family has its shell post a form.
    fn post(&self, id: &str, body: &str) {
        let curl = format!("curl -sS -m 60 -d '{body}' https://forms.example/submit");
        self.phone.write("family", id, &curl);
    }

    /// The next question after `known` messages to the owner.
    #[track_caller]
    fn question(&self, known: usize) -> Shown {
        self.phone.until("a question", |state| {
            let owners: Vec<_> = state.shown.iter().filter(|shown| shown.chat == "owner").collect();
            owners.into_iter().skip(known).find(|shown| shown.text.contains("wants to")).cloned()
        })
    }

    fn owners(&self) -> usize {
        self.phone.shown().iter().filter(|shown| shown.chat == "owner").count()
    }

    /// Somebody replies to a message.
    fn reply(&self, chat: &str, id: &str, to: &Shown, text: &str, more: &Value) {
        let quote = json!({ "id": format!("NET-{}", to.id), "sender": "bot", "text": to.text });
        let mut message = json!({ "type": "message", "id": id, "chat": chat, "text": text, "quote": quote, "at": 1,
            "sender": { "id": "anna", "name": "Anna" } });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.phone.deliver(message);
    }

    /// What the sender of a message is told.
    #[track_caller]
    fn told(&self, to: &str) -> String {
        self.phone.until(&format!("a word on {to}"), |state| {
            state.shown.iter().find(|shown| shown.to == to && shown.kind != "done").map(|shown| shown.text.clone())
        })
    }

    #[track_caller]
    fn answer(&self, id: &str) -> String {
        self.phone.until_done("family", id);
        self.told(id)
    }

    fn posts(&self) -> usize {
        self.forms.requests().len()
    }
}

/// The policy, with a short hold.
fn in_a_hurry() -> String {
    format!("{POLICY}\n[[ask]]\nhold = \"2s\"\n")
}

fn code(question: &Shown) -> String {
    let behind = question.text.split("its code ").nth(1).unwrap_or_else(|| panic!("{question:?}"));
    behind.chars().take(6).collect()
}

#[test]
fn a_yes_lets_the_one_request_through_that_waits() {
    let house = House::new();
    house.post("m1", BODY);
    let question = house.question(0);
    for part in
        ["family wants to send 21 bytes to forms[.]example", "fields name, date", "POST /submit", "forms reach people"]
    {
        assert!(question.text.contains(part), "{part}: {}", question.text);
    }
    assert_eq!(house.posts(), 0);
    house.reply("owner", "a1", &question, "1", &json!({}));
    assert_eq!(house.told("a1"), "Allowed, this once.");
    assert_eq!(house.answer("m1"), "thank you");
    assert_eq!(house.forms.requests()[0].body, BODY.as_bytes());
    // The same again is asked again; a reaction answers it.
    let known = house.owners();
    house.post("m2", BODY);
    let question = house.question(known);
    let reacted = Instant::now();
    house.phone.deliver(json!({ "type": "message", "id": "r1", "chat": "owner", "text": "\u{1f44d}\u{1f3fd}", "at": 1,
        "sender": { "id": "anna", "name": "Anna" }, "reacts_to": format!("NET-{}", question.id) }));
    assert_eq!(house.answer("m2"), "thank you");
    assert_eq!(house.posts(), 2);
    println!("from the reaction to the request's arrival: {:?}", house.forms.requests()[1].at - reacted);
    let audit = house.home.audit_with(&["--events"]);
    let said = audit.events("ask_answered");
    assert_eq!(said.len(), 2, "{audit:#?}");
    assert!(said[0].contains("by a reply") && said[1].contains("by a reaction"), "{said:?}");
    let posted = house.home.audit_with(&[]);
    let went: Vec<_> = posted.with("method", "POST").iter().map(|record| record["granted"].as_u64()).collect();
    assert!(matches!(went[..], [Some(first), Some(second)] if first < second), "{posted:#?}");
    house.home.run(&["audit", "verify"]).ok();
    let digest = house.home.run(&["audit", "digest"]).ok();
    digest.prints("What you were asked:").prints("family: the owner said once by a reaction");
    let record = posted.with("method", "POST")[0]["seq"].to_string();
    house.home.run(&["audit", "show", &record]).ok().prints("does        send something to forms.example");
}

#[test]
fn a_no_with_its_reason_reaches_the_agent() {
    let house = House::new();
    house.post("m1", BODY);
    let question = house.question(0);
    house.reply("owner", "a1", &question, "no: not on Sundays", &json!({}));
    let answer = house.answer("m1");
    assert!(answer.contains("ask_refused") && answer.contains("not on Sundays"), "{answer}");
    assert_eq!(house.posts(), 0);
    // Not asked again so soon.
    let known = house.owners();
    house.post("m2", BODY);
    assert!(house.answer("m2").contains("is not asked again so soon"));
    assert_eq!(house.owners(), known);
}

/// Attacks O01, O02, O03: who else answers, and how else.
#[test]
fn what_is_no_answer_of_the_owners_does_nothing() {
    let house = House::new();
    house.post("m1", BODY);
    let question = house.question(0);
    let code = code(&question);
    // A member of the group: with the code, by a copy of the question, by a reply to it.
    house.phone.write("family", "f1", &format!("yes {code}"));
    assert!(house.told("f1").contains("Nothing happened"));
    house.phone.write("family", "f2", &question.text);
    assert!(house.told("f2").contains("Nothing happened"));
    house.reply("family", "f3", &question, "yes", &json!({}));
    assert!(house.told("f3").contains("Nothing happened"));
    // The owner's chat: forwarded, edited, with several people in it, not understood, by a reply to another message.
    house.reply("owner", "o1", &question, "yes", &json!({ "forwarded": true }));
    assert!(house.told("o1").contains("Nothing happened"));
    house.reply("owner", "o2", &question, "yes", &json!({ "edits": "o0" }));
    assert!(house.told("o2").contains("Nothing happened"));
    house.reply("owner", "o3", &question, "yes", &json!({ "group": true }));
    assert!(house.told("o3").contains("nothing happened"));
    house.reply("owner", "o4", &question, "yes, why not", &json!({}));
    assert!(house.told("o4").contains("not understood"));
    house.phone.write("owner", "o5", "1");
    assert!(!house.told("o5").contains("Allowed"), "a bare number is the agent's to read");
    assert_eq!(house.posts(), 0);
    // The owner's own, then the same once more.
    house.reply("owner", "a1", &question, "yes", &json!({}));
    assert_eq!(house.told("a1"), "Allowed, this once.");
    assert_eq!(house.answer("m1"), "thank you");
    house.reply("owner", "a2", &question, "yes", &json!({}));
    assert!(house.told("a2").contains("answered before"));
    house.phone.write("owner", "a3", &format!("always {code}"));
    assert!(house.told("a3").contains("answered before"));
    assert_eq!(house.posts(), 1);
    assert_eq!(std::fs::read_to_string(house.home.policy_file("family")).unwrap(), POLICY);
    // Nothing of it reached a shell.
    let ran =
        house.phone.shown().into_iter().any(|shown| shown.text.contains("not found") && shown.to.starts_with('f'));
    assert!(!ran);
}

#[test]
fn the_command_line_answers_and_a_late_yes_is_for_the_same_request() {
    let house = House::in_a_hurry();
    house.post("m1", BODY);
    let question = house.question(0);
    assert!(house.answer("m1").contains("ask_unanswered"));
    let code = code(&question);
    house.home.run(&["ask"]).ok().prints(&code).prints("waits no longer");
    house.home.run(&["ask", "yes", &code]).ok().prints("Allowed, once.");
    house.home.run(&["ask", "yes", &code]).code(1).says("answered before");
    house.post("m2", "name=Bob&date=monday");
    assert!(house.answer("m2").contains("ask_unanswered"), "another body");
    house.post("m3", BODY);
    assert_eq!(house.answer("m3"), "thank you");
    house.post("m4", BODY);
    assert!(house.answer("m4").contains("ask_unanswered"), "used up");
    assert_eq!(house.posts(), 1);
    house.home.run(&["ask", "no", "k7q2mx"]).code(1).says("no question has the code");
}

#[test]
fn a_question_ends_with_its_daemon_and_a_grant_with_its_policy() {
    let mut house = House::in_a_hurry();
    house.post("m1", BODY);
    let question = house.question(0);
    house.answer("m1");
    house.home.run(&["ask", "yes", &code(&question)]).ok();
    house.home.write_policy("family", &format!("{POLICY}# tighter, or not\n"));
    support::until("the yes to end", || !house.home.audit_with(&["--events"]).events("grants_ended").is_empty());
    let known = house.owners();
    house.post("m2", BODY);
    let question = house.question(known);
    house.daemon.take().unwrap().kill();
    house.home.write_policy("family", &in_a_hurry());
    house.daemon = Some(house.home.up());
    // By its code: that the network took the question may not have been heard before the end.
    house.phone.write("owner", "a1", &format!("yes {}", code(&question)));
    assert!(house.told("a1").contains("not open any more"));
    house.post("m3", BODY);
    assert!(house.answer("m3").contains("ask_unanswered"));
    assert_eq!(house.posts(), 0);
}

#[test]
fn what_is_too_long_to_be_described_is_not_asked_about() {
    let house = House::new();
    let curl = "head -c 70000 /dev/zero | tr '\\0' x | curl -sS --data-binary @- https://forms.example/submit";
    house.phone.write("family", "m1", curl);
    let answer = house.answer("m1");
    assert!(answer.contains("ask_too_large"), "{answer}");
    assert_eq!((house.owners(), house.posts()), (0, 0));
}

#[test]
fn a_client_that_goes_away_withdraws_its_request() {
    let house = House::new();
    house.phone.write("family", "m1", "curl -sS -m 2 -d x=1 https://forms.example/submit");
    let question = house.question(0);
    house.phone.until_done("family", "m1");
    let code = code(&question);
    support::until("the question to be left", || house.home.run(&["ask"]).ok().out.contains("waits no longer"));
    house.home.run(&["ask", "no", &code]).ok().prints("Refused.");
    assert_eq!(house.posts(), 0);
}

#[test]
fn a_lock_ends_what_waits_and_no_yes_opens_it() {
    let house = House::new();
    house.post("m1", BODY);
    let question = house.question(0);
    house.home.run(&["lock", "family"]).ok();
    // Long before its hold is over, which would be another refusal.
    let answer = house.answer("m1");
    assert!(answer.contains("\"code\": \"locked\""), "{answer}");
    house.home.run(&["ask", "yes", &code(&question)]).code(1).says("family is locked, and no yes opens that");
    house.post("m2", BODY);
    let answer = house.answer("m2");
    assert!(answer.contains("\"code\": \"locked\""), "{answer}");
    // Nor is one kept until it is opened.
    house.home.run(&["unlock", "family"]).ok();
    house.post("m3", BODY);
    support::until("it to wait", || !house.home.run(&["ask"]).ok().out.contains("waits no longer"));
    house.home.run(&["ask", "no", &code(&question)]).ok();
    assert!(house.answer("m3").contains("ask_refused"));
    assert_eq!(house.posts(), 0);
}

#[test]
fn always_writes_the_rule_and_the_next_is_not_asked_about() {
    let house = House::new();
    house.post("m1", BODY);
    let question = house.question(0);
    house.reply("owner", "a1", &question, "3", &json!({}));
    assert!(house.told("a1").starts_with("Allowed from now on."), "{}", house.told("a1"));
    assert_eq!(house.answer("m1"), "thank you");
    let written = std::fs::read_to_string(house.home.policy_file("family")).unwrap();
    assert!(written.starts_with(POLICY) && written.contains("# always by the owner, by a reply"), "{written}");
    assert!(written.contains("do = [\"POST /submit\"]") && written.contains("unasked = true"), "{written}");
    let known = house.owners();
    house.post("m2", "name=Bob");
    assert_eq!(house.answer("m2"), "thank you");
    assert_eq!((house.owners(), house.posts()), (known, 2));
    // Another path is still asked about.
    house.phone.write("family", "m3", "curl -sS -m 60 -d x=1 https://forms.example/other");
    let question = house.question(known);
    house.reply("owner", "a2", &question, "never", &json!({}));
    assert!(house.answer("m3").contains("the owner said no, now and in future"));
    assert_eq!(house.posts(), 2);
    house.home.run(&["policy", "check", "family"]).ok();
}

/// A terminal quotes nothing and knows no reactions: there it goes by codes.
#[test]
fn the_terminal_is_an_owners_chat_too() {
    let forms = Upstream::start(&["forms.example"], |_| Response::ok("thank you"));
    let home = Home::new().host("forms.example", &forms).group("family").policy("family", POLICY);
    home.run(&["group", "add", "owner", "--main"]).ok();
    let _daemon = home.up();
    let (mut owner, mut family) = (Chat::open(&home, "owner"), Chat::open(&home, "family"));
    family.send("m1", "curl -sS -m 60 -d x=1 https://forms.example/submit");
    let question = owner.next_of("send")["text"].as_str().unwrap().to_owned();
    let code: String = question.split("its code ").nth(1).unwrap().chars().take(6).collect();
    // A number is the agent's to read; in another group's terminal a code is nobody's.
    owner.send("o1", "1");
    assert!(owner.until_done("o1").iter().all(|(_, text, _)| !text.contains("Allowed")));
    family.send("m2", &format!("yes {code}"));
    assert!(family.until_done("m2").iter().any(|(_, text, _)| text.contains("Nothing happened")));
    assert!(forms.requests().is_empty());
    owner.send("o2", &format!("yes {code}"));
    assert!(owner.until_done("o2").iter().any(|(_, text, _)| text == "Allowed, this once."));
    let answer = family.until_done("m1");
    assert!(answer.iter().any(|(_, text, _)| text.trim() == "thank you"), "{answer:?}");
}
