//! A policy file: its keys and tables, and what it says as far as it can be read.

use std::ops::Range;

use desk::toml::{Reader, TableKeys, Vocabulary, Word};
use desk::{Problem, Text};

use crate::blocks::Allow;
use crate::observe::{self, Observe};
use crate::rules::{AllowRule, DenyRule, Origin};
use crate::table::{Block, Test};
use crate::tunnel::TunnelRule;
use crate::{Limits, blocks, limits};

/// What a file says, as far as it can be read.
#[derive(Default)]
pub(crate) struct PolicyFile {
    pub(crate) uses: Vec<Word>,
    pub(crate) allows: Vec<(Range<usize>, AllowRule)>,
    pub(crate) tunnels: Vec<(Range<usize>, TunnelRule)>,
    pub(crate) denies: Vec<DenyRule>,
    pub(crate) tests: Vec<Test>,
    pub(crate) limits: Limits,
    pub(crate) observe: Option<Observe>,
    /// `leaks = "block"`: what only looks like a secret stops a request.
    pub(crate) blocks_lookalikes: bool,
}

pub(crate) const GROUP_KEYS: [&str; 8] = ["use", "mode", "observe_until", "leaks", "limits", "allow", "deny", "test"];
pub(crate) const PRESET_KEYS: [&str; 3] = ["allow", "deny", "test"];
pub(crate) const BASE_KEYS: [&str; 4] = ["leaks", "limits", "deny", "test"];

static GROUP: Vocabulary = with_top(&GROUP_KEYS);
static PRESET: Vocabulary = with_top(&PRESET_KEYS);
static BASE: Vocabulary = with_top(&BASE_KEYS);

const fn with_top(top: &'static [&'static str]) -> Vocabulary {
    Vocabulary { top, tables: &TABLES, synonyms: &SYNONYMS, planned: &["ask"] }
}

static TABLES: [TableKeys; 4] = [
    TableKeys { header: "[limits]", keys: &limits::KEYS },
    TableKeys { header: "[[allow]]", keys: &blocks::ALLOW_KEYS },
    TableKeys { header: "[[deny]]", keys: &blocks::DENY_KEYS },
    TableKeys { header: "[[test]]", keys: &blocks::TEST_KEYS },
];

static SYNONYMS: [(&str, &str); 17] = [
    ("method", "do"),
    ("methods", "do"),
    ("path", "do"),
    ("paths", "do"),
    ("request", "do"),
    ("requests", "do"),
    ("url", "host"),
    ("domain", "host"),
    ("address", "host"),
    ("reason", "why"),
    ("comment", "why"),
    ("because", "why"),
    ("preset", "use"),
    ("presets", "use"),
    ("import", "use"),
    ("include", "use"),
    ("expect", "want"),
];

/// Reads a file, and says what is wrong with it.
pub(crate) fn read(text: &Text, origin: &Origin) -> (PolicyFile, Vec<Problem>) {
    let vocabulary = match origin {
        Origin::Group => &GROUP,
        Origin::Preset(_) => &PRESET,
        Origin::Base => &BASE,
    };
    let mut reader = Reader::new(text.clone(), vocabulary, origin.clone());
    let file = reader.read(policy_file).unwrap_or_default();
    (file, reader.into_problems())
}

fn policy_file(file: &mut Block<'_, '_>) -> PolicyFile {
    match file.reader.context {
        Origin::Group => file.known_keys("a policy file", &GROUP_KEYS),
        Origin::Preset(_) => file.known_keys("a preset", &PRESET_KEYS),
        Origin::Base => file.known_keys("base.toml, which only takes away,", &BASE_KEYS),
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
    PolicyFile {
        uses,
        observe,
        blocks_lookalikes: leaks(file),
        limits: file.section("limits", "[limits]").map(|mut block| limits::limits(&mut block)).unwrap_or_default(),
        allows,
        tunnels,
        denies: file.each("deny", "[[deny]]", blocks::deny),
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
