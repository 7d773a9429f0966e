//! The hold: a request that its owner is asked about waits here for the answer, and is judged again with
//! it by the same decision. Nothing is resolved, dialled or stored as allowed meanwhile.
//!
//! A yes is a number. The grant that is made of it here is for the very request that was held, with the
//! body that was shown; so no answer can be for another one.

use bytes::Bytes;
use http::HeaderMap;
use policies::{Ask, BodyHash, Facts, HeadHash, Path, Refusal, Showing};
use tokio::time::{Duration, Instant};

use crate::case::Case;
use crate::check::{Dressed, checked};
use crate::gate::Gate;
use crate::judge::{Denied, Judged, judged_by};
use crate::ports::{Held, Question, Yes};

/// What is known of a request beside what was judged: what its owner is shown, and what a yes is for as well.
pub struct Told {
    /// Its head.
    pub head: HeadHash,
    /// Its path, as it may be shown.
    pub shown: Path,
    /// The names of its body's fields.
    pub fields: Vec<String>,
}

/// Looks through the head of a request before its owner is asked: what must not leave is no question.
pub fn check_asked<T>(
    ask: &Ask,
    came: &HeaderMap,
    look: impl FnOnce(HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(HeadHash, T), Refusal> {
    checked(ask.terms(), came, look).map(|(clean, looked)| (clean.bound(), looked))
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
    let mut case = case.clone();
    *ask = ask.with_head(told.head);
    loop {
        let question = question(gate, &case, &ask, (body, told), until);
        let held = Held { policy: case.policy.clone(), now: case.now, body: body.clone() };
        let grants = match gate.until_answered(question, held).await {
            Ok(Yes::Once(id)) => vec![ask.once(id, body)],
            Ok(Yes::Answer(id)) => vec![ask.answer(id)],
            Ok(Yes::Anew) => Vec::new(),
            Err(refusal) => return Err(Denied::ByPolicy(Box::new(ask.into_facts()), refusal)),
        };
        let anew = grants.is_empty();
        case = Case { grants: grants.into(), head: told.head, ..gate.case(case.connection, case.within.clone()) };
        match judged_by(&case, ask.into_facts(), headers) {
            Err(Denied::Asks(again)) if anew => ask = again,
            Err(Denied::Asks(again)) => {
                let (facts, refusal) = again.into_refusal();
                return Err(Denied::ByPolicy(Box::new(facts), refusal));
            }
            judged => return judged.map(|judged| (case, judged)),
        }
    }
}

fn question(gate: &Gate, case: &Case, ask: &Ask, (body, told): (&Bytes, &Told), until: Instant) -> Question {
    let terms = ask.terms();
    let to_show = Facts { path: told.shown.clone(), ..terms.facts().clone() };
    Question {
        who: gate.who().clone(),
        run: gate.run(),
        facts: terms.facts().clone(),
        shown: told.shown.clone(),
        credential: terms.credential().cloned(),
        by: ask.by().clone(),
        policy: terms.policy(),
        fingerprint: ask.fingerprint(),
        body: BodyHash::of(body),
        bytes: body.len() as u64,
        fields: told.fields.clone(),
        says: case.policy.sentence(&to_show, Some(Showing { bytes: body, fields: &told.fields })),
        until,
    }
}

impl Gate {
    async fn until_answered(&self, question: Question, held: Held) -> Result<Yes, Refusal> {
        tokio::select! {
            // Before anybody is asked.
            biased;
            refusal = self.until_shut() => Err(refusal),
            answer = self.owner().ask(question, held) => answer,
        }
    }
}
