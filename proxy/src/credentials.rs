//! The swap: a surrogate in its place becomes the real secret, at the threshold,
//! and everything else that could authenticate or leak is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, IF_RANGE, RANGE};
use policies::{Authority, Code, Facts, Permit, Refusal, RequestPattern, Scheme};
use secrecy::{ExposeSecret, SecretString};

use crate::audit::Identity;
use crate::ports::Secrets;
use crate::scan::{Finding, Replacement, Scrubber, WatchedKind, Watchlist};

mod authenticates;

/// A credential as one sandbox holds it: by its surrogate.
#[derive(Clone)]
pub struct Credential {
    /// Its name in `doorward.toml`.
    pub name: Arc<str>,
    /// Where it may be used.
    pub hosts: Vec<Authority>,
    /// Where its surrogate may stand.
    pub places: Vec<Place>,
    /// What it may be used for; empty: everything the policy allows.
    pub only: Vec<RequestPattern>,
    /// What the sandbox holds instead of the secret.
    pub surrogate: Arc<str>,
}

/// A place in a request where a surrogate may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A header: the value is the surrogate, or a scheme and the surrogate
    /// (`Bearer …`).
    Header(HeaderName),
}

/// The credentials of one sandbox, and the hosts that take nothing else.
#[derive(Clone, Default)]
pub struct Keyring {
    credentials: Vec<Credential>,
    /// Every host that has a credential in this installation, held by this
    /// sandbox or not.
    guarded: BTreeMap<Authority, Vec<Arc<str>>>,
}

/// A request's headers with the secret put on. No `Debug`: it holds the secret.
pub(crate) struct Placed {
    headers: HeaderMap,
    head_bytes: u64,
    put_on: Option<PutOn>,
}

struct PutOn {
    credential: Arc<str>,
    place: Place,
    scrubber: Scrubber,
}

/// A surrogate found in its place.
struct Found<'a> {
    credential: &'a Credential,
    header: &'a HeaderName,
    /// `Bearer` and the like, as the client wrote it.
    scheme: Option<String>,
}

impl Keyring {
    /// `guarded`: all hosts with credentials in this installation, and whose.
    pub fn new(credentials: Vec<Credential>, guarded: impl IntoIterator<Item = (Authority, Arc<str>)>) -> Self {
        let mut keyring = Keyring { credentials, guarded: BTreeMap::new() };
        for (authority, name) in guarded {
            keyring.guarded.entry(authority).or_default().push(name);
        }
        keyring
    }

    /// Leak check of the head, account pinning, and the swap, in this order.
    pub(crate) fn place(
        &self,
        identity: &Identity,
        permit: &Permit,
        mut headers: HeaderMap,
        secrets: &dyn Secrets,
        watchlist: &Watchlist,
    ) -> Result<Placed, Refusal> {
        let facts = permit.facts();
        let found = self.find(permit, &headers).map_err(|refusal| match refusal.code {
            // Whose surrogate stands in the place says more than that it is not the right one.
            Code::CredentialNotSurrogate => self.leak_in(identity, facts, &headers, watchlist).unwrap_or(refusal),
            _ => refusal,
        })?;
        let place = found.as_ref().map(|found| found.header.clone());
        let head = head_text(facts, &headers, place.as_ref());
        if let Some(finding) = watchlist.find_in(&head) {
            return Err(self.misplaced(identity, &facts.authority, &finding));
        }
        if self.guards(&facts.authority) {
            authenticates::refuse_others(permit, &headers, place.as_ref())?;
            prepare_for_scrubbing(&mut headers);
        }
        let put_on = found.map(|found| put_on(found, permit, &mut headers, secrets)).transpose()?;
        Ok(Placed { headers, head_bytes: head.len() as u64, put_on })
    }

    /// Whether the host has a credential, this sandbox's or not.
    pub(crate) fn guards(&self, authority: &Authority) -> bool {
        self.guarded.contains_key(authority)
    }

    /// The refusal for what is watched and stands anywhere in a head.
    pub(crate) fn leak_in(
        &self,
        identity: &Identity,
        facts: &Facts,
        headers: &HeaderMap,
        watchlist: &Watchlist,
    ) -> Option<Refusal> {
        let finding = watchlist.find_in(&head_text(facts, headers, None))?;
        Some(self.misplaced(identity, &facts.authority, &finding))
    }

