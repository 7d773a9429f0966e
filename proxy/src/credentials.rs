//! The swap: a surrogate in its place becomes the real secret, at the threshold,
//! and everything else that could authenticate or leak is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName, HeaderValue};
use policies::{
    Authority, Code, Facts, Path, Permit, Policy, Refusal, RequestPattern, Scheme, Terms, letters_of, normal_name,
};

use crate::ports::Secrets;
use gate::audit::Identity;

use crate::renamed::Look;
use crate::{charset, readable};
use scan::packed::Unreadable;
use scan::{Finding, Replacement, Scrubber, WatchedKind, Watchlist};

mod as_sent;
mod authenticates;
mod checked;
mod coming_back;
mod field;
mod handed_out;
mod harmless;
mod head;
mod in_body;
mod minted;
mod names;
mod place;
mod segment;
mod subprotocols;
mod swap;
mod told;
mod values;

pub(crate) use authenticates::not_the_surrogate;
pub(crate) use checked::Checked;
pub(crate) use coming_back::ComingBack;
pub use field::Field;
pub(crate) use handed_out::{HandedOut, Handing};
pub(crate) use head::Head;
pub use minted::{Mint, MintedKey};
pub use place::{BasicPart, Place};
pub use segment::Segment;
pub(crate) use told::{IN_A_MESSAGE, IN_PARTS};
pub(crate) use values::is_made_by_a_machine;

use handed_out::Brought;
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
    /// Where the secret comes from, if it is an access token.
    pub grant: Option<Grant>,
    /// Which of its host's answers bring new keys.
    pub mints: Vec<Mint>,
    /// The key itself, if its host made it for this sandbox.
    pub minted: Option<MintedKey>,
}

/// OAuth 2: the gateway fetches access tokens, and answers in place of their endpoint.
#[derive(Clone)]
pub struct Grant {
    /// The one request that the endpoint takes.
    pub endpoint: Facts,
    /// Allows that request and nothing else: the owner's policy, not the group's.
    pub policy: Arc<Policy>,
    /// What the sandbox holds instead of the refresh token.
    pub surrogate: Arc<str>,
}

/// The credentials of one sandbox, and the hosts that accept nothing else.
#[derive(Clone, Default)]
pub struct Keyring {
    credentials: Vec<Credential>,
    guarded: BTreeMap<Authority, Guard>,
    /// Values that answers of these hosts brought to this sandbox.
    handed_out: Arc<HandedOut>,
}

/// A host that has a credential in this installation, held by this sandbox or not.
pub struct Guarded {
    /// Which host.
    pub authority: Authority,
    /// Which credential.
    pub credential: Arc<str>,
    /// Where the credential's surrogates may stand.
    pub places: Vec<Place>,
    /// Headers and parameters that authenticate nobody there, whatever they are called.
    pub harmless: Vec<Place>,
}

/// What is known about a guarded host.
#[derive(Clone, Default)]
struct Guard {
    credentials: Vec<Arc<str>>,
    places: Vec<Place>,
    harmless: Vec<Place>,
}

/// What a check of a request found, and what was put on it. No `Debug`: it holds the secret.
pub(crate) struct Placed {
    lookalikes: Vec<Finding>,
    taken_off: Vec<HeaderName>,
    put_on: Option<PutOn>,
}

/// Who is asking, and what is searched for.
#[derive(Clone, Copy)]
pub(crate) struct Looking<'a> {
    pub(crate) who: &'a Identity,
    pub(crate) watchlist: &'a Watchlist,
    /// Whether a mere look-alike of a secret is refused as well.
    pub(crate) blocks_lookalikes: bool,
}

struct PutOn {
    credential: Arc<str>,
    place: Place,
    replacement: Replacement,
    /// Whether its host had made it.
    minted: bool,
}

impl Keyring {
    /// `guarded`: all hosts with credentials in this installation.
    pub fn new(credentials: Vec<Credential>, guarded: impl IntoIterator<Item = Guarded>) -> Self {
        let mut keyring = Keyring { credentials, ..Keyring::default() };
        for Guarded { authority, credential, places, harmless } in guarded {
            // The same service over plain HTTP takes the same keys.
            let in_the_clear = (authority.port == 443).then(|| Authority { port: 80, ..authority.clone() });
            for authority in [authority].into_iter().chain(in_the_clear) {
                let guard = keyring.guarded.entry(authority).or_default();
                guard.credentials.push(credential.clone());
                guard.places.extend(places.iter().cloned());
                guard.harmless.extend(harmless.iter().cloned());
            }
        }
        keyring
    }

