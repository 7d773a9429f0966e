#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;

use policies::GroupName;

use super::*;
use crate::gateway::policy_files::PolicyFiles;

fn group() -> GroupName {
    GroupName::parse("family").unwrap()
}

fn a_home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    home.prepare().unwrap();
    (dir, home)
}

fn with_policy(text: &str) -> (tempfile::TempDir, Home) {
    let (dir, home) = a_home();
    std::fs::write(home.policy_file(&group()), text).unwrap();
    (dir, home)
}

fn policy_text(home: &Home) -> String {
    std::fs::read_to_string(home.policy_file(&group())).unwrap()
}

#[test]
fn a_list_is_added_to_as_it_is_laid_out() {
    for (before, after) in [
        ("", "use = [\"wikipedia\"]\n"),
        ("# Family.\n\n[limits]\n", "# Family.\nuse = [\"wikipedia\"]\n\n[limits]\n"),
        ("# Of the limits.\n[limits]\n", "use = [\"wikipedia\"]\n# Of the limits.\n[limits]\n"),
        ("[limits]\n", "use = [\"wikipedia\"]\n\n[limits]\n"),
        (
            "# Words.\n# use = [\"git-read\"]\n#\n# [[allow]]\n",
            "# Words.\n# use = [\"git-read\"]\nuse = [\"wikipedia\"]\n#\n# [[allow]]\n",
        ),
        ("leaks = \"block\" # all\n# use it\n", "leaks = \"block\" # all\nuse = [\"wikipedia\"]\n# use it\n"),
        ("use = []", "use = [\"wikipedia\"]"),
        ("use = [ \"weather\" ] # mine\n", "use = [ \"weather\", \"wikipedia\" ] # mine\n"),
        ("use = [\"weather\",]\n", "use = [\"weather\", \"wikipedia\"]\n"),
        ("use = \"weather\"\n", "use = [\"weather\", \"wikipedia\"]\n"),
        ("use = [\n  \"weather\" # rain, sun\n]\n", "use = [\n  \"weather\", # rain, sun\n  \"wikipedia\",\n]\n"),
        ("use = [\n\t\"weather\",\n]\n", "use = [\n\t\"weather\",\n\t\"wikipedia\",\n]\n"),
        ("use = [\r\n  \"weather\",\r\n]\r\n", "use = [\r\n  \"weather\",\r\n  \"wikipedia\",\r\n]\r\n"),
        ("use = [\"wikipedia\"] # there\n", "use = [\"wikipedia\"] # there\n"),
        ("use = \"wikipedia\"\n", "use = \"wikipedia\"\n"),
    ] {
        assert_eq!(text::push(before, "use", "wikipedia").unwrap(), after, "{before:?}");
    }
    assert!(text::push("use = 1", "use", "wikipedia").is_err());
}

#[test]
fn a_preset_goes_and_every_other_byte_stays() {
    for (before, after) in [
        ("use = [\"claude\", \"weather\", \"wikipedia\"] # mine\n", "use = [\"claude\", \"wikipedia\"] # mine\n"),
        ("use = [\"claude\", \"weather\"]\nleaks = \"block\"\n", "use = [\"claude\"]\nleaks = \"block\"\n"),
        ("use = [\"claude\", \"weather\", ]\n", "use = [\"claude\", ]\n"),
        ("use = [ \"weather\" ]\n", "use = []\n"),
        ("use = \"weather\" # rain\n", "use = [] # rain\n"),
        (
            "use = [\n  \"claude\",\n  \"weather\", # rain\n  # the rest\n]\n",
            "use = [\n  \"claude\",\n  # the rest\n]\n",
        ),
        ("use = [\n  \"claude\",\n  \"weather\"\n]\n", "use = [\n  \"claude\",\n]\n"),
        ("use = [\"claude\",\n  \"weather\"]\n", "use = [\"claude\"]\n"),
        ("use = [\"weather\",\n  \"claude\"]\n", "use = [\"claude\"]\n"),
        ("use = [\"claude\"]\n", "use = [\"claude\"]\n"),
        ("# use = [\"weather\"]\n", "# use = [\"weather\"]\n"),
    ] {
        assert_eq!(text::pull(before, "use", "weather").unwrap(), after, "{before:?}");
    }
}

