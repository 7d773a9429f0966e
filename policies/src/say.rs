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
    /// Its body, where it is there as a whole.
    pub body: Option<&'a [u8]>,
}

/// Who puts requests into words.
pub type Teller = fn(&Telling<'_>) -> String;
