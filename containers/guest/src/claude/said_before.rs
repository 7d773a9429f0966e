//! Prompts that were said, remembered beyond the sandbox: one that was broken off, or whose
//! answer was lost on its way, comes again, and must not stand in the conversation twice.
//!
//! What it is not: something to rely on. It lies in the agent's own folder; without it the
//! conversation is resumed as it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The prompts since nothing was open last.
pub(super) struct SaidBefore {
    file: PathBuf,
    /// The daemon's ids, and what Claude Code knows the prompts by. In the order they were said.
    prompts: Vec<(u64, String)>,
}

impl SaidBefore {
    /// As an earlier sandbox has left it.
    pub(super) fn read(config: &Path) -> Self {
        let file = config.join("doorward-prompts");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let prompt = |line: &str| line.split_once(' ').and_then(|(id, uuid)| Some((id.parse().ok()?, uuid.to_owned())));
        SaidBefore { file, prompts: text.lines().filter_map(prompt).collect() }
    }

    /// What is to be taken out before this prompt is said: what it was said as before, and
    /// those that were said behind it. Nothing where it is new.
    pub(super) fn again(&mut self, id: u64) -> Vec<String> {
        let again = self.prompts.iter().position(|(said, _)| *said == id);
        let again = again.map(|at| self.prompts.split_off(at)).unwrap_or_default();
        again.into_iter().map(|(_, uuid)| uuid).collect()
    }

    /// Nothing is open, and what comes is new: the daemon has settled all that was.
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
