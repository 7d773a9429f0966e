//! `doorward ask`: the questions to the owner, and their answers.

use std::process::ExitCode;

use desk::screen::on_screen;

use super::{Failure, environment, show, times};
use crate::approvals::is_of_an_operation;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, OpenAsk, Request};
use crate::home::Home;
use crate::store::Answered;

/// See what waits for your yes, and answer it
///
/// A request that a policy says to ask about waits at the door for up to 50 seconds. A yes that comes
/// within ten minutes lets the same request through when it comes again. The first answer counts, here or in
/// your chat.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  doorward ask
  doorward ask yes k7q2mx               this request, once
  doorward ask yes k7q2mx always        write the rule
  doorward ask no k7q2mx not on Sundays
  doorward ask never k7q2mx             write a denial

Exit codes: 0; 1 if the question is not open.")]
pub struct AskArgs {
    /// As JSON, one line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<AskCommand>,
}

#[derive(Debug, clap::Subcommand)]
enum AskCommand {
    /// Let it through
    Yes {
        /// The question
        code: String,
        /// This once, until this answer of the agent's ends, or from now on
        #[arg(default_value = "once")]
        how: Allowed,
    },
    /// Refuse it
    No {
        /// The question
        code: String,
        /// Why, for the agent
        #[arg(trailing_var_arg = true)]
        because: Vec<String>,
    },
    /// Refuse it from now on: a denial is written into the policy
    Never {
        /// The question
        code: String,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Allowed {
    Once,
    Answer,
    Always,
}

pub(super) async fn run(home: &Home, args: AskArgs) -> Result<ExitCode, Failure> {
    match args.command {
        None => list(home, args.json).await,
        Some(command) => answer(home, command).await,
    }
}

async fn list(home: &Home, json: bool) -> Result<ExitCode, Failure> {
    let asks = match Client::connect(home).await.map_err(environment)? {
        // Without a daemon no request waits and no answer counts.
        None => Vec::new(),
        Some(client) => match client.ask(&Request::Asks {}).await? {
            (Answer::Asks(asks), _) => asks,
            _ => return Err(ClientError::Unexpected.into()),
        },
    };
    if json {
        show::json(&asks)?;
    } else if asks.is_empty() {
        show::line("Nothing waits for your answer.")?;
    } else {
        show::line(asks.iter().map(words).collect::<Vec<_>>().join("\n\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn answer(home: &Home, command: AskCommand) -> Result<ExitCode, Failure> {
    let Some(client) = Client::connect(home).await.map_err(environment)? else {
        show::line("No daemon runs for this home, so nothing waits for an answer.")?;
        return Ok(ExitCode::FAILURE);
    };
    let (code, answer, because) = match command {
        AskCommand::Yes { code, how: Allowed::Once } => (code, Answered::Once, None),
        AskCommand::Yes { code, how: Allowed::Answer } => (code, Answered::Answer, None),
        AskCommand::Yes { code, how: Allowed::Always } => (code, Answered::Always, None),
        AskCommand::No { code, because } => (code, Answered::No, Some(because.join(" "))),
        AskCommand::Never { code } => (code, Answered::Never, None),
    };
    let because = because.filter(|because| !because.is_empty());
    match client.ask(&Request::AnswerAsk { code, answer, because }).await? {
        (Answer::Answered { told }, _) => show::line(told)?,
        _ => return Err(ClientError::Unexpected.into()),
    }
    Ok(ExitCode::SUCCESS)
}

fn words(ask: &OpenAsk) -> String {
    let waits = if ask.waits { "waits" } else { "waits no longer; a yes lets it through if it comes again" };
    let key = ask.credential.as_deref().filter(|_| ask.leaves.is_none());
    let key = key.map(|key| format!(", with the credential {key}")).unwrap_or_default();
    let request = if is_of_an_operation(&ask.authority) {
        String::new()
    } else {
        let (method, authority, path) = (on_screen(&ask.method), on_screen(&ask.authority), on_screen(&ask.path));
        let leaves = ask.leaves.as_deref().map(|leaves| format!("\n        {}", on_screen(leaves)));
        let covers = ask.always_covers.as_deref();
        let covers = covers.map(|covers| format!("\n        always: a rule that also covers {}", on_screen(covers)));
        format!(
            "\n        {method} {authority} {path}{key}{}{}",
            leaves.unwrap_or_default(),
            covers.unwrap_or_default()
        )
    };
    format!(
        "{}  {} wants to {}{request}\n        asked {}, {waits}",
        ask.code,
        ask.group,
        on_screen(&ask.says),
        times::time(ask.asked_at, &times::zone()),
    )
}
