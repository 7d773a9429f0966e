//! `doorward setup` in a pseudo-terminal, up to an answer on the phone. The account is linked
//! already: WhatsApp's side of linking is not available here (channels/whatsapp-pairing has that).

use std::time::Instant;

use crate::support::terminal::plain;
use crate::support::{Anthropic, CTRL_C, DOWN, Does, ENTER, Home, Key, Terminal, eventually};
use crate::whatsapp::WhatsApp;
use crate::{ANNA, BEN, FAMILY};

fn answering(key: &Key) -> Anthropic {
    Anthropic::start(key.clone(), |asked| Does::Says(format!("You asked: {}", asked.prompt())))
}

/// An empty home, except for stand-ins for the network.
fn stage(anthropic: &Anthropic) -> (Home, WhatsApp) {
    let (home, whatsapp) = Home::with_claude().host("api.anthropic.com", anthropic.upstream()).linked_with("");
    whatsapp.phones(&[ANNA, BEN]);
    whatsapp.group(FAMILY, &[ANNA, BEN]);
    (home, whatsapp)
}

fn setup(home: &Home, more: &[&str]) -> Terminal {
    let command = home.command(&[&["setup", "--service", "no"], more].concat());
    Terminal::sized(command, 80, 40, &[("TERM", "xterm-256color")])
}

/// The displayed code: twice four digits on a line of their own.
fn code(terminal: &mut Terminal) -> String {
    let is_code = |line: &&str| {
        line.len() == 9 && line.split(' ').all(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit()))
    };
    terminal.shows("from your own phone");
    eventually("a code", || plain(&terminal.so_far()).lines().map(str::trim).find(is_code).map(str::to_owned))
}

#[test]
fn from_nothing_to_an_answer_on_the_phone() {
    let key = Key::api();
    let anthropic = answering(&key);
    let (home, mut whatsapp) = stage(&anthropic);
    let started = Instant::now();
    let mut terminal = setup(&home, &[]);
    terminal.shows("Where do you want to write to your assistant?");
    terminal.types(&format!("{DOWN}{ENTER}"));
    terminal.shows("Who answers?");
    terminal.types(ENTER);
    terminal.shows("Which account does the assistant use?");
    terminal.types(ENTER);
    terminal.shows("WhatsApp is linked.");
    let code = code(&mut terminal);
    // A message without the code proves nothing; nor does another code.
    whatsapp.write(BEN, "C1", "hello?");
    terminal.shows("not with this code");
    whatsapp.write(ANNA, "C2", "1234 5678");
    terminal.shows("not with this code");
    whatsapp.write(ANNA, "C3", &code);
    terminal.shows("The code came from Anna");
    terminal.shows("Which group may the assistant read and answer in?");
    terminal.types("zzz");
    terminal.shows("zzz");
    terminal.types(&format!("\x7f\x7f\x7fFam{ENTER}"));
    terminal.shows("is the group family from now on");
    terminal.shows("The key (it is not shown):");
    home.on_this_machine("main");
    home.on_this_machine("family");
    terminal.types(&format!("{}{ENTER}", key.secret()));
    terminal.shows("Anthropic accepts the key.");
    terminal.shows("What may main and family reach besides their model?");
    terminal.types(ENTER);
    terminal.shows("Attack this installation once");
    terminal.types(&format!("n{ENTER}"));
    terminal.shows("All is set up (7 questions)");
    println!("setup with WhatsApp: 7 questions, {:.1} s without images and drill", started.elapsed().as_secs_f32());
    terminal.shows("look at your phone");
    assert_eq!(terminal.wait().code, Some(0));
    let greeting = whatsapp.answer();
    assert!(greeting.to == ANNA && greeting.text.contains("Doorward is set up"), "{greeting:?}");

    home.run(&["doctor"]).ok().prints("main, a chat on whatsapp");
    let _daemon = home.up();
    whatsapp.write(ANNA, "M1", "what is 17 times 23?");
    let answer = whatsapp.answer();
    assert!(answer.to == ANNA && answer.text.contains("what is 17 times 23?"), "{answer:?}");
    whatsapp.write_group(FAMILY, BEN, "G1", "@Doorward are you there?");
    // Both are told what is read and kept here, before anything else.
    for _ in [ANNA, BEN] {
        let notice = whatsapp.answer();
        assert!(notice.text.contains("not me"), "{notice:?}");
    }
    let answer = whatsapp.answer();
    assert!(answer.text.contains("are you there?"), "{answer:?}");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// After the code no step has to be repeated, and messages that the family wrote meanwhile are not lost.
#[test]
fn what_was_broken_off_goes_on_behind_the_code() {
    let key = Key::api();
    let anthropic = answering(&key);
    let (home, whatsapp) = stage(&anthropic);
    let given = ["--chats", "whatsapp", "--agent", "claude", "--account", "own-number"];
    let mut terminal = setup(&home, &given);
    code(&mut terminal);
    terminal.types(CTRL_C);
    terminal.shows("setup was broken off");
    assert_eq!(terminal.wait().code, Some(130));

    let mut terminal = setup(&home, &given);
    whatsapp.write(ANNA, "C1", &code(&mut terminal));
    terminal.shows("The code came from Anna");
    terminal.shows("Which group may the assistant read and answer in?");
    terminal.types(CTRL_C);
    assert_eq!(terminal.wait().code, Some(130));

    let mut terminal = setup(&home, &[&given[..], &["--group", "none"]].concat());
    terminal.shows("Your main chat is main already.");
    terminal.shows("The key (it is not shown):");
    terminal.types(CTRL_C);
    assert_eq!(terminal.wait().code, Some(130));
    let groups = home.run(&["group", "list", "--json"]).ok().json();
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["chat"]), (1, &ANNA.into()));
}
