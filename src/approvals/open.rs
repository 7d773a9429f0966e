//! A question as its owner is asked it: stored, logged, and with what it shows. Nothing else makes one, and whoever keeps
//! it cannot change it: an answer is for what was asked.

use policies::{Path, Refusal};
use proxy::ports::{Held, Question};

use super::rules::Rules;
use super::telling::unavailable;
use super::times::{At, Span};
use super::yes::exact;
use super::{Approvals, LATE, code, deed, words};
use crate::channels::protocol::OutgoingKind;
use crate::phrases::Phrases;
use crate::store::ledger::Notice;
use crate::store::{AskId, NewAsk, NewOutgoing, RunId, StoreError};

/// The most questions listed in one message.
const LISTED: usize = 10;

/// A question that can be answered.
#[derive(Clone)]
pub(super) struct Open {
    ask: AskId,
    shown: Shown,
    /// How long it can be answered.
    span: Span,
}

/// What the owner may read of a question.
#[derive(Clone)]
pub(super) struct Shown {
    pub(super) code: String,
    pub(super) question: Question,
    /// Why its agent asked for it (`request_access`), in its words.
    pub(super) reason: Option<String>,
    /// What `always` and `never` would write.
    pub(super) rules: Rules,
}

/// A message that puts questions, without its mark.
pub(super) struct Message {
    text: String,
    /// Those that the text shows.
    asks: Vec<AskId>,
}

impl Open {
    pub(super) fn ask(&self) -> AskId {
        self.ask
    }

    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    pub(super) fn question(&self) -> &Question {
        &self.shown.question
    }

    /// Whether it is still time to answer.
    pub(super) fn holds(&self, now: At) -> bool {
        self.span.holds(now)
    }

    /// Whether it is about exactly this request.
    pub(super) fn is_about(&self, other: &Question) -> bool {
        let own = self.question();
        own.who.group == other.who.group && own.fingerprint == other.fingerprint && own.body == other.body
    }

    /// Whether an answer to it, read under another policy, is an answer to the other as well.
    pub(super) fn reads_like(&self, other: &Open) -> bool {
        self.shown.rules == other.shown.rules && words::single(&self.shown) == words::single(&other.shown)
    }
}

impl Message {
    /// As many of these as one message lists; the rest follows in the next.
    fn of(open: &[&Open]) -> Self {
        let listed = &open[..open.len().min(LISTED)];
        let text = match listed {
            [one] => words::single(&one.shown),
            _ => words::list(listed.iter().map(|open| &open.shown), open.len() - listed.len()),
        };
        Message { text, asks: listed.iter().map(|open| open.ask).collect() }
    }

    #[cfg(test)]
    pub(super) fn forged(text: String, asks: Vec<AskId>) -> Self {
        Message { text, asks }
    }

    pub(super) fn asks(&self) -> &[AskId] {
        &self.asks
    }
}

impl Approvals {
    /// A new question. What cannot be stored or logged is not asked.
    pub(super) fn asked(&self, question: &Question, held: Option<&Held>, now: At) -> Result<Open, Refusal> {
        let shown = self.worded(code::new(), question, held)?;
        let ask = self.keep(&shown, now).map_err(|error| unavailable(&error))?;
        let text = format!("the owner is asked: {}", words::logged(&shown.question));
        let notice = Notice { bytes: Some(question.bytes), ..Notice::of("asked", &question.who, text) };
        self.ledger.notice(&notice).map_err(Refusal::from)?;
        Ok(Open { ask, shown, span: Span::new(now, LATE) })
    }

    /// A question in the words of the policy under which its request comes now. `None`: it is not about that.
    pub(super) fn asked_anew(
        &self,
        open: &Open,
        question: &Question,
        held: Option<&Held>,
    ) -> Result<Option<Open>, Refusal> {
        if !open.is_about(question) {
            return Ok(None);
        }
        let shown = self.worded(open.shown.code.clone(), question, held)?;
        Ok(Some(Open { ask: open.ask, shown, span: open.span }))
    }

    /// A question as its owner may read it. If it holds something that must not appear in their chat (the group's own
    /// surrogate is enough), everything others chose is left out: otherwise the whole message would be withheld.
    fn worded(&self, code: String, question: &Question, held: Option<&Held>) -> Result<Shown, Refusal> {
        let (reason, rules) = (self.reason(question), Rules::of(question, held));
        let mut shown = Shown { code, question: question.clone(), reason, rules };
        let Some(refusal) = self.unfit(&shown) else { return Ok(shown) };
        shown.reason = None;
        if self.unfit(&shown).is_none() {
            return Ok(shown);
        }
        shown.hide();
        let is_operation = deed::operation(question).is_some();
        if is_operation || self.unfit(&shown).is_some() { Err(refusal) } else { Ok(shown) }
    }

    /// Why a question must not appear in the owner's chat: checked both as it is shown and as it came, since a person
    /// reads through another notation.
    fn unfit(&self, shown: &Shown) -> Option<Refusal> {
        self.withheld(&words::single(shown)).or_else(|| self.withheld(&words::as_it_came(shown)))
    }

    /// Why a text must not appear in the owner's chat.
    fn withheld(&self, text: &str) -> Option<Refusal> {
        let main = self.store.main_group().ok()??;
        self.around()?.say.question(&main.name, text).err()
    }

    fn keep(&self, shown: &Shown, now: At) -> Result<AskId, StoreError> {
        let question = &shown.question;
        let facts = &question.facts;
        self.store.begin_ask(&NewAsk {
            code: &shown.code,
            group: &question.who.group,
            run: question.run.map(RunId),
            sandbox: &question.who.sandbox,
            method: facts.method.as_str(),
            authority: &facts.authority.to_string(),
            path: question.shown.as_str(),
            credential: question.credential.as_deref(),
            exact: &exact(question),
            shape: &question.fingerprint.to_string(),
            says: &words::sentence(question),
            at: now.wall,
        })
    }

    /// The message that puts these. Each may be shown alone; next to others it may read as something else.
    pub(super) fn message(&self, open: &[&Open]) -> Message {
        let message = Message::of(open);
        let alone = message.asks.len() > 1 && self.withheld(&message.text).is_some();
        if alone { Message::of(&open[..1]) } else { message }
    }

    /// Queues a message for the main chat. An answer to it is one to the questions that it shows. Returns whether it
    /// shows any.
    pub(super) fn put(&self, message: &Message) -> Result<bool, StoreError> {
        let (Some(main), Some(around)) = (self.store.main_group()?, self.around()) else { return Ok(false) };
        let (text, asks) = match around.say.question(&main.name, &message.text) {
            Ok(text) => (text, &message.asks[..]),
            // It could be shown when it was asked. The notice sent instead is no question, and no answer to it is a
            // yes.
            Err(refusal) => {
                self.log_withheld(&main.name, &refusal);
                (around.say.own(&main.name, Phrases::new("question-withheld")), &[][..])
            }
        };
        let new = NewOutgoing { kind: OutgoingKind::Notice, text, in_reply_to: None };
        self.store.put_asks(&main.name, &new, asks)?;
        (around.wake_outbox)();
        Ok(!asks.is_empty())
    }
}

impl Shown {
    /// Removes all that others chose except the host: it may not be shown.
    fn hide(&mut self) {
        let why = "it holds what must not leave the group";
        self.question.says = format!("send a request that cannot be shown here: {why}");
        (self.question.fields, self.question.beside.names) = (Vec::new(), Vec::new());
        self.question.shown = Path::root();
        self.rules = Rules::none(why);
    }
}
