//! What an owner asks the command line: explain, audit, doctor, tour.

use std::os::unix::fs::PermissionsExt;

use crate::support::{self, Daemon, Home, Response, Upstream, until};

const NOTES: &str = "\
[[allow]]
host = \"api.github.com\"
do = [\"GET /**\", \"POST /repos/me/notes/issues\"]

[[deny]]
host = \"api.github.com\"
do = [\"* /gists/**\"]
why = \"gists are an upload channel\"
";

/// The one command that widens what a policy allows: it shows first, and asks.
#[test]
fn a_preset_that_would_allow_more_is_shown_and_taken_on_a_yes() {
    let home = Home::without_engine().group("family").policy("family", "use = [\"weather\"]\n");
    let taken = home.at("data/presets/weather.toml");
    std::fs::create_dir_all(taken.parent().unwrap()).unwrap();
    let narrower =
        "[[allow]]\nhost = \"api.open-meteo.com\"\ndo = [\"GET /v1/forecast\"]\nwhy = \"the weather forecast\"\n";
    std::fs::write(&taken, narrower).unwrap();
    let place = ["policy", "explain", "family", "GET", "https://geocoding-api.open-meteo.com/v1/search"];
    home.run(&place).code(1);
    home.run(&["policy", "check"]).ok().prints("doorward policy accept weather");

    let shown = home.run(&["policy", "accept"]).ok();
    shown.prints("geocoding-api.open-meteo.com GET /v1/search").prints("This may allow more than before.");
    home.run(&["policy", "accept", "weather"]).code(1).says("nothing was changed");
    home.run(&["policy", "accept", "wether"]).code(2).says("there is no preset");
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), narrower);
    home.run(&["policy", "accept", "weather", "--yes"]).ok().prints("in force");
    let accepted = home.audit();
    let [event] = &accepted.events("preset_accepted")[..] else { panic!("{accepted:#?}") };
    assert!(event.contains("the owner accepted preset weather") && event.contains("1 rule added"), "{event}");
    assert_eq!(accepted.1.len(), 1, "asking for it and saying no are no events: {accepted:#?}");
    home.run(&place).ok();
    home.run(&["policy", "accept"]).ok().prints("All presets are up to date.");
}

#[test]
fn explain_names_rule_file_and_line() {
    let home = Home::without_engine().group("family").policy("family", NOTES);
    let explain = |method: &str, url: &str| home.run(&["policy", "explain", "family", method, url]);

    let denied = explain("POST", "https://api.github.com/gists").code(1);
    denied.prints("deny").prints("policies/family.toml:5").prints("gists are an upload channel");
    let allowed = explain("POST", "https://api.github.com/repos/me/notes/issues?token=abc").ok();
    allowed.prints("allow").prints("policies/family.toml:1").never_says("token=abc");
    explain("PUT", "https://api.github.com/user").code(1).prints("method_denied");
    explain("GET", "https://elsewhere.example/").code(1).prints("[[allow]]").prints("host = \"elsewhere.example\"");
    explain("GET", "not a url").code(2).says("not a url");
    // By no other name, port or scheme.
    explain("GET", "http://doorward.internal/policy").ok().prints("allow").prints("Doorward itself answers there");
    for elsewhere in
        ["https://doorward.internal/policy", "http://doorward.internal:8080/", "http://doorward.internal.example/"]
    {
        explain("GET", elsewhere).code(1).prints("deny");
    }

    let json =
        home.run(&["policy", "explain", "--json", "family", "POST", "https://api.github.com/gists"]).code(1).json();
    assert_eq!((&json["verdict"], &json["code"]), (&"deny".into(), &"denied_by_rule".into()), "{json:#}");
    assert_eq!((&json["rule"]["file"], &json["rule"]["line"]), (&"policies/family.toml".into(), &5.into()), "{json:#}");
    let json = home.run(&["policy", "explain", "--json", "family", "GET", "https://api.github.com/user"]).ok().json();
    assert_eq!((&json["verdict"], &json["rule"]["line"]), (&"allow".into(), &1.into()), "{json:#}");
}

