//! A group, by the word that its owner writes behind `stop`, `lock`, `pause` or `resume`, in a hurry.

use policies::GroupName;

use super::super::Pipeline;
use crate::phrases::Phrases;
use crate::store::StoreError;

/// What stands for every group, where none is called so.
const ALL: [&str; 4] = ["all", "--all", "alle", "الكل"];

/// What a word names.
pub(super) enum Named {
    One(GroupName),
    All,
    Nobody(Nobody),
}

/// That there is no such group, and which one may be meant.
pub(super) struct Nobody(Option<String>);

impl Pipeline {
    /// What a word names: phones write capitals, and no group's name has one.
    pub(super) fn named(&self, word: &str) -> Result<Named, StoreError> {
        let word = word.to_lowercase();
        let groups = self.store.groups()?;
        let one = groups.iter().find(|group| group.name.as_str() == word);
        Ok(match one {
            Some(group) => Named::One(group.name.clone()),
            None if ALL.contains(&&*word) => Named::All,
            None => {
                let meant = desk::did_you_mean(&word, groups.iter().map(|group| group.name.as_str()));
                Named::Nobody(Nobody(meant.map(str::to_owned)))
            }
        })
    }
}

impl Nobody {
    /// Whether it can be an agent's to do all the same: `lock door` may be said to a house.
    pub(super) fn may_be_for_an_agent(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn words(self) -> Phrases {
        match self.0 {
            Some(group) => Phrases::new("no-such-group-meant").with("group", group),
            None => Phrases::new("no-such-group"),
        }
    }
}
