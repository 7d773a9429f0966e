//! Fetches what an image needs: the owner's script runs in a sandbox whose door has a policy just for this. The
//! sandbox's result comes out as one byte stream, and stays one on the host until the build.

use std::path::Path;

use anyhow::anyhow;
use containers::images::{Extension, Fetched, MOST_FETCHED, PACK};
use containers::{Engine, Exec};
use policies::{Code, Facts, GroupName, Method};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

use super::super::{Failure, environment, progress, reach, refused, show, up};
use crate::control::client::{ClientError, Held};
use crate::control::protocol::{Answer, Request};
use crate::home::Home;
use crate::images::policy_of;
use crate::store::ledger::{AuditEntry, AuditReader, Filter, Which};
use crate::store::{Millis, now};

/// The script's shell: its first failing command ends it.
const SHELL: [&str; 4] = ["/bin/bash", "-euo", "pipefail", "-c"];

/// How much of a script's output line is shown at once.
const LONGEST_LINE: u64 = 4096;

/// How many refusals are reported one by one.
const TOLD: usize = 8;

/// Runs an image's script, and returns its result, stored below `staging`.
pub(super) async fn run(home: &Home, engine: &Engine, own: &Extension, staging: &Path) -> Result<Fetched, Failure> {
    let kept = staging.join("files.tar");
    if own.fetch.is_empty() {
        return Fetched::nothing(kept).map_err(environment);
    }
    let policy = policy_of(&own.name).map_err(|why| refused(anyhow!(why)))?;
    let (since, raw) = (now(), staging.join("fetched"));
    let mut reached = reach::daemon(home).await?;
    let done = tokio::select! {
        done = in_sandbox(engine, &mut reached, own, &raw) => done,
        () = up::interrupted() => Err(environment(anyhow!("the build was interrupted; nothing of it is left"))),
    };
    reached.leave().await;
    let code = done?;
    let told = refusals(home, &policy, since)?;
    if code != 0 {
        let file = home.images_dir().join(&own.name).join("fetch");
        return Err(refused(anyhow!(
            "{} is not built: {} ended with exit code {code}{told}",
            own.name,
            file.display()
        )));
    }
    if !told.is_empty() {
        show::aside(format!("`fetch` went on without some of what it asked for{told}"));
    }
    let taken = tokio::task::spawn_blocking(move || Fetched::of_archive(&mut std::fs::File::open(raw)?, kept));
    taken.await.map_err(environment)?.map_err(refused)
}

/// Returns the script's exit code; if that is 0, its result is at `raw`.
async fn in_sandbox(
    engine: &Engine,
    reached: &mut reach::Reached<'_>,
    own: &Extension,
    raw: &Path,
) -> Result<i64, Failure> {
    let client = reached.client().await?;
    let request = Request::Fetch { image: own.name.clone() };
    let (answer, mut held) = progress::while_waiting("starting a sandbox", client.ask(&request)).await?;
    let Answer::Sandbox { container } = answer else { return Err(ClientError::Unexpected.into()) };
    show::aside(format!("Fetching what {} needs, in a sandbox with the policy image-{}:", own.name, own.name));
    let fetched = async {
        match script(engine, &container, own).await? {
            0 => pack(engine, &container, raw).await.map(|()| 0),
            code => Ok(code),
        }
    };
    let done = unless_gone(&mut held, fetched).await;
    held.release().await;
    done
}

async fn unless_gone<T>(held: &mut Held, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::select! {
        done = work => done,
        () = held.closed() => Err(refused(anyhow!(
            "the sandbox is gone: it was stopped, it keeps more than it may (docs/sandbox.md, \"Disk\"), or the daemon ended"
        ))),
    }
}

async fn script(engine: &Engine, container: &str, own: &Extension) -> Result<i64, Failure> {
    let argv: Vec<String> =
        SHELL.into_iter().map(str::to_owned).chain([own.fetch.clone(), "fetch".to_owned()]).collect();
    let exec = Exec { argv: &argv, terminal: None };
    let ((out, out_end), (err, err_end)) = (tokio::io::duplex(1 << 16), tokio::io::duplex(1 << 16));
    let ran = engine.exec(container, exec, tokio::io::empty(), out, err);
    let (code, (), ()) = tokio::join!(ran, tell(out_end), tell(err_end));
    Ok(code?)
}

/// Shows a script's output as text: none of its control codes reach a terminal.
async fn tell(said: impl AsyncRead + Unpin) {
    let mut said = BufReader::new(said);
    let mut line = Vec::new();
    while (&mut said).take(LONGEST_LINE).read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        show::aside(format!("  {}", String::from_utf8_lossy(&line).trim_end()));
        line.clear();
    }
}

