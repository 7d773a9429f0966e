//! Answers: the first one counts. It is in the log before it takes effect.

use std::time::Duration;

use desk::lock;
use policies::Bounds;
use proxy::ports::Question;

use super::book::Outcome;
use super::reading::Answer;
use super::taking::exact;
use super::times::At;
use super::{Approvals, LATE, deed, words};
use crate::store::ledger::Notice;
use crate::store::{Answered, Ask, AskState, Group, NewGrant, StoreError};

/// How an answer was given.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    /// As a reply to the question.
    Reply(&'a Group, &'a str),
    /// As a reaction to it.
    Reaction(&'a Group, &'a str),
    /// By its code in the chat.
    Code(&'a Group, &'a str),
    /// On the command line.
    Command,
}

/// Why an answer had no effect, for the owner.
#[derive(Debug, thiserror::Error)]
pub enum NotAnswered {
    /// The question was answered or has expired.
    #[error("{0}")]
    Closed(String),
    /// What it asks for cannot be done.
    #[error("{0} Nothing happened; the question is still open.")]
    Impossible(String),
    /// The database failed.
    #[error("Nothing happened: {0}")]
    Store(#[from] StoreError),
}

impl Approvals {
    /// Answers a question. Returns what the owner is told.
    pub fn answer(&self, ask: &Ask, answer: &Answer, by: By<'_>) -> Result<String, NotAnswered> {
        let _one = lock(&self.deciding);
        // A policy saved a moment ago closes the questions asked under the one before.
        self.look_at_policy(&ask.group);
        let now = self.times.now();
        self.forget(now);
        let question = self.as_it_stands(ask, now)?;
        let giving = Self::giving(&question, answer.what)?;
        self.refuse_locked(&question, answer.what)?;
        let rule = self.rule(ask.id, &question, answer.what, by)?;
        self.log_answer(&question, answer, by)?;
        let written = rule.map(|rule| self.write_rule(&question, ask.id, rule)).transpose()?;
        let waited = self.book().is_waited_for(ask.id);
        let grant = giving.as_ref().map(|giving| giving.as_new(by));
        let settled = self.store.answer_ask(ask.id, answer.what, &by.how(), now.wall, grant.as_ref());
        let settled = settled.inspect_err(|error| self.came_to_nothing(&question, error))?;
        if let (Some(Some(id)), Some(giving)) = (settled, &giving) {
            self.book().gives(&question, id, now, giving.lasts);
        }
        // Writing a rule closes the question by itself.
        if settled.is_none() && written.is_none() {
            return Err(NotAnswered::Closed(words::closed(None)));
        }
        self.settle(ask, &question, answer, now);
        if !waited && giving.is_some() {
            self.tell_agent(ask, &question);
        }
        Ok(words::answered(answer, waited, written.as_deref()))
    }

    /// The question as it is now, if it can be answered.
    fn as_it_stands(&self, ask: &Ask, now: At) -> Result<Question, NotAnswered> {
        let ask = self.store.ask(ask.id)?;
        let state = ask.as_ref().map_or(AskState::Lost, |ask| ask.state);
        if !state.is_open() {
            return Err(NotAnswered::Closed(words::closed(ask.as_ref())));
        }
        let book = self.book();
        let open = ask.as_ref().and_then(|ask| book.open.get(&ask.id)).filter(|open| open.can_be_answered(now));
        open.map(|open| open.question.clone()).ok_or_else(|| NotAnswered::Closed(words::closed(None)))
    }

