//! Whether a rule allows nothing but asking a model. A request under such a rule changes nothing at
//! its host, so a run that made it may be run again (invariant 13).
//!
//! What it is not: part of the verdict. It allows and refuses nothing.

use crate::body::{Condition, Wanted, Words};
use crate::rules::AllowRule;
use crate::{Method, wildcard};

/// What messages of a protocol must not be able to ask for: tools that run at the provider, and
/// stored or background jobs there.
struct Dialect {
    paths: &'static [&'static str],
    wants: &'static [(&'static str, Wants)],
}

/// What the rule must at least say about a field.
enum Wants {
    Absent,
    /// Every value is one of these.
    Only(&'static [&'static str]),
    /// No value is one of these.
    Not(&'static [&'static str]),
    /// Never true.
    NotTrue,
    /// Present and false: a missing field means true.
    False,
}

/// Models that search on their own.
const SEARCHES: Wants = Wants::Not(&["*search*", "*deep-research*"]);

const DIALECTS: [Dialect; 4] = [
    Dialect {
        paths: &["/v1/messages", "/v1/messages/count_tokens"],
        wants: &[
            ("tools[*].type", Wants::Only(&["custom", "bash_*", "text_editor_*", "computer_*", "memory_*"])),
            ("mcp_servers", Wants::Absent),
            ("container", Wants::Absent),
        ],
    },
    Dialect {
        paths: &["/v1/chat/completions", "/api/v1/chat/completions"],
        wants: &[
            ("tools[*].type", Wants::Only(&["function", "custom"])),
            ("web_search_options", Wants::Absent),
            ("plugins", Wants::Absent),
            ("preset", Wants::Absent),
            ("model", SEARCHES),
            ("store", Wants::NotTrue),
        ],
    },
    Dialect {
        paths: &["/v1/responses"],
        wants: &[
            ("tools[*].type", Wants::Only(&["function", "custom", "local_shell", "apply_patch"])),
            ("prompt", Wants::Absent),
            ("conversation", Wants::Absent),
            ("model", SEARCHES),
            ("background", Wants::NotTrue),
            ("store", Wants::False),
        ],
    },
    // The same, with tools in named groups.
    Dialect {
        paths: &["/v1/responses"],
        wants: &[
            ("tools[*].type", Wants::Only(&["function", "custom", "local_shell", "apply_patch", "namespace"])),
            ("tools[*].tools[*].type", Wants::Only(&["function", "custom"])),
            ("prompt", Wants::Absent),
            ("conversation", Wants::Absent),
            ("model", SEARCHES),
            ("background", Wants::NotTrue),
            ("store", Wants::False),
        ],
    },
];

impl AllowRule {
    /// Whether it says `model = true` and names one host, exact message paths only, and conditions
    /// that keep their bodies from asking for anything else.
    pub(crate) fn asks_a_model_alone(&self) -> bool {
        let Some(conditions) = &self.json else { return false };
        let messages = |path: &str| {
            let mut dialects = DIALECTS.iter().filter(|dialect| dialect.paths.contains(&path));
            dialects.any(|dialect| dialect.wants.iter().all(|(field, wants)| wants.met(conditions, field)))
        };
        let asked = self.requests.iter().map(|request| request.as_exact());
        self.model
            && self.host.is_exact()
            && !self.websocket
            && !self.requests.is_empty()
            && asked.into_iter().all(|asked| matches!(asked, Some((Method::Post, path)) if messages(path)))
    }
}

impl Wants {
    fn met(&self, conditions: &[Condition], field: &str) -> bool {
        let on_it = conditions.iter().filter(|condition| condition.field.to_string() == field);
        on_it.into_iter().any(|condition| self.said_by(&condition.words))
    }

    fn said_by(&self, words: &Words) -> bool {
        let alone_false = |wanted: &[Wanted]| wanted == [Wanted::Bool(false)];
        match (self, words) {
            (Wants::Absent | Wants::Only(_) | Wants::Not(_) | Wants::NotTrue, Words::Absent) => true,
            (Wants::Only(known), Words::Only(wanted)) => wanted.iter().all(|one| known.iter().any(|k| covers(k, one))),
            (Wants::Not(known), Words::Not(wanted)) => {
                known.iter().all(|k| wanted.contains(&Wanted::Text((*k).to_owned())))
            }
            (Wants::NotTrue, Words::Only(wanted)) | (Wants::NotTrue | Wants::False, Words::Any(wanted)) => {
                alone_false(wanted)
            }
            (Wants::NotTrue, Words::Not(wanted)) => wanted.contains(&Wanted::Bool(true)),
            _ => false,
        }
    }
}

/// Whether `known` covers everything that the rule's pattern `wanted` stands for.
fn covers(known: &str, wanted: &Wanted) -> bool {
    let Wanted::Text(wanted) = wanted else { return false };
    wildcard::matches(known.as_bytes(), wanted.as_bytes(), |p| *p == b'*', |_| true, |p, t| p == t)
}
