//! OAuth 2: the gateway fetches access tokens, a sandbox holds surrogates of both, and
//! its own attempts to refresh are answered with surrogates.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{self, Door, Home, Response, Upstream, random_key, until};
use serde_json::Value;

const POLICY: &str = "\
[[allow]]
host = \"api.example\"
access = \"read\"
credential = \"calendar\"
private = [\"127.0.0.1/32\"]
";

/// A calendar behind OAuth, and a door of a group that may read it.
struct Stage {
    door: Door,
    home: Home,
    tokens: Upstream,
    api: Upstream,
    first: String,
}

/// What the n-th answer of the token endpoint holds.
fn access(run: &str, number: usize) -> String {
    format!("access-{run}-{number:04}")
}

fn refresh(run: &str, number: usize) -> String {
    format!("refresh-{run}-{number:04}")
}

impl Stage {
    /// `expires_in`: as the endpoint says it.
    fn new(expires_in: u64) -> (Self, String) {
        let run = random_key("");
        let (given, first) = (AtomicUsize::new(0), refresh(&run, 0));
        let home = Home::without_engine();
        let (file, stored): (PathBuf, _) = (home.at("calendar.key"), run.clone());
        let tokens = {
            let run = run.clone();
            Upstream::start(&["login.example"], move |request| {
                let number = given.fetch_add(1, Ordering::SeqCst);
                let body = String::from_utf8_lossy(&request.body).into_owned();
                if !body.contains(&refresh(&run, number)) {
                    return refused();
                }
                let answer = serde_json::json!({
                    "access_token": access(&run, number + 1), "refresh_token": refresh(&run, number + 1),
                    "token_type": "Bearer", "expires_in": expires_in,
                });
                Response::ok(answer.to_string()).header("content-type", "application/json")
            })
        };
        let api = Upstream::start(&["api.example"], move |request| {
            // The token that came with this one must be on the disk by now.
            let shown = request.header("authorization").unwrap_or("nothing").to_owned();
            let kept = std::fs::read_to_string(&file).unwrap();
            let number = shown.rsplit('-').next().unwrap_or_default().to_owned();
            let is_stored = kept == format!("refresh-{stored}-{number}");
            Response::ok(format!("stored: {is_stored}, you showed {shown}"))
        });
        let oauth = "hosts = [\"api.example\"]\nenv = \"CALENDAR_TOKEN\"\n[credentials.calendar.oauth]\n\
            token = \"https://login.example/token\"\nclient_id = \"me\"\nrefresh_env = \"CALENDAR_REFRESH\"\n\
            private = [\"127.0.0.1/32\"]\n";
        let home = home.host("api.example", &api).host("login.example", &tokens).group("family");
        let home = home.credential("calendar", &first, oauth).policy("family", POLICY);
        let door = Door::open(&home, "family");
        (Stage { door, home, tokens, api, first }, run)
    }

    fn get(&self) -> support::Answer {
        let header = format!("Authorization: Bearer {}\r\n", self.door.variable("CALENDAR_TOKEN"));
        self.door.get("api.example", "/today", &header)
    }

    fn post_token(&self, body: &str) -> support::Answer {
        let length = body.len();
        self.door.ask(
            "login.example",
            &format!("POST /token HTTP/1.1\r\nHost: login.example\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"),
        )
    }
}

fn refused() -> Response {
    let mut response = Response::ok("{\"error\":\"invalid_grant\",\"error_description\":\"gone\"}");
    response.status = 400;
    response
}

/// However many wait for it; and what replaced the refresh token is stored before the
/// token that came with it is used.
#[test]
fn a_token_is_fetched_once_and_its_successor_stored_first() {
    let (stage, run) = Stage::new(3600);
    let stage = Arc::new(stage);
    let askers: Vec<_> = (0..6)
        .map(|_| {
            let stage = stage.clone();
            std::thread::spawn(move || stage.get())
        })
        .collect();
    let surrogate = stage.door.variable("CALENDAR_TOKEN");
    for answer in askers.into_iter().map(|asker| asker.join().unwrap()) {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains(&format!("stored: true, you showed Bearer {surrogate}")), "{answer:?}");
    }
    assert_eq!(stage.tokens.lines(), ["POST /token"]);
    assert!(stage.api.received(&access(&run, 1)) && !stage.api.received(&stage.first));

    let audit = stage.home.audit();
    let fetched = audit.only("swap", "oauth:refresh");
    assert_eq!((&fetched["credential"], &fetched["host"]), (&Value::from("calendar"), &Value::from("login.example")));
    assert_eq!(audit.0[0]["swap"], fetched["swap"], "its record comes first");
    let said = format!("{audit:?}");
    for secret in [access(&run, 1), stage.first.clone(), refresh(&run, 1)] {
        assert!(!said.contains(&secret), "{said}");
    }
}

