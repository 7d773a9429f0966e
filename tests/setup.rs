//! `doorward setup`, played in a pseudo-terminal: from nothing to an answer, without a file written by hand.
//!
//! What stands for the network is set before (a name's address and authority) and, once the group's policy is
//! there, that this address is on the machine itself.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use crate::support::terminal::{broken_words, plain};
use crate::support::{Anthropic, BACKSPACE, CTRL_C, CTRL_D, Does, ENTER, Home, Key, Terminal, random_key};
use textwrap::core::display_width;

fn answering(key: &Key) -> Anthropic {
    Anthropic::start(key.clone(), |asked| Does::Says(format!("You asked: {}", asked.prompt())))
}

fn stage(anthropic: &Anthropic) -> Home {
    Home::with_claude().host("api.anthropic.com", anthropic.upstream())
}

fn setup(home: &Home, more: &[&str]) -> Terminal {
    setup_in(home, more, 80)
}

fn setup_in(home: &Home, more: &[&str], columns: u16) -> Terminal {
    let command = home.command(&[&["setup", "--service", "no"], more].concat());
    Terminal::sized(command, columns, 40, &[("TERM", "xterm-256color")])
}

/// What a person wants: an answer.
fn asks_and_leaves(mut terminal: Terminal) {
    terminal.shows("You are talking to main (Claude Code)");
    terminal.shows("[Doorward] Doorward is set up");
    terminal.types("what is 17 times 23?");
    terminal.types(ENTER);
    terminal.shows("You asked:");
    terminal.types(CTRL_D);
    assert_eq!(terminal.wait().code, Some(0));
}

