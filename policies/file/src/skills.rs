//! The policy of a skill: read like any other, under the name `skill:NAME`, and judged alone before
//! it applies to a group.
//!
//! It adds allows and asks and takes nothing away, so whatever its group and `base.toml` deny stays
//! denied, and what they ask about stays asked. It cannot say what only an owner may: what goes
//! unasked, which host is a model, which answers pass unread, what goes through unopened.

use desk::Problem;
use policies::{HostPattern, RuleRef};

use crate::part::Part;

/// The name of a skill's rules wherever a rule is named: `skill:weather`.
pub fn skill_file(name: &str) -> String {
    format!("skill:{name}")
}

/// The name of the skill that a rule belongs to, if any.
pub fn skill_of(at: &RuleRef) -> Option<&str> {
    at.file.strip_prefix("skill:")
}

/// Two skills with the same name, or each with a sentence about the same request. Different
/// credentials for one request are found for all rules alike.
pub(crate) fn conflicts(parts: &[Part]) -> Vec<Problem> {
    let skills: Vec<(&str, &Part)> = parts.iter().filter_map(|part| Some((part.skill()?, part))).collect();
    let mut problems = Vec::new();
    for (at, (name, part)) in skills.iter().enumerate() {
        for (other_name, other) in &skills[..at] {
            if name == other_name {
                let help = Some("keep one of them".to_owned());
                let message = format!("the skill {name} is there twice");
                problems.push(Problem::new(&part.text, 0..0, message, help));
            } else if let Some((span, request)) = said_by_both(part, other) {
                let help = Some("remove one of the two skills, or let one of them do without that sentence".to_owned());
                let message = format!("the skills {other_name} and {name} both have a sentence about {request}");
                problems.push(Problem::new(&part.text, span, message, help));
            }
        }
    }
    problems
}

fn said_by_both(one: &Part, other: &Part) -> Option<(std::ops::Range<usize>, String)> {
    let share = hosts(one).any(|host| hosts(other).any(|of_other| of_other == host));
    let requests = |part: &Part| -> Vec<(u32, String)> {
        let says = part.file.says.iter();
        says.flat_map(|say| say.requests.iter().map(|request| (say.at.line, request.to_string()))).collect()
    };
    let theirs = requests(other);
    let same = requests(one).into_iter().find(|(_, own)| theirs.iter().any(|(_, their)| their == own));
    same.filter(|_| share).map(|(line, request)| (one.text.span_of_line(line), request))
}

fn hosts(part: &Part) -> impl Iterator<Item = &HostPattern> {
    part.file.allows.iter().map(|(_, rule)| &rule.host)
}
