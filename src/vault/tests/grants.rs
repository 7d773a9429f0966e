//! Access tokens: when they are due, and that the refresh token is never lost.

use std::path::PathBuf;
use std::time::Duration;

use super::super::*;
use super::{definitions, identity, write_secret};

const FIRST: &str = "refresh-token-number-1";
const SECOND: &str = "refresh-token-number-2";
const ACCESS: &str = "ya29.access-token-number-1";

struct Fixture {
    dir: tempfile::TempDir,
    vault: Vault,
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        write_secret(&dir.path().join("refresh"), FIRST);
        write_secret(&dir.path().join("client"), "client-secret/&=");
        let text = "[credentials.mail]\nsecret = \"file:refresh\"\nhosts = [\"api.test\"]\nenv = \"TOKEN\"\n\
            [credentials.mail.oauth]\ntoken = \"https://login.test/token\"\nclient_id = \"me@x\"\n\
            client_secret = \"file:client\"\nrefresh_env = \"REFRESH\"\n";
        let vault = Vault::new(definitions(text, dir.path()), SetAside::at(dir.path().join("set-aside")));
        Fixture { dir, vault }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("refresh")
    }

    fn granted(&self, answer: &str) -> Result<(), String> {
        self.vault.granted("mail", 200, answer.as_bytes()).map_err(|error| error.to_string())
    }

    fn is_due(&self) -> bool {
        self.vault.due("mail").expect("readable").is_some()
    }

    fn is_watched(&self, text: &str) -> bool {
        self.vault.watchlist().find_in(text.as_bytes()).is_some()
    }
}

fn answer(refresh: &str) -> String {
    format!("{{\"access_token\":\"{ACCESS}\",\"expires_in\":\"3600\",\"refresh_token\":\"{refresh}\"}}")
}

#[test]
fn a_token_is_due_until_it_is_granted_and_all_of_it_is_watched() {
    let fixture = Fixture::new();
    assert!(fixture.is_watched(FIRST) && fixture.is_watched("client-secret/&="), "from the start");
    assert!(fixture.vault.reveal("mail").is_err());
    let request = fixture.vault.due("mail").expect("readable").expect("due");
    assert_eq!(request.content_type, "application/x-www-form-urlencoded");
    assert_eq!(
        request.body.expose_secret(),
        "grant_type=refresh_token&refresh_token=refresh-token-number-1&client_id=me%40x\
         &client_secret=client-secret%2F%26%3D"
    );
    fixture.granted(&answer(SECOND)).expect("a good answer");
    assert_eq!(fixture.vault.reveal("mail").expect("granted").expose_secret(), ACCESS);
    assert_eq!(std::fs::read_to_string(fixture.file()).expect("stored"), SECOND);
    for secret in [FIRST, SECOND, ACCESS] {
        assert!(fixture.is_watched(secret), "{secret}");
    }
    assert!(!fixture.is_due());
    assert!(fixture.vault.lifetime("mail").is_some_and(|left| left > Duration::from_secs(3500)));
}

/// The old one may be invalid already: the new one is kept, and stored before anything else.
#[test]
fn what_cannot_be_stored_is_kept_and_nothing_is_used_before_it_is() {
    let fixture = Fixture::new();
    std::fs::remove_file(fixture.file()).expect("removed");
    std::fs::create_dir(fixture.file()).expect("a folder in its place");
    let error = fixture.granted(&answer(SECOND)).expect_err("cannot be stored");
    assert!(error.contains("refresh") && !error.contains(SECOND) && !error.contains(ACCESS), "{error}");
    assert!(fixture.vault.reveal("mail").is_err());
    assert!(fixture.is_watched(SECOND));
    fixture.vault.lock().failed.clear();
    assert!(fixture.vault.due("mail").is_err(), "still in the way");
    std::fs::remove_dir(fixture.file()).expect("removed");
    let request = fixture.vault.due("mail").expect("stored now").expect("due");
    assert_eq!(std::fs::read_to_string(fixture.file()).expect("stored"), SECOND);
    assert!(request.body.expose_secret().contains("number-2"));
}

#[test]
fn a_token_that_a_host_refuses_is_due_unless_it_is_young() {
    let fixture = Fixture::new();
    fixture.granted(&answer(FIRST)).expect("a good answer");
    fixture.vault.rejected("mail");
    assert!(!fixture.is_due(), "a sandbox can make a host refuse");
    let slot = ("mail".into(), Part::Own);
    let long_ago = Instant::now().checked_sub(Duration::from_secs(61)).expect("a machine that is up for a minute");
    fixture.vault.lock().values.get_mut(&slot).expect("a token").read_at = long_ago;
    fixture.vault.rejected("mail");
    assert!(fixture.is_due());
    assert!(fixture.vault.reveal("mail").is_err());
}

#[test]
fn an_answer_that_brings_nothing_is_told_without_repeating_it() {
    let fixture = Fixture::new();
    let long = "x".repeat(20_000);
    for body in ["", "[]", "{}", "{\"access_token\":\"short\"}", "{\"access_token\":\"with a blank in it\"}", &long] {
        let error = fixture.granted(body).expect_err(body);
        assert!(error.contains("credential mail") && !error.contains("blank") && !error.contains("xxx"), "{error}");
    }
    let refused = |body: &str| fixture.vault.granted("mail", 400, body.as_bytes()).expect_err("refused").to_string();
    assert!(refused("{\"error\":\"invalid_grant\"}").contains("secret rotate mail"));
    assert!(refused("{\"error\":\"invalid_client\"}").contains("[credentials.mail.oauth]"));
    let odd = refused("{\"error\":\"token refresh-token-number-1 is bad\"}");
    assert!(odd.contains("400") && !odd.contains("number"), "{odd}");
    assert!(fixture.vault.due("mail").is_err(), "not asked again at once");
}

#[test]
fn a_sandbox_holds_a_surrogate_of_each() {
    let fixture = Fixture::new();
    let issued = fixture.vault.issue(&identity("a1"), &["mail".into()]);
    let [(refresh, first), (token, second)] = &issued.environment[..] else { panic!("two variables") };
    let mut names = [refresh.as_str(), token.as_str()];
    names.sort_unstable();
    assert_eq!(names, ["REFRESH", "TOKEN"]);
    assert!(first != second && fixture.is_watched(first) && fixture.is_watched(second));
    assert!(!first.contains("number") && !second.contains("number"));
}
