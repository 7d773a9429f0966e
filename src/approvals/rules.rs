//! `always` and `never`: the rule written into the group's policy, with a comment saying who decided it, when and
//! where. It is the smallest rule for the request that was shown, and the owner is told what else it covers.

use jiff::Timestamp;
use policies::{GroupName, Showing};
use policy_file::Smallest;
use proxy::ports::{Held, Question};

use super::Approvals;
use super::answering::NotAnswered;
use super::open::Open;
use crate::edit::{Edit, EditError, OfPolicy, Rule};
use crate::store::Answered;

/// The rule that would be written for a request, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) always: Result<Smallest, String>,
    never: Result<Smallest, String>,
}

impl Rules {
    pub(super) fn of(question: &Question, held: Option<&Held>) -> Self {
        let facts = &question.facts;
        let Some(held) = held else { return Rules::none("an operation is done once or not at all") };
        // What may not be shown is not written down either.
        if question.shown != facts.path {
            return Rules::none("its path holds what may not be written down");
        }
        let always = policy_file::always(
            held.policy.at(held.now),
            facts,
            Showing { bytes: &held.body, is_json: held.is_json, fields: &[] },
            "the owner was asked about this and said always",
        );
        let never = policy_file::never(facts, "the owner was asked about this and said never");
        Rules { always: always.map_err(|why| why.to_string()), never: Ok(never) }
    }

    /// For requests that no rule can express.
    pub(super) fn none(why: &str) -> Self {
        Rules { always: Err(why.to_owned()), never: Err(why.to_owned()) }
    }
}

/// A rule ready to be written; nobody else edits the file meanwhile.
pub(super) struct Ruled {
    edit: Edit<OfPolicy>,
    told: String,
}

impl Approvals {
    /// The permanent rule of an answer; `None` for an answer that asks for none.
    pub(super) fn rule(&self, open: &Open, answer: Answered, how: &str) -> Result<Option<Ruled>, NotAnswered> {
        let rules = open.shown().rules.clone();
        let rule = match answer {
            Answered::Always => rules.always,
            Answered::Never => rules.never,
            Answered::Once | Answered::Answer | Answered::No => return Ok(None),
        };
        let none = |why| NotAnswered::Impossible(format!("No rule can be written for this: {why}."));
        let rule = rule.map_err(none)?;
        let edit = self.edit(&open.question().who.group, answer, &rule, &self.note(answer, how)).map_err(unwritten)?;
        let name = edit.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let wider =
            if answer == Answered::Always { format!(" It also covers {}.", wider(&rule)) } else { String::new() };
        let hours =
            rule.hours.as_ref().map(|hours| format!(" It holds {hours}, as the rules for it do.")).unwrap_or_default();
        let told =
            format!("The rule stands at the end of policies/{name}, and the version before it is kept.{hours}{wider}");
        Ok(Some(Ruled { edit, told }))
    }

    /// Writes the rule, which is then in force. Returns where it is, in words.
    pub(super) fn write_rule(&self, open: &Open, rule: Ruled) -> Result<String, NotAnswered> {
        let question = open.question();
        self.book().ruled = Some(open.ask());
        let written = rule.edit.write();
        if written.is_ok() {
            self.look_at_policy(&question.who.group);
        }
        self.book().ruled = None;
        written.map(|_| rule.told).inspect_err(|error| self.came_to_nothing(question, error)).map_err(unwritten)
    }

    fn edit(
        &self,
        group: &GroupName,
        answer: Answered,
        rule: &Smallest,
        note: &str,
    ) -> Result<Edit<OfPolicy>, EditError> {
        let mut edit = Edit::policy(&self.home, group)?;
        for block in Rule::all(&rule.toml) {
            let block = block.note(note);
            edit = if answer == Answered::Never { edit.add_deny(&block)? } else { edit.add_allow(&block)? };
        }
        edit.check()?;
        Ok(edit)
    }

    fn note(&self, answer: Answered, how: &str) -> String {
        let at = Timestamp::from_millisecond(self.times.now().wall).unwrap_or_default();
        format!("{} by the owner, {how}, {}", answer.as_str(), at.strftime("%Y-%m-%d %H:%M UTC"))
    }

    /// When this returns, the file just written is in force.
    pub(super) fn look_at_policy(&self, group: &GroupName) {
        if let Some(around) = self.around() {
            (around.look_at_policy)(group);
        }
    }
}

fn unwritten(error: EditError) -> NotAnswered {
    NotAnswered::Impossible(format!("The rule could not be written: {error}."))
}

/// What a rule covers beyond its request: rules say nothing about headers.
pub(super) fn wider(rule: &Smallest) -> String {
    rule.wider.iter().copied().chain(["any headers"]).collect::<Vec<_>>().join("; ")
}
