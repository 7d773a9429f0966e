//! How the rules for a host are found: by hash over the suffixes of its name, so
//! that a thousand rules cost what one costs.

use std::collections::HashMap;

use crate::host_pattern::HostPattern;
use crate::{Host, HostName};

/// From a host to the places of the rules that name it.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostIndex {
    exact: HashMap<Host, Vec<usize>>,
    one_label: HashMap<Box<str>, Vec<usize>>,
    any_depth: HashMap<Box<str>, Vec<usize>>,
}

impl HostIndex {
    pub(crate) fn new<'a>(hosts: impl Iterator<Item = &'a HostPattern>) -> Self {
        let mut index = HostIndex::default();
        for (place, host) in hosts.enumerate() {
            let places = match host {
                HostPattern::Exact(host) => index.exact.entry(host.clone()).or_default(),
                HostPattern::OneLabel(parent) => index.one_label.entry(parent.as_str().into()).or_default(),
                HostPattern::AnyDepth(parent) => index.any_depth.entry(parent.as_str().into()).or_default(),
            };
            places.push(place);
        }
        index
    }

    /// The rules that name the host, in no order that means anything.
    pub(crate) fn find(&self, host: &Host) -> Vec<usize> {
        let mut found = self.exact.get(host).cloned().unwrap_or_default();
        let mut ancestor = host.name().map(HostName::as_str).and_then(parent_of);
        if let Some(places) = ancestor.and_then(|parent| self.one_label.get(parent)) {
            found.extend(places);
        }
        while let Some(name) = ancestor {
            found.extend(self.any_depth.get(name).into_iter().flatten());
            ancestor = parent_of(name);
        }
        found
    }
}

fn parent_of(name: &str) -> Option<&str> {
    name.split_once('.').map(|(_, parent)| parent)
}
