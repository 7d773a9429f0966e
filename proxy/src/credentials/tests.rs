//! The swap in places that few services use, without a door around it.
#![allow(clippy::unwrap_used)]

use std::future::ready;
use std::sync::Mutex;

use arc_swap::ArcSwap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gate::audit::{Decision, Ledger, LedgerDown, Noted, Outcome, Protocol, Seq};
use gate::{BodyJudged, Gate, Intercepted, Limits, Outside, Record, of_one_door, upstream_tls};
use policies::{GroupName, Host, HostName, Moment, SandboxId, Unfit};
use policy_file::Source;
use secrecy::{ExposeSecret, SecretString};

use super::*;
use crate::ports::{Budget, NobodyToAsk, Pending, Resolved, Resolver, SecretUnavailable, Unresolved};

const SURROGATE: &str = "surrogate-0123456789";
const OTHER: &str = "elsewhere-0123456789";

/// A vault with one secret.
struct One(&'static str);

impl Secrets for One {
    fn reveal(&self, _: &str) -> Result<SecretString, SecretUnavailable> {
        Ok(self.0.into())
    }

    fn held(&self, _: &str) -> Vec<SecretString> {
        vec![self.0.into()]
    }

    fn watchlist(&self) -> Arc<Watchlist> {
        Arc::default()
    }

    fn set_aside(&self, _: &Identity, _: &Authority) {}

    fn is_set_aside(&self, _: &GroupName, _: &Authority) -> bool {
        false
    }
}

fn credential(name: &str, surrogate: &str, places: &[Place]) -> Credential {
    Credential {
        name: name.into(),
        hosts: vec![Authority::parse("a.test:443", None).unwrap()],
        places: places.to_vec(),
        only: Vec::new(),
        surrogate: surrogate.into(),
        grant: None,
        minted: None,
        mints: Vec::new(),
    }
}

fn guard(one: &Credential) -> Guarded {
    Guarded {
        authority: one.hosts[0].clone(),
        credential: one.name.clone(),
        places: one.places.clone(),
        harmless: Vec::new(),
    }
}

/// A gate with nothing behind it.
fn gate(who: &Identity, policy: Policy) -> Arc<Gate> {
    let outside = Outside {
        ledger: Arc::new(Nothing),
        budget: Arc::new(Nothing),
        resolver: Arc::new(Nothing),
        now: Arc::new(|| Moment::FAR),
        latch: Arc::default(),
        hide: Arc::new(|_| None),
        owner: Arc::new(NobodyToAsk),
    };
    let tls = of_one_door(&upstream_tls(&[]).unwrap());
    Gate::new(who.clone(), Arc::new(ArcSwap::from_pointee(policy)), outside, tls, Limits::default())
}

struct Nothing;

impl Ledger for Nothing {
    fn decided(&self, _: &Decision) -> Result<Seq, LedgerDown> {
        Ok(Seq(1))
    }

    fn ended(&self, _: Seq, _: &Outcome) -> Result<(), LedgerDown> {
        Ok(())
    }

    fn noted(&self, _: &Noted) -> Result<(), LedgerDown> {
        Ok(())
    }
}

impl Budget for Nothing {
    fn admit<'a>(
        &'a self,
        _: &'a GroupName,
        _: &policies::Limits,
        _: Option<&'a Host>,
        _: u64,
    ) -> Pending<'a, Result<(), Refusal>> {
        Box::pin(ready(Ok(())))
    }

    fn spend(&self, _: &GroupName, _: &policies::Limits, _: u64) -> Result<(), Refusal> {
        Ok(())
    }
}

impl Resolver for Nothing {
    fn resolve<'a>(&'a self, _: &'a HostName) -> Pending<'a, Result<Vec<Resolved>, Unresolved>> {
        Box::pin(ready(Ok(Vec::new())))
    }
}

/// What goes out (target, `Authorization` and body), or why nothing does.
fn sent(
    held: &[Credential],
    secret: &'static str,
    request: (&str, &str, &str),
) -> Result<(String, String, String), Code> {
    sent_by(Keyring::new(held.to_vec(), held.iter().map(guard)), secret, request)
}

