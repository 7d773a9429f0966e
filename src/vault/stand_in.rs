//! What a sandbox would hold, for judging a request that nobody has sent: no secret is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use proxy::Keyring;

use super::{guarded, held};
use crate::config;

/// The keyring of a group's sandbox. Each surrogate is its variable as an agent would write it: `$GITHUB_TOKEN`; or the
/// credential's name, if it has none.
pub fn keyring(definitions: &BTreeMap<Arc<str>, config::Credential>, wanted: &[Arc<str>]) -> Keyring {
    let stand_in = |one: &config::Credential| format!("${}", one.env.as_deref().unwrap_or(&one.name));
    let wanted = wanted.iter().filter_map(|name| definitions.get(name));
    Keyring::new(wanted.map(|one| held(one, stand_in(one), None)).collect(), guarded(definitions))
}
