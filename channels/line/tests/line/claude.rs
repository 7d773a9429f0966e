//! The real Claude Code at the other end of WhatsApp.

use serde_json::json;

use crate::server::{OWN, Seen, bare};
use crate::support::{Anthropic, Asked, Does, Home, Key, Victim, until};
use crate::whatsapp::{Shown, WhatsApp, nothing_of_strangers};
use crate::{ANNA, BEN, FAMILY, HIKERS, LID};

/// Runs one command, and repeats its output.
fn runs_and_tells(asked: &Asked, command: &str) -> Does {
    match asked.results().as_slice() {
        [] => Does::Uses("Bash", json!({ "command": command })),
        results => Does::Says(format!("It said: {}", results.join("; "))),
    }
}

fn says_what_it_heard(asked: &Asked) -> Does {
    Does::Says(format!("Heard: {}", asked.prompt()))
}

/// A home with Claude Code as the agent of these groups, and its WhatsApp.
fn with_claude(key: &Key, anthropic: &Anthropic, mode: &str, groups: &[(&str, &str)]) -> (Home, WhatsApp) {
    claude_groups(Home::with_anthropic(key, anthropic).linked(mode), groups)
}

fn claude_groups((mut home, whatsapp): (Home, WhatsApp), groups: &[(&str, &str)]) -> (Home, WhatsApp) {
    for (name, chat) in groups {
        home = home.claude_group(name, &["--channel", "whatsapp", "--chat", chat]);
    }
    whatsapp.phones(&[ANNA, BEN, LID]);
    whatsapp.group(FAMILY, &[ANNA, BEN]);
    whatsapp.group(HIKERS, &[LID]);
    whatsapp.strangers();
    (home, whatsapp)
}

/// The next message shown to both in the family's group: the same one.
#[track_caller]
fn answer_to_both(whatsapp: &mut WhatsApp) -> Shown {
    let (one, other) = (whatsapp.answer(), whatsapp.answer());
    assert!([(ANNA, BEN), (BEN, ANNA)].contains(&(&*one.to, &*other.to)), "{one:?}, {other:?}");
    assert_eq!(Shown { to: one.to.clone(), ..other }, one);
    one
}

fn quote(id: &str, writer: &str, text: &str) -> Option<(String, String, String)> {
    Some((id.to_owned(), writer.to_owned(), text.to_owned()))
}

#[test]
fn a_family_talks_with_claude() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.prompt() {
        prompt if prompt.contains("list") => runs_and_tells(asked, "pwd; echo milk > list; cat list"),
        prompt if prompt.contains("weather") => runs_and_tells(asked, "curl -sS https://weather.example/today"),
        _ => says_what_it_heard(asked),
    });
    let announced = "enabled = true\nmode = \"own-number\"\n";
    let home = Home::with_anthropic(&key, &anthropic).linked_with(announced);
    let (home, mut whatsapp) = claude_groups(home, &[("family", FAMILY)]);
    let daemon = home.up_logging("debug");

    // Messages that do not call it are context for when it is called.
    whatsapp.strangers_write(1);
    whatsapp.write_group(FAMILY, BEN, "G1", "we are out of milk");
    whatsapp.until_taken("G1");
    whatsapp.write_group(FAMILY, ANNA, "G2", "@Doorward write the list");
    // Once, before anything else, they are told what is read and kept.
    assert!(answer_to_both(&mut whatsapp).text.contains("@Doorward not me"));
    let answer = answer_to_both(&mut whatsapp);
    assert_eq!(answer.text, "It said: /workspace/group\nmilk");
    assert_eq!(answer.quotes, quote("G2", ANNA, "@Doorward write the list"));
    let first = anthropic.asked().remove(0);
    assert!(first.mentions("we are out of milk") && first.mentions("Ben") && first.mentions("Anna"), "{first:?}");
    let typing = Seen::ChatState { to: FAMILY.into(), state: "composing".into() };
    whatsapp.until("the sign that it types", |seen| seen.contains(&typing).then_some(()));

    // A site that no rule names is refused, and the chat is told which and why.
    whatsapp.write_group(FAMILY, BEN, "G3", "@doorward what is the weather?");
    let answer = answer_to_both(&mut whatsapp);
    assert!(answer.text.contains("no rule of group family names weather.example"), "{answer:?}");
    assert_eq!(answer.quotes, quote("G3", BEN, "@doorward what is the weather?"));
    assert_eq!(home.audit().only("host", "weather.example")["verdict"], "deny");

    assert_eq!(anthropic.refused(), [""; 0], "the real key arrives, and nothing else");
    let log = daemon.stop().ok().err;
    nothing_of_strangers(&home, &log);
}