async fn pack(engine: &Engine, container: &str, raw: &Path) -> Result<(), Failure> {
    let argv = PACK.map(str::to_owned);
    let exec = Exec { argv: &argv, terminal: None };
    let mut file = tokio::fs::File::create(raw).await.map_err(environment)?;
    let ((out, out_end), (err, err_end)) = (tokio::io::duplex(1 << 18), tokio::io::duplex(1 << 16));
    let kept = async move {
        let mut bounded = out_end.take(MOST_FETCHED + 1);
        let copied = tokio::io::copy(&mut bounded, &mut file).await;
        // A further write fails for lack of space.
        drop(bounded);
        tokio::io::AsyncWriteExt::flush(&mut file).await.and(copied)
    };
    let (code, kept, ()) =
        tokio::join!(engine.exec(container, exec, tokio::io::empty(), out, err), kept, tell(err_end));
    if kept.map_err(environment)? > MOST_FETCHED {
        return Err(refused(containers::images::FetchedError::TooMuch));
    }
    match code? {
        0 => Ok(()),
        code => Err(refused(anyhow!(
            "what `fetch` left could not be packed (tar: {code}); names that are longer than 255 bytes cannot be"
        ))),
    }
}

/// The door's refusals since then, with what would allow them; empty if there were none.
fn refusals(home: &Home, policy: &GroupName, since: Millis) -> Result<String, Failure> {
    let denied = Some(Which::Denied);
    let filter = Filter { group: Some(policy.clone()), since: Some(since), which: denied, ..Filter::default() };
    let entries =
        AuditReader::open(&home.audit_log()).and_then(|log| log.entries(&filter)).map_err(anyhow::Error::new)?;
    Ok(words(policy, &entries))
}

fn words(policy: &GroupName, entries: &[AuditEntry]) -> String {
    let (mut all, mut lifted) = (Vec::new(), Vec::<(Facts, bool)>::new());
    for entry in entries.iter().filter(|entry| entry.is_refusal()) {
        let asked = request(entry);
        let what = asked.as_ref().map_or_else(|| "a request that could not be read".to_owned(), shown);
        let why = format!("  {what}: {}", entry.why().or(entry.code()).unwrap_or("it was refused"));
        if !all.contains(&why) {
            all.push(why);
            let unknown = entry.code() == Some(Code::NotAllowed.as_str());
            lifted.extend(asked.filter(|_| !entry.lift().is_empty()).map(|facts| (facts, unknown)));
        }
    }
    if all.is_empty() {
        return String::new();
    }
    let more = all.len().saturating_sub(TOLD);
    all.truncate(TOLD);
    if more > 0 {
        all.push(format!("  and {more} more; `doorward audit --group {policy} --denied` shows them"));
    }
    let commands = commands(policy, &lifted);
    let allowed = if commands.is_empty() { "" } else { "\nWhat you want of this is allowed by\n" };
    format!(". Its door refused:\n{}{allowed}{}", all.join("\n"), commands.join("\n"))
}

/// The commands that would allow these requests: each by itself, or a whole site for reading if no rule names several
/// requested pages of it.
fn commands(policy: &GroupName, lifted: &[(Facts, bool)]) -> Vec<String> {
    let site = |facts: &Facts| format!("{}://{}/", facts.scheme.as_str(), facts.authority.host_header(facts.scheme));
    let reads = |facts: &Facts, unknown: bool| unknown && matches!(facts.method, Method::Get | Method::Head);
    let mut commands = Vec::new();
    for (facts, unknown) in lifted {
        let pages =
            lifted.iter().filter(|(other, unknown)| reads(other, *unknown) && site(other) == site(facts)).count();
        let command = match reads(facts, *unknown) && pages > 1 {
            true => format!("  doorward policy allow {policy} --read {}", site(facts)),
            false => format!("  {}", facts.command_to_allow(policy)),
        };
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands.truncate(TOLD);
    commands
}

/// `GET https://files.example/a`
fn shown(facts: &Facts) -> String {
    format!("{} {}", facts.method, facts.url_without_query())
}

fn request(entry: &AuditEntry) -> Option<Facts> {
    let decision = &entry.decision;
    let (scheme, host, port) = (decision.scheme.as_ref()?, decision.host.as_ref()?, decision.port?);
    let url = format!("{scheme}://{host}:{port}{}", decision.path.as_deref()?);
    Facts::parse(decision.method.as_deref()?, &url).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_would_allow_it_is_one_command_for_a_site_that_is_read() {
        let facts = |method, url| (Facts::parse(method, url).unwrap(), true);
        let nas = |page| (Facts::parse("GET", &format!("http://nas.example/{page}")).unwrap(), false);
        let policy = GroupName::parse("image-tools").unwrap();
        let all = [
            facts("GET", "http://deb.example/dists/a"),
            facts("GET", "https://files.example/tool"),
            facts("GET", "http://deb.example/dists/b"),
            facts("POST", "https://files.example/query"),
            nas("a"),
            nas("b"),
        ];
        let wanted = [
            "--read http://deb.example/",
            "GET https://files.example/tool",
            "POST https://files.example/query",
            "GET http://nas.example/a",
            "GET http://nas.example/b",
        ];
        assert_eq!(commands(&policy, &all), wanted.map(|one| format!("  doorward policy allow image-tools {one}")));
    }
}
