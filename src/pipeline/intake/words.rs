//! What any member of a group can tell Doorward about their own data.

use crate::pipeline::calling::{self, Name};

/// A member's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Keep nothing of theirs from now on.
    NotMe,
    /// Keep it again.
    MeAgain,
    /// Say what is kept.
    WhatHave,
    /// Delete all of it.
    Forget,
}

/// The phrases, in Doorward's languages.
const WORDS: [(&str, Wish); 12] = [
    ("not me", Wish::NotMe),
    ("nicht ich", Wish::NotMe),
    ("ليس أنا", Wish::NotMe),
    ("me again", Wish::MeAgain),
    ("wieder ich", Wish::MeAgain),
    ("أنا من جديد", Wish::MeAgain),
    ("what do you have of me", Wish::WhatHave),
    ("was hast du von mir", Wish::WhatHave),
    ("ماذا لديك عني", Wish::WhatHave),
    ("forget me", Wish::Forget),
    ("vergiss mich", Wish::Forget),
    ("انسني", Wish::Forget),
];

/// The longest text that can be a wish.
const LONGEST: usize = 120;

/// The wish in a text for the assistant, if it says nothing else.
pub(super) fn wish(text: &str, name: &Name) -> Option<Wish> {
    let text = name.called(text).unwrap_or(text).trim();
    if text.len() > LONGEST {
        return None;
    }
    // In the text a mention is `@` and a number.
    let text = match text.strip_prefix('@') {
        Some(mention) => mention.trim_start_matches(|c: char| !c.is_whitespace()).trim(),
        None => text,
    };
    let text = text.trim_end_matches(['.', '!', '?', '؟']).trim_start_matches('/');
    let said: Vec<String> = text.split_whitespace().map(calling::fold).collect();
    let said = said.join(" ");
    WORDS.iter().find(|(words, _)| calling::fold(words) == said).map(|(_, wish)| *wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_one_only_by_itself() {
        let name = Name::new("Doorward");
        for (text, want) in [
            ("not me", Wish::NotMe),
            ("@Doorward, Not me!", Wish::NotMe),
            ("  NICHT   ICH.", Wish::NotMe),
            ("@4915112345678 forget me", Wish::Forget),
            ("@doorward vergiss mich", Wish::Forget),
            ("What do you have of me?", Wish::WhatHave),
            ("ماذا لديك عني؟", Wish::WhatHave),
            ("ليس أنا", Wish::NotMe),
            ("/me again", Wish::MeAgain),
        ] {
            assert_eq!(wish(text, &name), Some(want), "{text}");
        }
        for text in ["it was not me", "not me, Ben", "forget me not", "", "@Doorward", "me", "forget Anna"] {
            assert_eq!(wish(text, &name), None, "{text}");
        }
    }
}