#[test]
fn the_owner_talks_with_claude_in_the_chat_with_themselves() {
    let key = Key::token();
    let anthropic = Anthropic::start(key.clone(), says_what_it_heard_or_looks);
    let (home, mut whatsapp) = with_claude(&key, &anthropic, "self-chat", &[("me", "self")]);
    let _daemon = home.up();
    whatsapp.note("S1", "what did I forget?");
    let answer = whatsapp.answer();
    assert_eq!((&*answer.to, &*answer.text), (&*bare(OWN), "It said: the milk"));
    assert_eq!(answer.quotes, quote("S1", &bare(OWN), "what did I forget?"));
    // Its own messages, under the owner's account, are not taken for the owner's.
    whatsapp.note(&answer.id, &answer.text);
    whatsapp.until_taken(&answer.id);
    whatsapp.note("S2", "thanks");
    let answer = whatsapp.answer();
    assert!(answer.text.starts_with("Heard: ") && answer.text.contains("thanks"), "{answer:?}");
    assert_eq!(anthropic.refused(), [""; 0]);
}

fn says_what_it_heard_or_looks(asked: &Asked) -> Does {
    match asked.prompt().contains("forget") {
        true => runs_and_tells(asked, "echo the milk"),
        false => says_what_it_heard(asked),
    }
}

#[test]
fn somebody_without_a_number_talks_with_claude_before_and_after_a_restart() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), |asked| match asked.mentions("and bread") {
        true => says_what_it_heard(asked),
        // The second message arrives while this runs.
        false => runs_and_tells(asked, "touch at-work; until [ -e go ]; do sleep 0.1; done; echo milk"),
    });
    let (home, mut whatsapp) = with_claude(&key, &anthropic, "own-number", &[("cleo", LID), ("hikers", HIKERS)]);
    let daemon = home.up();
    whatsapp.write_group(HIKERS, LID, "H1", "@Doorward and bread?");
    let answer = whatsapp.answer();
    assert!(answer.text.contains("Cleo") && answer.text.contains("and bread?"), "{answer:?}");
    assert_eq!((&*answer.to, answer.quotes), (LID, quote("H1", LID, "@Doorward and bread?")));

    whatsapp.write(LID, "L1", "we need milk");
    until("the tool to run", || home.group_folder("cleo").join("at-work").exists());
    whatsapp.write(LID, "L2", "and bread");
    whatsapp.until_taken("L2");
    std::fs::write(home.group_folder("cleo").join("go"), "").unwrap();
    let answer = std::iter::repeat_with(|| whatsapp.answer()).find(|shown| shown.text.contains("and bread")).unwrap();
    assert_eq!(answer.to, LID);
    let last = anthropic.asked().pop().unwrap();
    assert!(last.mentions("we need milk") && last.mentions("and bread"), "one session");
    assert_eq!(home.containers().len(), 2, "one sandbox a group");

    daemon.stop().ok();
    let _daemon = home.up();
    whatsapp.write(LID, "L3", "what did I want?");
    let answer = whatsapp.answer();
    assert!(answer.text.contains("what did I want?"), "{answer:?}");
    assert_eq!((answer.to, answer.quotes), (LID.to_owned(), quote("L3", LID, "what did I want?")));
    assert!(anthropic.asked().pop().unwrap().mentions("we need milk"), "the session went on");
    assert_eq!(anthropic.refused(), [""; 0]);
}

#[test]
fn a_victim_called_in_a_group_sends_nothing_to_a_stranger() {
    let victim = Victim::new();
    let (home, mut whatsapp) = with_claude(&victim.key, &victim.anthropic, "own-number", &[("family", FAMILY)]);
    let home = victim.tempt(home, "family");
    let daemon = home.up_logging("debug");
    whatsapp.strangers_write(1);
    whatsapp.write_group(FAMILY, ANNA, "G1", "@Doorward what does the page say?");
    assert!(answer_to_both(&mut whatsapp).text.contains(Victim::LAST_WORDS));
    victim.was_heard_by_nobody(&home);
    let log = daemon.stop().ok().err;
    nothing_of_strangers(&home, &log);
}

/// Names, numbers and mentions of the group's people never reach the model.
#[test]
fn claude_knows_a_family_by_stand_ins() {
    let key = Key::api();
    let anthropic = Anthropic::start(key.clone(), says_what_it_heard);
    let (home, mut whatsapp) = with_claude(&key, &anthropic, "own-number", &[("family", FAMILY)]);
    let settings = home.at("groups/family.toml");
    let agent = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("{agent}\n[privacy]\npeople = \"stand-ins\"\n")).unwrap();
    let _daemon = home.up();
    let number = |jid: &str| jid.split('@').next().unwrap().to_owned();
    let (of_anna, of_ben) = (number(ANNA), number(BEN));
    whatsapp.write_group(FAMILY, BEN, "G1", &format!("call Anna: +{of_anna}"));
    whatsapp.until_taken("G1");
    whatsapp.write_group(FAMILY, ANNA, "G2", &format!("@Doorward who is @{of_ben}, is it Ben?"));
    let answer = answer_to_both(&mut whatsapp);
    assert!(answer.text.contains("call Anna: Anna") && answer.text.contains("who is @Ben, is it Ben?"), "{answer:?}");
    let asked = anthropic.asked();
    assert!(asked[0].mentions("who is @Person 1, is it Person 1?"), "{asked:?}");
    assert!(asked[0].mentions("call Person 2: Person 2"), "{asked:?}");
    for name in ["Anna", &of_anna, &of_ben] {
        assert!(!asked.iter().any(|asked| asked.mentions(name)), "{name}: {asked:?}");
    }
    assert_eq!(anthropic.refused(), [""; 0]);
}
