//! What an owner changes by commands instead of opening a file.

use crate::support::{self, Home};

const OWN: &str = "# The family's rules.\nuse = [\"weather\"] # rain\n\n[[allow]] # notes\nhost = \"notes.example\"\ndo = [\"GET /a\"]\n";

fn policy(home: &Home) -> String {
    std::fs::read_to_string(home.policy_file("family")).unwrap()
}

fn allowed(home: &Home, method: &str, url: &str) -> bool {
    home.run(&["policy", "explain", "family", method, url]).code == Some(0)
}

#[test]
fn a_site_is_allowed_for_reading_and_one_request_exactly() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    let shown = home.run(&["policy", "allow", "family", "bbc.example", "--dry-run"]).ok();
    shown.prints("+host = \"bbc.example\"").prints("+access = \"read\"").prints("Nothing was written");
    assert_eq!(policy(&home), OWN);

    let done = home.run(&["policy", "allow", "family", "bbc.example", "--why", "the news"]).ok();
    done.prints("may read every page of bbc.example").prints("Not www.bbc.example");
    assert!(policy(&home).starts_with(OWN), "{}", policy(&home));
    assert!(allowed(&home, "GET", "https://bbc.example/sport") && !allowed(&home, "POST", "https://bbc.example/"));
    let kept = std::fs::read_to_string(home.at("policies/family.toml.previous")).unwrap();
    assert_eq!(kept, OWN);

    // A page needs a word of how much.
    let ask = home.run(&["policy", "allow", "family", "https://api.example/notes"]).code(2);
    ask.says("--read allows every page of api.example").says("--exactly allows GET https://api.example/notes alone");
    // Half of a request is no host.
    for (command, half) in [("allow", "GET"), ("deny", "post")] {
        home.run(&["policy", command, "family", half]).code(2).says("is a method; say of which URL");
    }
    let request = ["policy", "allow", "family", "POST", "https://api.example/notes?secret=1"];
    home.run(&request).ok().prints("may do POST https://api.example/notes");
    assert!(allowed(&home, "POST", "https://api.example/notes") && !allowed(&home, "GET", "https://api.example/notes"));
    assert!(!policy(&home).contains("secret=1"));
    let before = policy(&home);
    home.run(&request).ok().prints("already");
    assert_eq!(policy(&home), before);
    for line in ["by doorward policy allow", "why = \"the news\""] {
        assert!(before.contains(line), "{before}");
    }
}

/// It stands for a key in the commands that refusals name.
#[test]
fn a_star_is_what_it_is_in_a_rule() {
    let home = Home::without_engine().group("family");
    let (one, all) = ("https://bots.example/bot1:a/send", "https://bots.example/bot*/send");
    // As earlier versions wrote it.
    home.run(&["policy", "allow", "family", "POST", "https://bots.example/bot%2A/send"]).ok();
    assert!(!allowed(&home, "POST", one), "{}", policy(&home));
    home.run(&["policy", "allow", "family", "POST", all]).ok();
    assert!(allowed(&home, "POST", one), "{}", policy(&home));
    assert!(!allowed(&home, "POST", "https://bots.example/bot1:a/x/send"));
    home.run(&["policy", "allow", "family", "POST", all]).ok().prints("already");
    home.run(&["policy", "deny", "family", "POST", all]).ok();
    assert!(!allowed(&home, "POST", one), "{}", policy(&home));
    home.run(&["policy", "allow", "family", "POST", all]).code(1);
}

/// What stands there is not written again, and an old warning is no news.
#[test]
fn a_rule_is_written_once() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    for command in [&["allow", "family", "bbc.example"][..], &["deny", "family", "ads.example"]] {
        let command = [&["policy"], command].concat();
        home.run(&command).ok().prints("Written:");
        let before = policy(&home);
        home.run(&command).ok().prints("says so already. Nothing was changed.");
        assert_eq!(policy(&home), before);
    }
    home.run(&["policy", "deny", "family", "https://club.example/members"]).ok();
    home.run(&["policy", "allow", "family", "club.example"]).ok().prints("but for what a [[deny]] names");
    // Twice the same rule, by hand: told once, where it is looked for.
    let twice = "[[allow]]\nhost = \"a.example\"\naccess = \"read\"\n";
    home.write_policy("family", &format!("{twice}\n{twice}"));
    home.run(&["policy", "check", "family"]).ok().prints("says the same");
    home.run(&["policy", "allow", "family", "b.example"]).ok().never_says("says the same");
}

