//! The registered chats, and whether a message belongs to one.
//!
//! WhatsApp names a person in two ways: by phone number (`…@s.whatsapp.net`) and by an
//! opaque id (`…@lid`). A message may contain either, and either may be registered, so every
//! comparison uses all known names of a chat.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use whatsapp_rust::{Jid, Server};

/// The word for the chat with oneself.
pub(crate) const SELF: &str = "self";

/// The registered chats. Cheap to clone; all clones see the newest list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chats(Arc<RwLock<Registered>>);

#[derive(Debug, Default)]
struct Registered {
    /// As the daemon gave them.
    words: Vec<String>,
    /// By the daemon's name for the chat.
    by_word: HashMap<String, Jid>,
    /// By WhatsApp's name for it.
    by_jid: HashMap<String, String>,
    /// By a name that is not registered but was learned, for the store alone: who may write is asked anew each time.
    also: HashMap<String, String>,
    /// Our own names, for the chat with oneself.
    own: Vec<Jid>,
}

impl Chats {
    /// Replaces the list. Entries that name no chat are left out: nothing can match them. Returns
    /// whether a chat has gone.
    pub(crate) fn replace(&self, words: &[String]) -> bool {
        let mut registered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let gone = registered.words.iter().any(|word| !words.contains(word));
        registered.words = words.to_vec();
        registered.index();
        gone
    }

    /// Registers one more.
    pub(crate) fn add(&self, word: &str) {
        let mut registered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registered.words.push(word.to_owned());
        registered.index();
    }

    /// Remembers by which name WhatsApp has a registered chat.
    pub(crate) fn learn(&self, word: &str, jid: &Jid) {
        let mut registered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registered.also.insert(jid.to_non_ad().to_string(), word.to_owned());
    }

    /// Whether it is the name of a registered chat, perhaps one that was learned.
    pub(crate) fn is_known(&self, jid: &Jid) -> bool {
        let (jid, registered) = (jid.to_non_ad().to_string(), self.0.read().unwrap_or_else(PoisonError::into_inner));
        let learned = registered.also.get(&jid).is_some_and(|word| registered.words.contains(word));
        learned || registered.by_jid.contains_key(&jid)
    }

    /// Sets our own names: phone number first, then the opaque id. Called before every lookup,
    /// since either may arrive or change later. An empty list changes nothing.
    pub(crate) fn set_own(&self, own: Vec<Jid>) {
        let own: Vec<Jid> = own.iter().map(Jid::to_non_ad).collect();
        if own.is_empty() || self.0.read().unwrap_or_else(PoisonError::into_inner).own == own {
            return;
        }
        let mut registered = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registered.own = own;
        registered.index();
    }

    /// Whether this is one of our own names.
    pub(crate) fn is_own(&self, jid: &Jid) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).own.contains(&jid.to_non_ad())
    }

    /// The daemon's name for the chat that has one of these names.
    pub(crate) fn word(&self, names: &[Jid]) -> Option<String> {
        let registered = self.0.read().unwrap_or_else(PoisonError::into_inner);
        names.iter().find_map(|jid| registered.by_jid.get(&jid.to_non_ad().to_string()).cloned())
    }

    /// WhatsApp's name for a chat; `None` if the chat is not registered.
    pub(crate) fn jid(&self, word: &str) -> Option<Jid> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).by_word.get(word).cloned()
    }
}

impl Registered {
    fn index(&mut self) {
        self.by_word.clear();
        self.by_jid.clear();
        for word in &self.words {
            if word == SELF {
                for jid in &self.own {
                    self.by_jid.insert(jid.to_string(), word.clone());
                }
                if let Some(jid) = self.own.first() {
                    self.by_word.insert(word.clone(), jid.clone());
                }
            } else if let Some(jid) = parse(word) {
                self.by_jid.insert(jid.to_string(), word.clone());
                self.by_word.insert(word.clone(), jid);
            }
        }
    }
}

/// A chat as a person or WhatsApp writes it: a JID, or a phone number.
pub(crate) fn parse(word: &str) -> Option<Jid> {
    if word.contains('@') {
        let jid: Jid = word.parse().ok()?;
        let known = matches!(jid.server, Server::Pn | Server::Lid | Server::Group);
        return (known && !jid.user.is_empty()).then(|| jid.to_non_ad());
    }
    let digits: String = word.chars().filter(|c| !matches!(c, '+' | ' ' | '-' | '(' | ')' | '.' | '/')).collect();
    let plausible = (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    plausible.then(|| Jid::pn(digits))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn chats(words: &[&str]) -> Chats {
        let chats = Chats::default();
        chats.set_own(vec![Jid::pn_device("4915100", 7), Jid::lid_device("999", 7)]);
        chats.replace(&words.iter().map(ToString::to_string).collect::<Vec<_>>());
        chats
    }

    #[test]
    fn any_name_of_a_chat_will_do() {
        let registered = chats(&["+49 170 1234567", "123@lid", "120363@g.us", "self"]);
        let word = |names: &[Jid]| registered.word(names);
        assert_eq!(word(&[Jid::pn("491701234567")]).unwrap(), "+49 170 1234567");
        assert_eq!(word(&[Jid::lid("5"), Jid::pn_device("491701234567", 3)]).unwrap(), "+49 170 1234567");
        assert_eq!(word(&[Jid::lid_device("123", 9)]).unwrap(), "123@lid");
        assert_eq!(word(&[Jid::group("120363")]).unwrap(), "120363@g.us");
        assert_eq!(word(&[Jid::pn("4915100")]).unwrap(), "self");
        assert_eq!(word(&[Jid::lid("999")]).unwrap(), "self");
    }

    #[test]
    fn a_stranger_matches_nothing() {
        let registered = chats(&["+49 170 1234567", "", "@", "status@broadcast", "123"]);
        for jid in
            [Jid::pn("49170123456"), Jid::lid("491701234567"), Jid::group("491701234567"), Jid::status_broadcast()]
        {
            assert_eq!(registered.word(&[jid]), None);
        }
        assert_eq!(registered.jid("491701234567"), None, "only the very word that was registered");
    }

    /// The opaque id arrives with the login, and a number may change; the chat with oneself is
    /// found by the account's current names.
    #[test]
    fn own_names_that_come_later_are_taken_up() {
        let registered = Chats::default();
        registered.replace(&["self".to_owned(), "123@lid".to_owned()]);
        assert_eq!(registered.jid("self"), None);
        registered.set_own(vec![Jid::pn("4915100")]);
        assert_eq!(registered.word(&[Jid::lid("999")]), None);
        registered.set_own(vec![Jid::pn("4915100"), Jid::lid_device("999", 3)]);
        assert!(registered.is_own(&Jid::lid("999")));
        assert_eq!(registered.word(&[Jid::lid("999")]).unwrap(), "self");
        registered.set_own(Vec::new());
        assert!(registered.is_own(&Jid::pn("4915100")), "a client that does not know is not asked");
        registered.set_own(vec![Jid::pn("4915222"), Jid::lid("999")]);
        assert!(!registered.is_own(&Jid::pn("4915100")), "somebody else's now");
        assert_eq!(registered.jid("self").unwrap(), Jid::pn("4915222"));
        assert_eq!(registered.word(&[Jid::lid("123")]).unwrap(), "123@lid");
    }

    #[test]
    fn a_new_list_replaces_the_old_one() {
        let registered = chats(&["123@lid"]);
        registered.replace(&["124@lid".to_owned()]);
        assert_eq!(registered.word(&[Jid::lid("123")]), None);
        assert_eq!(registered.jid("124@lid").unwrap(), Jid::lid("124"));
    }
}
