//! `always` and `never`: the rule that is written into the group's policy, with a line that says who said so,
//! when and from where. It is never wider than the request that was shown.

use jiff::Timestamp;
use policies::GroupName;
use proxy::ports::Question;

use super::Approvals;
use super::answering::{By, NotAnswered};
use crate::edit::{Edit, EditError, Rule};
use crate::store::{Answered, AskId};

impl Approvals {
    /// Writes what an answer says for good, and it is in force then. Where it stands, in words; nothing for an
    /// answer that says no such thing.
    pub(super) fn write_rule(
        &self,
        ask: AskId,
        question: &Question,
        answer: Answered,
        by: By<'_>,
    ) -> Result<Option<String>, NotAnswered> {
        if !matches!(answer, Answered::Always | Answered::Never) {
            return Ok(None);
        }
        let rule = rule(question)?.note(&self.note(answer, by));
        self.book().ruled = Some(ask);
        let written = self.write(question, answer, rule);
        if written.is_ok() {
            self.look_at_policy(&question.who.group);
        }
        self.book().ruled = None;
        let failed = |error| NotAnswered::Impossible(format!("The rule could not be written: {error}."));
        written.map(Some).map_err(failed)
    }

    fn write(&self, question: &Question, answer: Answered, rule: Rule) -> Result<String, EditError> {
        let credential = &question.credential;
        let edit = Edit::policy(&self.home, &question.who.group)?;
        let edit = match answer {
            Answered::Never => edit.add_deny(&rule.why("the owner was asked and said never"))?,
            _ => edit.add_allow(
                &credential.iter().fold(rule, |rule, name| rule.with("credential", &**name)).with("unasked", true),
            )?,
        };
        let path = edit.path().to_owned();
        edit.write()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(format!("The rule stands at the end of policies/{name}, and the version before it is kept."))
    }

    fn note(&self, answer: Answered, by: By<'_>) -> String {
        let at = Timestamp::from_millisecond(self.times.now().wall).unwrap_or_default();
        format!("{} by the owner, {}, {}", answer.as_str(), by.how(), at.strftime("%Y-%m-%d %H:%M UTC"))
    }

    /// The file that was written is in force when this returns.
    fn look_at_policy(&self, group: &GroupName) {
        if let Some(around) = self.around() {
            (around.look_at_policy)(group);
        }
    }
}

/// This host, method and path.
fn rule(question: &Question) -> Result<Rule, NotAnswered> {
    let facts = &question.facts;
    let path = facts.path.as_str();
    // In a rule it stands for others.
    if path.contains('*') || question.shown != facts.path {
        let why = "No rule can be written for exactly this path; say yes to it once.";
        return Err(NotAnswered::Impossible(why.to_owned()));
    }
    let rule = Rule::of(&facts.authority.host.to_string()).scheme(facts.scheme);
    let rule = if facts.authority.port == facts.scheme.default_port() { rule } else { rule.port(facts.authority.port) };
    let rule = rule.requests(&[format!("{} {path}", facts.method)]);
    Ok(rule)
}
