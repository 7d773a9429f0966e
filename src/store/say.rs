//! What may be said in a chat: [`Say`] checks a text and returns the [`Sayable`] that the outbox stores and a channel
//! sends. Nothing else creates one, and they accept nothing else.
//!
//! It is in the store because an outbox row was a [`Sayable`] when it was written, and becomes one again when it is
//! read: [`Sayable::stored`], for `outbox.rs` only.
//!
//! **Invariants**
//! - No text with a real secret, a bait or another group's surrogate goes to a chat.
//! - A text or a file goes to the chat of the group for which it was checked, whatever the calling code says.
//! - An agent's text is in the log before it goes anywhere.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use desk::screen::MARKS;
use policies::{Code, GroupName, Refusal};
use proxy::ports::Secrets;
use rusqlite::Row;
use scan::{Finding, LeakFilter, Stop, WatchedKind};

use super::ledger::{AuditLog, Notice};
use crate::phrases::{Language, Phrases};

/// The mark at the start of a question to the owner, in chats. It is removed from every other text.
pub const MARK: char = MARKS[0];

/// A text that may go to the chat of the group for which it was checked, and to no other.
///
/// ```compile_fail
/// let forged = doorward::store::Sayable { text: "anything".to_owned(), group: None };
/// ```
///
/// ```compile_fail
/// let forged = doorward::store::Sayable::from("anything".to_owned());
/// ```
///
/// The outbox takes it and no other text:
///
/// ```
/// use doorward::channels::protocol::OutgoingKind;
/// use doorward::store::{NewOutgoing, Sayable};
/// let done = NewOutgoing { kind: OutgoingKind::Done, text: Sayable::default(), in_reply_to: None };
/// ```
///
/// ```compile_fail
/// use doorward::channels::protocol::OutgoingKind;
/// use doorward::store::{NewOutgoing, Sayable};
/// let done = NewOutgoing { kind: OutgoingKind::Done, text: String::new(), in_reply_to: None };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sayable {
    text: String,
    /// The group for which it was checked. Without one it is empty (or a test's).
    group: Option<GroupName>,
}

/// A file that may go to the chat of the group that it was checked for, and to no other: its name and its bytes were
/// looked through.
///
/// ```compile_fail
/// let forged = doorward::store::SayableFile { ..unimplemented!() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SayableFile {
    group: GroupName,
    name: String,
    media: String,
    bytes: Bytes,
}

/// An agent's text before the check.
#[derive(Debug)]
pub enum Text {
    /// An answer or an error. If it is withheld, its record alerts the owner.
    Answer(String),
    /// An operation's message. If it is withheld, the operation's record alerts the owner.
    Message(String),
}

/// An agent's answer that is shown while it grows. A fixed number of last bytes is held back, whatever they say, so
/// that no part of an incomplete secret goes out.
pub struct Growing {
    say: Say,
    group: GroupName,
    filter: LeakFilter,
    /// Released bytes that do not end at a character boundary.
    cut: Vec<u8>,
    begun: bool,
}

/// Decides what a group's chat may get.
#[derive(Clone)]
pub struct Say {
    secrets: Arc<dyn Secrets>,
    log: Arc<AuditLog>,
    language: Arc<LanguageOf>,
}

/// The language of a group's chat.
type LanguageOf = dyn Fn(&GroupName) -> Language + Send + Sync;

impl fmt::Debug for Say {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Say")
    }
}

impl Say {
    /// With these secrets, this log for the records, and English.
    pub fn new(secrets: Arc<dyn Secrets>, log: Arc<AuditLog>) -> Self {
        Say { secrets, log, language: Arc::new(|_| Language::English) }
    }

    /// The same, in the language of each group's chat.
    #[must_use]
    pub fn speaking(self, language: impl Fn(&GroupName) -> Language + Send + Sync + 'static) -> Self {
        Say { language: Arc::new(language), ..self }
    }