#[test]
fn a_token_that_ends_is_fetched_anew_with_what_the_last_one_brought() {
    let (stage, run) = Stage::new(1);
    for number in 1..=3 {
        assert_eq!(stage.get().status, 200);
        assert!(stage.api.received(&access(&run, number)));
    }
    assert_eq!(stage.tokens.lines().len(), 3);
    assert_eq!(std::fs::read_to_string(stage.home.at("calendar.key")).unwrap(), refresh(&run, 3));
}

/// What a client library does by itself. Nothing of it reaches the endpoint.
#[test]
fn a_sandbox_that_refreshes_gets_surrogates() {
    let (stage, run) = Stage::new(3600);
    let surrogate = stage.door.variable("CALENDAR_REFRESH");
    let answer = stage.post_token(&format!("grant_type=refresh_token&client_id=other&refresh_token={surrogate}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let tokens: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(tokens["access_token"], Value::from(stage.door.variable("CALENDAR_TOKEN")));
    assert_eq!(tokens["refresh_token"], Value::from(surrogate.clone()));
    assert!(tokens["expires_in"].as_u64().unwrap() > 3000, "{tokens}");
    let json = format!("{{\"grant_type\":\"refresh_token\",\"refresh_token\":\"{surrogate}\"}}");
    assert_eq!(stage.post_token(&json).status, 200);
    assert_eq!(stage.tokens.lines(), ["POST /token"], "one is good for both");
    assert!(!stage.tokens.received(&surrogate) && !stage.tokens.received("other"));

    let foreign = random_key("refresh-");
    let answer = stage.post_token(&format!("grant_type=refresh_token&refresh_token={foreign}"));
    assert!(answer.status == 403 && answer.body.contains("credential_not_surrogate"), "{answer:?}");
    let answer = stage.post_token(&format!("grant_type=refresh_token&refresh_token={}", refresh(&run, 1)));
    assert!(answer.status == 403 && answer.body.contains("secret_in_request"), "{answer:?}");
    let answer = stage.post_token("grant_type=authorization_code&code=abc");
    assert!(answer.status == 403 && answer.body.contains("surrogate_scope"), "{answer:?}");
    assert_eq!(stage.tokens.lines().len(), 1);
    // On the host of the calendar it is out of place.
    let header = format!("Authorization: Bearer {surrogate}\r\n");
    let answer = stage.door.get("api.example", "/today", &header);
    assert!(answer.status == 403 && answer.body.contains("surrogate_location"), "{answer:?}");
}

#[test]
fn a_sandbox_that_refreshes_pays_for_it_out_of_its_limits() {
    let (stage, _) = Stage::new(3600);
    let body = format!("grant_type=refresh_token&refresh_token={}", stage.door.variable("CALENDAR_REFRESH"));
    assert_eq!(stage.post_token(&body).status, 200);
    stage.home.write_policy("family", &format!("[limits]\nrequests_per_minute = 3\n\n{POLICY}"));
    until("the requests of the minute to be used up", || stage.post_token(&body).body.contains("limit_exceeded"));
    assert_eq!(stage.post_token(&body).status, 429);
    assert_eq!(stage.tokens.lines().len(), 1);
}

#[test]
fn a_refresh_token_that_is_no_longer_good_is_told_plainly() {
    let (stage, _) = Stage::new(1);
    assert_eq!(stage.get().status, 200);
    std::fs::write(stage.home.at("calendar.key"), "somebody-elses-token").unwrap();
    let answer = stage.get();
    assert!(answer.status >= 500 && answer.body.contains("secret_unavailable"), "{answer:?}");
    assert!(answer.body.contains("invalid_grant") && answer.body.contains("secret rotate calendar"), "{answer:?}");
    assert!(!answer.body.contains("gone") && !answer.body.contains("somebody"), "{answer:?}");
    // Not asked again at once, whatever the sandbox does.
    assert_eq!(stage.get().status, answer.status);
    assert_eq!(stage.tokens.lines().len(), 2);
    let audit = stage.home.audit();
    let asked = audit.with("host", "login.example");
    let failed = asked.iter().filter(|record| record["outcome"]["code"] == "secret_unavailable");
    assert!(failed.clone().all(|record| record["outcome"]["status"] == 400) && failed.count() == 1, "{audit:#?}");
}
