//! Answers that bring new keys: read whole, and answered with surrogates. A key that
//! cannot be found there is not let through to see whether it was one.

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

/// The longest answer that is looked into for a key.
const LONGEST: usize = 256 << 10;

/// So much is unpacked at a time.
const PIECE: usize = 1 << 10;

/// The longest key.
const LONGEST_KEY: usize = 16 << 10;

/// The longest body of a request that makes a key.
pub(crate) const LONGEST_ASKED: u64 = 256 << 10;

/// What a request makes keys for, and where they stand in the answer.
pub(crate) type Minting = (Credential, Vec<Field>);

/// What a request that makes a key says, to tell what the sandbox had the host repeat from
/// what is new. As a key, a word of the sandbox's choosing would be watched for in the
/// requests of all groups.
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

    /// Whether its letters and digits are in what was said, whatever stands between them: hosts make `my-notes` of `My notes`.
    fn spells(&self, key: &str) -> bool {
        let letters = |text: &[u8]| -> Vec<u8> {
            text.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
        };
        let key = letters(key.as_bytes());
        !key.is_empty() && memmem::find(&letters(&self.said), &key).is_some()
    }

    /// Whether it says this, in any form that the leak check knows.
    fn says(&self, key: &SecretString) -> bool {
        let (secret, surrogate) = (key.clone(), SecretString::from(NOT_HELD.to_owned()));
        Scrubber::new(&[Replacement { secret, surrogate }]).scrub_once(&self.said).is_some()
    }
}

/// The answer with a surrogate in the place of each new key.
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
    // Answered before the request was sent whole, a connection is of no more use.
    if audited.tally().is_sent() {
        lease.give_back();
    }
    if let Some(refusal) = audited.tally().refused() {
        return Err(refusal);
    }
    // Looked for before anything is taken off: what another sandbox holds is new to this one.
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

/// Finds the keys, and has each watched for before anything of it is answered.
fn take_in(
    keeper: (&Keeper, &Identity),
    authority: &Authority,
    (credential, fields): &Minting,
    asked: &Said,
    body: &[u8],
) -> Result<Vec<Replacement>, Refusal> {
    let mut made = Vec::new();
    // A list may be empty, and a transfer need no header.
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

/// One key, unless it is known. The one that was not used for the longest may make room for it:
/// then it is worth nothing any more.
fn taken_in(
    (keeper, who): (&Keeper, &Identity),
    authority: &Authority,
    credential: &Credential,
    asked: &Said,
    key: &str,
) -> Result<Option<Replacement>, Refusal> {
    let secrets = &keeper.secrets;
    // The key that was put on may stand there as well: it is taken off.
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
    // What an earlier request left at the host is in none of this: words would be watched for in all groups' texts.
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

/// `Bearer …`, `RemoteAuth …`: the scheme is no secret, and is needed as it is.
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
