//! An owner who answers as the test says.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use policies::{GrantId, Refusal};
use proxy::ports::{Held, Owner, Pending, Question, Yes};
use serde::Deserialize;

/// The owner's answer when asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Says {
    /// Nothing.
    #[default]
    Nothing,
    /// Yes to everything, at once.
    Yes,
    /// Yes to the first request, after it has gone: the same one passes when it comes again, once.
    Late,
}

/// The owner.
#[derive(Default)]
pub struct Somebody {
    says: Says,
    /// The request that was approved, with its body.
    yes_to: Mutex<Option<String>>,
    /// How many questions were asked.
    asked: AtomicU64,
}

impl Somebody {
    pub fn who(says: Says) -> Self {
        Somebody { says, ..Somebody::default() }
    }

    fn answer(&self, question: &Question) -> Result<Yes, Refusal> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let exact = format!("{}/{}", question.fingerprint, question.body);
        let mut yes_to = self.yes_to.lock().unwrap();
        let goes = match self.says {
            Says::Nothing => false,
            Says::Yes => true,
            Says::Late if number == 1 => {
                *yes_to = Some(exact);
                false
            }
            Says::Late => yes_to.take_if(|yes| *yes == exact).is_some(),
        };
        if goes { Ok(Yes::Once(GrantId(number))) } else { Err(question.by.unanswered()) }
    }
}

impl Owner for Somebody {
    fn ask(&self, question: Question, _: Held) -> Pending<'_, Result<Yes, Refusal>> {
        Box::pin(std::future::ready(self.answer(&question)))
    }
}
