//! The questions: each has an answer on the command line too, and one that is proposed.

use std::fmt::Display;

use anyhow::anyhow;
use inquire::error::InquireError;
use inquire::list_option::ListOption;
use inquire::validator::{ErrorMessage, Validation};
use inquire::{Confirm, MultiSelect, Password, PasswordDisplayMode, Select, Text};
use secrecy::SecretString;

use super::super::{Failure, failure, show, usage};

/// Asks whoever sits there, or takes what is proposed.
#[derive(Debug)]
pub(super) struct Ask {
    /// Nobody is asked: what is proposed holds.
    yes: bool,
    asked: usize,
}

/// A rule for what is typed: why it will not do.
pub(super) type Rule = fn(&str) -> Result<(), String>;

impl Ask {
    pub(super) fn new(yes: bool) -> Self {
        Ask { yes, asked: 0 }
    }

    /// How many questions were asked, those that were repeated counted once.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// One of some; `usual` is proposed. `flag` answers it on the command line.
    pub(super) async fn one<T>(&mut self, question: &str, flag: &str, from: Vec<T>, usual: usize) -> Result<T, Failure>
    where
        T: Display + Send + 'static,
    {
        if self.proposed(flag)? {
            let mut from = from;
            return Ok(from.swap_remove(usual));
        }
        let question = question.to_owned();
        prompt(move || Select::new(&question, from).with_starting_cursor(usual).with_page_size(10).prompt()).await
    }

    /// Any of some, those in `usual` proposed.
    pub(super) async fn any<T>(
        &mut self,
        question: &str,
        flag: &str,
        from: Vec<T>,
        usual: Vec<usize>,
    ) -> Result<Vec<T>, Failure>
    where
        T: Display + Send + 'static,
    {
        if self.proposed(flag)? {
            let chosen = from.into_iter().enumerate().filter(|(at, _)| usual.contains(at));
            return Ok(chosen.map(|(_, one)| one).collect());
        }
        let question = question.to_owned();
        let ask = move || {
            let help = "space marks, ↑ and ↓ move, enter goes on";
            let all = MultiSelect::new(&question, from).with_default(&usual).with_page_size(10);
            all.with_help_message(help).with_formatter(&in_a_row).prompt()
        };
        prompt(ask).await
    }

    /// Yes or no.
    pub(super) async fn confirm(&mut self, question: &str, flag: &str, usual: bool) -> Result<bool, Failure> {
        if self.proposed(flag)? {
            return Ok(usual);
        }
        let question = question.to_owned();
        prompt(move || Confirm::new(&question).with_default(usual).prompt()).await
    }

    /// A line of text that follows a rule.
    pub(super) async fn text(&mut self, question: &str, flag: &str, rule: Rule) -> Result<String, Failure> {
        if self.yes {
            return Err(nobody(flag));
        }
        self.proposed(flag)?;
        let question = question.to_owned();
        let check = move |text: &str| Ok(validated(rule(text)));
        prompt(move || Text::new(&question).with_validator(check).prompt()).await
    }

    /// A secret, which is not shown; asked `again` where the last one would not do.
    pub(super) async fn secret(
        &mut self,
        question: &str,
        flag: &str,
        rule: Rule,
        again: bool,
    ) -> Result<SecretString, Failure> {
        if self.yes {
            return Err(nobody(flag));
        }
        self.proposed(flag)?;
        if again {
            self.asked -= 1;
        }
        loop {
            let question = question.to_owned();
            let ask = move || {
                let hidden = Password::new(&question).with_display_mode(PasswordDisplayMode::Hidden);
                hidden.without_confirmation().prompt()
            };
            // Begun anew where it will not do: nobody corrects what they cannot see.
            let typed = prompt(ask).await?;
            match rule(typed.trim()) {
                Ok(()) => return Ok(SecretString::from(typed.trim())),
                Err(why) => show::line(format!("  {why}"))?,
            }
        }
    }

    /// Whether what is proposed holds without asking.
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

/// Sentences, one after the other.
fn in_a_row<T: Display>(chosen: &[ListOption<&T>]) -> String {
    let words: Vec<String> = chosen.iter().map(|one| one.value.to_string()).collect();
    if words.is_empty() { "nothing".to_owned() } else { words.join(" ") }
}

fn nobody(flag: &str) -> Failure {
    usage(anyhow!("nobody is here to ask; say {flag}, or --yes for what is proposed"))
}

fn validated(checked: Result<(), String>) -> Validation {
    match checked {
        Ok(()) => Validation::Valid,
        Err(why) => Validation::Invalid(ErrorMessage::Custom(why)),
    }
}

/// On a thread of its own: a terminal that is read cannot be waited for.
async fn prompt<T: Send + 'static>(
    ask: impl FnOnce() -> Result<T, InquireError> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(ask).await? {
        Ok(answer) => Ok(answer),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Err(broken_off()),
        Err(error) => Err(error.into()),
    }
}

/// What was answered so far is in files already.
pub(super) fn broken_off() -> Failure {
    failure::broken_off(anyhow!(
        "setup was broken off. What you answered so far is kept; `doorward setup` goes on from there"
    ))
}
