//! The result of a drill.

use policies::GroupName;

use super::attacks::Attack;

/// The result of a drill.
pub struct Report {
    /// The group whose sandbox was attacked.
    pub group: GroupName,
    /// Whether it is a group of the owner's, or one of the drill's own.
    pub throw_away: bool,
    /// The container engine, described.
    pub engine: String,
    /// The image.
    pub image: String,
    /// How many canaries listened.
    pub canaries: usize,
    /// What is wrong with the sandbox under attack.
    pub findings: Vec<String>,
    /// Whether an allowed request gets through; otherwise why not. A door that lets nothing through would make every
    /// refusal worthless.
    pub open: Result<(), String>,
    /// One for each attack, in their order.
    pub tried: Vec<Tried>,
    /// Attacks that need a user per group, which this engine does not provide.
    pub left_out: Vec<&'static str>,
}

/// An attack and its control.
pub struct Tried {
    /// The attack.
    pub attack: &'static Attack,
    /// From the sandbox under attack.
    pub result: Attempt,
    /// From the sandbox in which it must succeed.
    pub control: Attempt,
}

/// The result of one run of an attack.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Whether it got through.
    pub through: bool,
    /// What happened.
    pub what: String,
}

impl Report {
    /// The attacks that got through.
    pub fn through(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|tried| tried.result.through)
    }

    /// The attacks that prove nothing, because their control failed.
    pub fn unproven(&self) -> impl Iterator<Item = &Tried> {
        self.tried.iter().filter(|tried| !tried.control.through)
    }

    /// All attacks failed, all controls succeeded, and the sandbox is what it must be.
    pub fn passed(&self) -> bool {
        self.through().next().is_none()
            && self.unproven().next().is_none()
            && self.findings.is_empty()
            && self.open.is_ok()
    }
}
