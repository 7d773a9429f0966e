//! Answers that bring new keys: read completely, and passed on with surrogates. An answer in which
//! no key can be found is withheld, because it might contain one.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG};
use http::{HeaderMap, Response};
use http_body_util::{BodyExt, Limited};
use memchr::memmem;
use policies::{Authority, Code, Facts, Refusal};
use secrecy::SecretString;
use tokio::time::timeout;

use gate::audit::Identity;
use gate::{Arriving, Audited};

use crate::body::{Body, Lease};
use crate::credentials::{self, Credential, Field, NOT_HELD};
use crate::keeper::Keeper;
use crate::{headers, readable};
use scan::{Replacement, SHORTEST, Scrubber};

/// The longest answer that is searched for a key.
const LONGEST: usize = 256 << 10;

/// How much is unpacked at a time.
const PIECE: usize = 1 << 10;

/// The longest key.
const LONGEST_KEY: usize = 16 << 10;

/// The longest body of a request that makes a key.
pub(crate) const LONGEST_ASKED: u64 = 256 << 10;

/// The credential that a request makes keys for, and their fields in the answer.
pub(crate) type Minting = (Credential, Vec<Field>);

/// What a key-making request says, to tell what the sandbox had the host repeat from what is new.
/// If a word of the sandbox's choosing became a key, it would be searched for in the requests of
/// all groups.
pub(crate) struct Said {
    said: Vec<u8>,
}

impl Said {
    /// `headers`: as they came, without any credential.
    pub(crate) fn new(facts: &Facts, headers: &HeaderMap, body: &Bytes) -> Result<Self, Refusal> {
        if headers.contains_key(CONTENT_ENCODING) {
            let why = "a request that makes a key (`mints` in doorward.toml) is read whole; send its body unpacked";
            return Err(Refusal::new(Code::BodyUnreadable, why));
        }
        let mut said = facts.path_and_query().into_bytes();
        for value in headers.values() {
            said.push(b'\n');
            said.extend_from_slice(value.as_bytes());
        }
        said.push(b'\n');
        said.extend_from_slice(body);
        Ok(Said { said })
    }

    /// Whether the request has its letters and digits, ignoring the rest: hosts turn `My notes` into `my-notes`.
    fn spells(&self, key: &str) -> bool {
        let letters = |text: &[u8]| -> Vec<u8> {
            text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
        };
        let key = letters(key.as_bytes());
        !key.is_empty() && memmem::find(&letters(&self.said), &key).is_some()
    }

    /// Whether the request says this, in any form that the leak check knows.
    fn says(&self, key: &SecretString) -> bool {
        let (secret, surrogate) = (key.clone(), SecretString::from(NOT_HELD.to_owned()));
        Scrubber::new(&[Replacement { secret, surrogate }]).scrub_once(&self.said).is_some()
    }
}

/// The answer with a surrogate in place of each new key.
pub(crate) async fn captured(
    (keeper, who): (&Keeper, &Identity),
    time: Duration,
    audited: &Audited,
    answer: http::Response<Arriving>,
    scrubber: Option<Scrubber>,
    lease: Lease,
    (minting, asked): &(Minting, Said),
) -> Result<Response<Body>, Refusal> {
    let (head, body) = answer.into_parts();
    let body = read(time, audited, &head.headers, body).await?;
    // If the answer came before the whole request was sent, the connection cannot be reused.
    if audited.tally().is_sent() {
        lease.give_back();
    }
    if let Some(refusal) = audited.tally().refused() {
        return Err(refusal);
    }
    // Searched before anything is removed: another sandbox's key is new to this one.
    let made = take_in((keeper, who), &audited.permit().facts().authority, minting, asked, &body)?;
    let count = made.len();
    let mut scrubbers: Vec<Scrubber> = [Scrubber::new(&made)].into_iter().chain(scrubber).collect();
    let body = scrubbed(&mut scrubbers, body);
    let mut back = headers::returning(&head.headers, false, &mut scrubbers);
    for name in [CONTENT_ENCODING, CONTENT_LENGTH, ETAG] {
        back.remove(name);
    }
    headers::without_digests(&mut back, false);
    audited.tally().note(|outcome| {
        outcome.scrubbed = scrubbers.iter().map(Scrubber::count).sum();
        outcome.findings.push(format!("new keys for credential {}, kept here: {count}", minting.0.name));
    });
    let mut response = Response::new(Body::text(body));
    (*response.status_mut(), *response.headers_mut()) = (head.status, back);
    Ok(response)
}