#[test]
fn a_key_is_set_where_it_belongs() {
    for (before, table, after) in [
        ("", &[][..], "pids = 7\n"),
        ("pids=3# few\nother = 1", &[], "pids=7# few\nother = 1"),
        (
            "agent = \"shell\" # who\n# pids = 5   # how many\n# [limits]\n",
            &[],
            "agent = \"shell\" # who\n# pids = 5   # how many\npids = 7\n# [limits]\n",
        ),
        ("", &["limits"], "[limits]\npids = 7\n"),
        ("a = 1\n", &["limits"], "a = 1\n\n[limits]\npids = 7\n"),
        ("[limits] # x\n\n[b]\n", &["limits"], "[limits] # x\npids = 7\n\n[b]\n"),
        ("[limits]\ncpus = 1 # one\n# end\n", &["limits"], "[limits]\ncpus = 1 # one\npids = 7\n# end\n"),
        ("limits.cpus = 1\n[b]\n", &["limits"], "limits.cpus = 1\nlimits.pids = 7\n[b]\n"),
        ("limits = { cpus = 1 } # x\n", &["limits"], "limits = { cpus = 1 , pids = 7 } # x\n"),
        ("[a.b]\nc = 1", &["a"], "[a.b]\nc = 1\n\n[a]\npids = 7\n"),
        ("[a.b]\nc = 1", &["a", "b"], "[a.b]\nc = 1\npids = 7\n"),
    ] {
        assert_eq!(text::set(before, table, "pids", "7").unwrap(), after, "{before:?}");
    }
}

#[test]
fn a_key_goes_with_its_line_and_leaves_the_words_above() {
    for (before, table, after) in [
        ("# all\npids = 7 # x\nb = 1\n", &[][..], "# all\nb = 1\n"),
        ("b = 1\n", &[], "b = 1\n"),
        ("[limits]\n  pids = 7", &["limits"], "[limits]\n"),
        ("limits.pids = 7\nb = 1", &["limits"], "b = 1"),
        ("limits = { pids = 7, cpus = 1 }\n", &["limits"], "limits = { cpus = 1 }\n"),
    ] {
        assert_eq!(text::remove(before, table, "pids").unwrap(), after, "{before:?}");
    }
}

#[test]
fn rules_are_added_below_and_every_other_byte_stays() {
    let before =
        "# The family.\nuse = [\"weather\"]\n\n[[allow]] # b before a\nhost = \"b.test\"\naccess = \"read\"\n# Try it";
    let (_dir, home) = with_policy(before);
    let rule = Rule::of("a.test").reading().why("the \"news\"").note("by me\nhost = 1, at noon");
    let edit = Edit::policy(&home, &group()).unwrap().add_allow(&rule).unwrap();
    let edit = edit.add_deny(&Rule::of("a.test").requests(&["* /x".to_owned()])).unwrap();
    let shown = edit.difference();
    assert!(shown.contains("+[[allow]]\n+host = \"a.test\"\n") && !shown.contains("b.test"), "{shown}");
    let previous = edit.write().unwrap().previous.unwrap();
    assert_eq!(std::fs::read_to_string(previous).unwrap(), before);
    assert_eq!(
        policy_text(&home),
        format!(
            "{before}\n\n# by me\\u{{a}}host = 1, at noon\n[[allow]]\nhost = \"a.test\"\naccess = \"read\"\n\
             why = 'the \"news\"'\n\n[[deny]]\nhost = \"a.test\"\ndo = [\"* /x\"]\n"
        )
    );
    assert_eq!(PolicyFiles::compile(&home, &group()).unwrap().policy.rules().denies.len(), 1);
}

#[test]
fn a_list_of_rules_in_one_line_is_added_to() {
    let (_dir, home) = with_policy("allow = [{ host = \"b.test\", access = \"read\" }]\n");
    let edit = Edit::policy(&home, &group()).unwrap().add_allow(&Rule::of("a.test").reading()).unwrap();
    assert!(edit.text().contains("}, { host = \"a.test\", access = \"read\" }]"), "{}", edit.text());
    edit.write().unwrap();
}

