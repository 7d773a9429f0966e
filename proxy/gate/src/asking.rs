//! The hold: a request that its owner is asked about waits here for the answer, and is judged again with
//! it by the same decision. Nothing is resolved, dialled or stored as allowed meanwhile.
//!
//! A yes is a number. The grant that is made of it here is for the very request that was held, with the
//! body that was shown; so no answer can be for another one.

use bytes::Bytes;
use http::HeaderMap;
use policies::{Ask, BodyHash, Path, Refusal};
use tokio::time::{Duration, Instant};

use crate::case::Case;
use crate::check::{Dressed, checked};
use crate::gate::Gate;
use crate::judge::{Denied, Judged, judged};
use crate::ports::{Question, Yes};

/// What its owner is shown of a request beside what was judged.
pub struct Told {
    /// Its path, as it may be shown.
    pub shown: Path,
    /// The names of its body's fields.
    pub fields: Vec<String>,
    /// What it does, in a sentence of the policy's.
    pub says: Option<String>,
}

/// Looks through the head of a request before its owner is asked: what must not leave is no question.
pub fn check_asked<T>(
    ask: &Ask,
    came: &HeaderMap,
    look: impl FnOnce(HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<T, Refusal> {
    checked(ask.terms(), came, look).map(|(_, looked)| looked)
}

/// Waits for the owner's answer to a request with this head and body, at most as long as its policy says.
/// What it is judged by then is what is in force then.
pub async fn answered(
    gate: &Gate,
    case: &Case,
    mut ask: Box<Ask>,
    (headers, body): (&HeaderMap, &Bytes),
    told: &Told,
) -> Result<(Case, Judged), Denied> {
    let until = Instant::now() + Duration::from_secs(ask.by().hold);
    loop {
        let question = question(gate, &ask, body, told, until);
        let grants = match gate.until_answered(question).await {
            Ok(Yes::Once(id)) => vec![ask.once(id, body)],
            Ok(Yes::Answer(id)) => vec![ask.answer(id)],
            Ok(Yes::Anew) => Vec::new(),
            Err(refusal) => return Err(Denied::ByPolicy(Box::new(ask.into_facts()), refusal)),
        };
        let anew = grants.is_empty();
        let case = Case { grants: grants.into(), ..gate.case(case.connection, case.within.clone()) };
        match judged(case.policy_now(), ask.into_facts(), headers) {
            Err(Denied::Asks(again)) if anew => ask = again,
            Err(Denied::Asks(again)) => {
                let (facts, refusal) = again.into_refusal();
                return Err(Denied::ByPolicy(Box::new(facts), refusal));
            }
            judged => return judged.map(|judged| (case, judged)),
        }
    }
}

fn question(gate: &Gate, ask: &Ask, body: &Bytes, told: &Told, until: Instant) -> Question {
    let terms = ask.terms();
    Question {
        who: gate.who().clone(),
        run: gate.run(),
        facts: terms.facts().clone(),
        shown: told.shown.clone(),
        credential: terms.credential().cloned(),
        by: ask.by().clone(),
        fingerprint: ask.fingerprint(),
        body: BodyHash::of(body),
        bytes: body.len() as u64,
        fields: told.fields.clone(),
        says: told.says.clone(),
        until,
    }
}

impl Gate {
    async fn until_answered(&self, question: Question) -> Result<Yes, Refusal> {
        tokio::select! {
            answer = self.owner().ask(question) => answer,
            refusal = self.until_shut() => Err(refusal),
        }
    }
}
