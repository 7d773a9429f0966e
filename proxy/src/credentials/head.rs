//! The head of a request as what may hold a surrogate: path, query and headers.

use http::HeaderMap;
use policies::Facts;

use super::place::{Found, Place, is_parameter};

/// What was judged, and the headers that came with it.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(super) facts: &'a Facts,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    pub(crate) fn new(facts: &'a Facts, headers: &'a HeaderMap) -> Self {
        Head { facts, headers }
    }

    pub(super) fn path(&self) -> &'a str {
        self.facts.path.as_str()
    }

    pub(super) fn query(&self) -> &'a str {
        self.facts.query.as_ref().map(|query| query.as_str()).unwrap_or_default()
    }

    /// The query without the parameter that holds the surrogate.
    pub(super) fn query_beside(&self, found: Option<&Found<'_>>) -> String {
        let query = self.query();
        match found.map(|found| (found.place, &found.credential.surrogate)) {
            Some((Place::Query(key), surrogate)) => {
                let others = query.split('&').filter(|one| !is_parameter(one, key, surrogate));
                others.collect::<Vec<_>>().join("&")
            }
            _ => query.to_owned(),
        }
    }

    /// Everything of the head that leaves, as one text to search, without the one
    /// place where a surrogate was found.
    pub(super) fn text_beside(&self, found: Option<&Found<'_>>) -> Vec<u8> {
        let mut text = match found.map(|found| found.place) {
            Some(Place::Path(segment)) => segment.around(self.path()).into_bytes(),
            _ => self.path().as_bytes().to_vec(),
        };
        let query = self.query_beside(found);
        if !query.is_empty() {
            text.push(b'?');
            text.extend_from_slice(query.as_bytes());
        }
        text.extend_from_slice(b"\n");
        text.extend_from_slice(self.facts.authority.host.to_string().as_bytes());
        let place = found.and_then(|found| found.place.header());
        for (name, value) in self.headers {
            if Some(name) != place.as_ref() {
                text.extend_from_slice(b"\n");
                text.extend_from_slice(name.as_str().as_bytes());
                text.extend_from_slice(b": ");
                text.extend_from_slice(value.as_bytes());
            }
        }
        if let Some(beside) = found.and_then(|found| found.beside.as_ref()) {
            text.extend_from_slice(b"\n");
            text.extend_from_slice(beside.as_bytes());
        }
        text
    }
}