    /// Leak check of the head, then account pinning.
    pub(crate) fn check(
        &self,
        terms: &Terms,
        mut headers: HeaderMap,
        looking: Looking<'_>,
    ) -> Result<Checked<'_>, Refusal> {
        let Looking { who, watchlist, .. } = looking;
        let facts = terms.facts();
        let head = Head::new(facts, &headers);
        let found = self.find(head).and_then(|found| found.map(|found| in_scope(found, terms)).transpose());
        let found = found.map_err(|refusal| match refusal.code {
            // A surrogate that was recognised says more than that the value is not the right one.
            Code::CredentialNotSurrogate | Code::SurrogateMissing | Code::NotMinted => {
                let leak = self.leak_in(who, head, watchlist);
                leak.unwrap_or_else(|| self.without_surrogate(terms, refusal))
            }
            _ => refusal,
        })?;
        let text = head.text_beside(found.as_ref());
        if let Some(finding) = watchlist.find_in(&text).or_else(|| watchlist.find_in(&head.joined(found.as_ref()))) {
            return Err(self.misplaced(who, &facts.authority, &finding));
        }
        let lookalikes = watchlist.lookalikes_in(&text);
        let mut taken_off = Vec::new();
        if let Some(guard) = self.guarded.get(&facts.authority) {
            if let Some(foreign) = place::disguised(&guard.places, head) {
                return Err(foreign.disguised());
            }
            authenticates::refuse_others(head, found.as_ref(), &guard.harmless, self.brought(&facts.authority))?;
            authenticates::refuse_unknown(head, found.as_ref(), &guard.harmless)?;
            authenticates::refuse_other_half(found.as_ref(), &guard.harmless)?;
            taken_off = prepare_for_scrubbing(&mut headers, facts)?;
        }
        self.refuse_lookalikes(terms, &lookalikes, looking)?;
        Ok(Checked { headers, bytes: text.len() as u64, lookalikes, taken_off, found })
    }

    /// Refuses look-alikes of secrets if the policy says so.
    fn refuse_lookalikes(&self, terms: &Terms, found: &[Finding], looking: Looking<'_>) -> Result<(), Refusal> {
        match found.first() {
            Some(finding) if looking.blocks_lookalikes => {
                Err(self.misplaced(looking.who, &terms.facts().authority, finding))
            }
            _ => Ok(()),
        }
    }

    /// What may come back from a host besides the secret put on this request: the secrets of all
    /// credentials, the host's own first, which an earlier request or another host may have left
    /// there, and the keys made with them. Nothing if the host has no credential.
    pub(crate) fn may_come_back(&self, authority: &Authority, secrets: &dyn Secrets) -> Vec<Replacement> {
        let mut all = Vec::new();
        let Some(own) = self.guarded.get(authority) else { return all };
        let others: BTreeSet<_> = self.guarded.values().flat_map(|guard| &guard.credentials).collect();
        for name in own.credentials.iter().chain(others) {
            let held = || self.credentials.iter().filter(|own| own.name == *name);
            let made = held().filter_map(|own| Some((own.minted.as_ref()?.key.clone(), own.surrogate.as_ref())));
            let surrogate = held().find(|own| own.minted.is_none()).map_or(NOT_HELD, |own| &*own.surrogate);
            let known = secrets.held(name).into_iter().map(|secret| (secret, surrogate));
            // A key made for another sandbox has no surrogate in this one.
            let foreign = secrets.made(name).into_iter().map(|secret| (secret, NOT_HELD));
            for (secret, surrogate) in made.chain(known).chain(foreign) {
                let one = Replacement { secret, surrogate: surrogate.into() };
                as_sent::with_forms(one, self.places_of(name)).into_iter().for_each(|form| form.add_to(&mut all));
            }
        }
        all
    }

    /// The places of the credential, and of others for its hosts.
    fn places_of(&self, name: &Arc<str>) -> impl Iterator<Item = &Place> {
        let guards = self.guarded.values().filter(move |guard| guard.credentials.contains(name));
        guards.flat_map(|guard| &guard.places)
    }

    /// The credential whose token endpoint a request is for.
    pub(crate) fn token_endpoint(&self, facts: &Facts) -> Option<&Credential> {
        let is = |grant: &Grant| grant.endpoint.authority == facts.authority && grant.endpoint.path == facts.path;
        self.credentials.iter().find(|credential| credential.grant.as_ref().is_some_and(is))
    }

    /// The credential with a token endpoint that this request will use.
    pub(crate) fn needs_token(&self, permit: &Permit, headers: &HeaderMap) -> Option<&Credential> {
        let name = permit.credential()?;
        self.credentials.iter().filter(|one| one.grant.is_some()).find(|one| one.name == *name)?;
        let found = self.find(Head::new(permit.facts(), headers)).ok().flatten()?;
        in_scope(found, permit).ok().map(|found| found.credential)
    }

    /// The path as it may be written down: without the value in a guarded place, which is a
    /// surrogate or some other key. It has the form of a rule, with a star there.
    pub(crate) fn path_to_show(&self, facts: &Facts) -> Option<Path> {
        let places = &self.guarded.get(&facts.authority)?.places;
        let path = facts.path.spelt();
        let path = path.as_str();
        let segment = places.iter().filter_map(Place::segment).find(|segment| segment.value(path).is_some())?;
        Path::parse(&segment.with(path, "*")).ok()
    }

    /// Looks for form fields that, by their normal form, authenticate at this host in place of the
    /// head. Nothing if the host has no credential.
    pub(crate) fn foreign_field(&self, authority: &Authority) -> Option<Look> {
        let guard = self.guarded.get(authority)?;
        let letters = |text: &str| letters_of(&normal_name(text));
        let parameters: Vec<_> = guard.places.iter().filter_map(Place::parameter).map(letters).collect();
        let fields = guard.places.iter().filter_map(Place::field).map(|field| letters(&field.to_string()));
        let own: Vec<_> = guard.harmless.iter().filter_map(Place::parameter).map(letters).chain(fields).collect();
        let (handed_out, credentials) = (self.handed_out.clone(), guard.credentials.clone());
        Some(Look {
            is_one: Box::new(move |name| {
                !own.contains(&letters_of(name)) && names::field_authenticates(name, &parameters)
            }),
            in_json: false,
            refusal: Box::new(move |name, value| {
                authenticates::foreign_field(name, value, handed_out.by(&credentials))
            }),
        })
    }

    /// Remembers the keys that a guarded host's answers bring.
    pub(crate) fn guard_of(&self, authority: &Authority) -> Option<Handing> {
        self.guards(authority).then(|| Handing::new(self.handed_out.clone(), self.credentials_of(authority).into()))
    }

    fn brought(&self, authority: &Authority) -> Brought<'_> {
        self.handed_out.by(self.credentials_of(authority))
    }

    fn credentials_of(&self, authority: &Authority) -> &[Arc<str>] {
        self.guarded.get(authority).map_or(&[], |guard| &guard.credentials)
    }

    /// Whether the host has a credential, this sandbox's or not.
    pub fn guards(&self, authority: &Authority) -> bool {
        self.guarded.contains_key(authority)
    }

    /// The refusal for a watched value that is out of place in a head. A surrogate in its place on
    /// its host belongs there, allowed or not.
    pub(crate) fn leak_in(&self, identity: &Identity, head: Head<'_>, watchlist: &Watchlist) -> Option<Refusal> {
        let found = self.find(head).ok().flatten();
        let text = head.text_beside(found.as_ref());
        let finding = watchlist.find_in(&text).or_else(|| watchlist.find_in(&head.joined(found.as_ref())))?;
        Some(self.misplaced(identity, &head.facts.authority, &finding))
    }

    /// Whether a finding in a body may pass: a surrogate of this sandbox in text to a model, if the
    /// rule says `model = true`.
    pub(crate) fn tolerates(
        identity: &Identity,
        terms: &Terms,
        lookalikes: bool,
    ) -> impl Fn(&WatchedKind) -> bool + Send + Sync + 'static {
        let (group, model) = (identity.group.clone(), terms.model());
        move |what| match what {
            WatchedKind::Surrogate { group: owner, .. } => model && *owner == group,
            WatchedKind::Secret { .. } | WatchedKind::Canary { .. } => false,
            WatchedKind::Lookalike { .. } => lookalikes,
        }
    }

    /// Looks for a surrogate of this sandbox in its place on its host. Any other value in a place
    /// of the host's credentials is refused.
    fn find<'a>(&'a self, head: Head<'_>) -> Result<Option<Found<'a>>, Refusal> {
        let authority = &head.facts.authority;
        let Some(guard) = self.guarded.get(authority) else { return Ok(None) };
        let held = self.credentials.iter().filter(|credential| credential.hosts.contains(authority));
        place::find(held, &guard.places, head, self.brought(authority))
    }
}

