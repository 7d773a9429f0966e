//! Which settings a daemon goes by: those that stood in `doorward.toml` when it started.

use sha2::{Digest as _, Sha256};

use crate::home::Home;

/// Names the content of a home's `doorward.toml` as it is now: another one is another text.
#[must_use]
pub fn fingerprint(home: &Home) -> String {
    let text = std::fs::read(home.config_file()).unwrap_or_default();
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}
