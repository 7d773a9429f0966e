//! Conditions on a JSON body: what a rule with `json` wants of the request it
//! covers. An allowed host may act for the agent (a model that fetches pages, a
//! file that is uploaded); what switches such features on stands in the body.
//!
//! What it is not: a JSON library or a query language. It reads a body once,
//! strictly, keeps none of it, and answers yes or no. What two readers could read
//! in two ways (a key that stands twice, `Tools` beside `tools`) is refused.

mod condition;
mod field;
mod reader;

use std::sync::Arc;

pub use condition::{Condition, Effect, Wanted, Words};
pub use field::Field;
use reader::{Finding, Reader};

use crate::{Code, Refusal, RuleRef};

/// What a permit wants of the body before anything is sent.
#[derive(Clone, Debug)]
pub struct BodyConditions {
    denies: Vec<Denial>,
    /// One of them must hold; empty where an allow without `json` covers the request.
    allows: Vec<Grant>,
    empty_is_fine: bool,
}

/// A deny with `json` that covers the rest of the request.
#[derive(Clone, Debug)]
struct Denial {
    conditions: Arc<[Condition]>,
    refusal: Refusal,
}

/// An allow with `json` that covers the rest of the request.
#[derive(Clone, Debug)]
struct Grant {
    conditions: Arc<[Condition]>,
    at: RuleRef,
    lift: Vec<String>,
}

/// More than a model's longest prompt with its pictures; little enough to be held
/// in memory by every sandbox at once.
const LIMIT: u64 = 16 * 1024 * 1024;

impl BodyConditions {
    /// `None` as long as nothing is added. `empty_is_fine`: the method needs no body.
    pub(crate) fn new(empty_is_fine: bool) -> Self {
        BodyConditions { denies: Vec::new(), allows: Vec::new(), empty_is_fine }
    }

    pub(crate) fn deny(&mut self, conditions: &Arc<[Condition]>, refusal: Refusal) {
        self.denies.push(Denial { conditions: conditions.clone(), refusal });
    }

    pub(crate) fn allow(&mut self, conditions: &Arc<[Condition]>, at: &RuleRef, lift: Vec<String>) {
        self.allows.push(Grant { conditions: conditions.clone(), at: at.clone(), lift });
    }

    pub(crate) fn non_empty(self) -> Option<Self> {
        (!self.denies.is_empty() || !self.allows.is_empty()).then_some(self)
    }

    /// Whether the same is asked of a body, whichever rules ask it.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        let denies = |body: &Self| body.denies.iter().map(|deny| deny.conditions.clone()).collect::<Vec<_>>();
        let allows = |body: &Self| body.allows.iter().map(|allow| allow.conditions.clone()).collect::<Vec<_>>();
        denies(self) == denies(other) && allows(self) == allows(other) && self.empty_is_fine == other.empty_is_fine
    }

    /// Whether a body that passed another passes this: other allows may have come to it.
    pub(crate) fn takes_all_of(&self, other: &Self) -> bool {
        let has = |allow: &Grant| self.allows.iter().any(|own| own.conditions == allow.conditions);
        let allows = self.allows.is_empty() || (!other.allows.is_empty() && other.allows.iter().all(has));
        let own = BodyConditions { allows: other.allows.clone(), ..self.clone() };
        allows && own.asks_the_same(other)
    }

    /// The same where a permit may have none.
    pub(crate) fn asks_what(&self, other: Option<&Self>) -> bool {
        let nothing = BodyConditions::new(self.empty_is_fine);
        self.asks_the_same(other.unwrap_or(&nothing))
    }

    /// The most bytes that a body may have to be judged; a longer one is refused.
    pub fn limit(&self) -> u64 {
        LIMIT
    }

    /// Judges the whole body as it will be sent. Whatever its Content-Type says: a
    /// body that is not JSON is refused, and so is a compressed one.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        if body.len() as u64 > LIMIT {
            return Err(Refusal::new(
                Code::TooLarge,
                format!("the body is longer than the {LIMIT} bytes that can be judged"),
            ));
        }
        // No body is a body without fields, where the method needs none.
        let body: &[u8] = if body.is_empty() && self.empty_is_fine { b"null" } else { body };
        let denials = self.denies.iter().map(|deny| &deny.conditions);
        let grants = self.allows.iter().map(|allow| &allow.conditions);
        let all: Vec<&Condition> = denials.chain(grants).flat_map(|conditions| conditions.iter()).collect();
        let findings = Reader::read(&all, body)
            .map_err(|why| Refusal::new(Code::BodyUnreadable, format!("a rule looks into this body, and it {why}")))?;
        self.judge(&findings)
    }

    fn judge(&self, mut findings: &[Finding]) -> Result<(), Refusal> {
        for deny in &self.denies {
            let (own, rest) = findings.split_at(deny.conditions.len());
            findings = rest;
            // A condition that cannot be told counts as one that holds.
            if own.iter().all(|finding| *finding != Finding::Fails) {
                return Err(deny.refusal.clone());
            }
        }
        let mut first = None;
        for allow in &self.allows {
            let (own, rest) = findings.split_at(allow.conditions.len());
            findings = rest;
            let failed = allow.conditions.iter().zip(own).find(|(_, finding)| **finding != Finding::Holds);
            let Some((condition, finding)) = failed else { return Ok(()) };
            first.get_or_insert_with(|| allow.refusal(condition, *finding));
        }
        first.map_or(Ok(()), Err)
    }
}

impl Grant {
    /// Says which field, never what stands in it: a refusal is logged.
    fn refusal(&self, condition: &Condition, finding: Finding) -> Refusal {
        let why = match finding {
            Finding::Unclear => {
                format!("`{}` in the body is not of the kind that the rule expects there", condition.field)
            }
            _ => format!("the rule wants that in the body {condition}"),
        };
        Refusal { code: Code::BodyCondition, why, logged: None, rule: Some(self.at.clone()), lift: self.lift.clone() }
    }
}

#[cfg(test)]
mod tests;