#[test]
fn explain_needs_neither_daemon_nor_engine() {
    let home = Home::without_engine().config("[engine]\nhost = \"unix:///nowhere/docker.sock\"").group("family");
    let explain = || home.run(&["policy", "explain", "family", "POST", "https://api.github.com/gists"]).code(1);
    explain().prints("not_allowed").prints("none names it");
    std::fs::remove_file(home.policy_file("family")).unwrap();
    // No file is a policy, which allows nothing; a group that is not there has none.
    explain().prints("none names it").prints("doorward policy allow family");
    home.run(&["policy", "show", "club"]).code(1).says("club.toml").says("doorward group add club");
}

/// A home in which one request was allowed and one was denied.
fn with_a_past() -> (Home, Daemon) {
    let news = Upstream::start(&["news.example"], |_| Response::ok("the town has a new bridge\n"));
    let policy = "[[allow]]\nhost = \"news.example\"\ndo = [\"POST /today\"]\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new().host("news.example", &news).group("family").policy("family", policy).group("work");
    let daemon = home.up();
    home.exec("family", "curl -sS -d milk 'https://news.example/today?key=hush'; curl -sS https://other.example/").ok();
    (home, daemon)
}

#[test]
fn audit_shows_rule_bytes_and_time() {
    let (home, _daemon) = with_a_past();
    let audit = home.audit();
    let allowed = audit.only("host", "news.example");
    assert_eq!((&allowed["verdict"], &allowed["ending"]), (&"allow".into(), &"ended".into()));
    assert_eq!((&allowed["method"], &allowed["path"]), (&"POST".into(), &"/today".into()));
    assert_eq!(allowed["rule"], serde_json::json!({"file": "policies/family.toml", "line": 1}));
    let outcome = &allowed["outcome"];
    assert_eq!(
        (&outcome["status"], &outcome["bytes_up"], &outcome["bytes_down"]),
        (&200.into(), &4.into(), &26.into())
    );
    assert!(outcome["micros"].as_u64().unwrap() > 0 && outcome["address"].as_str().unwrap().starts_with("127.0.0.1:"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!((now - 600_000..=now).contains(&allowed["at_ms"].as_i64().unwrap()));
    assert!(!allowed.to_string().contains("hush"), "values of a query are not kept: {allowed:#}");
    let denied = audit.only("host", "other.example");
    assert_eq!((&denied["verdict"], &denied["code"]), (&"deny".into(), &"not_allowed".into()));
    home.run(&["audit"]).ok().prints("POST news.example/today").prints("not_allowed").never_says("hush");
    home.run(&["audit", "verify"]).ok().prints("Note this fingerprint");
}

#[test]
fn audit_filters() {
    let (home, _daemon) = with_a_past();
    let hosts = |filters: &[&str]| -> Vec<String> {
        home.audit_with(filters).0.iter().map(|record| record["host"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(hosts(&[]), ["news.example", "other.example"]);
    assert_eq!(hosts(&["--denied"]), ["other.example"]);
    assert_eq!(hosts(&["--allowed"]), ["news.example"]);
    assert_eq!(hosts(&["--host", "news.*"]), ["news.example"]);
    assert_eq!(hosts(&["--group", "work"]), [""; 0]);
    assert_eq!(hosts(&["--since", "1h", "--limit", "1", "--requests"]), ["other.example"]);
    assert_eq!(hosts(&["--since", "2099-01-01"]), [""; 0]);
    home.run(&["audit", "--since", "yesterdayish"]).code(2).says("since");
}

#[test]
fn audit_follow_prints_what_comes() {
    let (home, _daemon) = with_a_past();
    let following = home.start(&["audit", "--follow", "--json"]);
    until("the follower to be there", || {
        home.exec("family", "curl -sS https://new.example/").ok();
        following.printed().contains("new.example")
    });
    assert!(following.printed().contains("other.example"), "it begins with what is there");
    following.interrupt();
    following.wait();
}

#[test]
fn audit_verify_finds_what_was_changed() {
    let (home, daemon) = with_a_past();
    daemon.stop().ok();
    home.run(&["audit", "verify"]).ok();
    let segment = home.at("data/audit/000000000001.jsonl");
    let text = std::fs::read_to_string(&segment).unwrap();
    let changed = text.replace("other.example", "nobody.example");
    assert_ne!(changed, text);
    std::fs::write(&segment, changed).unwrap();
    home.run(&["audit", "verify"]).code(1);
}

#[test]
fn the_tour_needs_nobody_at_the_keyboard() {
    let home = Home::new();
    let tour = home.run(&["tour"]).ok();
    tour.prints("bank.example").prints("weather.example");
    assert_eq!(home.containers(), Vec::<String>::new());
}

#[test]
fn doctor_is_content_with_a_good_home_and_names_what_is_broken() {
    let home = Home::new().group("family");
    home.run(&["doctor"]).code(3).prints("alarms are told in no chat").prints("doorward group set family main");
    home.run(&["group", "set", "family", "main"]).ok();
    home.run(&["doctor"]).ok().prints("Everything is there");
    home.write_policy("family", "[[allow]]\nhots = \"news.example\"\n");
    home.run(&["doctor"]).prints("family.toml");
    let home = home.config("[engine]\nhost = \"unix:///nowhere/docker.sock\"");
    let ran =
        home.run(&["doctor"]).code(3).prints("BROKEN").prints("/nowhere/docker.sock, which `host`").prints("fix:");
    ran.never_says("apt-get install");
}

/// Each finding once, with what mends it, and nothing of what follows from another.
#[test]
fn doctor_names_each_fault_once_with_its_own_remedy() {
    let place = "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK_TOKEN\"\n";
    let home = Home::new().group("main").credential("bank", "bank-0123456789", place);
    home.run(&["group", "set", "main", "main"]).ok();
    let config = std::fs::read_to_string(home.at("doorward.toml")).unwrap();
    let broken = |ran: &support::Ran| ran.out.lines().filter(|line| line.starts_with("BROKEN")).count();

    std::fs::write(home.at("doorward.toml"), config.replace("env =", "evn =")).unwrap();
    let ran = home.run(&["doctor"]).code(3).prints("evn").never_says("needs the credential");
    assert_eq!(broken(&ran), 1, "{ran:#?}");
    std::fs::write(home.at("doorward.toml"), &config).unwrap();

    let (key, open) = (home.at("bank.key"), std::fs::Permissions::from_mode(0o644));
    std::fs::set_permissions(&key, open).unwrap();
    let ran = home.run(&["doctor"]).code(3).prints(&format!("fix: chmod 600 {}", key.display()));
    assert_eq!(broken(&ran), 1, "{ran:#?}");
    home.run(&["doctor", "--fix"]).ok().prints("FIXED");
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let ran = home.run(&["doctor"]).code(3).prints("can be entered by other users");
    assert_eq!(broken(&ran), 1, "{ran:#?}");
    home.run(&["doctor", "--fix"]).ok().prints("FIXED");
    assert_eq!(std::fs::metadata(home.path()).unwrap().permissions().mode() & 0o777, 0o700);

    home.write_policy("main", "mode = \"observe\"\nobserve_until = \"2099-12-31\"\n");
    home.run(&["doctor"]).ok().prints("observes until 2099-12-31");
    home.run(&["group", "list"]).ok().prints("OBSERVES until 2099-12-31");

    let daemon = home.up();
    home.run(&["doctor"]).ok().never_says("changed since the daemon was started");
    std::fs::write(home.at("doorward.toml"), format!("{config}\n# a remark\n")).unwrap();
    home.run(&["doctor"]).ok().prints("changed since the daemon was started");
    home.write_policy("main", "[[allow]]\nhots = \"news.example\"\n");
    home.run(&["doctor"]).code(3).prints("the daemon goes on with the last one that was");
    daemon.stop().ok();
}

/// What keeps everything from working is told before a daemon is started.
#[test]
fn doctor_knows_what_would_keep_the_daemon_from_working() {
    let place = "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK_TOKEN\"\n";
    let home = Home::new().group("main");
    home.run(&["group", "set", "main", "main"]).ok();
    let config = std::fs::read_to_string(home.at("doorward.toml")).unwrap_or_default();
    let with = |more: &str| std::fs::write(home.at("doorward.toml"), format!("{config}\n{more}\n")).unwrap();
    let told = |found: &str| {
        let ran = home.run(&["doctor"]).prints(found).never_says("Everything is there");
        assert_eq!(ran.out.lines().filter(|line| line.starts_with(['B', 'w'])).count(), 1, "{ran:#?}");
        ran
    };
    // Each entry of its own, as the daemon reads it: one that it does not start with is a mistake in the settings.
    for (key, file) in [("extra_ca", "nope.pem"), ("crl", "x.crl")] {
        with(&format!("[upstream]\n{key} = [\"{file}\"]"));
        told(file).code(3);
        home.run(&["up"]).code(1).says(file);
    }
    with("[alarm]\ncommand = [\"/no/such/prog\"]");
    told("there is no program /no/such/prog").code(3);
    with("[alarm]\ncommand = [\"/bin/true\"]");
    home.run(&["doctor"]).ok().prints("Everything is there");

    home.run(&["lock", "main"]).ok();
    told("main is locked").prints("fix: doorward unlock main");
    home.run(&["unlock"]).ok();
    std::fs::write(home.at("data/lock.json"), "{").unwrap();
    told("so every group is locked").code(3);
    home.run(&["status"]).code(1).says("`doorward unlock` ends that");
    home.run(&["unlock"]).ok();
    home.run(&["pause", "1h"]).ok();
    told("every group is paused until").prints("fix: doorward resume");
    home.run(&["resume"]).ok();

    home.write_policy("main", "[[allow]]\nhost = \"bank.example\"\ndo = [\"GET /\"]\ncredential = \"nosuch\"\n");
    told("puts on the credential nosuch").prints("fix: doorward credential add nosuch");
    for command in [&["policy", "check", "main"][..], &["policy", "explain", "main", "GET", "https://bank.example/"]] {
        home.run(command).ok().prints("doorward.toml has no credential nosuch");
    }
    home.write_policy("main", "");

    // A secret's file is one thing, whoever looks at it.
    std::fs::create_dir_all(home.at("secrets")).unwrap();
    std::fs::write(home.at("secrets/bank"), "bank-0123456789\n").unwrap();
    std::fs::set_permissions(home.at("secrets/bank"), std::fs::Permissions::from_mode(0o644)).unwrap();
    with(&format!("[credentials.bank]\nsecret = \"file:secrets/bank\"\n{place}"));
    told("other users of this machine can read").code(3);
    home.run(&["doctor", "--fix"]).ok().prints("Everything is there");

    std::fs::write(home.at("groups/main.toml"), "agent = \"claude\"\n").unwrap();
    home.run(&["doctor"]).code(3).prints("fix: doorward policy use main claude");
    home.write_policy("main", "use = [\"claude\"]\n");
    home.run(&["doctor"]).code(3).prints("fix: doorward credential add anthropic");
}

/// A mistake in base.toml is one, and no group's.
#[test]
fn a_mistake_in_base_toml_is_told_once() {
    let home = Home::without_engine().group("family").group("work");
    std::fs::write(home.at("policies/base.toml"), "[[deny]]\nhots = \"a.example\"\n").unwrap();
    let ran = home.run(&["doctor"]).code(3).prints("policies/base.toml: ");
    assert_eq!(ran.out.matches("hots").count(), 1, "{ran:#?}");
    ran.never_says("policies/family.toml");
    let refused = home.run(&["policy", "allow", "family", "b.example"]).code(1);
    refused.says("policies/base.toml is wrong as it stands");
}

/// What can never be heard is not taken, and said of what was taken before.
#[test]
fn chats_on_whatsapp_are_checked_when_they_are_given() {
    let home = Home::without_engine();
    let add = |name: &str, more: &[&str]| home.run(&[&["group", "add", name, "--channel", "whatsapp"], more].concat());
    add("family", &["--chat", "Our family"]).code(2).says("`doorward whatsapp chats`");
    add("family", &["--chat", "0170123456"]).code(2).says("+49 170123456");
    add("family", &["--chat", "self"]).code(2).says("self-chat");
    add("family", &["--chat", "120363012345678901@g.us"]).ok().prints("nothing yet but Claude");
    add("shop", &["--chat", "+491701234567", "--agent", "shell"])
        .ok()
        .says("takes every message of this chat as a command");
    home.run(&["doctor"])
        .code(3)
        .prints("WhatsApp: not enabled")
        .prints("agent of shop")
        .prints("group set family main");

    home.run(&["group", "add", "main", "--main"]).ok();
    add("me", &["--main", "--chat", "+491707654321"]).code(1).says("doorward group set me main");
    add("me", &["--chat", "+491707654321"]).ok();
    home.run(&["group", "set", "me", "main"]).ok().prints("main is not any more");
    home.run(&["group", "set", "nobody", "main"]).code(1).says("nobody");
    home.run(&["doctor"]).code(3).prints("me (the main group: alarms too)");
}

#[test]
fn groups_are_added_listed_and_forgotten() {
    let home = Home::without_engine().group("family");
    home.run(&["group", "add", "family"]).code(1).says("family");
    home.run(&["group", "add", "Not A Name"]).code(2).says("Not A Name");
    let listed = home.run(&["group", "list", "--json"]).ok().json();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["name"]), (1, &"family".into()));
    home.run(&["group", "remove", "family"]).code(2).says("--yes");
    home.run(&["group", "remove", "family", "--yes"]).ok();
    assert_eq!(home.run(&["group", "list", "--json"]).ok().json(), serde_json::json!([]));
    assert!(home.policy_file("family").exists() && home.group_folder("family").exists(), "what the owner made stays");
}

/// No command takes a group that is not there for one of which there is nothing to say.
#[test]
fn a_typing_error_in_a_groups_name_is_said_by_each_command() {
    let home = Home::without_engine().group("family");
    for command in [
        &["unlock", "famliy"][..],
        &["usage", "famliy"],
        &["undelivered", "famliy"],
        &["requests", "clear", "famliy"],
        &["exec", "famliy", "--", "true"],
        &["chat", "--group", "famliy", "--once", "date"],
    ] {
        home.run(command).code(1).says("there is no group famliy; did you mean family?");
    }
    home.run(&["policy", "test", "famliy"]).code(1).says("did you mean family?");
    home.run(&["unlock", "family"]).ok().prints("Nothing of that was locked");
    // What a group that is gone has left is still reached.
    home.run(&["lock", "family"]).ok();
    home.run(&["group", "remove", "family", "--yes"]).ok().says("`doorward unlock family` ends that");
    home.run(&["unlock", "family"]).ok().prints("family is unlocked");
    home.run(&["unlock", "family"]).code(1).says("there is no group family");
}

/// An alarm must never be told to nobody without a word.
#[test]
fn who_removes_the_main_group_hears_what_that_means() {
    let home = Home::without_engine().group("main").group("family").group("club");
    home.run(&["group", "set", "main", "main"]).ok();
    home.run(&["group", "remove", "club", "--yes"]).ok().never_says("main group").never_says("alarms");
    home.run(&["group", "remove", "main", "--yes"])
        .ok()
        .says("alarms and questions reach nobody")
        .says("`doorward group set NAME main`");
    home.run(&["group", "remove", "family", "--yes"]).ok().never_says("alarms");
}

/// The policies of images are called `image-NAME`.
#[test]
fn no_group_has_the_policy_of_an_image() {
    let home = Home::without_engine();
    home.run(&["image", "new", "tools"]).ok();
    for name in ["image-tools", "image-other"] {
        home.run(&["group", "add", name]).code(1).says("what the build of an image fetches by");
    }
    assert!(home.policy_file("image-tools").exists() && !home.policy_file("image-other").exists());
}

#[test]
fn a_group_without_a_policy_file_is_allowed_nothing() {
    let home = Home::without_engine().group("family");
    std::fs::remove_file(home.policy_file("family")).unwrap();
    let says = "`doorward policy allow family \u{2026}` begins it";
    home.run(&["policy", "show", "family"]).ok().says(says);
    home.run(&["policy", "check", "family"]).ok().says(says).prints("0 rules");
    home.run(&["policy", "explain", "family", "GET", "https://news.example/"]).code(1).says(says).prints("not_allowed");
    home.run(&["policy", "allow", "family", "news.example"]).ok();
    home.run(&["policy", "explain", "family", "GET", "https://news.example/"]).ok().never_says(says);
}

/// It is judged with each group's policy, and is one thing to mend.
#[test]
fn a_mistake_in_base_toml_is_told_once_and_as_its_own() {
    let home = Home::without_engine().group("family").group("work");
    std::fs::write(home.at("policies/base.toml"), "[[deny]]\nhots = \"news.example\"\n").unwrap();
    let ran = home.run(&["doctor"]).code(3);
    let told = ran.out.lines().filter(|line| line.contains("hots")).count();
    assert!(told == 1 && ran.out.contains("policies/base.toml"), "{ran:#?}");
    home.run(&["policy", "allow", "family", "news.example"]).code(1).says("policies/base.toml is wrong as it stands");
}