/// A group without a file may reach nothing, and a command that ends it is no remedy.
#[test]
fn a_group_without_a_policy_file_may_reach_nothing() {
    let home = Home::without_engine().group("family");
    let _ = std::fs::remove_file(home.policy_file("family"));
    home.run(&["policy", "show", "family"]).ok().prints("family may reach nothing");
    home.run(&["policy", "check", "family"]).ok().prints("0 rules");
    home.run(&["policy", "explain", "family", "GET", "https://a.example/"])
        .code(1)
        .prints("doorward policy allow family");
    home.run(&["policy", "show", "famliy"]).code(1).says("did you mean family?");
}

/// What the help of skills shows can be typed; and a file that is to become a group's is compared as the group's.
#[test]
fn a_skill_is_added_as_its_help_says_and_no_difference_takes_it_away() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    let help = home.run(&["skill", "--help"]).ok().out;
    for example in help.lines().filter(|line| line.contains("skill add") && !line.contains("./")) {
        let words: Vec<&str> = example.split_whitespace().skip(1).chain(["--yes"]).collect();
        home.run(&words).ok().prints("family has the skill");
    }
    let rule = "\n[[allow]]\nhost = \"forms.example\"\ndo = [\"POST /submit\"]\n";
    std::fs::write(home.at("new.toml"), format!("{OWN}{rule}")).unwrap();
    let new = home.at("new.toml").display().to_string();
    for said in [&["family", &new][..], &["family", &new, "--group", "family"]] {
        let ran = home.run(&[&["policy", "diff"], said].concat()).ok().prints("+ allow forms.example");
        assert!(!ran.out.lines().any(|line| line.starts_with("- ")), "{ran:#?}");
    }
    let turned = home.run(&["policy", "diff", &new, "family"]).ok().prints("- allow forms.example");
    turned.prints("allows nothing that was not allowed before");
}

#[test]
fn what_is_allowed_for_a_while_ends() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    let until = |args: &[&str]| home.run(&[&["policy", "allow", "family"], args].concat());
    let done = until(&["tickets.example", "--until", "2h"]).ok();
    done.prints("+until = \"20").prints("Written: until ").prints("may read every page of tickets.example");
    assert!(allowed(&home, "GET", "https://tickets.example/"));
    let explained =
        |at: &str| home.run(&["policy", "explain", "family", "GET", "https://tickets.example/", "--at", at]);
    explained("9998-01-01").code(1).prints("not_allowed");
    // For good, whatever allows it meanwhile; and that is more than a while.
    until(&["GET", "https://tickets.example/one"]).ok().prints("+do = [\"GET /one\"]");
    until(&["GET", "https://tickets.example/one", "--until", "3h"]).ok().prints("already");
    until(&["tickets.example", "--until", "2020-01-01"]).code(2).says("is over already");
    until(&["tickets.example", "--until", "someday"]).code(2).says("sat 22:00");
    let ended = OWN.replace("do = [\"GET /a\"]", "access = \"read\"\nuntil = \"2020-01-01 12:00\"");
    std::fs::write(home.policy_file("family"), ended).unwrap();
    home.run(&["policy", "show", "family"]).ok().prints("ended  notes.example");
    assert!(!allowed(&home, "GET", "https://notes.example/a"));
}

