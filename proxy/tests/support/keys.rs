//! Secrets, their surrogates and the keyring of a world: random in each.

use std::collections::BTreeMap;
use std::sync::Arc;

use policies::{Authority, Facts, RequestPattern};
use proxy::{BasicPart, Credential, Field, Grant, Guarded, Keyring, Mint, Place, Segment};
use rand::RngExt;
use scan::{Watched, WatchedKind};
use secrecy::SecretString;

use super::ports::Safe;
use super::*;

/// Random per world: whatever is found in a log or an answer was put there by this world.
pub(super) fn values() -> BTreeMap<&'static str, String> {
    let prefixed = |prefix: &str| format!("{prefix}{}", random());
    BTreeMap::from([
        ("REAL1", prefixed("sk-real+/")),
        ("REAL2", prefixed("key real ")),
        ("REAL3", prefixed("ghp_real+/")),
        ("REAL4", prefixed("AIza real&/")),
        ("REAL5", prefixed("110201543:AAreal-")),
        ("REAL6", prefixed("tvly real\\/\"")),
        ("REAL7", prefixed("refresh-real-")),
        ("SUR1", prefixed("sk-sur-")),
        ("SUR6", prefixed("tvly-sur-")),
        ("SUR2", prefixed("key-sur-")),
        ("SUR3", prefixed("ghp_sur")),
        ("SUR4", prefixed("AIzaSur")),
        ("SUR5", prefixed("920347561:AAsur_")),
        ("SUR7", prefixed("access-sur-")),
        ("REFRESHSUR7", prefixed("refresh-sur-")),
        ("WORKSUR1", prefixed("sk-work-")),
        ("RETIREDSUR1", prefixed("sk-old-")),
        ("CANARY", prefixed("CANARY_KEY_")),
        ("ATTACKER", prefixed("sk-attacker-")),
        ("NEW1", prefixed("sk-new+/")),
        ("NEW2", prefixed("sk-new+/")),
        ("NEWSUR1", prefixed("sk-newsur-")),
        ("NEWSUR2", prefixed("sk-newsur-")),
        ("FRESH", format!("ghp_{}x7Kq2Zw9", random())),
    ])
}

fn random() -> String {
    let mut rng = rand::rng();
    (0..28).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect()
}

pub(super) fn safe(values: &BTreeMap<&'static str, String>, guards: bool) -> Safe {
    let secrets = [
        ("first", "REAL1"),
        ("second", "REAL2"),
        ("third", "REAL3"),
        ("fourth", "REAL4"),
        ("fifth", "REAL5"),
        ("sixth", "REAL6"),
        ("seventh", "REAL7"),
    ];
    let secrets = secrets.map(|(name, value)| (name.to_owned(), values[value].clone()));
    let surrogate = |value, credential: &str, group, sandbox, retired| {
        let what = WatchedKind::Surrogate {
            credential: credential.into(),
            sandbox: identity(group, sandbox).sandbox,
            group: identity(group, sandbox).group,
            retired,
        };
        watched(what, &values[value])
    };
    let secret =
        |value, credential: &str| watched(WatchedKind::Secret { credential: credential.into() }, &values[value]);
    let all = vec![
        secret("REAL1", "first"),
        secret("REAL2", "second"),
        secret("REAL3", "third"),
        secret("REAL4", "fourth"),
        secret("REAL5", "fifth"),
        secret("REAL6", "sixth"),
        secret("REAL7", "seventh"),
        surrogate("SUR1", "first", "family", "a1", false),
        surrogate("SUR2", "second", "family", "a1", false),
        surrogate("SUR3", "third", "family", "a1", false),
        surrogate("SUR4", "fourth", "family", "a1", false),
        surrogate("SUR5", "fifth", "family", "a1", false),
        surrogate("SUR6", "sixth", "family", "a1", false),
        surrogate("SUR7", "seventh", "family", "a1", false),
        surrogate("REFRESHSUR7", "seventh", "family", "a1", false),
        surrogate("WORKSUR1", "first", "work", "b2", false),
        surrogate("RETIREDSUR1", "first", "family", "a0", true),
        watched(WatchedKind::Canary { name: "bait".into() }, &values["CANARY"]),
        secret("NEW1", "first"),
        secret("NEW2", "first"),
        surrogate("NEWSUR1", "first", "family", "a1", false),
        surrogate("NEWSUR2", "first", "family", "a1", false),
    ];
    let made = [("NEW1", "NEWSUR1"), ("NEW2", "NEWSUR2")].map(|(key, sur)| (values[key].clone(), values[sur].clone()));
    Safe::new(BTreeMap::from(secrets), made.into(), if guards { all } else { Vec::new() })
}

fn watched(what: WatchedKind, value: &str) -> Watched {
    Watched::new(what, &SecretString::from(value.to_owned()))
}

pub(super) fn keyring(first: &str, values: &BTreeMap<&str, String>, guards: bool) -> Keyring {
    let authorities =
        |hosts: &[&str]| hosts.iter().map(|host| Authority::parse(host, None).unwrap()).collect::<Vec<_>>();
    let credential = |name: &str, hosts: &[&str], place: Place, only: &[&str], surrogate: &str| Credential {
        name: name.into(),
        hosts: authorities(hosts),
        places: vec![place],
        only: only.iter().map(|pattern| RequestPattern::parse(pattern).unwrap()).collect(),
        surrogate: surrogate.into(),
        grant: None,
        mints: Vec::new(),
        minted: None,
    };
    let header = |name: &'static str| Place::Header(http::HeaderName::from_static(name));
    let segment = |text: &str| Place::Path(Segment::parse(text).unwrap());
    let only = ["GET /**", "HEAD /**", "POST /v1/**"];
    let minting = Mint {
        requests: vec![RequestPattern::parse("POST /v1/api_keys").unwrap()],
        fields: ["key.value", "token"].map(|field| Field::parse(field).unwrap()).into(),
    };
    let held = vec![
        Credential { mints: vec![minting], ..credential("first", &FIRST_HOSTS, header("authorization"), &only, first) },
        credential("second", &SECOND_HOSTS, header("x-api-key"), &[], &values["SUR2"]),
        credential("third", &THIRD_HOSTS, Place::Basic(BasicPart::Password), &[], &values["SUR3"]),
        credential("fourth", &FOURTH_HOSTS, Place::Query("key".into()), &[], &values["SUR4"]),
        credential("sixth", &SIXTH_HOSTS, Place::Json(Field::parse("auth.api_key").unwrap()), &[], &values["SUR6"]),
        Credential {
            places: vec![segment("/bot{}"), segment("/file/bot{}")],
            ..credential("fifth", &FIFTH_HOSTS, segment("/bot{}"), &[], &values["SUR5"])
        },
        Credential {
            grant: Some(Grant {
                endpoint: Facts::parse("POST", ENDPOINT).unwrap(),
                policy: Arc::new(compile("owner", ENDPOINT_RULE)),
                surrogate: values["REFRESHSUR7"].as_str().into(),
            }),
            ..credential("seventh", &SEVENTH_HOSTS, header("authorization"), &[], &values["SUR7"])
        },
    ];
    if !guards {
        return Keyring::default();
    }
    let guard = |one: &Credential, host: &Authority| Guarded {
        authority: host.clone(),
        credential: one.name.clone(),
        places: one.places.clone(),
        harmless: vec![header("x-own-trace")],
    };
    let guarded: Vec<_> = held.iter().flat_map(|one| one.hosts.iter().map(|host| guard(one, host))).collect();
    Keyring::new(held, guarded)
}
