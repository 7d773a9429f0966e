//! How a value that is out of place is reported: to the log in full, to the sandbox only what it
//! may know.

use policies::{Authority, Code, Refusal, Terms};

use super::{Credential, Keyring, unreadable};
use gate::audit::Identity;
use scan::{Finding, Stop, WatchedKind};

/// What to do if programs put the surrogate out of its place without being misled.
pub(crate) const IN_PARTS: &str = "leave Authorization out of the parts: the request's own holds";
pub(crate) const IN_A_MESSAGE: &str = "a WebSocket message is no place of a credential";

impl Keyring {
    /// A refusal for a value found where it does not belong.
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

    /// The name given to a sandbox in place of one that it must not know: of another group's
    /// credential, or of a bait, which it must not be able to tell from a secret.
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

    /// Adds advice if the sandbox has no surrogate to send, because no rule of its group names the credential.
    pub(super) fn without_surrogate(&self, terms: &Terms, refusal: Refusal) -> Refusal {
        let (host, at) = (&terms.facts().authority, terms.rule());
        if self.credentials.iter().any(|own| own.hosts.contains(host)) {
            return refusal;
        }
        let Refusal { code, why, .. } = refusal;
        let told = format!("{why}; the rule at {at} names no credential, so this sandbox has none");
        let names = self.credentials_of(host).join(" or ");
        let whole = format!("{told}: the host's is {names}");
        let mut refusal = Refusal::new(code, told).logged_as(whole);
        let line = format!("# in the [[allow]] at {at}, add credential = \"…\"");
        refusal.lift.extend((!code.is_alarm()).then_some(line));
        refusal.rule = Some(at.clone());
        refusal
    }

    /// A refusal for what stopped a body. `instead`: what to do if programs write the surrogate
    /// into such a body; if it is the sandbox's own, on the way to its own host, that is no alarm.
    pub(crate) fn stopped(
        &self,
        identity: &Identity,
        authority: &Authority,
        stop: &Stop,
        instead: Option<&str>,
    ) -> Refusal {
        match stop {
            Stop::Found(finding) => match (self.misplaced(identity, authority, finding), instead) {
                (refusal, Some(instead)) if refusal.code == Code::SurrogateLocation => {
                    Refusal::new(Code::SurrogateScope, format!("{}; {instead}", refusal.why))
                }
                (refusal, _) => refusal,
            },
            Stop::Unreadable(why) => unreadable(why),
        }
    }

    fn own_surrogate_misplaced(&self, name: &str, authority: &Authority, finding: &Finding) -> (Code, String) {
        let belongs = |own: &Credential| *own.name == *name && own.hosts.contains(authority);
        if self.credentials.iter().any(belongs) {
            let why = format!("the {finding} stands outside of its place in the request");
            return (Code::SurrogateLocation, why);
        }
        let why = format!("the request holds a {finding}, which does not belong to {authority}");
        (Code::SurrogateUnbound, why)
    }
}
