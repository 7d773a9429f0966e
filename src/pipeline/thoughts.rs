//! Removes an agent's private thoughts from its answer, piece by piece.

const WORD: &str = "internal";

/// Removes `<internal>…</internal>`, in upper or lower case, nested ones too; an unclosed tag hides everything after
/// it. Text that may become a tag is held back until that is clear.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    waiting: String,
    depth: usize,
}

impl Thoughts {
    /// What may be shown of the held text and the next piece.
    pub(super) fn without(&mut self, piece: &str) -> String {
        self.waiting.push_str(piece);
        self.pass(false)
    }

    /// The held text, at the end.
    pub(super) fn rest(&mut self) -> String {
        self.pass(true)
    }

    fn pass(&mut self, last: bool) -> String {
        let waiting = std::mem::take(&mut self.waiting);
        let (mut shown, mut rest) = (String::with_capacity(waiting.len()), waiting.as_str());
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            if self.depth == 0 {
                shown.push_str(before);
            }
            if !last && may_become_a_tag(tag) {
                self.waiting = tag.to_owned();
                return shown;
            }
            rest = match internal_tag(tag) {
                Some((opens, length)) => {
                    self.depth = if opens { self.depth + 1 } else { self.depth.saturating_sub(1) };
                    &tag[length..]
                }
                None => {
                    if self.depth == 0 {
                        shown.push('<');
                    }
                    &tag[1..]
                }
            };
        }
        if self.depth == 0 {
            shown.push_str(rest);
        }
        shown
    }
}

/// Whether a text ends in an incomplete tag.
fn may_become_a_tag(text: &str) -> bool {
    let inner = text.strip_prefix('<').unwrap_or(text).trim_start();
    let inner = inner.strip_prefix('/').map_or(inner, str::trim_start);
    match inner.get(..WORD.len()) {
        Some(_) => internal_tag(text).is_some_and(|(_, length)| !text[..length].ends_with('>')),
        None => WORD.get(..inner.len()).is_some_and(|word| word.eq_ignore_ascii_case(inner)),
    }
}

/// Whether a text begins with `<internal>` or its end tag, and how long the tag is. Spaces and
/// attributes make no difference; an unfinished tag extends to the end of the text.
fn internal_tag(text: &str) -> Option<(bool, usize)> {
    let inner = text.strip_prefix('<')?.trim_start();
    let (opens, inner) = match inner.strip_prefix('/') {
        Some(inner) => (false, inner.trim_start()),
        None => (true, inner),
    };
    let after = inner.get(..WORD.len()).filter(|word| word.eq_ignore_ascii_case(WORD)).map(|_| &inner[WORD.len()..])?;
    if after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_')) {
        return None;
    }
    let end = after.find('>').map_or(text.len(), |end| text.len() - after.len() + end + 1);
    Some((opens, end))
}

/// The same for a whole text.
pub(super) fn without_internal(text: &str) -> String {
    let mut thoughts = Thoughts::default();
    let shown = thoughts.without(text);
    shown + &thoughts.rest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_text_is_cut_changes_nothing() {
        for text in [
            "a<internal>s</internal>b < c <int",
            "a< internal why=\"x\">s</internal\n>b<internal>t",
            "<<internals> <internal-note>x</internal-note> <INTERNAL>y",
            "a\u{e9}<int\u{e9}rnal>b</internal>c",
        ] {
            let whole = without_internal(text);
            for size in 1..text.chars().count() {
                let chars: Vec<char> = text.chars().collect();
                let (mut thoughts, mut shown) = (Thoughts::default(), String::new());
                for piece in chars.chunks(size) {
                    shown += &thoughts.without(&piece.iter().collect::<String>());
                    assert!(whole.starts_with(&shown), "{shown:?} of {whole:?} at {size}");
                }
                assert_eq!(shown + &thoughts.rest(), whole, "{text:?} at {size}");
            }
        }
    }

    #[test]
    fn what_is_no_tag_does_not_wait() {
        let mut thoughts = Thoughts::default();
        assert_eq!(thoughts.without("a < b and <b"), "a < b and <b");
        assert_eq!(thoughts.without(" <inter"), " ");
        assert_eq!(thoughts.without("est>"), "<interest>");
    }
}
