//! Why a body does not meet a rule's conditions, in words.

use super::{Condition, Finding};
use crate::{Code, Refusal, RuleRef};

/// Names the field, never its value: a refusal is logged.
pub(super) fn unfit(conditions: &[Condition], findings: &[Finding], at: &RuleRef, lift: &[String]) -> Option<Refusal> {
    let failed = conditions.iter().zip(findings).find(|(_, finding)| **finding != Finding::Holds);
    let why = match failed? {
        (condition, Finding::Unclear) => {
            format!("`{}` in the body is not of the kind that the rule expects there", condition.field)
        }
        (condition, _) => format!("the rule wants that in the body {condition}"),
    };
    Some(Refusal { code: Code::BodyCondition, why, logged: None, rule: Some(at.clone()), lift: lift.to_vec() })
}