#[test]
fn from_nothing_to_an_answer() {
    let key = Key::api();
    let anthropic = answering(&key);
    let home = stage(&anthropic);
    let started = Instant::now();
    let mut terminal = setup(&home, &[]);
    terminal.shows("Where do you want to write to your assistant?");
    terminal.types(ENTER);
    terminal.shows("Who answers?");
    terminal.types(ENTER);
    terminal.shows("The key (it is not shown):");
    home.on_this_machine("main");
    terminal.types(&format!("{}{ENTER}", key.secret()));
    terminal.shows("Anthropic accepts the key.");
    terminal.shows("What may main reach besides its model?");
    terminal.types(ENTER);
    terminal.shows("Attack this installation once");
    terminal.types(&format!("n{ENTER}"));
    terminal.shows("All is set up (5 questions)");
    println!("setup: 5 questions, {:.1} s without images and drill", started.elapsed().as_secs_f32());
    assert!(!terminal.so_far().contains(key.secret()), "the key is shown");
    assert!(!terminal.so_far().contains('*'), "as many signs as nothing that was typed");
    asks_and_leaves(terminal);

    assert_eq!(anthropic.refused(), [""; 0]);
    let audit = home.audit();
    assert_eq!(audit.only("path", "/v1/messages/count_tokens")["verdict"], "allow", "the trial is judged and logged");
    let mode = std::fs::metadata(home.at("secrets/anthropic")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let policy = std::fs::read_to_string(home.policy_file("main")).unwrap();
    assert!(policy.contains("use = [\"claude\", \"weather\", \"wikipedia\"]") && policy.contains('#'), "{policy}");
    home.run(&["policy", "check", "main"]).ok();
    home.run(&["secret", "list"]).ok().prints("ANTHROPIC_API_KEY");
}

#[test]
fn every_answer_wrong_at_first() {
    let key = Key::token();
    let anthropic = answering(&key);
    let home = stage(&anthropic);
    let mut terminal = setup(&home, &[]);
    let nothing_like_it = |terminal: &mut Terminal, question: &str| {
        terminal.shows(question);
        terminal.types(&format!("zzz{ENTER}"));
        terminal.shows("zzz");
        terminal.types(&format!("{}{ENTER}", BACKSPACE.repeat(3)));
    };
    nothing_like_it(&mut terminal, "Where do you want to write to your assistant?");
    nothing_like_it(&mut terminal, "Who answers?");
    terminal.shows("The key (it is not shown):");
    home.on_this_machine("main");
    for (wrong, told) in
        [("short", "a secret is one line"), ("sk-proj-0123456789abcdef", "OpenAI"), ("hunter2 hunter2", "begin with")]
    {
        terminal.types(&format!("{wrong}{ENTER}"));
        terminal.shows(told);
        terminal.shows("The key (it is not shown):");
    }
    terminal.types(&format!("{}{ENTER}", random_key("sk-ant-oat01-")));
    terminal.shows("Anthropic does not accept this key");
    terminal.shows("The key (it is not shown):");
    terminal.types(&format!("{}{ENTER}", key.secret()));
    terminal.shows("Anthropic accepts the key.");
    terminal.shows("What may main reach besides its model?");
    terminal.types("zzz");
    terminal.shows("zzz");
    terminal.types(&format!("{}{ENTER}", BACKSPACE.repeat(3)));
    terminal.shows("Attack this installation once");
    terminal.types(&format!("perhaps{ENTER}"));
    terminal.shows("Invalid answer");
    terminal.types(&format!("{}n{ENTER}", BACKSPACE.repeat(7)));
    terminal.shows("All is set up (5 questions)");
    asks_and_leaves(terminal);
    assert_eq!(anthropic.refused().len(), 1, "the key that was not accepted, once");
    home.run(&["secret", "list"]).ok().prints("CLAUDE_CODE_OAUTH_TOKEN");
}

#[test]
fn what_was_broken_off_goes_on() {
    let key = Key::api();
    let anthropic = answering(&key);
    let home = stage(&anthropic);
    let mut terminal = setup(&home, &["--chats", "terminal", "--agent", "claude"]);
    terminal.shows("The key (it is not shown):");
    home.on_this_machine("main");
    terminal.types(&format!("{}{ENTER}", key.secret()));
    terminal.shows("What may main reach besides its model?");
    terminal.types(CTRL_C);
    terminal.shows("setup was broken off");
    assert_eq!(terminal.wait().code, Some(130));
    home.run(&["policy", "check", "main"]).ok();
    home.run(&["secret", "test", "anthropic"]).ok();

    let mut terminal = setup(&home, &["--chats", "terminal", "--agent", "claude", "--drill", "no"]);
    terminal.shows("There is a key for Claude in");
    terminal.types(ENTER);
    terminal.shows("What may main reach besides its model?");
    terminal.types(ENTER);
    terminal.shows("All is set up (2 questions)");
    asks_and_leaves(terminal);
    assert_eq!(home.run(&["group", "list", "--json"]).ok().json().as_array().unwrap().len(), 1);
}

/// The drill is held, and who has no systemd hears what to do instead.
#[test]
fn a_yes_to_the_drill_and_no_systemd() {
    let home = Home::new();
    let command = home.command(&["setup", "--chats", "terminal", "--agent", "shell", "--may", "none"]);
    let mut terminal = Terminal::sized(command, 80, 40, &[("TERM", "xterm-256color")]);
    terminal.shows("Attack this installation once");
    terminal.types(&format!("y{ENTER}"));
    if std::path::Path::new("/run/systemd/system").is_dir() {
        terminal.shows("Keep Doorward running");
        terminal.types(&format!("n{ENTER}"));
    } else {
        terminal.shows("systemd does not run here");
        let command = format!("`setsid {} up >doorward.log 2>&1 </dev/null &`", env!("CARGO_BIN_EXE_doorward"));
        terminal.shows(&command);
    }
    terminal.shows("The drill: attacks from a real sandbox of yours.");
    terminal.shows("attacks failed");
    terminal.shows("All is set up");
    terminal.shows("You are talking to main");
    // Before the prompt, the terminal itself would take it.
    terminal.shows("main> ");
    terminal.types(CTRL_D);
    assert_eq!(terminal.wait().code, Some(0));
    // What it kept of the drill is the owner's alone.
    home.run(&["doctor"]).ok().never_says("drill.json");
}

/// Everything as a flag, and the same again: nothing changes.
#[test]
fn nobody_has_to_be_there() {
    let key = Key::api();
    let anthropic = answering(&key);
    let home = stage(&anthropic);
    std::fs::write(home.at("key.txt"), format!("{}\n", key.secret())).unwrap();
    let file = home.at("key.txt").display().to_string();
    home.run(&["setup"]).code(2).says("--chats").says("--yes");
    home.run(&["setup", "--yes"]).code(2).says("say --key FILE").never_says("--yes for");
    let all = ["setup", "--yes", "--service", "no", "--key", &file, "--may", "weather", "--drill", "no"];
    home.run(&all).ok().prints("The key could not be tried").prints("All is set up.").never_says(key.secret());
    home.on_this_machine("main");
    home.run(&all).ok().prints("Anthropic accepts the key.");
    let files = ["doorward.toml", "groups/main.toml", "policies/main.toml"];
    let texts = || files.map(|file| std::fs::read_to_string(home.at(file)).unwrap());
    let before = texts();
    home.run(&["setup", "--yes", "--may", "weather", "--drill", "no"]).ok();
    assert_eq!(texts(), before);
    home.run(&["setup", "--yes", "--may", "wether"]).code(2).says("there is no preset \"wether\"");
    home.chat("main", "hello").ok().prints("You asked:");
}

/// What is wrong on the command line is said before anything is written.
#[test]
fn flags_are_looked_at_first() {
    let home = Home::without_engine();
    std::fs::write(home.at("key.txt"), Key::api().secret()).unwrap();
    let file = home.at("key.txt").display().to_string();
    let setup = |more: &[&str]| home.run(&[&["setup", "--yes", "--key", &file], more].concat());
    setup(&["--may", "weather,wikipedai"]).code(2).says("there is no preset \"wikipedai\"");
    setup(&["--chats", "whatsapp", "--phone", "0170"]).code(2).says("--phone:");
    assert!(!home.at("secrets").exists() && !home.at("doorward.toml").exists());
}

/// The list of presets is what a group may reach, not what is added to it.
#[test]
fn what_is_unmarked_is_taken_away() {
    let home = Home::new();
    let shell = ["setup", "--yes", "--agent", "shell", "--drill", "no", "--service", "no"];
    home.run(&shell).ok().prints("by the presets weather, wikipedia");
    std::fs::write(home.at("policies/family.toml"), "use = [\"weather\"]\n").unwrap();
    let mut terminal = setup(&home, &["--chats", "terminal", "--agent", "shell", "--drill", "no"]);
    terminal.shows("What may main reach?");
    // Letters search the list, and a space unmarks what was found.
    terminal.types("weather");
    terminal.shows("weather");
    terminal.types(&format!(" {ENTER}"));
    terminal.shows("+use = [\"wikipedia\"]");
    terminal.shows("by the presets wikipedia)");
    terminal.shows("You are talking to main");
    terminal.shows("main> ");
    terminal.types(CTRL_D);
    assert_eq!(terminal.wait().code, Some(0));
    home.run(&["policy", "explain", "main", "GET", "https://api.open-meteo.com/v1/forecast"]).code(1);
    home.run(&[&shell[..], &["--may", "none"]].concat()).ok().prints("-use = [\"wikipedia\"]").prints("(0 rules)");
    let policy = std::fs::read_to_string(home.policy_file("main")).unwrap();
    assert!(policy.contains("\nuse = []\n"), "{policy}");
}

/// Nothing stays down that ran before, without a word of it.
#[test]
fn a_daemon_ends_for_what_is_written_and_its_owner_hears_of_it() {
    let home = Home::new();
    home.run(&["setup", "--yes", "--agent", "shell", "--drill", "no", "--service", "no"]).ok();
    let daemon = home.up();
    let mut terminal = setup(&home, &[]);
    terminal.shows("Where do you want to write to your assistant?");
    terminal.types(CTRL_C);
    terminal.shows("setup was broken off");
    assert_eq!(terminal.wait().code, Some(130));
    home.run(&["status"]).ok();

    let mut terminal = setup(&home, &["--chats", "terminal", "--agent", "shell"]);
    terminal.shows("What may main reach?");
    terminal.types(CTRL_C);
    terminal.shows("Doorward was stopped for this: `doorward up` starts it again.");
    assert_eq!(terminal.wait().code, Some(130));
    home.run(&["status"]).code(1);
    drop(daemon);
}

/// Only what setup can see to, and nothing that works is changed.
#[test]
fn an_agent_of_another_kind_stays_and_is_not_said_to_work_where_it_cannot() {
    let home = Home::new();
    home.run(&["setup", "--yes", "--agent", "codex"]).code(2).says("invalid value 'codex'");
    let all = ["setup", "--yes", "--drill", "no", "--service", "no"];
    home.run(&[&all[..], &["--agent", "shell"]].concat()).ok();
    std::fs::write(home.at("groups/main.toml"), "agent = \"codex\"\n").unwrap();
    let ran = home.run(&all).code(1).says("gives it no way to OpenAI").says("doorward agent set main codex");
    ran.never_says("All is set up");
    assert_eq!(std::fs::read_to_string(home.at("groups/main.toml")).unwrap(), "agent = \"codex\"\n");
}

/// All that is asked, with mistakes, until the chat; and what it comes to in a terminal of this width.
fn shown_at(columns: u16) -> (String, String) {
    let key = Key::api();
    let anthropic = answering(&key);
    let home = stage(&anthropic);
    let mut terminal = setup_in(&home, &[], columns);
    let started_with = |terminal: &mut Terminal, words: &str, answer: &str| {
        terminal.shows(words);
        terminal.types(answer);
    };
    started_with(&mut terminal, "Where do you", ENTER);
    started_with(&mut terminal, "Who answers?", ENTER);
    terminal.shows("it is not");
    home.on_this_machine("main");
    started_with(&mut terminal, "shown):", &format!("short{ENTER}"));
    started_with(&mut terminal, "a secret is", "");
    started_with(&mut terminal, "shown):", &format!("sk-proj-0123456789abcdef{ENTER}"));
    started_with(&mut terminal, "OpenAI", "");
    started_with(&mut terminal, "shown):", &format!("{}{ENTER}", key.secret()));
    started_with(&mut terminal, "What may main", ENTER);
    started_with(&mut terminal, "Attack this", &format!("p{ENTER}"));
    started_with(&mut terminal, "Invalid", &format!("{BACKSPACE}n{ENTER}"));
    terminal.shows("All is set up");
    terminal.shows("You are talking");
    terminal.shows("Doorward is");
    terminal.shows("main> ");
    terminal.types(CTRL_D);
    let seen = terminal.wait();
    assert_eq!(seen.code, Some(0), "{}", seen.text);

    // Broken off, and gone on with: other questions, and what is said then.
    let mut again = setup_in(&home, &["--chats", "terminal"], columns);
    started_with(&mut again, "Who answers?", ENTER);
    started_with(&mut again, "Go on", CTRL_C);
    again.shows("broken off");
    let text = format!("{}\n{}", plain(&seen.text), plain(&again.wait().text));
    (text, home.path().display().to_string())
}

#[test]
fn no_question_is_broken_inside_a_word() {
    let (whole, home) = shown_at(400);
    let whole = format!("{whole} {home}");
    let mut findings = Vec::new();
    for columns in [40, 80, 120] {
        let (text, home) = shown_at(columns);
        let wider = text.split(['\r', '\n']).filter(|line| display_width(line.trim_end()) > usize::from(columns));
        findings.extend(wider.map(|line| format!("wider than {columns}: {line:?}")));
        let broken = broken_words(&text, &format!("{whole} {home}"));
        findings.extend(broken.into_iter().map(|word| format!("{word:?} at {columns} is no whole word")));
    }
    assert!(findings.is_empty(), "{findings:#?}");
}