#[test]
fn a_pause_needs_no_daemon() {
    let home = Home::without_engine().group("family");
    home.run(&["pause", "family", "1h"]).ok().prints("family is paused until").prints("doorward resume family");
    home.run(&["resume", "family"]).ok().prints("family goes on");
    home.run(&["resume", "family"]).ok().prints("Nothing was paused");
    home.run(&["pause", "1h"]).ok().prints("Every group is paused");
    home.run(&["resume", "family"]).code(1).says("stays paused");
    home.run(&["resume"]).ok().prints("Every group goes on");
    home.run(&["pause", "famliy", "1h"]).code(1).says("did you mean family?");
    home.run(&["pause", "family"]).code(2).says("write a length of time");
    home.run(&["pause", "40d"]).code(2).says("31 days at most");
}

#[test]
fn what_a_deny_closes_is_not_said_to_be_allowed() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    home.run(&["policy", "deny", "family", "https://notes.example/private"]).ok().prints("and all below it");
    assert!(
        !allowed(&home, "GET", "https://notes.example/private/x") && allowed(&home, "GET", "https://notes.example/a")
    );
    let before = policy(&home);
    let closed = home.run(&["policy", "allow", "family", "https://notes.example/private/x", "--exactly"]).code(1);
    closed.says("nothing was changed").says("remove the [[deny]] at policies/family.toml");
    home.run(&["policy", "allow", "family", "--read", "https://notes.example/private/x"]).code(1).says("all the same");
    assert_eq!(policy(&home), before);
}

#[test]
fn presets_are_listed_shown_and_used() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    let list = home.run(&["policy", "presets"]).ok();
    list.prints("Wikipedia, read only, in every language.").prints("Needs the credential anthropic.");
    home.run(&["policy", "show", "wikipedia"]).ok().prints("*.wikipedia.org");
    home.run(&["policy", "use", "family", "wikipdia"]).code(2).says("did you mean wikipedia?");
    home.run(&["policy", "use", "family", "claude"]).ok().says("doorward credential add anthropic");
    assert_eq!(policy(&home), OWN.replace("[\"weather\"]", "[\"weather\", \"claude\"]"));
    home.run(&["policy", "use", "famliy", "claude"]).code(1).says("there is no group famliy; did you mean family?");
}

#[test]
fn a_file_that_is_wrong_is_left_as_it_is() {
    let wrong = "[[allow]]\nhost = \"a.example\"\naccess = \"read\"\nuse = [\"weather\"]\n";
    let home = Home::without_engine().group("family").policy("family", wrong);
    let told = home.run(&["policy", "allow", "family", "b.example"]).code(1);
    told.says("wrong as it stands").says("above the first [table]");
    assert_eq!(policy(&home), wrong);
}

#[test]
fn a_group_is_set_without_opening_its_file() {
    let home = Home::without_engine().group("family").group("me");
    let file = home.at("groups/family.toml");
    home.run(&["group", "set", "family", "agent", "claude"]).ok().says("doorward policy use family claude");
    home.run(&["group", "set", "family", "model", "opus"]).ok().prints("+model = \"opus\"");
    home.run(&["group", "set", "family", "memory", "1 GiB"]).ok();
    home.run(&["group", "set", "family", "pids", "200"]).ok();
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("agent = \"claude\"                    # claude, opencode, codex, or shell"), "{text}");
    assert!(
        text.contains("\nmodel = \"opus\"\n") && text.contains("[limits]\nmemory = \"1 GiB\"\npids = 200\n"),
        "{text}"
    );
    home.run(&["group", "set", "family", "memory", "much"]).code(1).says("nothing was changed");
    home.run(&["group", "set", "family", "agnet", "shell"]).code(2).says("did you mean agent?");
    home.run(&["group", "set", "family", "agent", "shell"]).ok();
    // A list, in TOML as the help writes it or as words; what it replaces goes.
    for list in [&["[\"claude\", \"opencode\"]"][..], &["claude", "opencode"]] {
        home.run(&[&["group", "set", "family", "agents"], list].concat()).ok();
        let text = std::fs::read_to_string(home.at("groups/family.toml")).unwrap();
        assert!(text.contains("agents = [\"claude\", \"opencode\"]") && !text.contains("agent ="), "{text}");
        home.run(&["group", "set", "family", "agent", "shell"]).ok();
    }
    home.run(&["group", "set", "family", "language", "en", "de"]).code(2).says("language is one value");
    assert!(!std::fs::read_to_string(&file).unwrap().contains("\nmodel ="));

    home.run(&["group", "set", "family", "main"]).ok().prints("alarms and questions");
    home.run(&["group", "set", "me", "main"]).ok().prints("family is not any more");
    home.run(&["group", "list"]).ok().prints("me      yes");
}

