//! The owner is asked on their phone, and answers with a thumb on the question, or a reply to it.

use crate::server::Seen;
use crate::support::{Daemon, Home, Response, Upstream};
use crate::whatsapp::{Shown, WhatsApp, shown};
use crate::{ANNA, BEN, FAMILY};

const POLICY: &str = "\
[[ask]]
host = \"forms.example\"
do = [\"POST /*\"]

[[allow]]
host = \"forms.example\"
do = [\"POST /*\"]
private = [\"127.0.0.1/32\"]

[[say]]
do = [\"POST /*\"]
text = \"hand in the form {1}\"
";

const YES: &str = "\u{1f44d}";
const NO: &str = "\u{1f44e}";

/// The next message on a phone that a test has not seen and that contains this text. A group's
/// message is on all of its phones, under one id.
#[track_caller]
fn next(whatsapp: &mut WhatsApp, known: &[&Shown], to: &str, says: &str) -> Shown {
    whatsapp.until(&format!("{says:?} in the chat of {to}"), |seen| {
        let mut all = shown(seen).into_iter();
        all.find(|one| one.to == to && one.text.contains(says) && known.iter().all(|known| known.id != one.id))
    })
}

/// The command that a member has the shell run.
const CURL: &str = "@Doorward curl -sS -m 60 -X POST -d x=1 https://forms.example/school";

/// A family whose group has Ben as a writer, and Anna as the owner.
fn family(forms: &Upstream) -> (Home, WhatsApp, Daemon) {
    let (home, mut whatsapp) = Home::new().host("forms.example", forms).linked("own-number");
    whatsapp.phones(&[ANNA, BEN]);
    whatsapp.group(FAMILY, &[ANNA, BEN]);
    let home = home.whatsapp_group("family", FAMILY).policy("family", POLICY);
    home.run(&["group", "add", "owner", "--main", "--channel", "whatsapp", "--chat", ANNA, "--agent", "shell"]).ok();
    let daemon = home.up();
    whatsapp.until("the program to be connected", |seen| seen.contains(&Seen::Active).then_some(()));
    (home, whatsapp, daemon)
}

fn code(question: &Shown) -> String {
    question.text.split("its code ").nth(1).unwrap().chars().take(6).collect()
}

#[test]
fn a_reply_on_the_phone_answers_for_once_for_good_or_with_a_reason() {
    let forms = Upstream::start(&["forms.example"], |_| Response::ok("thank you"));
    let (home, mut whatsapp, _daemon) = family(&forms);
    whatsapp.write_group(FAMILY, BEN, "M1", CURL);
    let question = next(&mut whatsapp, &[], ANNA, "wants to hand in the form");
    // A member's code; a forwarded reply; a number that answers nothing.
    whatsapp.write_group(FAMILY, BEN, "M2", &format!("@Doorward yes {}", code(&question)));
    let first = next(&mut whatsapp, &[], BEN, "Nothing happened");
    whatsapp.forward(ANNA, "W1", &question, "1");
    let second = next(&mut whatsapp, &[&first], ANNA, "Nothing happened");
    whatsapp.write(ANNA, "W2", "1");
    whatsapp.until_taken("W2");
    assert!(forms.requests().is_empty());
    whatsapp.reply(ANNA, "W3", &question, "no: not on Sundays");
    next(&mut whatsapp, &[&second], ANNA, "Refused, and its agent is told why.");
    next(&mut whatsapp, &[&first], BEN, "not on Sundays");
    // Its code is used up, wherever it is written.
    whatsapp.write(ANNA, "W4", &format!("yes {}", code(&question)));
    next(&mut whatsapp, &[], ANNA, "answered before");
    assert!(forms.requests().is_empty());

    // Another form, permanently: the next one passes without a question.
    let other = CURL.replace("school", "club");
    whatsapp.write_group(FAMILY, BEN, "M3", &other);
    let question = next(&mut whatsapp, &[&question], ANNA, "wants to hand in the form");
    whatsapp.reply(ANNA, "W5", &question, "3");
    next(&mut whatsapp, &[], ANNA, "Allowed from now on.");
    let thanks = next(&mut whatsapp, &[], BEN, "thank you");
    let written = std::fs::read_to_string(home.policy_file("family")).unwrap();
    assert!(
        written.starts_with(POLICY) && written.contains("# always by the owner, by a reply in the chat"),
        "{written}"
    );
    whatsapp.write_group(FAMILY, BEN, "M4", &other);
    next(&mut whatsapp, &[&thanks], BEN, "thank you");
    assert_eq!(forms.requests().len(), 2);
    home.run(&["audit", "verify"]).ok();
}

#[test]
fn a_thumb_on_the_question_answers_it_and_nothing_else_does() {
    let forms = Upstream::start(&["forms.example"], |_| Response::ok("thank you"));
    let (home, mut whatsapp, _daemon) = family(&forms);
    whatsapp.write_group(FAMILY, BEN, "M1", CURL);
    let question = next(&mut whatsapp, &[], ANNA, "wants to hand in the form");

    // A thumb on another message, also on the agent's own thumb; another emoji; one that was
    // removed; and a member's, in the group.
    whatsapp.write(ANNA, "W1", "printf '\\360\\237\\221\\215 1'");
    let other = next(&mut whatsapp, &[&question], ANNA, YES);
    whatsapp.react(ANNA, "R1", &other.id, YES);
    whatsapp.react(ANNA, "R2", &question.id, "\u{2764}\u{fe0f}");
    whatsapp.react(ANNA, "R3", &question.id, "");
    whatsapp.react_in(FAMILY, BEN, "R4", &question.id, YES);
    for id in ["R1", "R2", "R3", "R4"] {
        whatsapp.until_taken(id);
    }
    assert!(forms.requests().is_empty());
    home.run(&["ask"]).ok().prints("family wants to hand in the form");

    whatsapp.react(ANNA, "R5", &question.id, "\u{1f44d}\u{1f3fe}");
    let allowed = next(&mut whatsapp, &[&question, &other], ANNA, "Allowed, this once.");
    let thanks = next(&mut whatsapp, &[], BEN, "thank you");
    assert_eq!(forms.requests().len(), 1);
    // Removing it undoes nothing; adding it again grants nothing.
    whatsapp.react(ANNA, "R6", &question.id, "");
    whatsapp.react(ANNA, "R7", &question.id, YES);
    next(&mut whatsapp, &[&allowed], ANNA, "answered before");

    // The same request is asked about again; a thumb down refuses it.
    whatsapp.write_group(FAMILY, BEN, "M2", CURL);
    let again = next(&mut whatsapp, &[&question], ANNA, "wants to hand in the form");
    whatsapp.react(ANNA, "R8", &again.id, NO);
    next(&mut whatsapp, &[], ANNA, "Refused.");
    next(&mut whatsapp, &[&thanks], BEN, "ask_refused");
    assert_eq!(forms.requests().len(), 1);
    let log = home.audit_with(&["--events"]);
    let said = log.events("ask_answered");
    assert!(said.len() == 2 && said.iter().all(|said| said.contains("by a reaction")), "{said:?}");
}