    /// An agent's text for its group's chat, checked and recorded. One that cannot be recorded may not be said.
    pub fn say(&self, group: &GroupName, text: Text) -> Result<Sayable, Refusal> {
        let (text, alarm) = match text {
            Text::Answer(text) => (text, true),
            Text::Message(text) => (text, false),
        };
        let text = unmarked(text);
        let checked = self.checked(group, text);
        let record = match &checked {
            Ok(Sayable { text, .. }) => Notice {
                bytes: Some(text.len() as u64),
                ..Notice::new("reply", Some(group), format!("a reply of {} bytes went to the chat", text.len()))
            },
            Err(finding) => Notice { alarm, ..withheld_notice(group, format!("a reply held a {finding}")) },
        };
        if let Err(down) = self.log.notice(&record) {
            tracing::error!(error = %down, "Reply withheld: it could not be recorded");
            return Err(down.into());
        }
        checked.map_err(|finding| withheld(&finding))
    }

    /// An agent's file for a group's chat, checked and recorded, including what is packed in it.
    pub fn file(&self, group: &GroupName, name: &str, media: &str, bytes: Bytes) -> Result<SayableFile, Refusal> {
        // First, as in `say`: it is checked as it arrives.
        let name = unmarked(name.to_owned());
        let found =
            self.leak(group, &name).map_or_else(|| self.stops_file(group, &bytes), |found| Some(Stop::Found(found)));
        let size = bytes.len() as u64;
        let (record, refusal) = match found {
            None => {
                let text = format!("a file of {size} bytes went to the chat");
                (Notice { bytes: Some(size), ..Notice::new("reply", Some(group), text) }, None)
            }
            Some(Stop::Found(finding)) => {
                (withheld_notice(group, format!("a file held a {finding}")), Some(withheld(&finding)))
            }
            Some(Stop::Unreadable(why)) => {
                let told = format!("a file is looked into before it may leave, and {why}; {}", why.advice());
                let refusal = Refusal::new(Code::BodyUnreadable, told);
                let text = "a file could not be looked into and was withheld";
                let notice = Notice::new("reply_withheld", Some(group), text);
                (Notice { code: Some(refusal.code), ..notice }, Some(refusal))
            }
        };
        self.log.notice(&record).map_err(Refusal::from)?;
        match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(SayableFile { group: group.clone(), name, media: media.to_owned(), bytes }),
        }
    }

    fn stops_file(&self, group: &GroupName, bytes: &Bytes) -> Option<Stop> {
        let mut filter = self.secrets.watchlist().filter().tolerating(is_own(group));
        filter.push_last(bytes.clone()).err()
    }

    /// A growing answer. The complete one is checked like any other.
    pub fn growing(&self, group: &GroupName) -> Growing {
        // As for the complete one: nothing is unpacked.
        let filter = self.secrets.watchlist().filter().as_it_comes().tolerating(is_own(group));
        Growing { say: self.clone(), group: group.clone(), filter, cut: Vec::new(), begun: false }
    }

    /// Doorward's own words, checked likewise, since they can quote what others chose. They are not recorded, because
    /// what they report is, and because they must be said even when the log is down.
    pub fn own(&self, group: &GroupName, words: impl Into<Phrases>) -> Sayable {
        let language = (self.language)(group);
        self.checked(group, unmarked(words.into().said_in(language))).unwrap_or_else(|finding| {
            self.log.note(&withheld_notice(group, format!("a message of Doorward's own held a {finding}")));
            Sayable { text: Phrases::new("words-withheld").said_in(language), group: Some(group.clone()) }
        })
    }

    /// A question to the owner, with its mark. One that may not appear in their chat is refused: an answer to a
    /// replacement text must not count.
    pub fn question(&self, main: &GroupName, words: &str) -> Result<Sayable, Refusal> {
        self.checked(main, format!("{MARK} {}", unmarked(words.to_owned()))).map_err(|finding| withheld(&finding))
    }

    /// Checks whether a text for the owner may leave its group.
    pub fn check(&self, group: &GroupName, text: &str) -> Result<(), Refusal> {
        self.leak(group, &unmarked(text.to_owned())).map_or(Ok(()), |finding| Err(withheld(&finding)))
    }

    fn checked(&self, group: &GroupName, text: String) -> Result<Sayable, Finding> {
        match self.leak(group, &text) {
            None => Ok(Sayable { text, group: Some(group.clone()) }),
            Some(finding) => Err(finding),
        }
    }

    /// What a text contains that must not leave.
    fn leak(&self, group: &GroupName, text: &str) -> Option<Finding> {
        let is_own = is_own(group);
        self.secrets.watchlist().find_all(text.as_bytes()).into_iter().find(|finding| !is_own(&finding.what))
    }
}

