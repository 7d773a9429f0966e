//! The parts of a request's head that may hold a surrogate: path, query and headers.

use http::HeaderMap;
use http::header::COOKIE;
use policies::Facts;

use super::place::{Found, Place, is_parameter};

/// The facts that were judged, and the headers that came with them.
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

    /// Everything in the head that leaves, as one text to search, without the one place where a
    /// surrogate was found.
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

    /// The values of parameters and cookies, and the labels of the name, each joined, because a
    /// value may be spread over them. Without the one place where a surrogate was found.
    pub(super) fn joined(&self, found: Option<&Found<'_>>) -> Vec<u8> {
        let values =
            |list: &str| list.split(['&', ';']).filter_map(|one| Some(one.split_once('=')?.1.trim())).collect();
        let cookies =
            (found.and_then(|found| found.place.header()) != Some(COOKIE)).then(|| self.headers.get_all(COOKIE));
        let cookies = cookies.iter().flatten().map(|cookie| String::from_utf8_lossy(cookie.as_bytes()));
        let cookies: String = values(&cookies.collect::<Vec<_>>().join(";"));
        let parameters: String = values(&self.query_beside(found));
        let labels = self.facts.authority.host.to_string().replace('.', "");
        [parameters, cookies, labels].join("\n").into_bytes()
    }
}