impl Placed {
    /// The credential that was put on.
    pub(crate) fn credential(&self) -> Option<&Arc<str>> {
        self.put_on.as_ref().map(|put_on| &put_on.credential)
    }

    /// What to log: look-alikes of secrets, and the headers that were not passed on.
    pub(crate) fn findings(&self) -> Vec<String> {
        self.lookalikes.iter().map(ToString::to_string).chain(self.notes()).collect()
    }

    /// What the client is told besides the answer.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        checked::notes(&self.taken_off)
    }

    /// The credential that was put on, unless it was a key made by its host.
    pub(crate) fn base_credential(&self) -> Option<&Arc<str>> {
        self.put_on.as_ref().filter(|put_on| !put_on.minted).map(|put_on| &put_on.credential)
    }

    /// The scrubber for the answer, made from what was put on.
    pub(crate) fn scrubber_with(self, scrubber: impl FnOnce(Vec<Replacement>) -> Option<Scrubber>) -> Option<Scrubber> {
        let forms = |put_on: PutOn| as_sent::with_forms(put_on.replacement, [&put_on.place].into_iter());
        scrubber(self.put_on.map(forms).unwrap_or_default())
    }
}

/// Replaces a secret in an answer if this sandbox has no surrogate of it.
pub(crate) const NOT_HELD: &str = "taken-off-by-doorward";

