//! `doorward setup`, played in a pseudo-terminal, to an answer on the phone. The account is linked already:
//! WhatsApp's side of linking cannot be had here (channels/whatsapp-pairing has that).

use std::time::Instant;

use crate::support::{Anthropic, CTRL_C, DOWN, Does, ENTER, Home, Key, Terminal};
use crate::whatsapp::WhatsApp;
use crate::{ANNA, BEN, FAMILY};

fn answering(key: &Key) -> Anthropic {
    Anthropic::start(key.clone(), |asked| Does::Says(format!("You asked: {}", asked.prompt())))
}

/// A home with nothing in it but what stands for the network.
fn stage(anthropic: &Anthropic) -> (Home, WhatsApp) {
    let (home, whatsapp) = Home::with_claude().host("api.anthropic.com", anthropic.upstream()).linked_with("");
    whatsapp.phones(&[ANNA, BEN]);
    whatsapp.group(FAMILY, &[ANNA, BEN]);
    (home, whatsapp)
}

/// The code that is shown: two times four digits in a line of their own.
fn code(terminal: &Terminal) -> String {
    let shown = terminal.all();
    let line = shown.lines().rev().map(str::trim).find(|line| {
        line.len() == 9 && line.split(' ').all(|part| part.len() == 4 && part.bytes().all(|b| b.is_ascii_digit()))
    });
    line.unwrap_or_else(|| panic!("no code in {shown}")).to_owned()
}

#[test]
fn from_nothing_to_an_answer_on_the_phone() {
    let key = Key::api();
    let anthropic = answering(&key);
    let (home, mut whatsapp) = stage(&anthropic);
    let started = Instant::now();
    let mut terminal = Terminal::start(&home.command(&["setup", "--service", "no"]), 80, 40);
    terminal.shows("Where do you want to write to your assistant?");
    terminal.types(&format!("{DOWN}{ENTER}"));
    terminal.shows("Who answers?");
    terminal.types(ENTER);
    terminal.shows("Which account does the assistant use?");
    terminal.types(ENTER);
    terminal.shows("WhatsApp is linked.");
    terminal.shows("from your own phone");
    terminal.shows("\n\n");
    let code = code(&terminal);
    // Whoever it is, it proves nothing; and so does another code.
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
    terminal.shows("What may main and family reach besides its model?");
    terminal.types(ENTER);
    terminal.shows("Attack this installation once");
    terminal.types(&format!("n{ENTER}"));
    terminal.shows("All is set up (7 questions)");
    println!("setup with WhatsApp: 7 questions, {:.1} s without images and drill", started.elapsed().as_secs_f32());
    terminal.shows("look at your phone");
    assert_eq!(terminal.ends(), Some(0));
    let greeting = whatsapp.answer();
    assert!(greeting.to == ANNA && greeting.text.contains("Doorward is set up"), "{greeting:?}");

    home.run(&["doctor"]).ok().prints("main, a chat on whatsapp");
    let _daemon = home.up();
    whatsapp.write(ANNA, "M1", "what is 17 times 23?");
    let answer = whatsapp.answer();
    assert!(answer.to == ANNA && answer.text.contains("what is 17 times 23?"), "{answer:?}");
    whatsapp.write_group(FAMILY, BEN, "G1", "@Doorward are you there?");
    let answer = whatsapp.answer();
    assert!(answer.text.contains("are you there?"), "{answer:?}");
    assert_eq!(anthropic.refused(), [""; 0]);
}

/// After the code nothing of it has to be done again, and what the family wrote meanwhile is not lost.
#[test]
fn what_was_broken_off_goes_on_behind_the_code() {
    let key = Key::api();
    let anthropic = answering(&key);
    let (home, whatsapp) = stage(&anthropic);
    let given = ["setup", "--service", "no", "--chats", "whatsapp", "--agent", "claude", "--account", "own-number"];
    let mut terminal = Terminal::start(&home.command(&given), 80, 40);
    terminal.shows("from your own phone");
    terminal.shows("\n\n");
    terminal.types(CTRL_C);
    terminal.shows("setup was broken off");
    assert_eq!(terminal.ends(), Some(130));

    let mut terminal = Terminal::start(&home.command(&given), 80, 40);
    terminal.shows("from your own phone");
    terminal.shows("\n\n");
    whatsapp.write(ANNA, "C1", &code(&terminal));
    terminal.shows("The code came from Anna");
    terminal.shows("Which group may the assistant read and answer in?");
    terminal.types(CTRL_C);
    assert_eq!(terminal.ends(), Some(130));

    let mut terminal = Terminal::start(&home.command(&[&given[..], &["--group", "none"]].concat()), 80, 40);
    terminal.shows("Your main chat is main already.");
    terminal.shows("The key (it is not shown):");
    terminal.types(CTRL_C);
    assert_eq!(terminal.ends(), Some(130));
    let groups = home.run(&["group", "list", "--json"]).ok().json();
    assert_eq!((groups.as_array().unwrap().len(), &groups[0]["chat"]), (1, &ANNA.into()));
}
