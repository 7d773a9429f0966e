//! Which settings a daemon uses: those in `doorward.toml` when it started.

use sha2::{Digest as _, Sha256};

use crate::home::Home;

/// The fingerprint of a home's present `doorward.toml`: it differs if the text does.
#[must_use]
pub fn fingerprint(home: &Home) -> String {
    let text = std::fs::read(home.config_file()).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
