//! What a chat is told when a message gets no answer.

use containers::protocol::Forgotten;
use desk::screen::quotation;
use policies::{GroupName, SandboxId};

use crate::channels::protocol::{OutgoingKind, Sender};
use crate::phrases::Phrases;
use crate::store::{
    EndRunError, Firing, FiringId, Means, Message, NO_SANDBOX, NewOutgoing, Run, Say, Sayable, Store, StoreError, Task,
};

/// How much of a task's prompt is shown, in characters.
const PROMPT_SHOWN: usize = 80;

/// For the main group, when `doorward setup` has finished.
pub(super) fn set_up() -> Phrases {
    Phrases::new("set-up")
}

/// For a call that got an empty answer.
pub(super) fn no_answer() -> Phrases {
    Phrases::new("no-answer")
}

/// For a call that was answered together with a later one. Only a terminal is told: a phone
/// shows which message an answer quotes.
pub(super) fn answered_together() -> Phrases {
    Phrases::new("answered-together")
}

/// For a call whose agent worked in another folder until now.
pub(super) fn other_folder() -> Phrases {
    Phrases::new("other-folder")
}

/// Which part of a conversation is lost, and what to do about it.
pub(super) fn forgotten(what: Forgotten, group: &GroupName) -> Phrases {
    match what {
        Forgotten::Turn => Phrases::new("forgot-turn").with("group", group),
        Forgotten::Conversation => Phrases::new("forgot-conversation").with("group", group),
        Forgotten::Lost => Phrases::new("forgot-lost"),
    }
}

/// A message for the chat.
pub(super) fn outgoing(kind: OutgoingKind, text: Sayable, answers: &Message) -> NewOutgoing {
    outgoing_to(kind, text, &answers.id)
}

/// A message that answers nobody.
pub(super) fn unasked(kind: OutgoingKind, text: Sayable) -> NewOutgoing {
    NewOutgoing { kind, text, in_reply_to: None }
}

/// A phrase about a task, with its number and prompt.
pub(super) fn of_task(phrase: Phrases, task: &Task) -> Phrases {
    phrase.with("number", task.id.0).with("what", quotation(&task.what.prompt, PROMPT_SHOWN))
}

/// A firing in the form of a message, from nobody.
pub(super) fn call_of(firing: &Firing) -> Message {
    let sender = Sender { id: "doorward".to_owned(), name: "Doorward".to_owned() };
    let (row, at) = (firing.id.row(), firing.due_at.as_millisecond());
    let text = firing.task.what.prompt.clone();
    Message { row, id: String::new(), sender, text, at, received_at: at, means: Means::Call, quote: None }
}

/// Whether nobody waits for this.
pub(super) fn is_unasked(message: &Message) -> bool {
    FiringId::of(message.row).is_some()
}

/// The same, given only the id of the message that it answers.
pub(super) fn outgoing_to(kind: OutgoingKind, text: Sayable, answers: &str) -> NewOutgoing {
    NewOutgoing { kind, text, in_reply_to: Some(answers.to_owned()) }
}

/// The end of a message's answer.
pub(super) fn done(answers: &str) -> NewOutgoing {
    outgoing_to(OutgoingKind::Done, Sayable::default(), answers)
}

/// A failure for each of these messages, and the end of each.
pub(super) fn failures(messages: &[Message], words: &Sayable) -> Vec<NewOutgoing> {
    let tell = |message: &Message| [outgoing(OutgoingKind::Failure, words.clone(), message), done(&message.id)];
    messages.iter().flat_map(tell).collect()
}

/// Reports what a stop has ended, and replies to its sender. `task`: whether a task was stopped too.
pub(super) fn stopped(say: &Say, group: &GroupName, waiting: &[Message], task: bool) -> Vec<NewOutgoing> {
    let any = task || waiting.iter().any(|message| message.means != Means::Stop);
    let asked = waiting.iter().any(|message| message.means == Means::Stop);
    let tell = |message: &Message| {
        let (kind, words) = match message.means {
            Means::Stop if any => (OutgoingKind::Notice, Phrases::new("stopped")),
            Means::Stop => (OutgoingKind::Notice, Phrases::new("nothing-ran")),
            Means::Call | Means::Talk if asked => (OutgoingKind::Failure, Phrases::new("stopped-as-asked")),
            Means::Call | Means::Talk => (OutgoingKind::Failure, Phrases::new("stopped-send-again")),
        };
        [outgoing(kind, say.own(group, words), message), done(&message.id)]
    };
    waiting.iter().flat_map(tell).collect()
}

/// Begins a run for messages that no sandbox will see, so that the attempt counts.
pub(super) fn run_without_sandbox(store: &Store, group: &GroupName, messages: &[Message]) -> Option<Run> {
    let (first, last) = (messages.first()?, messages.last()?);
    let sandbox = SandboxId::new(NO_SANDBOX)?;
    let begun = store.begin_run(group, first.row, last.row, &sandbox);
    begun.inspect_err(|error| tracing::error!(%group, %error, "a failed start could not be recorded")).ok()
}

/// For the chat of a run that is tried again.
pub(super) fn folder_stays() -> Phrases {
    Phrases::new("folder-stays")
}

/// Whether an agent can have done anything in this run.
pub(super) fn had_a_sandbox(run: &Run) -> bool {
    run.sandbox.as_str() != NO_SANDBOX
}

/// Ends a run whose messages are tried again, and tells the first one if an agent had it.
pub(super) fn try_again(
    store: &Store,
    say: &Say,
    run: &Run,
    why: &Phrases,
    first: Option<&Message>,
) -> Result<(), StoreError> {
    let again = || why.clone().line(Phrases::new("begun-again")).and(folder_stays());
    let words = || say.own(&run.group, again());
    let told = first.filter(|_| had_a_sandbox(run)).map(|first| outgoing(OutgoingKind::Notice, words(), first));
    match store.fail_run(run.id, &why.in_english(), None, &Vec::from_iter(told)) {
        Ok(_) | Err(EndRunError::NotRunning(_)) => Ok(()),
        Err(EndRunError::Store(error)) => Err(error),
    }
}
