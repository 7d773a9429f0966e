//! Whether two policies demand the same of a body: what was judged by one may have to be judged again by the other, or
//! refused.

use std::mem::discriminant;

use super::{BodyConditions, Clause, Does};

impl BodyConditions {
    /// Whether both demand the same of a body, whichever rules demand it.
    pub(crate) fn asks_the_same(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }

    /// What is demanded of a body, without the rules that do and the yeses to it.
    fn parts(&self) -> impl PartialEq + use<'_> {
        // Destructured in full, so that a new field is compared.
        let BodyConditions { free, clauses, grants: _, models_alone: _, empty_is_fine } = self;
        // However many rules lead to a model without conditions.
        let is_free_model = |rule: &&Clause| rule.asks_model() && rule.conditions.is_none();
        let others = clauses.iter().filter(|rule| !is_free_model(rule));
        let demands: Vec<_> = others.map(|rule| (discriminant(&rule.does), rule.opens(), &rule.conditions)).collect();
        let models = (clauses.iter().any(|rule| is_free_model(&rule)), self.clauses().any(Clause::asks_model));
        (free, empty_is_fine, models, demands)
    }

    /// Whether a body that passed `other` passes this too: there may be more allows and fewer asks.
    pub(crate) fn takes_all_of(&self, other: &Self) -> bool {
        let has = |rules: &Self, like: &dyn Fn(&Clause) -> bool, then: &Clause| {
            rules.clauses.iter().any(|rule| like(rule) && rule.conditions == then.conditions)
        };
        let mut opened = other.clauses.iter().filter(|rule| rule.opens() && rule.conditions.is_some());
        let opens_all = self.free || (!other.free && opened.all(|then| has(self, &Clause::opens, then)));
        let asks = |rule: &Clause| matches!(rule.does, Does::Ask { .. });
        let unasks = |rule: &Clause| matches!(rule.does, Does::Unask);
        // Without its exception, an ask binds more.
        let asks_no_more = self.clauses.iter().filter(|rule| asks(rule)).all(|rule| has(other, &asks, rule))
            && (self.asks().next().is_none()
                || other.clauses.iter().filter(|rule| unasks(rule)).all(|then| has(self, &unasks, then)));
        let wants = |rules: &Self, like: fn(&Clause) -> bool| {
            rules.clauses().filter(|rule| like(rule)).map(|rule| rule.conditions.clone()).collect::<Vec<_>>()
        };
        let denies = |rules: &Self| wants(rules, |rule| matches!(rule.does, Does::Deny(_)));
        let models = |rules: &Self| wants(rules, Clause::asks_model);
        opens_all
            && asks_no_more
            && (models(self).is_empty() || models(self) == models(other))
            && denies(self) == denies(other)
            && self.empty_is_fine == other.empty_is_fine
    }

    /// Whether both demand the same, where a permit may demand nothing.
    pub(crate) fn asks_what(&self, other: Option<&Self>) -> bool {
        let nothing = BodyConditions::new(self.empty_is_fine);
        self.asks_the_same(other.unwrap_or(&nothing))
    }
}

impl Clause {
    /// Whether the request is open if the conditions hold.
    fn opens(&self) -> bool {
        matches!(self.does, Does::Open { .. } | Does::Ask { opens: true, .. })
    }
}
