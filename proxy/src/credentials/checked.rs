//! A head that passed the checks, before a secret is put on it; a hypothetical request gets no
//! further.

use gate::Dressed;
use http::HeaderMap;
use http::header::HeaderName;
use policies::{Facts, Refusal};
use scan::Finding;

use super::place::Found;
use super::{Placed, swap};
use crate::ports::Secrets;

/// The headers that may go out, and where the surrogate stands.
pub(crate) struct Checked<'a> {
    pub(super) headers: HeaderMap,
    /// How long path, query and headers are, without the credential.
    pub(super) bytes: u64,
    pub(super) lookalikes: Vec<Finding>,
    pub(super) taken_off: Vec<HeaderName>,
    pub(super) found: Option<Found<'a>>,
}

impl Checked<'_> {
    /// The swap.
    pub(crate) fn put_on(self, facts: &Facts, secrets: &dyn Secrets) -> Result<(Dressed, Placed), Refusal> {
        let Checked { headers, bytes, lookalikes, taken_off, found } = self;
        let carrier = found.as_ref().and_then(Found::carrier);
        let (swap, put_on) = found.map(|found| swap::put_on(found, facts, secrets)).transpose()?.unzip();
        Ok((Dressed { headers, bytes, carrier, swap }, Placed { lookalikes, taken_off, put_on }))
    }

    /// The same where no secret is read, with what the client would hear besides the answer.
    pub(crate) fn with_surrogate(self) -> (Dressed, Vec<String>) {
        let Checked { headers, bytes, taken_off, found, .. } = self;
        let carrier = found.as_ref().and_then(Found::carrier);
        (Dressed { headers, bytes, carrier, swap: None }, notes(&taken_off).collect())
    }
}

/// What is said about headers that were not passed on.
pub(super) fn notes(taken_off: &[HeaderName]) -> impl Iterator<Item = String> {
    let whole = "from a host with a credential the whole comes, never a part";
    taken_off.iter().map(move |name| format!("header {name} taken off: {whole}"))
}
