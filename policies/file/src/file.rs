//! A policy file: its keys and tables, and what it says as far as it can be read.

use std::ops::Range;

use policies::{AllowRule, DenyRule, Limits, Observe, Origin, TunnelRule};
use toml::de::DeValue;

use crate::blocks::Allow;
use crate::table::{Block, Test};
use crate::{blocks, keys, limits, observe};

/// What a file says, as far as it can be read.
#[derive(Default)]
pub(crate) struct PolicyFile {
    pub(crate) uses: Vec<(Range<usize>, String)>,
    pub(crate) allows: Vec<(Range<usize>, AllowRule)>,
    pub(crate) tunnels: Vec<(Range<usize>, TunnelRule)>,
    pub(crate) denies: Vec<DenyRule>,
    pub(crate) tests: Vec<Test>,
    pub(crate) limits: Limits,
    pub(crate) observe: Option<Observe>,
    /// `leaks = "block"`: what only looks like a secret stops a request.
    pub(crate) blocks_lookalikes: bool,
}

/// Reads a file.
pub(crate) fn read(block: &mut Block<'_, '_>) -> PolicyFile {
    match block.reader.origin {
        Origin::Group => block.known_keys("a policy file", &keys::GROUP),
        Origin::Preset(_) => block.known_keys("a preset", &keys::PRESET),
        Origin::Base => block.known_keys("base.toml, which only takes away,", &keys::BASE),
    }
    let uses = block.strings("use");
    let observe = if block.reader.origin == Origin::Group { observe::observe(block) } else { None };
    let (mut allows, mut tunnels) = (Vec::new(), Vec::new());
    let with_allow = block.reader.origin != Origin::Base;
    for (span, rule) in if with_allow { block.each("allow", blocks::allow) } else { Vec::new() } {
        match rule {
            Allow::Requests(rule) => allows.push((span, rule)),
            Allow::Tunnel(rule) => tunnels.push((span, rule)),
        }
    }
    PolicyFile {
        uses,
        observe,
        blocks_lookalikes: leaks(block),
        limits: limits(block),
        allows,
        tunnels,
        denies: block.each("deny", blocks::deny),
        tests: block.each("test", blocks::test),
    }
}

fn leaks(block: &mut Block<'_, '_>) -> bool {
    let Some((span, text)) = block.string("leaks") else { return false };
    if text != "block" {
        let help = "remove it (what only looks like a secret is noted in the log), or write leaks = \"block\"";
        block.reader.problem(span, format!("{text:?} is nothing that `leaks` can be"), Some(help.to_owned()));
    }
    true
}

fn limits(block: &mut Block<'_, '_>) -> Limits {
    let Some((_, value)) = block.table.get_key_value("limits") else { return Limits::default() };
    let DeValue::Table(table) = value.get_ref() else {
        block.reader.wrong_type(value, "limits", "a table, written as [limits]");
        return Limits::default();
    };
    limits::limits(&mut Block { reader: block.reader, table, span: value.span() })
}