#[test]
fn what_would_lift_a_refusal_is_a_rule() {
    let lines =
        "[[allow]]\nhost = \"a.test\"\ndo = [\n    \"GET /a\",\n]\n\n[[allow]]\nhost = \"b.test\"\naccess = \"read\"\n";
    let rules = Rule::all(lines);
    assert_eq!(rules.len(), 2);
    let (_dir, home) = with_policy("");
    let edit = rules.iter().try_fold(Edit::policy(&home, &group()).unwrap(), |edit, rule| edit.add_allow(rule));
    assert_eq!(edit.unwrap().text(), lines);
    assert!(Rule::all("# remove the [[deny]] at policies/family.toml:9").is_empty());
}

#[test]
fn what_would_not_load_is_not_written() {
    let before = "[[allow]]\nhost = \"b.test\"\naccess = \"read\"\n";
    let (_dir, home) = with_policy(before);
    let open = || Edit::policy(&home, &group()).unwrap();
    let why = open().use_preset("wikipdia").unwrap().write().unwrap_err();
    let problem = why.problems().unwrap().to_string();
    assert!(problem.starts_with("policies/family.toml:1:8: ") && problem.contains("wikipedia"), "{problem}");
    let why = open().add_allow(&Rule::of("a.test")).unwrap().write().unwrap_err();
    assert!(why.to_string().contains("does not say what may be asked"), "{why}");
    // A [[test]] that must stay denied counts, too.
    std::fs::write(home.policy_file(&group()), "[[test]]\nrequest = \"GET https://a.test/\"\nwant = \"deny\"\n")
        .unwrap();
    let why = open().add_allow(&Rule::of("a.test").reading()).unwrap().write().unwrap_err();
    assert!(matches!(why, EditError::WouldBeWrong { .. }), "{why}");
    assert!(policy_text(&home).starts_with("[[test]]") && !policy_text(&home).contains("allow]]"));
}

#[test]
fn a_file_that_is_wrong_already_is_said_to_be() {
    for wrong in ["[[allow]]\nhots = \"a.test\"\n", "use = ["] {
        let (_dir, home) = with_policy(wrong);
        let edit = Edit::policy(&home, &group()).and_then(|edit| edit.use_preset("weather")).and_then(Edit::write);
        assert!(matches!(edit, Err(EditError::WrongAlready { .. })), "{edit:?}");
        assert_eq!(policy_text(&home), wrong);
    }
}

#[test]
fn nothing_is_written_where_nothing_changes() {
    let (_dir, home) = with_policy("use = [\"weather\"]");
    let edit = Edit::policy(&home, &group()).unwrap().use_preset("weather").unwrap();
    assert_eq!((edit.changes(), edit.difference()), (false, String::new()));
    assert_eq!(edit.write().unwrap().previous, None);
}

#[test]
fn who_saves_the_file_meanwhile_loses_nothing() {
    let (_dir, home) = with_policy("");
    let edit = Edit::policy(&home, &group()).unwrap().use_preset("weather").unwrap();
    std::fs::write(home.policy_file(&group()), "# by hand\n").unwrap();
    assert!(matches!(edit.write(), Err(EditError::Changed { .. })));
    assert_eq!(policy_text(&home), "# by hand\n");
}

