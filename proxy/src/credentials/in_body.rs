//! The swap in a JSON body: the same rules as in the head, once the body is complete.

use bytes::Bytes;
use gate::{Slot, Swap};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use policies::{Authority, Code, Refusal, Terms};

use super::authenticates::{Foreign, What};
use super::{Credential, Field, Found, Keyring, Looking, Place, Placed, in_scope, swap};
use crate::ports::Secrets;

/// The longest body that is searched for a credential.
const LONGEST: u64 = 1 << 20;

impl Keyring {
    /// How much of a body is read because it may hold a credential of the host.
    pub(crate) fn body_limit(&self, authority: &Authority) -> Option<u64> {
        self.fields(authority).next().map(|_| LONGEST)
    }

    /// Looks for the surrogate in the fields of the host's credentials, and returns what replaces
    /// it; this completes the body's leak check. Any other value in those fields is refused, under
    /// every rule.
    pub(crate) fn place_in_body(
        &self,
        terms: &Terms,
        placed: &mut Placed,
        headers: &HeaderMap,
        body: &Bytes,
        (looking, secrets): (Looking<'_>, &dyn Secrets),
    ) -> Result<Option<Swap>, Refusal> {
        let Looking { who: identity, watchlist, .. } = looking;
        let authority = &terms.facts().authority;
        let unread =
            |why| Refusal::new(Code::BodyUnreadable, format!("a credential may stand in this body, and it {why}"));
        if body.is_empty() || self.fields(authority).next().is_none() {
            return Ok(None);
        }
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(unread("is packed"));
        }
        let mut found = Vec::new();
        for field in self.fields(authority) {
            let value = field.find(body).map_err(unread)?;
            found.extend(value.map(|value| (field, value)).filter(|(_, new)| {
                // Two credentials may share a field.
                !found.iter().any(|(_, old): &(&Field, super::field::Value)| old.at == new.at)
            }));
        }
        let Some((field, value)) = found.pop() else { return Ok(None) };
        if !found.is_empty() || placed.put_on.is_some() {
            let why = "more than one thing in the request could authenticate it; send exactly one";
            return Err(Refusal::new(Code::CredentialAmbiguous, why));
        }
        let (before, behind) = (&body[..value.at.start], &body[value.at.end..]);
        let own = value.text.as_deref().and_then(|text| self.standing_in(authority, field, text));
        let Some((credential, place)) = own else {
            let text = String::from_utf8_lossy(&body[value.at.clone()]).into_owned();
            let foreign = || Foreign::new(What::Json, text).in_place(self.brought(authority));
            return Err(watchlist.find_in(body).map_or_else(foreign, |it| self.misplaced(identity, authority, &it)));
        };
        let rest = [before, b"\"\"", behind].concat();
        let tolerated = Keyring::tolerates(identity, terms, true);
        if let Some(finding) = watchlist.find_all(&rest).into_iter().find(|finding| !tolerated(&finding.what)) {
            return Err(self.misplaced(identity, authority, &finding));
        }
        placed.lookalikes.extend(watchlist.lookalikes_in(&rest));
        self.refuse_lookalikes(terms, &placed.lookalikes, looking)?;
        let Found { credential, place, .. } = in_scope(Found { credential, place, beside: None }, terms)?;
        let secret = swap::reveal(credential, secrets)?;
        let (name, slot) = (credential.name.clone(), Slot::Body(value.at));
        let swap = Swap { credential: name, place: place.to_string(), slot, secret: secret.clone() };
        placed.put_on = Some(swap::putting_on(credential, place, secret));
        Ok(Some(swap))
    }

    fn fields(&self, authority: &Authority) -> impl Iterator<Item = &Field> {
        let places = self.guarded.get(authority).into_iter().flat_map(|guard| &guard.places);
        places.filter_map(Place::field)
    }

    /// The credential whose surrogate this is, in one of its own fields.
    fn standing_in(&self, authority: &Authority, field: &Field, text: &str) -> Option<(&Credential, &Place)> {
        let held = self.credentials.iter().filter(|one| one.hosts.contains(authority) && *one.surrogate == *text);
        held.flat_map(|one| one.places.iter().map(move |place| (one, place)))
            .find(|(_, place)| place.field() == Some(field))
    }
}