    /// The grant that an answer gives, if it lets anything through by itself.
    fn giving(question: &Question, answer: Answered) -> Result<Option<Giving<'_>>, NotAnswered> {
        let Bounds { requests, seconds, .. } = Bounds::OF_AN_ANSWER;
        let is_operation = deed::operation(question).is_some();
        Ok(match answer {
            Answered::Answer | Answered::Always | Answered::Never if is_operation => {
                let why = "This is done once or not at all: answer 1 or no.";
                return Err(NotAnswered::Impossible(why.to_owned()));
            }
            Answered::Once => {
                Some(Giving { question, matches: exact(question), of_answer: false, uses: 1, lasts: LATE })
            }
            Answered::Answer if question.run.is_none() => {
                let why = "This request belongs to no answer of an agent's; say yes to it alone.";
                return Err(NotAnswered::Impossible(why.to_owned()));
            }
            Answered::Answer => {
                let matches = question.fingerprint.to_string();
                Some(Giving { question, matches, of_answer: true, uses: requests, lasts: Duration::from_secs(seconds) })
            }
            Answered::Always | Answered::No | Answered::Never => None,
        })
    }

    /// A yes does not open a lock, and is not kept until it is opened.
    fn refuse_locked(&self, question: &Question, answer: Answered) -> Result<(), NotAnswered> {
        let group = &question.who.group;
        let is_locked = self.around().is_some_and(|around| (around.is_locked)(group));
        match answer {
            Answered::Once | Answered::Answer | Answered::Always if is_locked => Err(NotAnswered::Impossible(format!(
                "{group} is locked, and no yes opens that: `doorward unlock` on the machine does."
            ))),
            _ => Ok(()),
        }
    }

    /// An answer that cannot be logged is none.
    fn log_answer(&self, question: &Question, answer: &Answer, by: By<'_>) -> Result<(), NotAnswered> {
        let because =
            answer.because.as_deref().map(|because| format!(" (\u{201c}{because}\u{201d})")).unwrap_or_default();
        let text =
            format!("the owner said {}{because} {}: {}", answer.what.as_str(), by.how(), words::logged(question));
        let noted = self.ledger.notice(&Notice::of("ask_answered", &question.who, text));
        noted.map(drop).map_err(|down| NotAnswered::Impossible(format!("The answer cannot be written down: {down}.")))
    }

    fn settle(&self, ask: &Ask, question: &Question, answer: &Answer, now: At) {
        let mut book = self.book();
        let outcome = match answer.what {
            Answered::Once | Answered::Answer => Outcome::Yes,
            Answered::Always => Outcome::Anew,
            Answered::No | Answered::Never => {
                book.says_no(question, answer.because.clone(), now);
                Outcome::No { because: answer.because.clone(), for_good: answer.what == Answered::Never }
            }
        };
        book.settle(ask.id, &outcome);
    }

    /// The request is gone: its agent is told that it may be sent again.
    fn tell_agent(&self, ask: &Ask, question: &Question) {
        let id = format!("ask-{}", ask.id.0);
        let text = words::may_come_again(question);
        if let Some(around) = self.around() {
            (around.tell_agent)(&question.who.group, &id, &text);
        }
    }
}

/// A grant before it is given.
struct Giving<'a> {
    question: &'a Question,
    matches: String,
    of_answer: bool,
    uses: u32,
    lasts: Duration,
}

impl Giving<'_> {
    fn as_new<'n>(&'n self, by: By<'n>) -> NewGrant<'n> {
        NewGrant {
            group: &self.question.who.group,
            matches: &self.matches,
            of_answer: self.of_answer,
            run: self.question.run.filter(|_| self.of_answer).map(crate::store::RunId),
            main: by.main(),
            uses: self.uses,
            lasts: i64::try_from(self.lasts.as_millis()).unwrap_or(0),
        }
    }
}

impl<'a> By<'a> {
    /// The way it was given, in words, for the log and the policy.
    pub(super) fn how(&self) -> String {
        match self {
            By::Reply(main, sender) => format!("by a reply in the chat of {} ({sender})", main.name),
            By::Reaction(main, sender) => format!("by a reaction in the chat of {} ({sender})", main.name),
            By::Code(main, sender) => format!("by its code in the chat of {} ({sender})", main.name),
            By::Command => "on the command line".to_owned(),
        }
    }

    fn main(self) -> Option<&'a Group> {
        match self {
            By::Reply(main, _) | By::Reaction(main, _) | By::Code(main, _) => Some(main),
            By::Command => None,
        }
    }
}
