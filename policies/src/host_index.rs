//! Finds the rules for a host: by hash over the suffixes of its name, so that a thousand rules cost
//! what one costs.

use std::collections::HashMap;

use crate::host_pattern::HostPattern;
use crate::segments::Outline;
use crate::{Host, HostName, shared_names};

/// From a host to the rules that name it: the index of each, and which paths it may cover. That is kept apart from the
/// rules, because every request looks at it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostIndex {
    exact: HashMap<Host, Vec<Place>>,
    one_label: HashMap<Box<str>, Vec<Place>>,
    any_depth: HashMap<Box<str>, Vec<Place>>,
}

type Place = (usize, Outline);

impl HostIndex {
    pub(crate) fn new<'a>(rules: impl Iterator<Item = (&'a HostPattern, Outline)>) -> Self {
        let mut index = HostIndex::default();
        for (place, (host, outline)) in rules.enumerate() {
            let places = match host {
                HostPattern::Exact(host) => index.exact.entry(host.clone()).or_default(),
                HostPattern::OneLabel(parent) => index.one_label.entry(parent.as_str().into()).or_default(),
                HostPattern::AnyDepth(parent) => index.any_depth.entry(parent.as_str().into()).or_default(),
            };
            places.push((place, outline));
        }
        index
    }

    /// The rules that name the host and may cover such a path (none: any), in no particular order.
    pub(crate) fn find(&self, host: &Host, path: Option<Outline>) -> Vec<usize> {
        self.find_below(host, 0, path)
    }

    /// The same for rules that allow: there a star covers no names of strangers. Anybody can have a
    /// name below a public suffix, and such suffixes lie below names of one owner too:
    /// `**.amazonaws.com` does not cover the buckets below `s3.amazonaws.com`, nor `**.azure.com`
    /// the machines below `westeurope.cloudapp.azure.com`.
    pub(crate) fn find_own(&self, host: &Host, path: Option<Outline>) -> Vec<usize> {
        let any_star = !self.one_label.is_empty() || !self.any_depth.is_empty();
        let name = host.name().filter(|_| any_star);
        self.find_below(host, name.map_or(0, |name| shared_names::suffix(name.as_str()).len()), path)
    }

    /// Only stars whose parent name is longer than `suffix` count.
    fn find_below(&self, host: &Host, suffix: usize, path: Option<Outline>) -> Vec<usize> {
        let mut found = Vec::new();
        let mut add = |places: Option<&Vec<Place>>| {
            let places = places.map_or(&[][..], Vec::as_slice);
            match path {
                None => found.extend(places.iter().map(|(place, _)| *place)),
                Some(path) => {
                    found.extend(places.iter().filter(|(_, outline)| outline.meets(&path)).map(|(place, _)| *place));
                }
            }
        };
        add(self.exact.get(host));
        let parent = |name| parent_of(name).filter(|parent| parent.len() > suffix);
        let mut ancestor = host.name().map(HostName::as_str).and_then(parent);
        add(ancestor.and_then(|parent| self.one_label.get(parent)));
        while let Some(name) = ancestor {
            add(self.any_depth.get(name));
            ancestor = parent(name);
        }
        found
    }
}

fn parent_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_star_that_allows_covers_no_name_of_strangers() {
        let patterns = ["**.amazonaws.com", "*.amazonaws.com", "**.example.co.uk", "*.lan.example"];
        let patterns = patterns.map(|text| HostPattern::for_allow(text).unwrap());
        let index = HostIndex::new(patterns.iter().map(|host| (host, Outline::ANYTHING)));
        let found = |host: &str| {
            let host = Host::parse(host).unwrap();
            let all = |mut places: Vec<usize>| {
                places.sort_unstable();
                places
            };
            (all(index.find_own(&host, None)), all(index.find(&host, None)))
        };
        assert_eq!(found("bucket.s3.amazonaws.com"), (vec![], vec![0]));
        assert_eq!(found("s3.amazonaws.com"), (vec![], vec![0, 1]));
        assert_eq!(found("sts.amazonaws.com"), (vec![0, 1], vec![0, 1]));
        assert_eq!(found("a.sts.amazonaws.com"), (vec![0], vec![0]));
        assert_eq!(found("a.b.example.co.uk"), (vec![2], vec![2]));
        assert_eq!(found("nas.lan.example"), (vec![3], vec![3]));
        assert_eq!(found("lan.example"), (vec![], vec![]));
    }
}
