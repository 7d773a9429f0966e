//! Conditions on a JSON body: what a rule with `json` demands of the requests it covers. An allowed
//! host may act for the agent (a model that fetches pages, a file upload), and such features are
//! switched on in the body.
//!
//! What it is not: a JSON library or a query language. It reads a body once, strictly, keeps none
//! of it, and answers yes or no. A body that could be read in two ways (a duplicate key, `Tools`
//! beside `tools`) is refused.

mod compared;
mod condition;
mod field;
mod reader;
mod unfit;

use std::sync::Arc;

pub use condition::{Condition, Effect, Wanted, Words};
pub use field::Field;
use reader::{Finding, Reader};
use unfit::unfit;

use crate::asking::{ASKED_AT_MOST, AskedBy};
use crate::grant::{Grant, GrantId};
use crate::{Code, Refusal, RuleRef};

/// The conditions that a permit puts on the body before anything is sent.
#[derive(Clone, Debug)]
pub struct BodyConditions {
    /// Whether a rule without `json` opens the request.
    free: bool,
    clauses: Vec<Clause>,
    /// The yeses given to this request so far.
    grants: Vec<Grant>,
    /// Whether only a model may be asked.
    models_alone: bool,
    empty_is_fine: bool,
}

/// What a rule that covers the rest of the request says of its body.
#[derive(Clone, Debug)]
struct Clause {
    /// `None`: whatever the body is.
    conditions: Option<Arc<[Condition]>>,
    does: Does,
}

/// What a rule does if its conditions hold.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// It refuses the body.
    Deny(Refusal),
    /// It opens the request, where no rule without conditions does.
    Open { at: RuleRef, lift: Vec<String> },
    /// It has the owner asked. It binds more requests than it opens.
    Ask { by: Arc<AskedBy>, opens: bool },
    /// It has nobody asked.
    Unask,
    /// It leads to a model; one such rule must hold where only a model may be asked.
    AskModel(RuleRef),
}

/// Why a body may not be sent.
#[derive(Debug)]
pub enum Unfit {
    /// It is refused.
    Refused(Refusal),
    /// The owner has to be asked first.
    Asks(Arc<AskedBy>),
}

/// Longer than a model's longest prompt with its pictures, and small enough for every sandbox to
/// hold one in memory at once.
const LIMIT: u64 = 16 * 1024 * 1024;

impl BodyConditions {
    /// Free: any body will do as long as no rule is added that opens some. `empty_is_fine`: the method
    /// needs no body.
    pub(crate) fn new(empty_is_fine: bool) -> Self {
        BodyConditions { free: true, clauses: Vec::new(), grants: Vec::new(), models_alone: false, empty_is_fine }
    }

    /// Adds a rule that covers the rest of the request.
    pub(crate) fn add(&mut self, conditions: Option<&Arc<[Condition]>>, does: Does) {
        self.free &= !matches!(does, Does::Open { .. });
        self.clauses.push(Clause { conditions: conditions.cloned(), does });
    }

    /// Whether a rule without `json` opens the request.
    pub(crate) fn set_free(&mut self, free: bool) {
        self.free = free;
    }

    /// The body goes as a question to a model or not at all: what other rules open does not count.
    pub(crate) fn bind_to_models(&mut self) {
        self.models_alone = true;
    }

    /// Adds the yeses that were given already.
    pub(crate) fn granted(&mut self, grants: Vec<Grant>) {
        self.grants = grants;
        // A yes for this body goes before one for any body.
        self.grants.sort_by_key(|grant| (!grant.is_once(), grant.id()));
    }

    /// The rules that count: one that leads to a model, if its conditions bind besides those of the rules that open
    /// the request.
    fn clauses(&self) -> impl Iterator<Item = &Clause> {
        let bound =
            self.models_alone && !self.clauses.iter().any(|rule| rule.asks_model() && rule.conditions.is_none());
        self.clauses.iter().filter(move |rule| bound || !rule.asks_model())
    }

    fn asks(&self) -> impl Iterator<Item = (&Clause, &Arc<AskedBy>)> {
        self.clauses.iter().filter_map(|rule| match &rule.does {
            Does::Ask { by, .. } => Some((rule, by)),
            _ => None,
        })
    }

    fn may_unask(&self) -> bool {
        self.clauses.iter().any(|rule| matches!(rule.does, Does::Unask))
    }

    /// What asks whatever the body is.
    fn always_asks(&self) -> Option<&Arc<AskedBy>> {
        self.asks().find(|(rule, _)| rule.conditions.is_none()).map(|(_, by)| by).filter(|_| !self.may_unask())
    }

    /// The question, if it is asked whatever the body is; `None` if the body decides or a yes is
    /// there.
    pub(crate) fn surely_asks(&self) -> Option<&Arc<AskedBy>> {
        let opens = |rule: &Clause| matches!(rule.does, Does::Open { .. });
        let opened_by_asks = !self.free && !self.clauses.iter().any(opens) && !self.may_unask();
        let asked = self.always_asks().or_else(|| self.asks().next().map(|(_, by)| by).filter(|_| opened_by_asks));
        asked.filter(|_| self.grants.is_empty())
    }

