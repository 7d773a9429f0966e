//! The credentials behind one door: which of them a request may use, and what must not pass with it
//! or come back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use policies::{Authority, Code, Refusal, Terms};

use crate::credentials::{ComingBack, Keyring, Looking, Placed};
use crate::headers::{TagSecret, Validators};
use crate::ports::Secrets;
use gate::Newest;
use gate::audit::Identity;
use scan::{LeakFilter, Scrubber, Watchlist};

/// The keys for checking one request, taken once, when it is read.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) who: Identity,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) watchlist: Arc<Watchlist>,
}

/// The credentials of one door.
pub(crate) struct Keeper {
    who: Identity,
    pub(crate) secrets: Arc<dyn Secrets>,
    /// Grows with the keys that hosts make. Answers are scrubbed with the newest.
    pub(crate) keyring: Newest<Keyring>,
    /// The scrubbers for answers.
    coming_back: ComingBack,
    /// Makes the tokens for ETags; none if its keys could not be made, and then ETags are removed.
    pub(crate) validators: Option<Validators>,
    refreshes: Refreshes,
}

type Turns = HashMap<Arc<str>, Arc<tokio::sync::Mutex<()>>>;

/// Access tokens that are being fetched: one fetch at a time for each credential.
#[derive(Clone, Default)]
pub struct Refreshes {
    by_credential: Arc<Mutex<Turns>>,
}

/// The scrubber for an answer, and the credential that was put on its request.
pub(crate) struct Taking {
    pub(crate) put_on: Option<Arc<str>>,
    pub(crate) scrubber: Option<Scrubber>,
}

impl Keeper {
    pub(crate) fn new(
        who: Identity,
        secrets: Arc<dyn Secrets>,
        keyring: Keyring,
        (tags, refreshes): (&TagSecret, Refreshes),
    ) -> Self {
        let validators = Validators::of(tags, &who.group);
        Keeper {
            who,
            secrets,
            keyring: Newest::of(Arc::new(ArcSwap::from_pointee(keyring))),
            coming_back: ComingBack::default(),
            validators,
            refreshes,
        }
    }

    /// The keys for a request that is read now.
    pub(crate) fn keys(&self) -> Keys {
        Keys { who: self.who.clone(), keyring: self.keyring.snapshot(), watchlist: self.secrets.watchlist() }
    }

    /// The turn to fetch an access token.
    pub(crate) fn turn_of(&self, credential: &Arc<str>) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.refreshes.by_credential.lock().unwrap_or_else(PoisonError::into_inner);
        turns.entry(credential.clone()).or_default().clone()
    }

    /// The scrubber for everything that may come back by now: what was put on, and also keys made
    /// since the request was read.
    pub(crate) fn taking(&self, placed: Placed, authority: &Authority) -> Taking {
        let put_on = placed.base_credential().cloned();
        let (keyring, secrets) = (self.keyring.snapshot(), &*self.secrets);
        let scrubber = placed.scrubber_with(|put_on| self.coming_back.scrubber(&keyring, authority, put_on, secrets));
        Taking { put_on, scrubber }
    }

    /// The leak check for what a WebSocket carries now, long after its request was read.
    pub(crate) fn leak_filter_now(&self, terms: &Terms, blocks_lookalikes: bool) -> Option<LeakFilter> {
        leak_filter(&self.who, &self.secrets.watchlist(), terms, blocks_lookalikes)
    }

    /// An answer of this host contained a secret in pieces, and the first of them went through: the
    /// host gets no more credentials from this group.
    pub(crate) fn set_aside(&self, host: &Authority) -> Refusal {
        self.secrets.set_aside(&self.who, host);
        let why = "the host sent a secret back in pieces, of which the first were gone when the last came; from now on \
                   it gets no credential from this group, until the owner says so (`doorward secret trust`)";
        Refusal::new(Code::SecretInAnswer, why)
    }
}

impl Keys {
    /// What a request is checked with.
    pub(crate) fn looking(&self, blocks_lookalikes: bool) -> Looking<'_> {
        Looking { who: &self.who, watchlist: &self.watchlist, blocks_lookalikes }
    }

    /// The leak check of a body; none if there is nothing to search for.
    pub(crate) fn leak_filter(&self, terms: &Terms, blocks_lookalikes: bool) -> Option<LeakFilter> {
        leak_filter(&self.who, &self.watchlist, terms, blocks_lookalikes)
    }
}

fn leak_filter(who: &Identity, watchlist: &Arc<Watchlist>, terms: &Terms, blocks: bool) -> Option<LeakFilter> {
    let tolerated = Keyring::tolerates(who, terms, !blocks);
    (blocks || !watchlist.is_empty()).then(|| watchlist.filter().with_lookalikes().tolerating(tolerated))
}
