//! Prompts that were already sent, remembered beyond the sandbox: one that was broken off, or whose
//! answer was lost, arrives again, and must not be in the conversation twice.
//!
//! What it is not: reliable. It is stored in the agent's own folder; without it the conversation is
//! resumed as it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The prompts since all were last settled.
pub(super) struct SaidBefore {
    file: PathBuf,
    /// The daemon's ids, and Claude Code's for the same prompts. In the order of sending.
    prompts: Vec<(u64, String)>,
}

impl SaidBefore {
    /// The state that an earlier sandbox left.
    pub(super) fn read(config: &Path) -> Self {
        let file = config.join("doorward-prompts");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let prompt = |line: &str| line.split_once(' ').and_then(|(id, uuid)| Some((id.parse().ok()?, uuid.to_owned())));
        SaidBefore { file, prompts: text.lines().filter_map(prompt).collect() }
    }

    /// What to remove before this prompt is sent: its earlier copy and everything after that.
    /// Nothing if it is new.
    pub(super) fn again(&mut self, id: u64) -> Vec<String> {
        let again = self.prompts.iter().position(|(said, _)| *said == id);
        let again = again.map(|at| self.prompts.split_off(at)).unwrap_or_default();
        again.into_iter().map(|(_, uuid)| uuid).collect()
    }

    /// All prompts are settled, and the next is new: forgets the old ones.
    pub(super) fn forget(&mut self) {
        self.prompts.clear();
    }

    pub(super) fn remember(&mut self, id: u64, uuid: &str) {
        self.prompts.push((id, uuid.to_owned()));
        let lines: String = self.prompts.iter().map(|(id, uuid)| format!("{id} {uuid}\n")).collect();
        let _ = fs::write(&self.file, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_known_to_the_next_sandbox() {
        let folder = std::env::temp_dir().join(format!("doorward-said-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let mut first = SaidBefore::read(&folder);
        for (id, uuid) in [(3, "c"), (5, "e"), (8, "h")] {
            assert!(first.again(id).is_empty());
            first.remember(id, uuid);
        }
        let mut second = SaidBefore::read(&folder);
        assert_eq!(second.again(5), ["e", "h"]);
        second.remember(5, "e2");
        let mut third = SaidBefore::read(&folder);
        assert_eq!(third.again(5), ["e2"]);
        third.forget();
        third.remember(9, "i");
        assert!(SaidBefore::read(&folder).again(3).is_empty());
        fs::remove_dir_all(&folder).expect("removed");
    }
}