async fn read(time: Duration, audited: &Audited, headers: &HeaderMap, body: Arriving) -> Result<Bytes, Refusal> {
    let unpacker = readable::coding(headers)?;
    let reading = timeout(time, Limited::new(body, LONGEST).collect());
    let read = tokio::select! {
        read = reading => read,
        () = audited.tally().until_cut() => {
            return Err(audited.tally().refused().unwrap_or_else(|| withheld("was broken off")));
        }
    };
    let body = read
        .map_err(|_| withheld("did not arrive in time"))?
        .map_err(|_| withheld("broke off, or is longer than 256 KiB"))?
        .to_bytes();
    audited.tally().add_down(body.len());
    let Some(mut unpacker) = unpacker else { return Ok(body) };
    let mut unpacked = Vec::new();
    for piece in body.chunks(PIECE) {
        unpacked.extend(unpacker.push(piece).map_err(|_| withheld("cannot be unpacked"))?);
        if unpacked.len() > LONGEST {
            return Err(withheld("is longer than 256 KiB"));
        }
    }
    unpacked.extend(unpacker.finish().map_err(|_| withheld("cannot be unpacked"))?);
    Ok(unpacked.into())
}

const WORDS: &str = "holds words or a number in the place of a key";
const NO_KEY: &str = "holds something in the place of a key that cannot be one";

/// Finds the keys, and has each watched for before any part of the answer is passed on.
fn take_in(
    keeper: (&Keeper, &Identity),
    authority: &Authority,
    (credential, fields): &Minting,
    asked: &Said,
    body: &[u8],
) -> Result<Vec<Replacement>, Refusal> {
    let mut made = Vec::new();
    // A list may be empty, and a transfer may need no header.
    let mut found = fields.iter().all(Field::is_of_many);
    for field in fields {
        let values = field.find_all(body).map_err(|_| withheld("is no JSON that can be read in one way only"))?;
        for value in values {
            match value.text.as_deref() {
                Some(text) => made.extend(taken_in(keeper, authority, credential, asked, behind_a_scheme(text))?),
                None if body.get(value.at) == Some(b"null") => continue,
                None => return Err(withheld(NO_KEY)),
            }
            found = true;
        }
    }
    if found { Ok(made) } else { Err(withheld("holds none in its fields")) }
}

/// Registers one key, unless it is known. The least recently used key may make room for it and
/// becomes worthless.
fn taken_in(
    (keeper, who): (&Keeper, &Identity),
    authority: &Authority,
    credential: &Credential,
    asked: &Said,
    key: &str,
) -> Result<Option<Replacement>, Refusal> {
    let secrets = &keeper.secrets;
    // The key that was put on may be there as well: it is removed.
    let keyring = keeper.keyring.now();
    if keyring.holds(key) || keyring.is_no_news(authority, key, &**secrets) {
        return Ok(None);
    }
    let plain = key.bytes().all(|b| (0x21..=0x7e).contains(&b)) && key != NOT_HELD;
    if !(SHORTEST..=LONGEST_KEY).contains(&key.len()) || !plain {
        return Err(withheld(NO_KEY));
    }
    let secret = SecretString::from(key);
    // Whoever chose it knows it.
    if asked.says(&secret) || asked.spells(key) {
        return Ok(None);
    }
    // Perhaps an earlier request left it at the host, and a word would be searched for in all groups' texts.
    if !credentials::is_made_by_a_machine(key) {
        return Err(withheld(WORDS));
    }
    if let Some(surrogate) = keyring.surrogate_of(&secret) {
        return Ok(Some(Replacement { secret, surrogate }));
    }
    let surrogate = secrets.minted(who, &credential.name, &secret);
    let surrogate = surrogate.map_err(|error| error.refusal(&credential.name))?;
    let mut gone = None;
    keeper.keyring.update(|keyring| {
        let (keyring, made_room) = keyring.with_minted(credential, &secret, &surrogate);
        gone = made_room;
        keyring
    });
    if let Some(gone) = gone {
        secrets.given_up(who, &gone.surrogate);
    }
    Ok(Some(Replacement { secret, surrogate }))
}

/// `Bearer …`, `RemoteAuth …`: the scheme is not secret, and is needed as it is.
fn behind_a_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, key)) if !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
            key.trim_start()
        }
        _ => text,
    }
}

fn scrubbed(scrubbers: &mut [Scrubber], body: Bytes) -> Bytes {
    scrubbers.iter_mut().fold(body, |body, scrubber| scrubber.scrub_once(&body).map_or(body, Bytes::from))
}

fn withheld(why: &str) -> Refusal {
    let why = format!(
        "the host's answer should bring a new key (`mints` in doorward.toml), and it {why}; it is not let through, but \
         the host may have made the key"
    );
    Refusal::new(Code::UpstreamUnreadable, why)
}