    pub(crate) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// What asks the owner, about some bodies or all.
    pub fn asked_by(&self) -> Option<&AskedBy> {
        self.asks().next().map(|(_, by)| &**by)
    }

    /// Whether any body will do.
    pub(crate) fn is_empty(&self) -> bool {
        self.free && self.clauses.iter().all(Clause::asks_model)
    }

    /// The longest body that can be judged, in bytes; a longer one is refused.
    pub fn limit(&self) -> u64 {
        self.always_asks().map_or(LIMIT, |_| ASKED_AT_MOST)
    }

    /// The refusal of a body over the limit.
    pub fn too_large(&self) -> Refusal {
        let why = || format!("the body is longer than the {LIMIT} bytes that can be judged");
        self.always_asks().map_or_else(|| Refusal::new(Code::TooLarge, why()), |by| by.too_large())
    }

    /// Whether a rule looks into the body: then it must be JSON.
    pub fn look_inside(&self) -> bool {
        self.clauses().any(|rule| rule.conditions.is_some())
    }

    /// Judges the whole body as it will be sent, whatever its Content-Type says: if a rule looks
    /// into it, one that is not JSON or is compressed is refused. Returns the yes that lets it go,
    /// if the owner had to be asked.
    pub fn check(&self, body: &[u8]) -> Result<Option<GrantId>, Unfit> {
        if body.len() as u64 > self.limit() {
            return Err(Unfit::Refused(self.too_large()));
        }
        let all: Vec<&Condition> = self.clauses().flat_map(Clause::conditions).collect();
        let findings = if all.is_empty() { Vec::new() } else { self.findings(&all, body).map_err(Unfit::Refused)? };
        self.judge(&findings, body)
    }

    fn findings(&self, all: &[&Condition], body: &[u8]) -> Result<Vec<Finding>, Refusal> {
        // Where the method needs no body, an empty one is a body without fields.
        let body: &[u8] = if body.is_empty() && self.empty_is_fine { b"null" } else { body };
        Reader::read(all, body)
            .map_err(|why| Refusal::new(Code::BodyUnreadable, format!("a rule looks into this body, and it {why}")))
    }

    /// Deny beats ask beats allow.
    fn judge(&self, mut findings: &[Finding], body: &[u8]) -> Result<Option<GrantId>, Unfit> {
        let (mut open, mut unasked, mut of_a_model) = (self.free, false, !self.clauses().any(Clause::asks_model));
        let (mut asked, mut unmet) = (None, None);
        for rule in self.clauses() {
            let (own, others) = findings.split_at(rule.conditions().len());
            findings = others;
            // Where a condition takes something away, one that cannot be evaluated counts as holding.
            let binds = own.iter().all(|finding| *finding != Finding::Fails);
            let holds = own.iter().all(|finding| *finding == Finding::Holds);
            match &rule.does {
                Does::Deny(refusal) if binds => return Err(Unfit::Refused(refusal.clone())),
                Does::Deny(_) => {}
                Does::Open { .. } => open |= holds,
                Does::Ask { by, opens } => {
                    open |= *opens && holds;
                    asked = asked.or(binds.then_some(by));
                }
                Does::Unask => unasked |= holds,
                Does::AskModel(_) => of_a_model |= holds,
            }
            unmet = unmet.or_else(|| rule.unmet(own));
        }
        if !open || !of_a_model {
            let nothing = || Refusal::new(Code::BodyCondition, "no rule allows this body");
            return Err(Unfit::Refused(unmet.unwrap_or_else(nothing)));
        }
        let Some(by) = asked.filter(|_| !unasked) else { return Ok(None) };
        if body.len() as u64 > ASKED_AT_MOST {
            return Err(Unfit::Refused(by.too_large()));
        }
        let granted = self.grants.iter().find(|grant| grant.covers(body));
        granted.map_or_else(|| Err(Unfit::Asks(by.clone())), |grant| Ok(Some(grant.id())))
    }
}

impl Clause {
    fn conditions(&self) -> &[Condition] {
        self.conditions.as_deref().unwrap_or_default()
    }

    fn asks_model(&self) -> bool {
        matches!(self.does, Does::AskModel(_))
    }

    /// The refusal of a body that it would open, if its conditions held.
    fn unmet(&self, findings: &[Finding]) -> Option<Refusal> {
        let (at, lift) = match &self.does {
            Does::Open { at, lift } => (at, &lift[..]),
            Does::Ask { by, opens: true } => (&by.at, &[][..]),
            Does::AskModel(at) => (at, &[][..]),
            Does::Deny(_) | Does::Ask { opens: false, .. } | Does::Unask => return None,
        };
        unfit(self.conditions(), findings, at, lift)
    }
}

impl Unfit {
    /// The refusal while nobody is asked.
    pub fn into_refusal(self) -> Refusal {
        match self {
            Unfit::Refused(refusal) => refusal,
            Unfit::Asks(by) => by.unanswered(),
        }
    }
}

#[cfg(test)]
mod tests;
