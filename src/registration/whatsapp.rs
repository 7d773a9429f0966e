//! WhatsApp chats as an owner writes them: which ids can work, and what to write instead of those that cannot.
//!
//! What it is not: the channel. `doorward-whatsapp` parses the same words (its `chats.rs`) and knows the account.

use crate::config::{WHATSAPP_PROGRAM, Whatsapp, WhatsappMode};

/// The word for the chat with oneself.
const SELF: &str = "self";

/// Where to find ids that are not phone numbers.
const FROM_CHATS: &str = "`doorward whatsapp chats` lists the groups with their ids, and `doorward setup` lets you choose \
                          one by its name";

/// Why no message of this chat could ever arrive; `Ok` if one could. A channel program other than Doorward's has its
/// own ids.
pub fn check(chat: &str, settings: &Whatsapp) -> Result<(), String> {
    let theirs = settings.program.as_deref().and_then(|path| path.file_name());
    if theirs.is_some_and(|name| name != WHATSAPP_PROGRAM) {
        return Ok(());
    }
    match chat.split_once('@') {
        _ if chat == SELF && settings.mode == WhatsappMode::SelfChat => Ok(()),
        _ if chat == SELF => {
            Err("`self` is the chat with yourself, which is read in mode \"self-chat\" only: set it under \
             [channels.whatsapp], or name your own number here"
                .to_owned())
        }
        Some((user, server)) => check_id(user, server),
        None => check_number(chat),
    }
}

/// Whether people read it: every chat except the one with oneself.
#[must_use]
pub fn is_of_people(chat: &str) -> bool {
    chat != SELF
}

fn check_id(user: &str, server: &str) -> Result<(), String> {
    let digits = !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_digit());
    let fits = match server {
        "s.whatsapp.net" | "lid" => digits,
        // Groups from before 2021 are named after their founder's number and a time.
        "g.us" => user.split('-').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())),
        _ => return Err(format!("no chat on WhatsApp has an id that ends in @{server}; {FROM_CHATS}")),
    };
    if fits { Ok(()) } else { Err(format!("the id of a chat is digits before @{server}; {FROM_CHATS}")) }
}

fn check_number(text: &str) -> Result<(), String> {
    let is_filler = |c: char| matches!(c, '+' | ' ' | '-' | '(' | ')' | '.' | '/');
    let digits: String = text.chars().filter(|c| !is_filler(*c)).collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("that is a chat's name, perhaps, but not its id; {FROM_CHATS}"));
    }
    if digits.starts_with('0') {
        let rest = digits.trim_start_matches('0');
        let with = if digits.starts_with("00") { format!("+{rest}") } else { format!("+49 {rest} for Germany") };
        return Err(format!("a phone number is written with its country and without the 0 before it: {with}"));
    }
    if !(7..=15).contains(&digits.len()) {
        return Err("a phone number with its country has 7 to 15 digits: +49 170 1234567".to_owned());
    }
    Ok(())
}

/// A phone number as digits, or why it is invalid.
pub fn number(text: &str) -> Result<String, String> {
    check_number(text)?;
    Ok(text.chars().filter(char::is_ascii_digit).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(chat: &str) -> Option<String> {
        check(chat, &Whatsapp::default()).err()
    }

    #[test]
    fn what_can_be_heard_is_taken() {
        for chat in ["+49 170 1234567", "491701234567", "120363012345678901@g.us", "4917012-1400@g.us", "123@lid"] {
            assert_eq!(refused(chat), None, "{chat}");
        }
        let own = Whatsapp { mode: WhatsappMode::SelfChat, ..Whatsapp::default() };
        assert_eq!(check("self", &own), Ok(()));
    }

    #[test]
    fn what_cannot_is_refused_with_what_to_write() {
        for (chat, wanted) in [
            ("Our family", "choose one by its name"),
            ("0170123456", "+49 170123456 for Germany"),
            ("0049 170 1234567", "+491701234567"),
            ("+49", "7 to 15 digits"),
            ("self", "self-chat"),
            ("family@g.us", "digits before @g.us"),
            ("me@example.org", "@example.org"),
            ("@g.us", "digits"),
            ("", "`doorward whatsapp chats`"),
        ] {
            let why = refused(chat).unwrap_or_default();
            assert!(why.contains(wanted), "{chat}: {why}");
        }
    }

    #[test]
    fn a_program_of_the_owners_has_ids_of_its_own() {
        let other = Whatsapp { program: Some("/opt/own-channel".into()), ..Whatsapp::default() };
        assert_eq!(check("family", &other), Ok(()));
        let ours = Whatsapp { program: Some("/opt/doorward-whatsapp".into()), ..Whatsapp::default() };
        assert!(check("family", &ours).is_err());
    }

    #[test]
    fn a_number_is_digits() {
        assert_eq!(number("+49 (170) 123-4567").as_deref(), Ok("491701234567"));
        assert!(number("0170 1234567").is_err() && number("me").is_err());
    }
}
