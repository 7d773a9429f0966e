//! What must not leave, and what is reported when it tries to.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice, SecretString};
use words::{GroupName, SandboxId};

use super::lookalike;
use super::needles::{NeedleSet, SHORTEST};
use super::search::{DISGUISED, Hit, each_hit};
use super::spelling::Form;

/// What a watched value is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum WatchedKind {
    /// The real secret of a credential.
    Secret {
        /// Which credential.
        credential: Arc<str>,
    },
    /// The look-alike that a sandbox holds.
    Surrogate {
        /// Which credential it stands for.
        credential: Arc<str>,
        /// The sandbox that holds it.
        sandbox: SandboxId,
        /// That sandbox's group.
        group: GroupName,
        /// Whether the sandbox is gone.
        retired: bool,
    },
    /// A bait that the owner planted; nobody has a reason to send it.
    Canary {
        /// The owner's name for it.
        name: Arc<str>,
    },
    /// Not a watched value: it only looks like a secret (`lookalike.rs`).
    Lookalike {
        /// What it looks like.
        of: &'static str,
    },
}

/// A value to watch.
pub struct Watched {
    /// What it is.
    pub what: WatchedKind,
    /// The value.
    pub value: SecretSlice<u8>,
}

impl Watched {
    /// A value that is text.
    pub fn new(what: WatchedKind, value: &SecretString) -> Self {
        Watched { what, value: value.expose_secret().as_bytes().to_vec().into() }
    }
}

/// A value too short to be watched. Names it, never shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {what} has only {length} bytes; at least {SHORTEST} are needed to tell it from other text")]
pub struct TooShort {
    /// What it is.
    pub what: WatchedKind,
    /// How long it is.
    pub length: usize,
}

/// Everything that must not leave, compiled for searching.
#[derive(Default)]
pub struct Watchlist {
    kinds: Vec<WatchedKind>,
    needles: NeedleSet,
}

impl Watchlist {
    /// Compiles the values; refuses those that are too short.
    pub fn build(items: impl IntoIterator<Item = Watched>) -> Result<Self, TooShort> {
        Watchlist::default().rebuilt(items)
    }

    /// The same for other values. Reuses what was compiled for those that stay, so adding one costs
    /// little.
    pub fn rebuilt(&self, items: impl IntoIterator<Item = Watched>) -> Result<Self, TooShort> {
        let items: Vec<Watched> = items.into_iter().collect();
        for Watched { what, value } in &items {
            let length = value.expose_secret().len();
            if length < SHORTEST {
                return Err(TooShort { what: what.clone(), length });
            }
        }
        let needles = self.needles.with_values(items.iter().map(|item| item.value.expose_secret()));
        Ok(Watchlist { kinds: items.into_iter().map(|item| item.what).collect(), needles })
    }

    /// How many values are watched.
    pub fn len(&self) -> usize {
        self.kinds.len()
    }

    /// Whether nothing is watched.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// The first value found in a complete text: a header, a path, a query.
    pub fn find_in(&self, text: &[u8]) -> Option<Finding> {
        let mut first: Option<Hit> = None;
        each_hit(&self.needles, text, DISGUISED, true, &mut |hit| {
            if first.as_ref().is_none_or(|first| hit.start < first.start) {
                first = Some(hit);
            }
            ControlFlow::Continue(())
        });
        first.map(|hit| self.finding(&hit))
    }

    /// Every value found in a text, once per kind and form.
    pub fn find_all(&self, text: &[u8]) -> Vec<Finding> {
        let mut all = Vec::new();
        each_hit(&self.needles, text, DISGUISED, true, &mut |hit| {
            self.finding(&hit).note_in(&mut all);
            ControlFlow::Continue(())
        });
        all
    }

    /// What looks like a secret in a text and is none of these values, once per kind.
    pub fn lookalikes_in(&self, text: &[u8]) -> Vec<Finding> {
        let mut all = Vec::new();
        lookalike::in_whole(text, &mut |of, token| {
            if let Some(finding) = self.lookalike(of, token) {
                finding.note_in(&mut all);
            }
        });
        all
    }

    /// The finding for a lookalike, unless it is one of these values.
    pub(super) fn lookalike(&self, of: &'static str, token: &[u8]) -> Option<Finding> {
        self.find_in(token).is_none().then_some(Finding { what: WatchedKind::Lookalike { of }, form: Form::Raw })
    }

    pub(super) fn needles(&self) -> &NeedleSet {
        &self.needles
    }

    pub(super) fn finding(&self, hit: &Hit) -> Finding {
        let what = self.kinds[hit.needle.value as usize].clone();
        Finding { what, form: hit.form(&self.needles) }
    }
}

impl fmt::Debug for Watchlist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchlist").field("values", &self.len()).finish_non_exhaustive()
    }
}

/// A watched value that was found. Says which and in what form, never the value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Finding {
    /// What was found.
    pub what: WatchedKind,
    /// How it was written.
    pub form: Form,
}

impl Finding {
    /// Adds it unless it is there already.
    pub(super) fn note_in(self, noted: &mut Vec<Finding>) {
        if !noted.contains(&self) {
            noted.push(self);
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.what, self.form)
    }
}

/// The bait that a reason names, in the form written below.
pub fn bait_named(why: &str) -> Option<&str> {
    let (_, named) = why.split_once(" a bait ")?;
    named.split_once(" in ").map(|(name, _)| name)
}

impl fmt::Display for WatchedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WatchedKind::Secret { credential } => write!(f, "secret of credential {credential}"),
            WatchedKind::Surrogate { credential, retired: false, .. } => {
                write!(f, "surrogate of credential {credential}")
            }
            WatchedKind::Surrogate { credential, retired: true, .. } => {
                write!(f, "retired surrogate of credential {credential}")
            }
            WatchedKind::Canary { name } => write!(f, "bait {name}"),
            WatchedKind::Lookalike { of } => write!(f, "something that looks like {of}"),
        }
    }
}
