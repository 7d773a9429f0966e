//! `doorward audit verify`: is the log unchanged?

use std::io::Write;
use std::process::ExitCode;

use anyhow::bail;
use audit::Chain;

use crate::cli::show::{Screen, Styled};
use crate::cli::times;
use crate::home::Home;
use crate::store::ledger::{OldLog, OldVerifyError, Verified, VerifyError, verify};

#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// A fingerprint that an earlier `verify` or digest printed: finds a tail that was cut off
    #[arg(long, value_name = "FINGERPRINT")]
    head: Option<String>,
    /// The log that an older Doorward kept, `audit.db`
    #[arg(long)]
    old: bool,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

/// The result, for programs and for people.
struct Found {
    good: bool,
    json: serde_json::Value,
    text: String,
}

pub(super) fn run(args: &VerifyArgs, home: &Home, screen: Screen, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
    let path = if args.old { home.old_audit_db() } else { home.audit_log() };
    if !path.exists() {
        bail!("there is no audit log at {}", path.display());
    }
    let head = args.head.as_deref();
    let chain = head.map(|head| Chain::parse(head.as_bytes()));
    if chain == Some(None) {
        bail!("--head wants the fingerprint of 64 hex digits that an earlier `doorward audit verify` printed");
    }
    let found = if args.old {
        match OldLog::open(&path)?.verify(head) {
            Ok(whole) => Found::whole(&in_new_words(whole)),
            Err(OldVerifyError::Bad(bad)) => Found::bad(bad.seq, bad.what, None, &bad.to_string()),
            Err(OldVerifyError::Store(error)) => return Err(error.into()),
        }
    } else {
        match verify(&path, chain.flatten()) {
            Ok(whole) => Found::whole(&Whole::of(whole, home)),
            Err(VerifyError::Damaged(damage)) => {
                Found::bad(damage.seq, damage.what, Some(&damage.file), &damage.to_string())
            }
            Err(error @ VerifyError::Unread { .. }) => return Err(error.into()),
        }
    };
    match args.json {
        true => writeln!(out, "{}", found.json)?,
        false => writeln!(out, "{}", Styled::from(found.text).on(screen))?,
    }
    Ok(if found.good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// An intact chain.
struct Whole {
    records: u64,
    removed: u64,
    /// Where earlier records are.
    earlier: &'static str,
    last: Option<(u64, i64)>,
    checkpoints: u64,
    checkpoint_at: Option<i64>,
    key: Option<String>,
    head: String,
    holds_head: Option<bool>,
    torn: u64,
}

/// The use of a head: `verify --head` detects a cut tail with it.
pub(super) const NOTE: &str = "Note this fingerprint, and keep it elsewhere:\n";

impl Whole {
    fn of(whole: Verified, home: &Home) -> Self {
        let earlier = match home.old_audit_db().exists() {
            true => "are in audit.db (`doorward audit verify --old`), or had their time and were removed",
            false => "had their time and were removed",
        };
        let key = whole.keys.last().map(|key| key.iter().map(|byte| format!("{byte:02x}")).collect());
        Whole {
            records: whole.records,
            removed: whole.removed,
            earlier,
            last: whole.last_at.map(|at| (whole.last.seq, at)),
            checkpoints: whole.checkpoints,
            checkpoint_at: whole.checkpoint_at,
            key,
            head: whole.last.chain.to_string(),
            holds_head: whole.holds_head,
            torn: whole.torn,
        }
    }

    /// The result for people.
    fn words(&self) -> String {
        let mut text = format!("All {} records are as they were written.\n", self.records);
        if self.removed > 0 {
            text += &format!("The {} before them {}.\n", self.removed, self.earlier);
        }
        if self.torn > 0 {
            text += &format!(
                "Behind the last stand {} bytes that are no whole record: one is being written, or was when the power went.\n",
                self.torn
            );
        }
        if let (Some(at), Some(key)) = (self.checkpoint_at, &self.key) {
            let at = times::time(at, &times::zone());
            text += &format!("Signed checkpoints: {}, the last of {at}, with the key {key}\n", self.checkpoints);
        }
        if let Some((seq, at)) = self.last {
            text += &format!("The last record is {seq}, of {}\n", times::time(at, &times::zone()));
        }
        text + NOTE + &self.head
    }
}

fn in_new_words(whole: crate::store::ledger::OldVerified) -> Whole {
    Whole {
        records: whole.records,
        removed: whole.removed,
        earlier: "had their time and were removed",
        last: None,
        checkpoints: whole.checkpoints,
        checkpoint_at: whole.checkpoint_at,
        key: whole.key,
        head: whole.head,
        holds_head: whole.holds_head,
        torn: 0,
    }
}

impl Found {
    fn whole(whole: &Whole) -> Self {
        let good = whole.holds_head != Some(false);
        let json = serde_json::json!({ "whole": good, "records": whole.records, "head": whole.head,
                                       "holds_head": whole.holds_head, "removed": whole.removed,
                                       "checkpoints": whole.checkpoints, "checkpoint_at_ms": whole.checkpoint_at,
                                       "key": whole.key, "torn_bytes": whole.torn });
        let text = match good {
            true => whole.words(),
            false if whole.removed > 0 => format!(
                "The log is a whole chain, but the fingerprint you gave is of no record of it: its tail was cut off, it \
                 was written anew, or the fingerprint is of one of the first {} records, which {}.",
                whole.removed, whole.earlier
            ),
            false => {
                "The log is a whole chain, but the fingerprint you gave is of no record of it: its tail was cut off, \
                      or it was written anew."
                    .to_owned()
            }
        };
        Found { good, json, text }
    }

    fn bad(seq: u64, what: &str, file: Option<&str>, words: &str) -> Self {
        let json = serde_json::json!({ "whole": false, "seq": seq, "what": what, "file": file });
        Found { good: false, json, text: format!("The log was tampered with: {words}.") }
    }
}
