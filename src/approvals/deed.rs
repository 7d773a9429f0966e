//! An operation that reaches beyond the group of who asks: a question like any other, about a request to
//! Doorward itself. No request of a sandbox's is ever asked about under that name: the verdict refuses it.
//!
//! It is done once or not at all: no rule stands for it, and none can be written.

use std::sync::Arc;
use std::time::Duration;

use policies::{
    AskedBy, Authority, BodyHash, Facts, Fingerprint, HeadHash, Method, Path, PolicyHash, Refusal, RuleRef, Scheme,
};
use proxy::audit::Identity;
use proxy::ports::{Beside, Question, Yes};
use tokio::time::Instant;

use super::asking::cannot_ask;
use super::{Approvals, words};

/// Under which host such a question is kept.
const HOST: &str = "doorward.internal:80";

/// What its path begins with.
const PATH: &str = "/operations/";

/// How many seconds it waits for an answer; less than the door waits for an operation.
const HOLD: u64 = 50;

/// Something that an agent asks of Doorward, and that its owner decides.
#[derive(Clone, Debug)]
pub struct Deed<'a> {
    /// Who asks.
    pub who: &'a Identity,
    /// In which run.
    pub run: Option<u64>,
    /// The operation.
    pub operation: &'static str,
    /// What it is about, in a word for the log: a group's name.
    pub about: &'a str,
    /// What would happen, whole, behind "the group wants to"; what others wrote is quoted.
    pub says: String,
    /// What the yes is for, byte for byte.
    pub exactly: &'a [u8],
    /// Whether the group's policy wants nobody asked at this time.
    pub quiet: bool,
}

impl Approvals {
    /// Waits for the owner's yes to exactly this, which is used up by being given.
    pub async fn ask_about(&self, deed: &Deed<'_>) -> Result<(), Refusal> {
        let question = deed.question()?;
        loop {
            match self.wait(question.clone(), None).await {
                Ok(Yes::Once(_)) => return Ok(()),
                // The group's policy has changed, which says nothing about this.
                Ok(Yes::Anew) => {}
                Ok(Yes::Answer(_)) => return Err(cannot_ask("an operation is allowed once, not for a whole answer")),
                // The rule that it names is none, and its words are for who asked alone.
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
        let at = RuleRef { file: "operations".into(), line: 0 };
        Ok(Question {
            who: self.who.clone(),
            run: self.run,
            shown: facts.path.clone(),
            credential: None,
            by: Arc::new(AskedBy { at, why: None, hold: HOLD, quiet: self.quiet, lift: Vec::new() }),
            // No policy speaks of it.
            policy: PolicyHash::of(&[]),
            fingerprint: Fingerprint::of(&self.who.group, &facts, None, HeadHash::default()),
            body: BodyHash::of(self.exactly),
            bytes: self.exactly.len() as u64,
            fields: Vec::new(),
            beside: Beside::default(),
            says: self.says.clone(),
            until: Instant::now() + Duration::from_secs(HOLD),
            facts,
        })
    }
}

/// Whether a question that is kept under this host is about an operation.
pub fn is_of_an_operation(authority: &str) -> bool {
    authority == HOST
}

/// The operation that a question is about, and what that is about; nothing where it is about a request.
pub(super) fn operation(question: &Question) -> Option<String> {
    let ours = is_of_an_operation(&question.facts.authority.to_string());
    ours.then(|| question.shown.as_str().trim_start_matches(PATH).replace('/', ", for "))
}
