//! A policy file: its keys and tables, and its content as far as it can be read.

use std::ops::Range;

use desk::toml::{Reader, Word};
use desk::{Problem, Text};

use policies::{AllowRule, Asking, DenyRule, Limits, Observe, Origin, Say, TunnelRule};

use crate::asking::{Asks, asks};
use crate::blocks::Allow;
use crate::table::{Block, Test};
use crate::{blocks, keys, limits, observe, say};

/// The content of a file, as far as it can be read.
#[derive(Default)]
pub(crate) struct PolicyFile {
    pub(crate) uses: Vec<Word>,
    /// Each `[[allow]]` and `[[ask]]`.
    pub(crate) allows: Vec<(Range<usize>, AllowRule)>,
    pub(crate) asking: Asking,
    pub(crate) tunnels: Vec<(Range<usize>, TunnelRule)>,
    pub(crate) denies: Vec<DenyRule>,
    pub(crate) says: Vec<Say>,
    pub(crate) tests: Vec<Test>,
    pub(crate) limits: Limits,
    pub(crate) observe: Option<Observe>,
    /// `leaks = "block"`: what only looks like a secret stops a request.
    pub(crate) blocks_lookalikes: bool,
}

/// Reads a file, and reports its problems.
pub(crate) fn read(text: &Text, origin: &Origin) -> (PolicyFile, Vec<Problem>) {
    let vocabulary = match origin {
        Origin::Group => &keys::OF_A_GROUP,
        Origin::Preset(_) => &keys::OF_A_PRESET,
        Origin::Skill(_) => &keys::OF_A_SKILL,
        Origin::Base => &keys::OF_THE_BASE,
    };
    let mut reader = Reader::new(text.clone(), vocabulary, origin.clone());
    let file = reader.read(policy_file).unwrap_or_default();
    (file, reader.into_problems())
}

fn policy_file(file: &mut Block<'_, '_>) -> PolicyFile {
    match file.reader.context {
        Origin::Group => file.known_keys("a policy file", &keys::GROUP),
        Origin::Preset(_) => file.known_keys("a preset", &keys::PRESET),
        Origin::Skill(_) => file.known_keys("a skill's policy.toml", &keys::SKILL),
        Origin::Base => file.known_keys("base.toml, which only takes away,", &keys::BASE),
    }
    let uses = file.any_strings("use");
    let observe = if file.reader.context == Origin::Group { observe::observe(file) } else { None };
    let (mut allows, mut tunnels) = (Vec::new(), Vec::new());
    let with_allow = file.reader.context != Origin::Base;
    for (span, rule) in if with_allow { file.each("allow", "[[allow]]", blocks::allow) } else { Vec::new() } {
        match rule {
            Allow::Requests(rule) => allows.push((span, rule)),
            Allow::Tunnel(rule) => tunnels.push((span, rule)),
        }
    }
    let mut asking = Asking::default();
    if with_allow {
        let Asks { rules, settings } = asks(file);
        allows.extend(rules);
        asking = settings;
    }
    PolicyFile {
        uses,
        asking,
        observe,
        blocks_lookalikes: leaks(file),
        limits: file.section("limits", "[limits]").map(|mut block| limits::limits(&mut block)).unwrap_or_default(),
        allows,
        tunnels,
        denies: file.each("deny", "[[deny]]", blocks::deny),
        says: if with_allow { file.each("say", "[[say]]", say::say) } else { Vec::new() },
        tests: file.each("test", "[[test]]", blocks::test),
    }
}

fn leaks(file: &mut Block<'_, '_>) -> bool {
    let Some((span, text)) = file.string("leaks") else { return false };
    if text != "block" {
        let help = "remove it (what only looks like a secret is noted in the log), or write leaks = \"block\"";
        file.reader.problem(span, format!("{text:?} is nothing that `leaks` can be"), Some(help.to_owned()));
    }
    true
}
