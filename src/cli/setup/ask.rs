//! The questions: each can also be answered on the command line, and has a proposed answer.

use anyhow::anyhow;
use inquire::error::InquireError;
use secrecy::SecretString;

use super::super::question::{self, Choice, Rule};
use super::super::{Failure, failure, show, usage};

/// Asks the person at the terminal, or takes the proposals.
#[derive(Debug)]
pub(super) struct Ask {
    /// Nobody is asked: the proposals hold.
    yes: bool,
    asked: usize,
}

impl Ask {
    pub(super) fn new(yes: bool) -> Self {
        Ask { yes, asked: 0 }
    }

    /// How many questions were asked, repeated ones counted once.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// One of several; `usual` is proposed. `flag` answers it on the command line.
    pub(super) async fn one<T: Send + 'static>(
        &mut self,
        question: &str,
        flag: &str,
        mut from: Vec<Choice<T>>,
        usual: usize,
    ) -> Result<T, Failure> {
        if self.proposed(flag)? {
            return Ok(from.swap_remove(usual).is);
        }
        let question = question.to_owned();
        prompt(move || question::one(&question, from, usual)).await
    }

    /// Any of several; those in `usual` are proposed. The choices are shown, one per line.
    pub(super) async fn any<T: Send + 'static>(
        &mut self,
        question: &str,
        flag: &str,
        from: Vec<Choice<T>>,
        usual: Vec<usize>,
    ) -> Result<Vec<T>, Failure> {
        if self.proposed(flag)? {
            let chosen = from.into_iter().enumerate().filter(|(at, _)| usual.contains(at));
            return Ok(chosen.map(|(_, one)| one.is).collect());
        }
        let question = question.to_owned();
        let chosen = prompt(move || question::any(&question, from, &usual)).await?;
        for one in &chosen {
            show::line(format!("- {}", one.words))?;
        }
        Ok(chosen.into_iter().map(|one| one.is).collect())
    }

    /// Yes or no.
    pub(super) async fn confirm(&mut self, question: &str, flag: &str, usual: bool) -> Result<bool, Failure> {
        if self.proposed(flag)? {
            return Ok(usual);
        }
        let question = question.to_owned();
        prompt(move || question::confirm(&question, usual)).await
    }

    /// A line of text that follows a rule.
    pub(super) async fn text(&mut self, question: &str, flag: &str, rule: Rule) -> Result<String, Failure> {
        self.must_ask(flag)?;
        let question = question.to_owned();
        prompt(move || question::text(&question, rule)).await
    }

    /// A secret, which is not shown; asked `again` if the last one was not acceptable.
    pub(super) async fn secret(
        &mut self,
        question: &str,
        flag: &str,
        rule: Rule,
        again: bool,
    ) -> Result<SecretString, Failure> {
        self.must_ask(flag)?;
        if again {
            self.asked -= 1;
        }
        loop {
            let question = question.to_owned();
            // Starts over if it is not acceptable: nobody can correct hidden text.
            let typed = prompt(move || question::hidden(&question)).await?;
            match rule(typed.trim()) {
                Ok(()) => return Ok(SecretString::from(typed.trim())),
                Err(why) => show::line(format!("  {why}"))?,
            }
        }
    }

    /// For questions without a proposal.
    fn must_ask(&mut self, flag: &str) -> Result<(), Failure> {
        match self.yes {
            true => Err(usage(anyhow!("nothing can be proposed for this: say {flag}"))),
            false => self.proposed(flag).map(drop),
        }
    }

    /// Whether the proposal holds without asking.
    fn proposed(&mut self, flag: &str) -> Result<bool, Failure> {
        if self.yes {
            return Ok(true);
        }
        if !show::is_interactive() {
            return Err(nobody(flag));
        }
        self.asked += 1;
        Ok(false)
    }
}

fn nobody(flag: &str) -> Failure {
    usage(anyhow!("nobody is here to ask; say {flag}, or --yes for what is proposed"))
}

/// On a separate thread: reading from a terminal blocks.
async fn prompt<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, InquireError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(ask).await? {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Err(broken_off()),
        Err(error) => Err(error.into()),
    }
}

/// The answers so far are already in files.
pub(super) fn broken_off() -> Failure {
    failure::broken_off(anyhow!(
        "setup was broken off. What you answered so far is kept; `doorward setup` goes on from there"
    ))
}