fn sent_by(
    keyring: Keyring,
    secret: &'static str,
    (target, authorization, body): (&str, &str, &str),
) -> Result<(String, String, String), Code> {
    let identity = Identity { group: GroupName::parse("family").unwrap(), sandbox: SandboxId::new("a1").unwrap() };
    let text = "[[allow]]\nhost = \"a.test\"\ndo = [\"POST /**\"]\ncredential = \"key\"\n";
    let source = Source { name: "family.toml".to_owned(), text: text.to_owned() };
    let policy = policy_file::compile(&identity.group, &source, None).unwrap().policy;
    let mut request = http::Request::builder().method("POST").uri(target).header("host", "a.test");
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    let mut request = request.body(()).unwrap();
    let (gate, within) = (
        gate(&identity, policy),
        Intercepted {
            authority: Authority::parse("a.test:443", None).unwrap(),
            scheme: Scheme::Https,
            sni: None,
            to_ourselves: false,
        },
    );
    let case = gate.case(1, Some(Arc::new(within)));
    let mut record = Record::of(&gate, &case, &request);
    let asked = record.read(record.enter().unwrap(), &case, &mut request, |_| None).unwrap();
    let headers = request.headers();
    let Ok(judged) = gate::judge(&case, asked, headers) else { panic!("{target} is allowed") };
    let (secrets, watchlist) = (One(secret), Watchlist::default());
    let looking = Looking { who: &identity, watchlist: &watchlist, blocks_lookalikes: false };
    let go = || {
        let facts = judged.permit().facts();
        let look = |headers| keyring.check(judged.permit(), headers, looking)?.put_on(facts, &secrets);
        let (mut clean, mut placed) = gate::check(&judged, headers, look)?;
        let body = Bytes::copy_from_slice(body.as_bytes());
        let proof = match BodyJudged::whole(&judged, &clean, &body, true) {
            Ok(proof) => proof,
            Err(Unfit::Refused(refusal)) => return Err(refusal),
            Err(Unfit::Asks(by)) => return Err(by.unanswered()),
        };
        let swap = keyring.place_in_body(judged.permit(), &mut placed, clean.headers(), &body, (looking, &secrets))?;
        let written = swap.map(|swap| clean.put_in_body(&proof, &body, &swap)).transpose()?;
        let shown = clean.headers().get("authorization").map_or("", |value| value.to_str().unwrap());
        let body = String::from_utf8(written.unwrap_or(body).to_vec()).unwrap();
        Ok((clean.target().to_string(), shown.to_owned(), body))
    };
    go().map_err(|refusal: Refusal| refusal.code)
}

/// Secrets are looked for in answers whether this request put them on or not, and replaced by the
/// asking sandbox's surrogate.
#[test]
fn whatever_a_host_may_know_is_taken_off() {
    let (own, mut others) = (credential("own", SURROGATE, &[]), credential("others", OTHER, &[]));
    others.hosts = vec![Authority::parse("b.test:443", None).unwrap()];
    let mut keyring = Keyring::new(vec![own.clone()], [guard(&own), guard(&others)]);
    keyring = keyring.with_minted(&own, &"made-0123456789".into(), &"made-surrogate".into()).0;
    let shown = |authority: &str, secret: &'static str| {
        let authority = Authority::parse(authority, None).unwrap();
        let all = keyring.may_come_back(&authority, &One(secret));
        let plain = |text: &SecretString| text.expose_secret().to_owned();
        all.iter().map(|one| (plain(&one.secret), plain(&one.surrogate))).collect::<Vec<_>>()
    };
    let pair = |secret: &str, surrogate: &str| (secret.to_owned(), surrogate.to_owned());
    let made = pair("made-0123456789", "made-surrogate");
    assert_eq!(shown("a.test:443", "real-0123456789"), [made.clone(), pair("real-0123456789", SURROGATE)]);
    assert_eq!(shown("a.test:80", "made-0123456789"), std::slice::from_ref(&made), "each once");
    assert_eq!(shown("c.test:443", "real-0123456789"), [], "of a host that has none, nothing is known");
    let foreign = [pair("real-0123456789", NOT_HELD), made];
    assert_eq!(shown("b.test:443", "real-0123456789"), foreign, "of another's as well");
    let keyring = Keyring::new(Vec::new(), [guard(&others)]);
    let all = keyring.may_come_back(&others.hosts[0], &One("real-0123456789"));
    assert_eq!(all[0].surrogate.expose_secret(), NOT_HELD);
}

