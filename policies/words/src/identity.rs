//! Who is asking: a group and one of its sandboxes. Known from the door's socket,
//! never from what a request says.

use std::fmt;
use std::sync::Arc;

/// The name of a group: also its folder and its policy file.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct GroupName(Arc<str>);

/// One running sandbox. The id is random, so that it reveals nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
pub struct SandboxId(Arc<str>);

impl GroupName {
    /// Lower-case letters, digits, `-` and `_`; starts with a letter or digit; 1 to 32 characters.
    pub fn parse(text: &str) -> Result<Self, String> {
        let first_fits = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let all_fit = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if first_fits && all_fit && text.len() <= 32 {
            return Ok(GroupName(text.into()));
        }
        Err(format!(
            "{text:?} is no group name: use 1 to 32 lower-case letters, digits, - or _, starting with a letter or digit"
        ))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SandboxId {
    /// Takes an id that the caller made at random; hex digits only.
    pub fn new(id: &str) -> Option<Self> {
        let fits = !id.is_empty() && id.len() <= 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
        fits.then(|| SandboxId(id.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_formats {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

text_formats!(GroupName, SandboxId);

#[cfg(test)]
mod tests {
    use super::*;

    /// A group's name becomes a folder and a file, so a name that leads elsewhere is refused.
    #[test]
    fn names_that_are_no_paths() {
        for name in ["a", "7", "family", "work-2_b", &"x".repeat(32)] {
            assert_eq!(GroupName::parse(name).map(|group| group.as_str().to_owned()).as_deref(), Ok(name));
        }
        for name in ["", "-a", "_a", ".", "..", "a/b", "a.b", "a b", "Family", "fämily", &"x".repeat(33)] {
            assert!(GroupName::parse(name).is_err(), "{name}");
        }
        for id in ["0", "deadbeef", &"f".repeat(32)] {
            assert_eq!(SandboxId::new(id).as_ref().map(SandboxId::as_str), Some(id));
        }
        for id in ["", "g", "../f", &"f".repeat(33)] {
            assert_eq!(SandboxId::new(id), None, "{id}");
        }
    }
}
