//! The scrubber for what may come back from a host with a credential: made once, and again when the
//! secrets or the sandbox's credentials have changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use policies::Authority;
use secrecy::{ExposeSecret, SecretString};

use super::Keyring;
use crate::ports::Secrets;
use scan::{Replacement, Scrubber, Watchlist};

/// The scrubbers, by host.
#[derive(Default)]
pub(crate) struct ComingBack(Mutex<BTreeMap<Authority, Known>>);

struct Known {
    /// What it was made from: each is replaced as a whole when it changes.
    watchlist: Arc<Watchlist>,
    keyring: Arc<Keyring>,
    secrets: Vec<SecretString>,
    scrubber: Scrubber,
}

impl ComingBack {
    /// The scrubber for an answer of this host: for the secret that was put on, as it was written,
    /// and for all others. None if the host has no credential.
    pub(crate) fn scrubber(
        &self,
        keyring: &Arc<Keyring>,
        authority: &Authority,
        put_on: Vec<Replacement>,
        secrets: &dyn Secrets,
    ) -> Option<Scrubber> {
        if !keyring.guards(authority) {
            return (!put_on.is_empty()).then(|| Scrubber::new(&put_on));
        }
        // Taken before the secrets: anything newer is on the next list.
        let watchlist = secrets.watchlist();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_good = |known: &&Known| {
            Arc::ptr_eq(&known.watchlist, &watchlist)
                && Arc::ptr_eq(&known.keyring, keyring)
                && put_on.iter().all(|form| known.takes_off(form))
        };
        if let Some(known) = all.get(authority).filter(is_good) {
            return Some(known.scrubber.anew());
        }
        let mut replacements = keyring.may_come_back(authority, secrets);
        put_on.into_iter().for_each(|form| form.add_to(&mut replacements));
        let scrubber = Scrubber::new(&replacements);
        let known = Known {
            watchlist,
            keyring: keyring.clone(),
            secrets: replacements.into_iter().map(|one| one.secret).collect(),
            scrubber: scrubber.anew(),
        };
        all.insert(authority.clone(), known);
        Some(scrubber)
    }
}

impl Known {
    fn takes_off(&self, form: &Replacement) -> bool {
        self.secrets.iter().any(|secret| secret.expose_secret() == form.secret.expose_secret())
    }
}