#[test]
fn a_credential_of_a_known_service_needs_its_name_alone() {
    let home = Home::without_engine();
    let secret = "sk-ant-oat01-0123456789abcdefghij";
    let given = |args: &[&str]| support::Running::start(home.command(args), &format!("{secret}\n")).wait();
    let shown = given(&["credential", "add", "anthropic", "--dry-run"]).ok();
    shown.prints("+hosts = [\"api.anthropic.com\"]");
    assert!(!home.at("secrets/anthropic").exists());
    // The token of a subscription goes another way than a key.
    let done = given(&["credential", "add", "anthropic"]).ok();
    done.prints("+env = \"CLAUDE_CODE_OAUTH_TOKEN\"").prints("+place = [\"header:authorization\"]").never_says(secret);
    home.run(&["secret", "list"]).ok().prints("anthropic").prints("yes");
    given(&["credential", "add", "anthropic"]).code(1).says("secret rotate anthropic");
    // Half of one is made whole: its secret was lost, or its lines were never written.
    home.run(&["secret", "remove", "anthropic"]).ok();
    given(&["credential", "add", "anthropic"]).ok().prints("its secret is there again").never_says(secret);
    home.run(&["secret", "test", "anthropic"]).ok();
    given(&["secret", "add", "telegram"]).code(1).says("that is a key for Claude");
    home.run(&["secret", "remove", "anthropic"]).ok();
    std::fs::remove_file(home.at("doorward.toml")).unwrap();
    given(&["secret", "add", "anthropic"]).ok();
    home.run(&["credential", "add", "anthropic"]).ok().prints("+[credentials.anthropic]").says("is kept already");
    home.run(&["secret", "test", "anthropic"]).ok();
    given(&["credential", "add", "antropic"]).code(2).says("did you mean anthropic?");
    given(&["credential", "add", "club", "--host", "api.club.example/x"]).code(1).never_says(secret);
    assert!(!home.at("secrets/club").exists(), "what cannot be written is refused before a secret is kept");
    given(&["credential", "add", "club", "--host", "api.club.example"]).ok().prints("+env = \"CLUB_TOKEN\"");
}

#[test]
fn a_typing_error_is_no_stop() {
    let home = Home::without_engine().group("family");
    home.run(&["stop", "famliy"]).code(1).says("there is no group famliy; did you mean family?");
    home.run(&["stop", "family"]).ok().prints("No daemon runs");
    home.run(&["stop", "--all"]).ok().prints("No daemon runs");
    home.run(&["stop"]).code(2);
    home.run(&["exec", "family", "ls"]).code(2).says("Write `--` before the command");
}

#[test]
fn a_group_goes_with_everything_when_that_is_said() {
    let home = Home::without_engine().group("family").policy("family", OWN);
    let agent = home.at("data/agents/family");
    std::fs::create_dir_all(agent.join("projects")).unwrap();
    std::fs::write(agent.join("projects/transcript.jsonl"), "{}").unwrap();
    home.run(&["group", "reset", "family"]).ok().prints("transcripts").prints("data/agents/family");
    let kept = home.run(&["group", "remove", "family", "--yes"]).ok();
    kept.prints("--everything").prints("data/agents/family").prints("policies/family.toml");
    assert!(agent.exists() && home.policy_file("family").exists());
    home.run(&["group", "remove", "family", "--everything", "--yes"]).ok().prints("transcripts");
    for left in [agent, home.group_folder("family"), home.policy_file("family"), home.at("groups/family.toml")] {
        assert!(!left.exists(), "{}", left.display());
    }
    home.run(&["group", "remove", "family", "--everything", "--yes"]).code(1).says("there is no group family");
}