/// A scrubber is made once, and again when a secret, the keyring or what was put on has changed.
#[test]
fn what_takes_secrets_off_follows_them() {
    struct Changing(Mutex<(&'static str, Arc<Watchlist>)>);
    impl Secrets for Changing {
        fn reveal(&self, _: &str) -> Result<SecretString, SecretUnavailable> {
            Ok(self.0.lock().unwrap().0.into())
        }
        fn held(&self, _: &str) -> Vec<SecretString> {
            vec![self.0.lock().unwrap().0.into()]
        }
        fn watchlist(&self) -> Arc<Watchlist> {
            self.0.lock().unwrap().1.clone()
        }
        fn set_aside(&self, _: &Identity, _: &Authority) {}
        fn is_set_aside(&self, _: &GroupName, _: &Authority) -> bool {
            false
        }
    }
    let own = credential("own", SURROGATE, &[]);
    let keyring = Arc::new(Keyring::new(vec![own.clone()], [guard(&own)]));
    let secrets = Changing(Mutex::new(("first-0123456789", Arc::default())));
    let known = ComingBack::default();
    let taken_off = |keyring: &Arc<Keyring>, put_on: Option<&str>, text: &str| {
        let one = |secret: &str| Replacement { secret: secret.into(), surrogate: "put-on-surrogate".into() };
        let put_on = put_on.into_iter().map(one).collect();
        let mut scrubber = known.scrubber(keyring, &own.hosts[0], put_on, &secrets).unwrap();
        scrubber.scrub_once(text.as_bytes()).map(|text| String::from_utf8(text).unwrap())
    };
    for _ in 0..2 {
        assert_eq!(taken_off(&keyring, None, "first-0123456789").as_deref(), Some(SURROGATE));
        assert_eq!(
            taken_off(&keyring, Some("other-0123456789"), "other-0123456789").as_deref(),
            Some("put-on-surrogate")
        );
    }
    *secrets.0.lock().unwrap() = ("second-0123456789", Arc::default());
    assert_eq!(taken_off(&keyring, None, "second-0123456789").as_deref(), Some(SURROGATE));
    let minted = Arc::new(keyring.with_minted(&own, &"made-0123456789".into(), &"made-surrogate".into()).0);
    assert_eq!(taken_off(&minted, None, "made-0123456789").as_deref(), Some("made-surrogate"));
    assert!(known.scrubber(&keyring, &Authority::parse("c.test:443", None).unwrap(), vec![], &secrets).is_none());
}

fn json(field: &str) -> Place {
    Place::Json(Field::parse(field).unwrap())
}

/// A body may hold one surrogate, in one field, and then no header may hold one.
#[test]
fn one_place_of_a_request_authenticates_it() {
    let header = Place::Header(HeaderName::from_static("authorization"));
    let held =
        [credential("key", SURROGATE, &[header, json("a"), json("b")]), credential("other", OTHER, &[json("a")])];
    let bearer = format!("Bearer {SURROGATE}");
    let asks = |authorization: &str, body: &str| sent(&held, "the-secret", ("/x", authorization, body));
    let is = |authorization: &str, body: &str| Ok(("/x".to_owned(), authorization.to_owned(), body.to_owned()));
    assert_eq!(asks("", &format!("{{\"a\":\"{SURROGATE}\"}}")), is("", "{\"a\":\"the-secret\"}"));
    assert_eq!(asks("", &format!("{{\"b\":\"{SURROGATE}\"}}")), is("", "{\"b\":\"the-secret\"}"));
    assert_eq!(asks(&bearer, "{\"c\":1}"), is("Bearer the-secret", "{\"c\":1}"));
    for (authorization, body) in [
        ("", format!("{{\"a\":\"{SURROGATE}\",\"b\":\"{SURROGATE}\"}}")),
        (&*bearer, format!("{{\"a\":\"{SURROGATE}\"}}")),
    ] {
        assert_eq!(asks(authorization, &body), Err(Code::CredentialAmbiguous), "{authorization} {body}");
    }
    // From a credential that the rule does not put on.
    assert_eq!(asks("", &format!("{{\"a\":\"{OTHER}\"}}")), Err(Code::SurrogateScope));
}

/// A colon in a user name would end it (RFC 7617 §2).
#[test]
fn a_secret_may_be_a_user_name() {
    let held = [credential("key", SURROGATE, &[Place::Basic(BasicPart::Username)])];
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    let request = basic(format!("{SURROGATE}:x"));
    let swapped = sent(&held, "the-secret", ("/x", &request, "")).map(|(_, authorization, _)| authorization);
    assert_eq!(swapped, Ok(basic("the-secret:x".to_owned())));
    assert_eq!(sent(&held, "the:secret", ("/x", &request, "")), Err(Code::SecretUnavailable));
}

/// Some hosts take a key as the user name; others have account ids that look like one.
#[test]
fn an_account_id_beside_a_key_goes_where_the_owner_says_so() {
    let own = [credential("key", SURROGATE, &[Place::Basic(BasicPart::Password)])];
    let says_so = || {
        let harmless = vec![Place::Basic(BasicPart::Username)];
        Keyring::new(own.to_vec(), own.iter().map(|own| Guarded { harmless: harmless.clone(), ..guard(own) }))
    };
    let basic = |name: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    let asks = |keyring: Keyring, name: &str| {
        let authorization = basic(name, SURROGATE);
        sent_by(keyring, "the-secret", ("/x", &authorization, "")).map(|(_, authorization, _)| authorization)
    };
    let (account, token) = ("AC0123456789abcdef0123456789abcdef", "ghp_0123456789abcdefghijABCDEFGHIJ012345");
    assert_eq!(asks(Keyring::new(own.to_vec(), own.iter().map(guard)), account), Err(Code::NotHarmless));
    assert_eq!(asks(says_so(), account), Ok(basic(account, "the-secret")));
    assert_eq!(asks(says_so(), token), Err(Code::CredentialNotSurrogate));
    assert_eq!(asks(Keyring::new(own.to_vec(), own.iter().map(guard)), token), Err(Code::CredentialNotSurrogate));
}

/// A refusal after the verdict, for example for an address, suggests lines with the path in them too.
#[test]
fn what_would_lift_a_late_refusal_names_no_key_of_a_path() {
    let held = [credential("key", SURROGATE, &[Place::Path(Segment::parse("/bot{}").unwrap())])];
    let keyring = Keyring::new(held.to_vec(), held.iter().map(guard));
    let facts = Facts::parse("GET", &format!("https://a.test/bot{SURROGATE}/a*b!")).unwrap();
    let identity = Identity { group: GroupName::parse("family").unwrap(), sandbox: SandboxId::new("a1").unwrap() };
    let gate = gate(&identity, policy_file::deny_all(&identity.group));
    let mut record = Record::bare(&gate, &gate.case(1, None), Protocol::Https);
    record.is_about(&facts, keyring.path_to_show(&facts));
    let lift = vec!["[[allow]]".to_owned(), format!("do = [\"GET {}\"]", facts.path.spelt())];
    let told = record.refuse(Refusal { lift, ..Refusal::new(Code::ResolvedPrivate, "no") });
    assert_eq!(told.lift, ["[[allow]]", "do = [\"GET /bot*/a%2Ab%21\"]"]);
}

/// A secret in a path stays one segment of it, whatever it is.
#[test]
fn a_secret_in_a_path_is_one_segment() {
    let held = [credential("key", SURROGATE, &[Place::Path(Segment::parse("/bot{}").unwrap())])];
    let whole = [credential("key", SURROGATE, &[Place::Path(Segment::parse("/{}").unwrap())])];
    let request = format!("/bot{SURROGATE}/x?y=1");
    let target = |secret| sent(&held, secret, (&request, "", "")).map(|(target, ..)| target);
    assert_eq!(target("123:abc"), Ok("/bot123:abc/x?y=1".to_owned()));
    for secret in ["a/b", "a?b", "a#b", "a%2fb", "a b", "é", ".", ".."] {
        assert_eq!(target(secret), Err(Code::SecretUnavailable), "{secret}");
        let up = sent(&whole, secret, (&format!("/{SURROGATE}/x"), "", ""));
        assert_eq!(up, Err(Code::SecretUnavailable), "{secret}");
    }
}

/// PHP reads `mail.id` as `mail_id`, and takes the last one.
#[test]
fn a_place_has_one_occupant_in_every_spelling() {
    let held = [credential("key", SURROGATE, &[Place::Query("mail_id".into())])];
    let target = |query: &str| sent(&held, "the-secret", (&format!("/x?{query}"), "", "")).map(|(target, ..)| target);
    assert_eq!(target(&format!("mail_id={SURROGATE}&a=1")), Ok("/x?mail_id=the-secret&a=1".to_owned()));
    for name in ["mail.id", "+mail_id", "mail+id", "mail[id", "mailId", "%6Dail_id", "[mail_id]", "mail_id%00"] {
        let key = "a1b2c3d4e5f6a7b8c9d0";
        for (value, code) in [(key, Code::CredentialNotSurrogate), ("x", Code::SurrogateMissing)] {
            assert_eq!(target(&format!("mail_id={SURROGATE}&{name}={value}")), Err(code), "{name}");
            assert_eq!(target(&format!("{name}={value}")), Err(code), "{name}");
        }
    }
    assert!(target(&format!("mail_id={SURROGATE}&mail_ids=x&id=x&mail=x")).is_ok());
}
