//! One record in full, and the report when nothing matches.

use super::*;

/// The output of `audit show`, without what varies from run to run.
fn shown(scene: &Scene, number: u64) -> String {
    let (text, _) = scene.run(&["show", &number.to_string()]);
    let (first, rest) = text.split_once('\n').unwrap();
    let home = scene.home.policy_file(&GroupName::parse("family").unwrap()).display().to_string();
    format!("{}\n{}", first.split(", of ").next().unwrap(), rest.replace(&home, "FILE"))
}

#[test]
fn a_record_is_shown_in_full() {
    let scene = Scene::new();
    let with = Decision { run: Some(7), swap: Some("header:authorization".into()), ..decision(Allowed::Allow, "/v1") };
    let with = Decision { head_bytes: Some(300), policy: Some("9f86d081".into()), ..with };
    let seq = scene.log.decided(&with).unwrap();
    let ended = Outcome { status: Some(200), bytes_up: 12, bytes_down: 3_456, micros: 73_400, ..Outcome::default() };
    scene.ended(seq, &Outcome { address: "192.0.2.1:443".parse().ok(), scrubbed: 1, ..ended });
    assert_eq!(
        shown(&scene, seq.0),
        "\
Record 4

what        GET api.example/v1
does        read from api.example “/v1”
from        group family, sandbox abc1, run 7
to          api.example, port 443, at 192.0.2.1:443
verdict     allowed
rule        policies/family.toml, line 4
policy      9f86d081
credential  github, put into header authorization
up          312 B
down        3.4 kB
answer      200
took        73 ms
scrubbed    secrets taken off the answer: 1
"
    );
    assert!(shown(&scene, 5).starts_with("Record 5 tells how the request of record 4 ended.\n"));
    let lift = vec!["[[allow]]\nhost = \"api.example\"\ndo = [\"GET /x\"]".to_owned()];
    let denied = scene.log.decided(&Decision { lift, ..decision(Allowed::Deny, "/x\u{1b}[2J") }).unwrap();
    let text = shown(&scene, denied.0);
    let lines = "To allow it, put this into FILE:\n\n[[allow]]\nhost = \"api.example\"\ndo = [\"GET /x\"]\n";
    assert!(
        text.contains("\nverdict     refused; nothing of it went out\nwhy         no rule of group family"),
        "{text}"
    );
    assert!(text.contains("\ncode        not_allowed\n") && text.ends_with(lines), "{text}");
    assert!(text.contains("/x\\u{1b}[2J"), "{text}");
}

#[test]
fn an_alarm_is_shown_with_what_to_do() {
    let scene = Scene::new();
    let code = Some(Code::SecretInRequest);
    let why = Some("the body holds a secret of credential bank in base64".into());
    let leak = Decision { alarm: true, code, why, ..decision(Allowed::Deny, "/x") };
    let leak = scene.log.decided(&Decision { findings: vec!["bank in body as base64".into()], ..leak }).unwrap();
    scene.log.decided(&decision(Allowed::Deny, "/y")).unwrap();
    let text = shown(&scene, leak.0);
    assert!(text.contains("\nfound       bank in body as base64\n"), "{text}");
    assert!(text.contains("\nWhat to do: a sandbox should not know a real secret: replace"), "{text}");
    let (alarms, _) = scene.run(&["--alarms", "--json"]);
    assert_eq!(alarms.lines().count(), 1, "{alarms}");
    let (json, _) = scene.run(&["show", &leak.0.to_string(), "--json"]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["code"], "secret_in_request");
}

#[test]
fn a_number_that_is_no_request_is_explained() {
    let scene = Scene::new();
    assert!(shown(&scene, 1).contains("Record 1") && shown(&scene, 3).contains("the audit log was opened"));
    let (checkpoint, _) = scene.run(&["show", "2"]);
    assert!(checkpoint.contains(": a checkpoint, which signs all"), "{checkpoint}");
    let args = CommandLine::parse_from(["audit", "show", "99"]).audit.command;
    let Some(AuditCommand::Show(args)) = args else { panic!("{args:?}") };
    let error = show::run(&args, &scene.home, Screen::PIPE, &mut Vec::new()).unwrap_err().to_string();
    assert_eq!(error, "there is no record 99; the last one is 3");
}

#[test]
fn a_filter_that_matches_nothing_says_what_there_is() {
    let scene = Scene::new();
    for host in ["api.open-meteo.com", "geo.open-meteo.com", "bbc.co.uk"] {
        scene.log.decided(&at_host(host, decision(Allowed::Deny, "/"))).unwrap();
    }
    let said = |args: &[&str]| scene.run(args).0;
    assert!(
        said(&["--host", "bbc.uk"]).contains("of host bbc.uk; did you mean bbc.co.uk?"),
        "{}",
        said(&["--host", "bbc.uk"])
    );
    assert!(
        said(&["--host", "open-meteo"])
            .contains("`--host '*open-meteo*'` finds api.open-meteo.com, geo.open-meteo.com.")
    );
    assert!(said(&["--group", "famliy"]).contains("of group famliy; did you mean family?"));
    let earlier = said(&["--host", "bbc.co.uk", "--until", "yesterday"]);
    assert!(earlier.starts_with("Nothing in the log matches. The last at another time is of 20"), "{earlier}");
    assert_eq!(said(&["--allowed", "--requests"]), "Nothing in the log matches.\n");
}