impl Growing {
    /// What may be shown after this piece. Nothing more once something was found, or if the log cannot record that the
    /// answer goes to the chat.
    pub fn more(&mut self, piece: String) -> Option<Sayable> {
        // First, as in `say`: the text on both sides of a mark is checked together.
        self.cut.extend_from_slice(&self.filter.push(unmarked(piece).into()).ok()??);
        let whole = std::str::from_utf8(&self.cut).map_or_else(|error| error.valid_up_to(), str::len);
        let rest = self.cut.split_off(whole);
        let text = String::from_utf8(std::mem::replace(&mut self.cut, rest)).ok().filter(|text| !text.is_empty())?;
        if !self.begun {
            let begins = Notice::new("reply_begun", Some(&self.group), "a reply goes to the chat while it grows");
            self.begun = self.say.log.notice(&begins).is_ok();
        }
        self.begun.then(|| Sayable { text, group: Some(self.group.clone()) })
    }
}

impl Sayable {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The group whose chat it goes to: the one for which it was checked, whatever the caller says. An empty text goes
    /// where the caller says.
    pub fn goes_to<'a>(&'a self, group: &'a GroupName) -> &'a GroupName {
        self.group.as_ref().unwrap_or(group)
    }

    /// In parts, for a chat that does not take it whole. By its type `split` can return only slices of the text and
    /// constants.
    pub fn parts(&self, split: impl for<'t> FnOnce(&'t str) -> Vec<&'t str>) -> Vec<Sayable> {
        let part = |text: &str| Sayable { text: text.to_owned(), group: self.group.clone() };
        split(&self.text).into_iter().map(part).collect()
    }

    /// The text of an outbox row, which holds nothing else.
    pub(super) fn stored(row: &Row<'_>, column: usize, group: &GroupName) -> rusqlite::Result<Self> {
        Ok(Sayable { text: row.get(column)?, group: Some(group.clone()) })
    }

    /// For tests of what comes after the check.
    #[cfg(test)]
    pub(crate) fn unchecked(text: impl Into<String>) -> Self {
        Sayable { text: text.into(), group: None }
    }
}

impl SayableFile {
    /// Whose chat it goes to: the group's that it was checked for.
    pub fn goes_to(&self) -> &GroupName {
        &self.group
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its MIME type.
    pub fn media(&self) -> &str {
        &self.media
    }

    /// Its content.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file of a row of the outbox, which takes nothing else.
    pub(super) fn stored(row: &Row<'_>, column: usize, group: GroupName) -> rusqlite::Result<Self> {
        let bytes: Vec<u8> = row.get(column + 2)?;
        Ok(SayableFile { group, name: row.get(column)?, media: row.get(column + 1)?, bytes: bytes.into() })
    }
}

impl fmt::Display for Sayable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A group may quote its own surrogates, which mean nothing outside its sandbox, but no real secret, bait or other
/// group's surrogate.
fn is_own(group: &GroupName) -> impl Fn(&WatchedKind) -> bool + Send + Sync + use<> {
    let own = group.clone();
    move |what| matches!(what, WatchedKind::Surrogate { group, .. } if *group == own)
}

fn unmarked(text: String) -> String {
    if text.contains(MARKS) { text.replace(MARKS, "") } else { text }
}

/// The refusal of a text. What was found, and of which credential, goes only to the owner's log: others read the chat,
/// and an agent may know only its own credentials.
fn withheld(finding: &Finding) -> Refusal {
    let why = "it held something that must not leave";
    Refusal::new(Code::SecretInRequest, why).logged_as(format!("it held a {finding}"))
}

fn withheld_notice(group: &GroupName, held: String) -> Notice {
    let text = format!("{held} and was withheld");
    Notice { code: Some(Code::SecretInRequest), ..Notice::new("reply_withheld", Some(group), text) }
}
