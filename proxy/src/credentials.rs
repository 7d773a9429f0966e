//! The swap: a surrogate in its place becomes the real secret, at the threshold,
//! and everything else that could authenticate or leak is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, HeaderValue, IF_RANGE, RANGE};
use http::uri::PathAndQuery;
use policies::{Authority, Code, Facts, Permit, Refusal, RequestPattern, Scheme};

use crate::audit::Identity;
use crate::ports::Secrets;
use crate::scan::{Finding, Scrubber, WatchedKind, Watchlist};

mod authenticates;
mod place;
mod swap;

pub use place::{BasicPart, Place};

use place::Found;

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

/// The credentials of one sandbox, and the hosts that take nothing else.
#[derive(Clone, Default)]
pub struct Keyring {
    credentials: Vec<Credential>,
    /// Every host that has a credential in this installation, held by this
    /// sandbox or not.
    guarded: BTreeMap<Authority, Vec<Arc<str>>>,
}

/// A request's headers and target with the secret put on. No `Debug`: they hold it.
pub(crate) struct Placed {
    headers: HeaderMap,
    target: PathAndQuery,
    head_bytes: u64,
    put_on: Option<PutOn>,
}

struct PutOn {
    credential: Arc<str>,
    place: Place,
    scrubber: Scrubber,
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
        let query = facts.query.as_ref().map(|query| query.as_str()).unwrap_or_default();
        let rest = found.as_ref().map_or_else(|| query.to_owned(), |found| found.rest_of_query(query));
        let place = found.as_ref().and_then(|found| found.place.header());
        let mut head = head_text(facts, &rest, &headers, place.as_ref());
        if let Some(beside) = found.as_ref().and_then(|found| found.beside.as_ref()) {
            head.extend_from_slice(b"\n");
            head.extend_from_slice(beside.as_bytes());
        }
        if let Some(finding) = watchlist.find_in(&head) {
            return Err(self.misplaced(identity, &facts.authority, &finding));
        }
        if self.guards(&facts.authority) {
            authenticates::refuse_others(&rest, &headers, place.as_ref())?;
            prepare_for_scrubbing(&mut headers);
        }
        let mut target = swap::target(facts)?;
        let put_on = found.map(|found| swap::put_on(found, permit, &mut headers, &mut target, secrets)).transpose()?;
        Ok(Placed { headers, target, head_bytes: head.len() as u64, put_on })
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
        let query = facts.query.as_ref().map(|query| query.as_str()).unwrap_or_default();
        let finding = watchlist.find_in(&head_text(facts, query, headers, None))?;
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
        let query = permit.facts().query.as_ref().map(|query| query.as_str()).unwrap_or_default();
        let found = place::find(credential, headers, query)?;
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
        self.put_on.as_ref().map(|put_on| put_on.place.to_string())
    }

    /// How long the head is, without the credential.
    pub(crate) fn head_bytes(&self) -> u64 {
        self.head_bytes
    }

    /// The headers and the target to send, and what takes the secret off the answer.
    pub(crate) fn into_parts(self) -> (HeaderMap, PathAndQuery, Option<Scrubber>) {
        (self.headers, self.target, self.put_on.map(|put_on| put_on.scrubber))
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

/// What comes back must be readable whole.
fn prepare_for_scrubbing(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.remove(RANGE);
    headers.remove(IF_RANGE);
    headers.remove("grpc-accept-encoding");
}

/// Everything of the head that leaves, as one text to search, without the one
/// place where a surrogate belongs.
fn head_text(facts: &Facts, query: &str, headers: &HeaderMap, place: Option<&HeaderName>) -> Vec<u8> {
    let mut text = facts.path.as_str().as_bytes().to_vec();
    if !query.is_empty() {
        text.push(b'?');
        text.extend_from_slice(query.as_bytes());
    }
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
