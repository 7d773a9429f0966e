//! The head that goes out: rebuilt by listed rules, searched by the code that knows the secrets,
//! with one secret in its place. And the proof that the body needs no further check by any rule.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, HeaderName};
use http::uri::PathAndQuery;
use policies::{BodyConditions, Code, GrantId, HeadHash, Refusal, Terms, Unfit};

use crate::head::{self, Carrier};
use crate::judge::Judged;
use crate::swap::{self, Swap};

/// A head as the code that knows the secrets leaves it.
pub struct Dressed {
    /// The given headers, possibly fewer or with other values; only `Accept-Encoding` may be added.
    pub headers: HeaderMap,
    /// Total length of path, query and headers, without the credential.
    pub bytes: u64,
    /// The header that carried the surrogate, if one did.
    pub carrier: Option<Carrier>,
    /// The secret to put on.
    pub swap: Option<Swap>,
}

/// The proof that a head may go out, and the head itself. No `Debug`: it may hold a secret.
pub struct Clean {
    pub(crate) headers: HeaderMap,
    pub(crate) target: PathAndQuery,
    pub(crate) bytes: u64,
    pub(crate) put_on: Option<(Arc<str>, String)>,
    /// What a yes binds of it, if the owner may be asked.
    bound: HeadHash,
    /// A body that was judged, and the same body with a secret in it.
    body: Option<(Bytes, Bytes)>,
}

/// The proof that the permit's conditions on the body were checked against all of it, or that there
/// are none. Only the body in it is sent.
pub struct BodyJudged {
    body: Option<Bytes>,
    granted: Option<GrantId>,
}

/// Checks a head and writes it. `look` gets the headers that may go out and returns those that do:
/// it searches for what must not leave, and says which secret to put on.
pub fn check<T>(
    judged: &Judged,
    came: &HeaderMap,
    look: impl FnOnce(HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(Clean, T), Refusal> {
    checked(judged.permit(), came, look)
}

/// The same by the terms of a request that is hypothetical or waits for a yes.
pub(crate) fn checked<T>(
    terms: &Terms,
    came: &HeaderMap,
    look: impl FnOnce(HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(Clean, T), Refusal> {
    let facts = terms.facts();
    head::refuse_other_methods(came, facts.method)?;
    head::refuse_second_spellings(came)?;
    let headers = head::outgoing(came);
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    let fields = terms.may_ask().then(|| headers.clone());
    let (Dressed { mut headers, bytes, carrier, swap }, looked) = look(headers)?;
    let bound = fields.map(|fields| head::bound(&fields, carrier.as_ref())).unwrap_or_default();
    if headers.keys().any(|name| !names.contains(name) && name != ACCEPT_ENCODING) {
        return Err(Refusal::new(Code::Unsupported, "a header would go out that did not come"));
    }
    let target = swap::target(facts, swap.as_ref())?;
    swap.iter().try_for_each(|swap| swap::put_on_headers(&mut headers, swap))?;
    head::refuse_dns(came)?;
    let put_on = swap.map(|swap| (swap.credential, swap.place));
    Ok((Clean { headers, target, bytes, put_on, bound, body: None }, looked))
}

impl Clean {
    /// Total length of path, query and headers, without the credential.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the head says that the body is JSON, or says nothing about it.
    pub fn says_json(&self, body: &[u8]) -> bool {
        head::says_json(&self.headers, body)
    }

    /// What a yes to the request binds of its head.
    pub(crate) fn bound(&self) -> HeadHash {
        self.bound
    }

    /// The path and query that go out.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The headers that go out.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Writes a secret into a body that was judged; refused if the head carries one.
    pub fn put_in_body(&mut self, _: &BodyJudged, body: &Bytes, swap: &Swap) -> Result<Bytes, Refusal> {
        if self.put_on.is_some() {
            return Err(Refusal::new(Code::CredentialAmbiguous, "two secrets would go out with one request"));
        }
        let written = swap::put_in_body(&mut self.headers, body, swap)?;
        self.put_on = Some((swap.credential.clone(), swap.place.clone()));
        self.body = Some((body.clone(), written.clone()));
        Ok(written)
    }

    /// The only body that may be sent with this head; nothing if the body is streamed.
    pub(crate) fn take_body(
        &mut self,
        BodyJudged { body: judged, granted: _ }: BodyJudged,
    ) -> Result<Option<Bytes>, Refusal> {
        match self.body.take() {
            None => Ok(judged),
            Some((body, written)) if judged.as_ref() == Some(&body) => Ok(Some(written)),
            Some(_) => Err(Refusal::new(Code::BodyUnreadable, "a secret would go out in another body than was judged")),
        }
    }
}

impl BodyJudged {
    /// For a streamed body, or none: only where no rule looks into the body.
    pub fn as_it_comes(judged: &Judged) -> Option<Self> {
        judged.permit().body_conditions().is_none().then_some(BodyJudged { body: None, granted: None })
    }

    /// For a body that is complete. A server must not read it as anything but what was judged: if a
    /// rule looks into it, or `looked_into` says that other code does, it is JSON.
    pub fn whole(judged: &Judged, clean: &Clean, body: &Bytes, looked_into: bool) -> Result<Self, Unfit> {
        let conditions = judged.permit().body_conditions();
        let looked_into = looked_into || conditions.is_some_and(BodyConditions::look_inside);
        if looked_into && !body.is_empty() && !clean.says_json(body) {
            let why = "this body is judged as JSON in UTF-8, and its Content-Type does not say that it is; \
                       send \"Content-Type: application/json\"";
            return Err(Unfit::Refused(Refusal::new(Code::BodyUnreadable, why)));
        }
        if let Some(coding) = head::packs(&clean.headers).filter(|_| looked_into && !body.is_empty()) {
            let why =
                format!("this body is judged as JSON, and it is packed ({coding}); send it without Content-Encoding");
            return Err(Unfit::Refused(Refusal::new(Code::BodyUnreadable, why)));
        }
        let granted = conditions.map_or(Ok(None), |conditions| conditions.check(body))?;
        if granted.is_some() && clean.bound != judged.permit().head() {
            let why = "the head that would go out is not the one that the owner said yes to; send the request again";
            return Err(Unfit::Refused(Refusal::new(Code::AskUnanswered, why)));
        }
        Ok(BodyJudged { body: Some(body.clone()), granted })
    }

    /// The owner's yes, if one was needed.
    pub fn granted(&self) -> Option<GrantId> {
        self.granted
    }
}
