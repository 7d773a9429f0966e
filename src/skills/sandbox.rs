//! A sandbox's copy of its group's skills: of what was accepted, and nothing else.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, symlink};
use std::path::Path;

use policies::GroupName;

use super::accepted::{self, Accepted};
use super::contents::{kept, write};
use super::skill::VALUES;
use super::state::{State, state};
use crate::home::Home;

/// The result of copying a group's skills.
#[derive(Debug, Default)]
pub struct Copied {
    /// How many the sandbox has.
    pub skills: usize,
    /// Skills with something to report: what, and what to do.
    pub told: Vec<(Accepted, String)>,
}

/// Where Claude Code looks for skills in an added folder; links there lead to the copies.
const LOOKED_FOR: &str = ".claude/skills";

/// Copies a group's skills into a folder made for one sandbox. Unusable ones are left out and reported.
pub fn copy_for_sandbox(home: &Home, group: &GroupName, to: &Path) -> io::Result<Copied> {
    let skills = accepted::read(home, group)?.map_err(io::Error::other)?;
    let mut copied = Copied::default();
    let looked_for = to.join(LOOKED_FOR);
    DirBuilder::new().mode(0o755).recursive(true).create(&looked_for)?;
    for skill in skills {
        let seen = state(home, &skill);
        if !matches!(seen, State::Lost(_)) {
            let tree = kept(home, skill.hash)?;
            let folder = to.join(&skill.name);
            DirBuilder::new().mode(0o755).create(&folder)?;
            let values = serde_json::to_vec_pretty(&skill.values).map_err(io::Error::other)?;
            let beside = (!skill.values.is_empty()).then_some((VALUES, values));
            write(&tree, &folder, beside.as_slice())?;
            symlink(format!("../../{}", skill.name), looked_for.join(&skill.name))?;
            copied.skills += 1;
        }
        if let Some((found, fix)) = seen.told(group, &skill) {
            copied.told.push((skill, format!("{found} ({fix})")));
        }
    }
    Ok(copied)
}
