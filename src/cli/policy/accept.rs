//! `doorward policy accept`: puts this version's preset in force.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use policy_file::presets;

use super::show::Styled;
use super::{Failure, diff, refused, show, usage};
use crate::cli::environment;
use crate::control::client::{Client, ClientError};
use crate::control::protocol::{Answer, Request};
use crate::gateway::policy_events;
use crate::gateway::taken_presets::{TakenPresets, Waiting};
use crate::home::Home;
use crate::store::ledger::add_notice;

pub(super) async fn run(home: &Home, preset: Option<&str>, yes: bool) -> Result<ExitCode, Failure> {
    let taken = TakenPresets::of(home);
    let waiting = waiting(&taken)?;
    let Some(name) = preset else {
        if waiting.is_empty() {
            show::line("All presets are up to date.")?;
        }
        waiting.iter().try_for_each(|waiting| show::line(words(waiting)))?;
        return Ok(ExitCode::SUCCESS);
    };
    if presets::get(name).is_none() {
        return Err(usage(anyhow!("there is no preset {name:?}; presets are: {}", presets::names().join(", "))));
    }
    let Some(waiting) = waiting.iter().find(|waiting| waiting.name == name) else {
        show::line(format!("Preset {name} is up to date."))?;
        return Ok(ExitCode::SUCCESS);
    };
    show::line(words(waiting))?;
    if !(yes || show::is_interactive() && show::asks("Take it?")?) {
        return Err(refused(anyhow!("nothing was changed; `doorward policy accept {name} --yes` takes it")));
    }
    match Client::connect(home).await.map_err(environment)? {
        Some(client) => match client.ask(&Request::AcceptPreset { preset: name.to_owned() }).await? {
            (Answer::PresetAccepted {}, _) => {}
            _ => return Err(ClientError::Unexpected.into()),
        },
        None => {
            // It may allow more, so the log is told first.
            let noted = add_notice(
                &home.audit_log(),
                &home.old_audit_db(),
                &policy_events::preset_accepted(name, waiting.change.as_ref()),
            );
            noted.context("nothing was changed, because the audit log cannot be written")?;
            taken.accept(name).with_context(|| format!("cannot write into {}", home.presets_dir().display()))?;
        }
    }
    show::line(format!("Preset {name} is in force as this version ships it, in every group that uses it."))?;
    Ok(ExitCode::SUCCESS)
}

/// Reports waiting presets wherever policies are shown.
pub(super) fn tell_waiting(home: &Home) -> Result<(), Failure> {
    for waiting in waiting(&TakenPresets::of(home))? {
        let name = waiting.name;
        show::line(format!(
            "preset {name}: this version's would allow more; the one you use stays until `doorward policy accept {name}`"
        ))?;
    }
    Ok(())
}

fn waiting(taken: &TakenPresets) -> Result<Vec<Waiting>, Failure> {
    Ok(taken.waiting().context("the presets in force cannot be read")?)
}

fn words(waiting: &Waiting) -> Styled {
    let change = match &waiting.change {
        Some(change) => diff::words(change),
        None => "The one in force does not load in this version, so what it would change cannot be told.".into(),
    };
    Styled::from(format!("Preset {}, as this version ships it:\n", waiting.name)) + change
}
