//! `quiet 1h`: for a while nobody is asked. A group's fixed quiet hours are in its policy.

use std::time::Duration;

use desk::duration;

use super::Approvals;
use super::book::Book;
use super::times::{At, Span};
use crate::phrases::Phrases;
use crate::store::ledger::Notice;

/// The longest quiet time.
const LONGEST: Duration = Duration::from_hours(24);

/// The owner's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    For(Duration),
    Off,
}

/// Parses `quiet 1h` and `quiet off`. `None`: something else; `Some(None)`: the duration is unclear.
pub(super) fn wish(text: &str) -> Option<Option<Wish>> {
    let text = text.trim().to_lowercase();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((&text, ""));
    let rest = rest.trim();
    if word != "quiet" || rest.contains(char::is_whitespace) {
        return None;
    }
    Some(match rest {
        "off" => Some(Wish::Off),
        _ => duration::read(rest).filter(|wanted| *wanted <= LONGEST).map(Wish::For),
    })
}

impl Book {
    pub(super) fn is_quiet(&self, now: At) -> bool {
        self.quiet.is_some_and(|quiet| quiet.holds(now))
    }
}

impl Approvals {
    /// Applies the owner's wish; returns the reply.
    pub(super) fn be_quiet(&self, wish: Wish) -> Phrases {
        let (quiet, told) = match wish {
            Wish::Off => (None, Phrases::new("asked-again")),
            Wish::For(wanted) => {
                let minutes = Phrases::new("minutes").count("count", wanted.as_secs().div_ceil(60));
                let told = Phrases::new("not-asked").saying("time", minutes);
                (Some(Span::new(self.times.now(), wanted)), told)
            }
        };
        self.book().quiet = quiet;
        self.ledger.note(&Notice::new(
            "asks_quiet",
            None,
            format!(
                "the owner wishes to be {}",
                match wish {
                    Wish::Off => "asked again".to_owned(),
                    Wish::For(wanted) => format!("asked nothing for {} s", wanted.as_secs()),
                }
            ),
        ));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_is_a_wish_only_by_itself() {
        assert_eq!(wish(" Quiet 1h "), Some(Some(Wish::For(Duration::from_secs(3600)))));
        assert_eq!(wish("quiet off"), Some(Some(Wish::Off)));
        for wrong in ["quiet", "quiet 25h", "quiet please"] {
            assert_eq!(wish(wrong), Some(None), "{wrong}");
        }
        for other in ["be quiet", "quiet as a mouse", "quietly 1h", ""] {
            assert_eq!(wish(other), None, "{other}");
        }
    }
}
