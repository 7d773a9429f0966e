//! What is said of a value that stands where it does not belong: to the log all of it, to the
//! sandbox what it may know.

use policies::{Authority, Code, Refusal};

use super::{Keyring, unreadable};
use gate::audit::Identity;
use scan::{Finding, Stop, WatchedKind};

impl Keyring {
    /// A refusal for something found where it does not belong.
    pub(crate) fn misplaced(&self, identity: &Identity, authority: &Authority, finding: &Finding) -> Refusal {
        let (code, why) = match &finding.what {
            WatchedKind::Secret { .. } | WatchedKind::Canary { .. } => {
                (Code::SecretInRequest, format!("the request holds a {finding}, which must not leave"))
            }
            WatchedKind::Lookalike { .. } => {
                (Code::SecretInRequest, format!("the request holds {finding}, and the policy says leaks = \"block\""))
            }
            WatchedKind::Surrogate { group, sandbox, retired: true, .. } if *group == identity.group => {
                let of = if *sandbox == identity.sandbox {
                    "a key that its host made and that newer ones have replaced; ask the host for a new one"
                } else {
                    "an earlier sandbox; the current one is in the environment"
                };
                (Code::SurrogateRetired, format!("the request holds a surrogate of {of}"))
            }
            WatchedKind::Surrogate { sandbox, .. } if *sandbox != identity.sandbox => {
                (Code::SurrogateForeign, format!("the request holds a {finding}, which belongs to another sandbox"))
            }
            WatchedKind::Surrogate { credential, .. } => self.own_surrogate_misplaced(credential, authority, finding),
        };
        match self.to_tell(identity, finding) {
            Some(told) => Refusal::new(code, told).logged_as(why),
            None => Refusal::new(code, why),
        }
    }

    /// What a sandbox hears in place of a name that is none of its business: of another
    /// group's credential, or of a bait, which it is not to tell from a secret.
    fn to_tell(&self, identity: &Identity, finding: &Finding) -> Option<String> {
        let held = |name: &str| self.credentials.iter().any(|own| *own.name == *name);
        match &finding.what {
            WatchedKind::Secret { credential } if held(credential) => None,
            WatchedKind::Secret { .. } | WatchedKind::Canary { .. } => {
                Some(format!("the request holds a value in {} that must not leave", finding.form))
            }
            WatchedKind::Surrogate { credential, group, .. } if *group != identity.group && !held(credential) => {
                Some(format!("the request holds a surrogate in {}, which belongs to another sandbox", finding.form))
            }
            WatchedKind::Surrogate { .. } | WatchedKind::Lookalike { .. } => None,
        }
    }

    /// A refusal for what stopped a body.
    pub(crate) fn stopped(&self, identity: &Identity, authority: &Authority, stop: &Stop) -> Refusal {
        match stop {
            Stop::Found(finding) => self.misplaced(identity, authority, finding),
            Stop::Unreadable(why) => unreadable(why),
        }
    }

    fn own_surrogate_misplaced(&self, name: &str, authority: &Authority, finding: &Finding) -> (Code, String) {
        let belongs = self.credentials.iter().any(|own| *own.name == *name && own.hosts.contains(authority));
        if belongs {
            let why = format!("the {finding} stands outside of its place in the request");
            return (Code::SurrogateLocation, why);
        }
        (Code::SurrogateUnbound, format!("the request holds a {finding}, which does not belong to {authority}"))
    }
}
