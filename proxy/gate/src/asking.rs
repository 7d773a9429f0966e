//! The hold: a request that the owner is asked about waits here for the answer, and the same
//! decision then judges it again. Meanwhile nothing is resolved, dialled or stored as allowed.
//!
//! A yes is a number. The grant made of it here is for the very request that was held, with the
//! body that was shown, so no answer can apply to another request.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use policies::{Ask, BodyHash, Facts, HeadHash, Path, Refusal, Showing};
use tokio::time::{Duration, Instant};

use crate::case::Case;
use crate::check::{Dressed, checked};
use crate::gate::Gate;
use crate::head::{self, Beside};
use crate::judge::{Denied, Judged, judged_by};
use crate::ports::{Held, Question, Yes};

/// What is known of a request beside its facts: what the owner is shown, and what a yes binds as well.
pub struct Told {
    /// Its head.
    pub head: Head,
    /// Its path, as it may be shown.
    pub shown: Path,
    /// The names of its body's fields.
    pub fields: Vec<String>,
}

/// What is known of a head before its owner is asked.
pub struct Head {
    /// What a yes binds of it.
    hash: HeadHash,
    /// The headers that go beyond what every client sends.
    beside: Beside,
}

/// Looks through the head of a request before the owner is asked: what must not leave is refused at once.
pub fn check_asked<T>(
    ask: &Ask,
    came: &HeaderMap,
    look: impl FnOnce(HeaderMap) -> Result<(Dressed, T), Refusal>,
) -> Result<(Head, T), Refusal> {
    let mut carrier = None;
    let (clean, looked) = checked(ask.terms(), came, |going_out| {
        let (dressed, looked) = look(going_out)?;
        carrier.clone_from(&dressed.carrier);
        Ok((dressed, looked))
    })?;
    let beside = head::beside(&head::outgoing(came), carrier.as_ref());
    Ok((Head { hash: clean.bound(), beside }, looked))
}

/// Waits for the owner's answer to a request with this head and body, at most as long as the policy
/// says. The request is then judged by whatever is in force at that moment.
pub async fn answered(
    gate: &Gate,
    case: &Case,
    mut ask: Box<Ask>,
    (headers, body): (&HeaderMap, &Bytes),
    told: &Told,
) -> Result<(Case, Judged), Denied> {
    let until = Instant::now() + Duration::from_secs(ask.by().hold);
    let mut case = case.clone();
    *ask = ask.with_head(told.head.hash);
    loop {
        let is_json = head::says_json(headers, body) && !headers.contains_key(CONTENT_ENCODING);
        let showing = Showing { bytes: body, is_json, fields: &told.fields };
        let question = question(gate, &case, &ask, (showing, told), until);
        let held = Held { policy: case.policy.clone(), now: case.now, body: body.clone(), is_json };
        let grants = match gate.until_answered(question, held).await {
            Ok(Yes::Once(id)) => vec![ask.once(id, body)],
            Ok(Yes::Answer(id)) => vec![ask.answer(id)],
            Ok(Yes::Anew) => Vec::new(),
            Err(refusal) => return Err(Denied::ByPolicy(Box::new(ask.into_facts()), refusal)),
        };
        let anew = grants.is_empty();
        case = Case { grants: grants.into(), head: told.head.hash, ..gate.case(case.connection, case.within.clone()) };
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

fn question(gate: &Gate, case: &Case, ask: &Ask, (body, told): (Showing<'_>, &Told), until: Instant) -> Question {
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
        body: BodyHash::of(body.bytes),
        bytes: body.bytes.len() as u64,
        fields: told.fields.clone(),
        beside: told.head.beside.clone(),
        says: case.policy.sentence(&to_show, Some(body)),
        until,
    }
}

impl Gate {
    async fn until_answered(&self, question: Question, held: Held) -> Result<Yes, Refusal> {
        tokio::select! {
            // Checked before the owner is asked.
            biased;
            refusal = self.until_shut() => Err(refusal),
            answer = self.owner().ask(question, held) => answer,
        }
    }
}
