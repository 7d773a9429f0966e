//! Conditions on a JSON body: what a rule with `json` demands of the requests it covers. An allowed
//! host may act for the agent (a model that fetches pages, a file upload), and such features are
//! switched on in the body.
//!
//! What it is not: a JSON library or a query language. It reads a body once, strictly, keeps none
//! of it, and answers yes or no. A body that could be read in two ways (a duplicate key, `Tools`
//! beside `tools`) is refused.

mod condition;
mod field;
mod reader;

use std::sync::Arc;

pub use condition::{Condition, Effect, Wanted, Words};
pub use field::Field;
use reader::{Finding, Reader};

use crate::asking::{ASKED_AT_MOST, AskedBy};
use crate::grant::{Grant, GrantId};
use crate::{Code, Refusal, RuleRef};

/// The conditions that a permit puts on the body before anything is sent.
#[derive(Clone, Debug)]
pub struct BodyConditions {
    denies: Vec<Denial>,
    /// Whether a rule without `json` opens the request.
    free: bool,
    /// The allows that open the request if their conditions hold; empty if it is free.
    allows: Vec<Opening>,
    /// The asks that bind it.
    asks: Vec<Question>,
    /// The allows under which nobody is asked if their conditions hold.
    unasked: Vec<Arc<[Condition]>>,
    /// The yeses given to this request so far.
    grants: Vec<Grant>,
    /// What rules that lead to a model demand of the body; one must hold where only a model may be asked.
    models: Models,
    empty_is_fine: bool,
}

/// Why a body may not be sent.
#[derive(Debug)]
pub enum Unfit {
    /// It is refused.
    Refused(Refusal),
    /// The owner has to be asked first.
    Asks(Arc<AskedBy>),
}

/// A deny with `json` that covers the rest of the request.
#[derive(Clone, Debug)]
struct Denial {
    conditions: Arc<[Condition]>,
    refusal: Refusal,
}

/// Which bodies the rules with `model = true` let through.
#[derive(Clone, Debug, Default)]
struct Models {
    /// Whether only a model may be asked.
    alone: bool,
    /// Whether one of these rules has no conditions.
    free: bool,
    /// The rules that have conditions.
    openings: Vec<Opening>,
}

/// An allow with `json` that covers the rest of the request.
#[derive(Clone, Debug)]
struct Opening {
    conditions: Arc<[Condition]>,
    at: RuleRef,
    lift: Vec<String>,
}

/// An ask that covers the rest of the request.
#[derive(Clone, Debug)]
struct Question {
    /// `None`: whatever the body is.
    conditions: Option<Arc<[Condition]>>,
    /// Whether a yes opens the request. An ask binds more requests than it opens.
    opens: bool,
    by: Arc<AskedBy>,
}

/// Longer than a model's longest prompt with its pictures, and small enough for every sandbox to
/// hold one in memory at once.
const LIMIT: u64 = 16 * 1024 * 1024;

impl BodyConditions {
    /// Free, and dropped by `non_empty` as long as nothing is added. `empty_is_fine`: the method
    /// needs no body.
    pub(crate) fn new(empty_is_fine: bool) -> Self {
        BodyConditions {
            denies: Vec::new(),
            free: true,
            allows: Vec::new(),
            asks: Vec::new(),
            unasked: Vec::new(),
            grants: Vec::new(),
            models: Models::default(),
            empty_is_fine,
        }
    }

    pub(crate) fn deny(&mut self, conditions: &Arc<[Condition]>, refusal: Refusal) {
        self.denies.push(Denial { conditions: conditions.clone(), refusal });
    }

    pub(crate) fn allow(&mut self, conditions: &Arc<[Condition]>, at: &RuleRef, lift: Vec<String>) {
        self.free = false;
        self.allows.push(Opening { conditions: conditions.clone(), at: at.clone(), lift });
    }

    /// Adds a rule that leads to a model and covers the rest of the request.
    pub(crate) fn model(&mut self, conditions: Option<&Arc<[Condition]>>, at: &RuleRef) {
        match conditions {
            None => self.models.free = true,
            Some(conditions) => {
                let opening = Opening { conditions: conditions.clone(), at: at.clone(), lift: Vec::new() };
                self.models.openings.push(opening);
            }
        }
    }

    /// The body goes as a question to a model or not at all: what other rules open does not count.
    pub(crate) fn bind_to_models(&mut self) {
        self.models.alone = true;
    }

    /// The models' conditions, if they bind besides those of the rules that open the request.
    fn of_models(&self) -> &[Opening] {
        if self.models.alone && !self.models.free { &self.models.openings } else { &[] }
    }

    /// Says at the end whether a rule without conditions opens the request.
    pub(crate) fn set_free(&mut self, free: bool) {
        self.free = free;
    }

