//! What any member of a group can say to Doorward about themselves.

use crate::pipeline::calling::{self, Name};

/// What somebody wants to be done with what is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// Nothing of theirs is to be kept from now on.
    NotMe,
    /// It may be kept again.
    MeAgain,
    /// They want to know what is.
    WhatHave,
    /// All of it is to go.
    Forget,
}

/// The words, in the languages that Doorward speaks.
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

/// The longest text that can be one.
const LONGEST: usize = 120;

/// What a text that is for the assistant asks, if that is all that it says.
pub(super) fn wish(text: &str, name: &Name) -> Option<Wish> {
    let text = name.called(text).unwrap_or(text).trim();
    if text.len() > LONGEST {
        return None;
    }
    // A mention stands in the text as `@` and a number.
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
