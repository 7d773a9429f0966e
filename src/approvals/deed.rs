//! An operation that reaches beyond the asking group is a question like any other, about a request to Doorward itself.
//! No sandbox's request is asked about under that host: the verdict refuses it.
//!
//! It is done once or not at all: no rule allows it, and none can be written.

use std::sync::Arc;
use std::time::Duration;

use policies::{
    AskedBy, Authority, BodyHash, Facts, Fingerprint, HeadHash, Method, Path, PolicyHash, Refusal, RuleRef, Scheme,
};
use proxy::audit::Identity;
use proxy::ports::{Beside, Question, Yes};
use tokio::time::Instant;

use super::telling::cannot_ask;
use super::{Approvals, words};

/// The host under which such a question is stored.
const HOST: &str = "doorward.internal:80";

/// The prefix of its path.
const PATH: &str = "/operations/";

/// How many seconds it waits for an answer; less than the door waits for an operation.
const HOLD: u64 = 50;

/// Something that an agent asks of Doorward and that its owner decides.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// Who asks.
    pub who: &'a Identity,
    /// Its run.
    pub run: Option<u64>,
    /// The operation.
    pub operation: &'static str,
    /// Its object in a word for the log: a group's name.
    pub about: &'a str,
    /// What would happen, in full, to follow "the group wants to"; what others wrote is quoted.
    pub says: String,
    /// What exactly the yes is for, byte for byte.
    pub exactly: &'a [u8],
    /// Whether these are quiet hours in the group's policy.
    pub quiet: bool,
}

impl Approvals {
    /// Waits for the owner's yes to exactly this; the yes is used up at once.
    pub async fn ask_about(&self, deed: &Deed<'_>) -> Result<(), Refusal> {
        let question = deed.question()?;
        loop {
            match self.wait(question.clone(), None).await {
                Ok(Yes::Once(_)) => return Ok(()),
                // The group's policy changed, which does not concern this.
                Ok(Yes::Anew) => {}
                Ok(Yes::Answer(_)) => return Err(cannot_ask("an operation is allowed once, not for a whole answer")),
                // There is no such rule, and its words are only for the agent that asked.
                Err(refusal) => {
                    let whole = format!("{} to {}", refusal.code, words::logged(&question));
                    return Err(Refusal { rule: None, logged: refusal.logged.clone().or(Some(whole)), ..refusal });
                }
            }
        }
    }
}

impl Deed<'_> {
    fn question(&self) -> Result<Question, Refusal> {
        let unreadable =
            || cannot_ask(format!("{} about {:?} cannot be put as a question", self.operation, self.about));
        let path = format!("{PATH}{}/{}", self.operation, self.about);
        let facts = Facts {
            scheme: Scheme::Http,
            authority: Authority::parse(HOST, None).map_err(|_| unreadable())?,
            method: Method::parse("POST").ok_or_else(unreadable)?,
            path: Path::parse(&path).map_err(|_| unreadable())?,
            query: None,
            upgrade: None,
        };
        // What its owner reads of it is a part of it: a task that reads otherwise by then was not read.
        let says = self.says.as_bytes();
        let at = RuleRef { file: "operations".into(), line: 0 };
        Ok(Question {
            who: self.who.clone(),
            run: self.run,
            shown: facts.path.clone(),
            credential: None,
            by: Arc::new(AskedBy { at, why: None, hold: HOLD, quiet: self.quiet, lift: Vec::new() }),
            // No policy covers it.
            policy: PolicyHash::of(&[]),
            fingerprint: Fingerprint::of(&self.who.group, &facts, None, HeadHash::default()),
            body: BodyHash::of(&[&says.len().to_be_bytes(), says, self.exactly].concat()),
            bytes: self.exactly.len() as u64,
            fields: Vec::new(),
            beside: Beside::default(),
            says: self.says.clone(),
            until: Instant::now() + Duration::from_secs(HOLD),
            facts,
        })
    }
}

/// Whether a question stored under this host is about an operation.
pub fn is_of_an_operation(authority: &str) -> bool {
    authority == HOST
}

/// The operation and its object; `None` if the question is about a request.
pub(super) fn operation(question: &Question) -> Option<String> {
    let ours = is_of_an_operation(&question.facts.authority.to_string());
    ours.then(|| question.shown.as_str().trim_start_matches(PATH).replace('/', ", for "))
}