    /// Asks the owner if the conditions hold or cannot be evaluated.
    pub(crate) fn ask(&mut self, conditions: Option<&Arc<[Condition]>>, opens: bool, by: &Arc<AskedBy>) {
        self.asks.push(Question { conditions: conditions.cloned(), opens, by: by.clone() });
    }

    /// Asks nobody if these conditions hold.
    pub(crate) fn unasked(&mut self, conditions: &Arc<[Condition]>) {
        self.unasked.push(conditions.clone());
    }

    /// Adds the yeses that were given already.
    pub(crate) fn granted(&mut self, grants: Vec<Grant>) {
        self.grants = grants;
        // A yes for this body goes before one for any body.
        self.grants.sort_by_key(|grant| (!grant.is_once(), grant.id()));
    }

    /// The question, if it is asked whatever the body is; `None` if the body decides or a yes is
    /// there.
    pub(crate) fn surely_asks(&self) -> Option<&Arc<AskedBy>> {
        let always = self.asks.iter().find(|ask| ask.conditions.is_none());
        let opened_by_asks = !self.free && self.allows.is_empty();
        let asked = always.or_else(|| self.asks.first().filter(|_| opened_by_asks))?;
        (self.grants.is_empty() && self.unasked.is_empty()).then_some(&asked.by)
    }

    pub(crate) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// What asks the owner, about some bodies or all.
    pub fn asked_by(&self) -> Option<&AskedBy> {
        self.asks.first().map(|ask| &*ask.by)
    }

    pub(crate) fn non_empty(self) -> Option<Self> {
        (!self.denies.is_empty() || !self.allows.is_empty() || !self.asks.is_empty()).then_some(self)
    }

    /// Whether both demand the same of a body, whichever rules demand it.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }

