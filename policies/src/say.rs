//! `[[say]]`: what a request does, in its owner's words. It judges nothing.

use crate::{AllowRule, Facts, RequestPattern, RuleRef};

/// A sentence about some requests: of the rules that stand in the same text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Say {
    /// Where it stands.
    pub at: RuleRef,
    /// What it is about.
    pub requests: Vec<RequestPattern>,
    /// The words, with places for what the request says: `open an issue in {1}/{2}: {json.title}`.
    pub text: String,
}

/// A request to be told, and what there is to tell it with.
pub struct Telling<'a> {
    /// All sentences of its policy.
    pub says: &'a [Say],
    /// The allows and asks that cover it, whatever their hours and its body.
    pub rules: Vec<&'a AllowRule>,
    /// The request.
    pub facts: &'a Facts,
    /// Its body, where it is there as a whole. Of one that is only spoken of, neither that nor its query is known.
    pub body: Option<Showing<'a>>,
}

/// A body that is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Showing<'a> {
    /// All of it.
    pub bytes: &'a [u8],
    /// Whether its head says that it is JSON: to a host that goes by that, anything else is no field of it.
    pub is_json: bool,
    /// The names of its fields.
    pub fields: &'a [String],
}

/// Who puts requests into words.
#[derive(Clone, Copy, Debug)]
pub struct Teller {
    /// In those of the rules; nothing where they have none.
    pub said: fn(&Telling<'_>) -> Option<String>,
    /// In plain ones.
    pub plain: fn(&Telling<'_>) -> String,
}
