//! `[[say]]`: what a request does, in its owner's words. It judges nothing.

use crate::{AllowRule, Facts, RequestPattern, RuleRef};

/// A sentence about some requests, for the rules in the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Where it stands.
    pub at: RuleRef,
    /// What it is about.
    pub requests: Vec<RequestPattern>,
    /// The text, with placeholders: `open an issue in {1}/{2}: {json.title}`.
    pub text: String,
}

/// A request to be described, and what is known about it.
pub struct Telling<'a> {
    /// All sentences of the policy.
    pub says: &'a [Say],
    /// The allows and asks that cover it, whatever their hours and conditions on the body.
    pub rules: Vec<&'a AllowRule>,
    /// The request.
    pub facts: &'a Facts,
    /// Its body, if it is known as a whole. If not, its query is not known either.
    pub body: Option<Showing<'a>>,
}

/// A body that is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Showing<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// Whether its head says that it is JSON: a host that goes by that sees no fields in anything else.
    pub is_json: bool,
    /// The names of its fields.
    pub fields: &'a [String],
}

/// Who puts requests into words.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// In the rules' words; `None` if they have none.
    pub said: fn(&Telling<'_>) -> Option<String>,
    /// In plain words.
    pub plain: fn(&Telling<'_>) -> String,
}