    /// What is demanded of a body, without the rules that do and the yeses to it.
    fn parts(&self) -> impl PartialEq + use<'_> {
        // Destructured in full, so that a new field is compared.
        let BodyConditions { denies, free, allows, asks, unasked, grants: _, models, empty_is_fine } = self;
        // `alone` is set by no rule.
        let Models { alone: _, free: models_free, openings } = models;
        (
            denies.iter().map(|deny| &deny.conditions).collect::<Vec<_>>(),
            free,
            allows.iter().map(|allow| &allow.conditions).collect::<Vec<_>>(),
            asks.iter().map(|ask| (&ask.conditions, ask.opens)).collect::<Vec<_>>(),
            unasked,
            models_free,
            openings.iter().map(|opening| &opening.conditions).collect::<Vec<_>>(),
            empty_is_fine,
        )
    }

    /// Whether a body that passed `other` passes this too: there may be more allows and fewer asks.
    pub(crate) fn takes_all_of(&self, other: &Self) -> bool {
        let opens = |opening: &Arc<[Condition]>| {
            let by_ask = self.asks.iter().any(|ask| ask.opens && ask.conditions.as_ref() == Some(opening));
            by_ask || self.allows.iter().any(|own| own.conditions == *opening)
        };
        let by_asks = other.asks.iter().filter(|ask| ask.opens).filter_map(|ask| ask.conditions.as_ref());
        let mut opened = other.allows.iter().map(|allow| &allow.conditions).chain(by_asks);
        let opens_all = self.free || (!other.free && opened.all(opens));
        let known = |ask: &Question| other.asks.iter().any(|then| then.conditions == ask.conditions);
        // Without its exception, an ask binds more.
        let asks_no_more = self.asks.iter().all(known)
            && (self.asks.is_empty() || other.unasked.iter().all(|then| self.unasked.contains(then)));
        let denies = |body: &Self| body.denies.iter().map(|deny| deny.conditions.clone()).collect::<Vec<_>>();
        let wants = |body: &Self| body.of_models().iter().map(|own| own.conditions.clone()).collect::<Vec<_>>();
        let as_models = self.of_models().is_empty() || wants(self) == wants(other);
        opens_all
            && asks_no_more
            && as_models
            && denies(self) == denies(other)
            && self.empty_is_fine == other.empty_is_fine
    }

    /// Whether both demand the same, where a permit may demand nothing.
    pub(crate) fn asks_what(&self, other: Option<&Self>) -> bool {
        let nothing = BodyConditions::new(self.empty_is_fine);
        self.asks_the_same(other.unwrap_or(&nothing))
    }

    /// The longest body that can be judged, in bytes; a longer one is refused.
    pub fn limit(&self) -> u64 {
        if self.is_surely_asked() { ASKED_AT_MOST } else { LIMIT }
    }

    fn is_surely_asked(&self) -> bool {
        self.unasked.is_empty() && self.asks.iter().any(|ask| ask.conditions.is_none())
    }

    /// The refusal of a body over the limit.
    pub fn too_large(&self) -> Refusal {
        match self.asks.iter().find(|ask| ask.conditions.is_none()) {
            Some(ask) if self.is_surely_asked() => ask.by.too_large(),
            _ => Refusal::new(Code::TooLarge, format!("the body is longer than the {LIMIT} bytes that can be judged")),
        }
    }

    /// Whether a rule looks into the body: then it must be JSON.
    pub fn look_inside(&self) -> bool {
        self.conditions().next().is_some()
    }

    fn conditions(&self) -> impl Iterator<Item = &Arc<[Condition]>> {
        let denials = self.denies.iter().map(|deny| &deny.conditions);
        let openings = self.allows.iter().map(|allow| &allow.conditions);
        let questions = self.asks.iter().filter_map(|ask| ask.conditions.as_ref());
        let models = self.of_models().iter().map(|opening| &opening.conditions);
        denials.chain(openings).chain(questions).chain(&self.unasked).chain(models)
    }

    /// Judges the whole body as it will be sent, whatever its Content-Type says: if a rule looks
    /// into it, one that is not JSON or is compressed is refused. Returns the yes that lets it go,
    /// if the owner had to be asked.
    pub fn check(&self, body: &[u8]) -> Result<Option<GrantId>, Unfit> {
        if body.len() as u64 > self.limit() {
            return Err(Unfit::Refused(self.too_large()));
        }
        let all: Vec<&Condition> = self.conditions().flat_map(|conditions| conditions.iter()).collect();
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
    fn judge(&self, findings: &[Finding], body: &[u8]) -> Result<Option<GrantId>, Unfit> {
        let mut rest = findings;
        let mut own = |conditions: &Arc<[Condition]>| {
            let (own, behind) = rest.split_at(conditions.len());
            rest = behind;
            own
        };
        // Where a condition takes something away, one that cannot be evaluated counts as holding.
        let binds = |own: &[Finding]| own.iter().all(|finding| *finding != Finding::Fails);
        let holds = |own: &[Finding]| own.iter().all(|finding| *finding == Finding::Holds);
        for deny in &self.denies {
            if binds(own(&deny.conditions)) {
                return Err(Unfit::Refused(deny.refusal.clone()));
            }
        }
        let (mut open, mut first) = (self.free, None);
        for allow in &self.allows {
            let own = own(&allow.conditions);
            open |= holds(own);
            first = first.or_else(|| allow.refusal(own));
        }
        let mut asked = None;
        for ask in &self.asks {
            let own = ask.conditions.as_ref().map(&mut own).unwrap_or_default();
            open |= ask.opens && holds(own);
            asked = asked.or(binds(own).then_some(&ask.by));
            first = first.or_else(|| ask.refusal(own));
        }
        // Each takes its own findings, so the fold must not stop at the first that holds.
        let unasked = self.unasked.iter().fold(false, |unasked, conditions| holds(own(conditions)) | unasked);
        let mut of_a_model = self.of_models().is_empty();
        for opening in self.of_models() {
            let own = own(&opening.conditions);
            of_a_model |= holds(own);
            first = first.or_else(|| opening.refusal(own));
        }
        if !open || !of_a_model {
            let nothing = || Refusal::new(Code::BodyCondition, "no rule allows this body");
            return Err(Unfit::Refused(first.unwrap_or_else(nothing)));
        }
        let Some(by) = asked.filter(|_| !unasked) else { return Ok(None) };
        if body.len() as u64 > ASKED_AT_MOST {
            return Err(Unfit::Refused(by.too_large()));
        }
        let granted = self.grants.iter().find(|grant| grant.covers(body));
        granted.map_or_else(|| Err(Unfit::Asks(by.clone())), |grant| Ok(Some(grant.id())))
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

impl Opening {
    /// `None` if the conditions hold.
    fn refusal(&self, findings: &[Finding]) -> Option<Refusal> {
        unfit(&self.conditions, findings, &self.at, &self.lift)
    }
}

impl Question {
    fn refusal(&self, findings: &[Finding]) -> Option<Refusal> {
        unfit(self.conditions.as_ref().filter(|_| self.opens)?, findings, &self.by.at, &[])
    }
}

/// Names the field, never its value: a refusal is logged.
fn unfit(conditions: &[Condition], findings: &[Finding], at: &RuleRef, lift: &[String]) -> Option<Refusal> {
    let failed = conditions.iter().zip(findings).find(|(_, finding)| **finding != Finding::Holds);
    let why = match failed? {
        (condition, Finding::Unclear) => {
            format!("`{}` in the body is not of the kind that the rule expects there", condition.field)
        }
        (condition, _) => format!("the rule wants that in the body {condition}"),
    };
    Some(Refusal { code: Code::BodyCondition, why, logged: None, rule: Some(at.clone()), lift: lift.to_vec() })
}

#[cfg(test)]
mod tests;