/// The rule's credential only, within its ceiling, and never over plain HTTP.
fn in_scope<'a>(found: Found<'a>, terms: &Terms) -> Result<Found<'a>, Refusal> {
    let facts = terms.facts();
    let name = &found.credential.name;
    if terms.credential() != Some(name) {
        let why = format!("the rule at {} does not put credential {name} on", terms.rule());
        return Err(Refusal::new(Code::SurrogateScope, why));
    }
    if facts.scheme != Scheme::Https {
        let why = format!("credential {name} is only used inside TLS");
        return Err(Refusal::new(Code::SurrogateScope, why));
    }
    let only = &found.credential.only;
    if only.is_empty() || only.iter().any(|pattern| pattern.matches(facts.method, &facts.path)) {
        return Ok(found);
    }
    let path =
        found.place.segment().map_or_else(|| facts.path.to_string(), |place| place.with(facts.path.as_str(), "*"));
    let why = format!("credential {name} may not be used for {} {path}: see `only` in doorward.toml", facts.method);
    Err(Refusal::new(Code::SurrogateScope, why))
}

/// Ask for an answer in a form that cannot be scrubbed, or for its digest, by normal names:
/// gateways read `Accept_Encoding` as `Accept-Encoding`.
const OTHER_FORMS: [&str; 7] = [
    "accept_encoding",
    "accept_charset",
    "grpc_accept_encoding",
    "connect_accept_encoding",
    "want_digest",
    "want_content_digest",
    "want_repr_digest",
];

/// The answer must be readable completely, and in its own form.
fn prepare_for_scrubbing(headers: &mut HeaderMap, facts: &Facts) -> Result<Vec<HeaderName>, Refusal> {
    let asks = |name: &&HeaderName| OTHER_FORMS.contains(&&*normal_name(name.as_str()));
    let names: Vec<HeaderName> = headers.keys().filter(asks).cloned().collect();
    for name in names {
        headers.remove(name);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    charset::ask_for_none(headers);
    readable::ask_for_all(headers, facts.method.is_read())
}

/// The refusal for a body that cannot be searched before it leaves.
pub(crate) fn unreadable(why: &Unreadable) -> Refusal {
    let why = format!("the body is looked into before it may leave, and {why}; {}", why.advice());
    Refusal::new(Code::BodyUnreadable, why)
}

#[cfg(test)]
mod tests;