/// Between the check and the replacement.
#[test]
fn who_saves_the_file_at_the_last_moment_loses_nothing() {
    let (dir, home) = with_policy("");
    let path = home.policy_file(&group());
    let in_folder = || std::fs::read_dir(dir.path().join("policies")).unwrap().count();
    for before in [Some("before"), None] {
        std::fs::write(&path, "# by hand").unwrap();
        let put = disk::replace(&path, before, "ours");
        assert!(matches!(put, Err(EditError::Changed { .. })), "{before:?}: {put:?}");
        assert_eq!((policy_text(&home).as_str(), in_folder()), ("# by hand", 1), "{before:?}");
    }
    let put = disk::replace_in_two(disk::written(&path, "ours").unwrap(), &path, "before");
    assert!(matches!(put, Err(EditError::Changed { .. })), "{put:?}");
    assert_eq!(policy_text(&home), "# by hand");
    // Nor is a removed file created again.
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(disk::replace(&path, Some("before"), "ours"), Err(EditError::Changed { .. })));
    assert!(!path.exists());
    assert_eq!(disk::replace(&path, None, "ours").unwrap(), None);
    // A late write through an open descriptor goes into the copy that is kept.
    let mut late = std::fs::File::options().append(true).open(&path).unwrap();
    let previous = disk::replace(&path, Some("ours"), "anew").unwrap().unwrap();
    std::io::Write::write_all(&mut late, b" and late").unwrap();
    let kept = std::fs::read_to_string(previous).unwrap();
    assert_eq!((policy_text(&home).as_str(), kept.as_str()), ("anew", "ours and late"));
    let put = disk::replace_in_two(disk::written(&path, "again").unwrap(), &path, "anew").unwrap();
    assert_eq!((policy_text(&home).as_str(), std::fs::read_to_string(put).unwrap().as_str()), ("again", "anew"));
}

#[test]
fn many_writers_write_one_after_the_other() {
    let (_dir, home) = with_policy("");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let home = &home;
            scope.spawn(move || {
                let rule = Rule::of(&format!("a{number}.test")).reading();
                Edit::policy(home, &group()).unwrap().add_allow(&rule).unwrap().write().unwrap();
            });
        }
    });
    assert_eq!(PolicyFiles::compile(&home, &group()).unwrap().policy.rules().allows.len(), 8);
}

#[test]
fn a_link_and_the_rights_of_a_file_stay() {
    let (dir, home) = a_home();
    let kept = dir.path().join("dotfiles.toml");
    std::fs::write(&kept, "").unwrap();
    std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&kept, home.policy_file(&group())).unwrap();
    Edit::policy(&home, &group()).unwrap().use_preset("weather").unwrap().write().unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "use = [\"weather\"]\n");
    assert!(home.policy_file(&group()).is_symlink());
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn a_groups_settings_are_set_and_unset() {
    let (_dir, home) = a_home();
    let open = || Edit::group(&home, &group()).unwrap();
    open().set("agent", "claude").unwrap().set("memory", "1 GiB").unwrap().write().unwrap();
    open().set("model", "opus").unwrap().write().unwrap();
    let text = std::fs::read_to_string(home.group_file(&group())).unwrap();
    assert_eq!(text, "agent = \"claude\"\nmodel = \"opus\"\n\n[limits]\nmemory = \"1 GiB\"\n");
    let why = open().set("agent", "shell").unwrap().write().unwrap_err();
    assert!(why.to_string().contains("the shell has no model"), "{why}");
    open().unset("model").unwrap().set("agent", "shell").unwrap().write().unwrap();
    assert_eq!(GroupSettings::load(&home, &group()).unwrap().limits.memory, Some(1 << 30));
}

#[test]
fn a_credential_is_added_once_and_shows_no_other_line() {
    let (_dir, home) = a_home();
    std::fs::write(home.config_file(), "[assistant]\nname = \"Door\" # near a s3cret\n").unwrap();
    let new = NewCredential {
        name: "github",
        secret: "file:secrets/github",
        hosts: &["api.github.com"],
        place: &["header:authorization"],
        env: Some("GITHUB_TOKEN"),
    };
    let edit = Edit::config(&home).unwrap().credential(&new).unwrap();
    assert!(!edit.difference().contains("s3cret"), "{}", edit.difference());
    edit.write().unwrap();
    let config = Config::load(&home).unwrap();
    assert_eq!(config.credentials["github"].env.as_deref(), Some("GITHUB_TOKEN"));
    assert!(matches!(Edit::config(&home).unwrap().credential(&new), Err(EditError::Refused(_))));
    let edit = Edit::config(&home).unwrap().set(&["channels", "whatsapp"], "enabled", true).unwrap();
    assert!(edit.text().ends_with("\n\n[channels.whatsapp]\nenabled = true\n"), "{}", edit.text());
    let wrong = edit.set(&["queue"], "sandboxes", 0).unwrap().write().unwrap_err();
    assert!(wrong.to_string().contains("from 1 to 1000"), "{wrong}");
}