    /// Whether a finding in a body may pass: a surrogate of this sandbox in what is
    /// said to a model, where the rule says `model = true`.
    pub(crate) fn tolerates(
        identity: &Identity,
        permit: &Permit,
    ) -> impl Fn(&WatchedKind) -> bool + Send + Sync + 'static {
        let (group, model) = (identity.group.clone(), permit.model());
        move |what| match what {
            WatchedKind::Surrogate { group: owner, .. } => model && *owner == group,
            WatchedKind::Secret { .. } | WatchedKind::Canary { .. } => false,
        }
    }

    /// A refusal for something found where it does not belong.
    pub(crate) fn misplaced(&self, identity: &Identity, authority: &Authority, finding: &Finding) -> Refusal {
        let (code, why) = match &finding.what {
            WatchedKind::Secret { .. } | WatchedKind::Canary { .. } => {
                (Code::SecretInRequest, format!("the request holds a {finding}, which must not leave"))
            }
            WatchedKind::Surrogate { group, retired: true, .. } if *group == identity.group => (
                Code::SurrogateRetired,
                "the request holds a surrogate of an earlier sandbox; the current one is in the environment".to_owned(),
            ),
            WatchedKind::Surrogate { sandbox, .. } if *sandbox != identity.sandbox => {
                (Code::SurrogateForeign, format!("the request holds a {finding}, which belongs to another sandbox"))
            }
            WatchedKind::Surrogate { credential, .. } => self.own_surrogate_misplaced(credential, authority, finding),
        };
        Refusal::new(code, why)
    }

    fn own_surrogate_misplaced(&self, name: &str, authority: &Authority, finding: &Finding) -> (Code, String) {
        let belongs = self.credentials.iter().any(|own| *own.name == *name && own.hosts.contains(authority));
        if belongs {
            let why = format!("the {finding} stands outside of its place in the request");
            return (Code::SurrogateLocation, why);
        }
        (Code::SurrogateUnbound, format!("the request holds a {finding}, which does not belong to {authority}"))
    }

    /// Looks for the surrogate of the rule's credential in the credential's places.
    fn find<'a>(&'a self, permit: &Permit, headers: &HeaderMap) -> Result<Option<Found<'a>>, Refusal> {
        let Some(name) = permit.credential() else { return Ok(None) };
        let Some(credential) = self.credentials.iter().find(|credential| credential.name == *name) else {
            return Ok(None);
        };
        if !credential.hosts.contains(&permit.facts().authority) {
            return Ok(None);
        }
        let mut found = None;
        let values =
            |Place::Header(header): &'a Place| headers.get_all(header).iter().map(move |value| (header, value));
        if credential.places.iter().flat_map(values).count() > 1 {
            let why = "more than one header could authenticate the request; send exactly one";
            return Err(Refusal::new(Code::CredentialAmbiguous, why));
        }
        for (header, value) in credential.places.iter().flat_map(values) {
            found = Some(Found { credential, header, scheme: match_value(value, &credential.surrogate)? });
        }
        found.map(|found| in_scope(found, permit)).transpose()
    }
}

impl Placed {
    /// The credential that was put on.
    pub(crate) fn credential(&self) -> Option<&Arc<str>> {
        self.put_on.as_ref().map(|put_on| &put_on.credential)
    }

    /// Where, in the words of the configuration.
    pub(crate) fn place(&self) -> Option<String> {
        self.put_on.as_ref().map(|put_on| match &put_on.place {
            Place::Header(name) => format!("header:{name}"),
        })
    }

    /// How long the head is, without the credential.
    pub(crate) fn head_bytes(&self) -> u64 {
        self.head_bytes
    }

    /// The headers to send, and what takes the secret off the answer.
    pub(crate) fn into_parts(self) -> (HeaderMap, Option<Scrubber>) {
        (self.headers, self.put_on.map(|put_on| put_on.scrubber))
    }
}

/// `surrogate` or `Scheme surrogate`, and nothing else (attacks K01, H08).
fn match_value(value: &HeaderValue, surrogate: &str) -> Result<Option<String>, Refusal> {
    let text = value.to_str().unwrap_or_default().trim();
    if text == surrogate {
        return Ok(None);
    }
    match text.split_once(' ') {
        Some((scheme, rest)) if rest.trim_start() == surrogate && scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
            Ok(Some(scheme.to_owned()))
        }
        _ => Err(authenticates::not_the_surrogate()),
    }
}

/// The ceiling of the credential, and never in the clear.
fn in_scope<'a>(found: Found<'a>, permit: &Permit) -> Result<Found<'a>, Refusal> {
    let facts = permit.facts();
    let name = &found.credential.name;
    if facts.scheme != Scheme::Https {
        let why = format!("credential {name} is only used inside TLS");
        return Err(Refusal::new(Code::SurrogateScope, why));
    }
    let only = &found.credential.only;
    if only.is_empty() || only.iter().any(|pattern| pattern.matches(facts.method, &facts.path)) {
        return Ok(found);
    }
    let why =
        format!("credential {name} may not be used for {} {}: see `only` in doorward.toml", facts.method, facts.path);
    Err(Refusal::new(Code::SurrogateScope, why))
}

fn put_on(found: Found<'_>, permit: &Permit, headers: &mut HeaderMap, secrets: &dyn Secrets) -> Result<PutOn, Refusal> {
    let credential = found.credential;
    let unavailable = |why: String| Refusal::new(Code::SecretUnavailable, why);
    let secret = secrets.reveal(&credential.name).map_err(|error| unavailable(error.to_string()))?;
    let text = match &found.scheme {
        Some(scheme) => SecretString::from(format!("{scheme} {}", secret.expose_secret())),
        None => secret.clone(),
    };
    let mut value = HeaderValue::from_str(text.expose_secret()).map_err(|_| {
        unavailable(format!("the secret of credential {} holds characters that no header may hold", credential.name))
    })?;
    value.set_sensitive(true);
    headers.insert(found.header, value);
    tracing::debug!(credential = %credential.name, host = %permit.facts().authority, "Secret put on");
    let surrogate = SecretString::from(credential.surrogate.to_string());
    Ok(PutOn {
        credential: credential.name.clone(),
        place: Place::Header(found.header.clone()),
        scrubber: Scrubber::new(&[Replacement { secret, surrogate }]),
    })
}

/// What comes back must be readable whole.
fn prepare_for_scrubbing(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    headers.remove("grpc-accept-encoding");
}

/// Everything of the head that leaves, as one text to search, without the one
/// place where a surrogate belongs.
fn head_text(facts: &Facts, headers: &HeaderMap, place: Option<&HeaderName>) -> Vec<u8> {
    let mut text = facts.path_and_query().into_bytes();
    text.extend_from_slice(b"\n");
    text.extend_from_slice(facts.authority.host.to_string().as_bytes());
    for (name, value) in headers {
        if Some(name) != place {
            text.extend_from_slice(b"\n");
            text.extend_from_slice(name.as_str().as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value.as_bytes());
        }
    }
    text
}
