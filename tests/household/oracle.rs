//! What must be so at the end of an evening, whatever befell it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cast::LINES;
use super::evening::{Evening, Written};
use super::plan::{Chat, Says};
use crate::support::Shown;

/// What a message that waits may be told beside its answer.
const REMARKS: [&str; 10] = [
    "Trying again in",
    "The message waits, and is taken on when the engine is back.",
    "It is begun again from the start.",
    "The sandbox is still being started",
    "being answered;",
    "The message before this one is still being worked on",
    "Nothing was heard of the agent for",
    "The command has written nothing for",
    "was left out of the conversation",
    "The earlier conversation",
];

/// All that is wrong; nothing, if all is well.
pub fn wrong(evening: &Evening) -> Vec<String> {
    let mut wrong = Vec::new();
    let shown = once(evening.phone.shown(), &mut wrong);
    for message in &evening.written {
        let told: Vec<&Shown> = shown.iter().filter(|shown| shown.to == message.id).collect();
        let said = |kind: &str| -> Vec<&str> {
            told.iter().filter(|shown| shown.kind == kind).map(|shown| &*shown.text).collect()
        };
        let told_well = told.iter().all(|shown| shown.chat == message.chat.name());
        let verdict = match message.says {
            Says::Talk if told.is_empty() => Ok(()),
            Says::Talk => Err("was answered, and called nobody".to_owned()),
            _ if !told_well => Err("was answered in another chat".to_owned()),
            _ if said("done").len() != 1 => Err(format!("is done {} times", said("done").len())),
            _ => answered(evening, message, &shown, &said("reply"), &said("failure"), &said("notice")),
        };
        wrong.extend(verdict.err().map(|why| format!("{message:?} {why}: {told:#?}")));
    }
    in_order(evening, &shown, &mut wrong);
    written_once(evening, &mut wrong);
    owner_heard(evening, &shown, &mut wrong);
    nothing_leaked(evening, &shown, &mut wrong);
    let left = evening.home.containers();
    wrong.extend((!left.is_empty()).then(|| format!("containers are left: {left:?}")));
    let verified = evening.home.run(&["audit", "verify"]);
    wrong.extend((verified.code != Some(0)).then(|| format!("the log does not verify: {verified:#?}")));
    wrong
}

/// What was shown under one id is one message.
fn once(all: Vec<Shown>, wrong: &mut Vec<String>) -> Vec<Shown> {
    let mut first: Vec<Shown> = Vec::new();
    for shown in all {
        match first.iter().find(|before| before.id == shown.id) {
            Some(before) if *before != shown => wrong.push(format!("one id, two messages: {before:?}, {shown:?}")),
            Some(_) => {}
            None => first.push(shown),
        }
    }
    first
}

/// Exactly one answer, or exactly one sentence why not.
fn answered(
    evening: &Evening,
    message: &Written,
    shown: &[Shown],
    replies: &[&str],
    failures: &[&str],
    notices: &[&str],
) -> Result<(), String> {
    if let Says::Stop | Says::StopClub = message.says {
        let fits = |text: &str| ["Stopped.", "Stopped club.", "Nothing was running."].contains(&text);
        return match (replies, failures, notices) {
            ([], [], [text]) if fits(text) => Ok(()),
            // The stop of a chat ends also an order that waits in it.
            ([], [text], []) if text.starts_with("Stopped") => Ok(()),
            _ => Err("has not one answer".to_owned()),
        };
    }
    if let Some(remark) = notices.iter().find(|text| !REMARKS.iter().any(|known| text.contains(known))) {
        let lifts = message.chat == Chat::Owner && remark.starts_with("The door refused");
        if !lifts {
            return Err(format!("was told something of no known kind: {remark}"));
        }
    }
    match (replies, failures) {
        ([], []) if message.chat == Chat::Family => with_a_later_one(message, shown),
        ([], []) => Err("was answered by silence".to_owned()),
        ([], [why]) => failed(evening, message, why),
        (_, []) => right(message, replies),
        _ => Err("has more than one answer".to_owned()),
    }
}

/// The agent answered it together with one that came later: that is shown by what it says.
fn with_a_later_one(message: &Written, shown: &[Shown]) -> Result<(), String> {
    let own = format!("answer-{}", message.id);
    // Or together they came to nothing.
    let nothing = |shown: &Shown| message.says == Says::Nothing && shown.text.contains("ended without an answer");
    let says = |shown: &&Shown| shown.kind == "reply" && shown.text.contains(&own) || nothing(shown);
    match shown.iter().filter(says).filter(|shown| shown.to > message.id).count() {
        0 => Err("was answered by silence".to_owned()),
        _ => Ok(()),
    }
}

/// A sentence why not: only where there was a reason, and a true one.
fn failed(evening: &Evening, message: &Written, why: &str) -> Result<(), String> {
    let expected = match message.says {
        Says::Nothing => message.chat == Chat::Family && why.contains("ended without an answer"),
        Says::Hangs => why.contains("so it was ended") || why.contains("It was ended after"),
        Says::SendsKey | Says::ShowsKey => why.contains("secret_in_request"),
        _ => false,
    };
    if !expected && !message.may_fail {
        return Err("failed without a reason".to_owned());
    }
    let wrote = evening.cast.writes(&message.id) > 0;
    let says_so = why.contains("already sent something out") || why.contains("Stopped") || why.contains("is not known");
    if wrote && !says_so {
        return Err("wrote something upstream, and its chat was not told so".to_owned());
    }
    Ok(())
}

/// What was answered is what was asked.
fn right(message: &Written, replies: &[&str]) -> Result<(), String> {
    let (all, own) = (replies.join("\n"), format!("answer-{}", message.id));
    let fits = match message.says {
        Says::Nothing => message.chat == Chat::Family || all == "(no output)",
        Says::Refused => all.contains("not_allowed"),
        Says::ShowsKey => all.contains("withheld"),
        Says::SendsKey => all.contains("secret_in_request"),
        Says::Long => (1..=LINES).all(|line| all.lines().any(|said| said == format!("{own} {line}"))),
        Says::Hangs => false,
        // This model answers all that it reads in Claude Code's transcript: what is tried again
        // stands there once.
        _ if message.chat == Chat::Family => all.matches(&own).count() == 1,
        _ => all.trim() == own,
    };
    if fits || message.may_differ { Ok(()) } else { Err("has a wrong answer".to_owned()) }
}

/// Within a chat: as the messages came, and as they were queued.
fn in_order(evening: &Evening, shown: &[Shown], wrong: &mut Vec<String>) {
    for chat in [Chat::Owner, Chat::Family, Chat::Club, Chat::Work] {
        let here: Vec<&Shown> = shown.iter().filter(|shown| shown.chat == chat.name()).collect();
        let numbers: Vec<u64> = here.iter().map(|shown| shown.id).collect();
        if !numbers.is_sorted() {
            wrong.push(format!("in {} what was queued first is not shown first: {numbers:?}", chat.name()));
        }
        let known = |id: &str| evening.written.iter().any(|message| message.id == id);
        // An order to stop is carried out at once, whatever waits.
        let waits = |message: &&Written| !matches!(message.says, Says::Stop | Says::StopClub);
        let in_turn = |id: &str| evening.written.iter().filter(waits).any(|message| message.id == id);
        let done: Vec<&str> = here.iter().filter(|shown| shown.kind == "done").map(|shown| &*shown.to).collect();
        let done: Vec<&str> = done.into_iter().filter(|id| in_turn(id)).collect();
        if !done.is_sorted() {
            wrong.push(format!("in {} messages were not settled as they came: {done:?}", chat.name()));
        }
        for said in &here {
            let others = evening.written.iter().filter(|message| message.chat != chat);
            let strange = others.map(|message| &message.id).find(|id| said.text.contains(&format!("answer-{id}")));
            wrong.extend(strange.map(|id| format!("{} hears of {id}: {said:?}", chat.name())));
            if !(said.to.is_empty() || said.to.starts_with("stop-") || known(&said.to)) {
                wrong.push(format!("{} is told of no message of its own: {said:?}", chat.name()));
            }
        }
    }
}

/// Nothing is written twice, what was answered was written, and each has its record.
fn written_once(evening: &Evening, wrong: &mut Vec<String>) {
    let audit = evening.home.audit_with(&["--host", "notes.example", "--limit", "10000"]);
    let mut allowed = BTreeMap::<&str, usize>::new();
    for record in audit.with("verdict", "allow").into_iter().filter(|record| record["method"] == "POST") {
        *allowed
            .entry(record["path"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default())
            .or_default() += 1;
    }
    let shown = evening.phone.shown();
    for message in &evening.written {
        let (writes, records) = (evening.cast.writes(&message.id), allowed.get(&*message.id).copied().unwrap_or(0));
        if writes > 1 {
            wrong.push(format!("{message:?} was written {writes} times upstream"));
        }
        if writes > records {
            wrong.push(format!("{message:?} was written upstream, and has {records} records"));
        }
        let replied = shown.iter().any(|shown| shown.kind == "reply" && shown.to == message.id);
        if message.says.writes() && replied && writes != 1 && !message.may_differ {
            wrong.push(format!("{message:?} was answered, and written {writes} times upstream"));
        }
    }
    let refused = evening.cast.anthropic.refused();
    wrong.extend((!refused.is_empty()).then(|| format!("the model's server refused {refused:?}")));
}

/// Each fault that the owner should hear of, and none that was not.
fn owner_heard(evening: &Evening, shown: &[Shown], wrong: &mut Vec<String>) {
    let own: Vec<&Shown> = shown.iter().filter(|shown| shown.chat == "owner" && shown.to.is_empty()).collect();
    for (chat, words) in &evening.heard {
        let heard = own.iter().any(|shown| shown.text.contains(words) && shown.text.contains(chat.name()));
        wrong.extend((!heard).then(|| format!("the owner did not hear {words:?} of {}: {own:#?}", chat.name())));
    }
    for alarm in own.iter().filter(|shown| shown.text.contains("ALARM")) {
        let known = evening
            .heard
            .iter()
            .any(|(chat, words)| alarm.text.contains(words) && alarm.text.contains(&format!("group {}", chat.name())));
        wrong.extend((!known).then(|| format!("an alarm for nothing: {alarm:?}")));
    }
}

/// No real secret in anything that anybody reads, and no path of the machine in a chat.
fn nothing_leaked(evening: &Evening, shown: &[Shown], wrong: &mut Vec<String>) {
    let audit = evening.home.run(&["audit", "--json", "--limit", "10000"]).ok();
    let texts = shown.iter().map(|shown| ("a chat", &*shown.text));
    let texts = texts.chain([("the daemon's log", &*evening.log), ("the audit log", &*audit.out)]);
    for (place, text) in texts {
        for secret in evening.cast.secrets() {
            wrong.extend(text.contains(secret).then(|| format!("a real secret is in {place}: {text}")));
        }
    }
    let elsewhere =
        |secret: &str| {
            evening.cast.notes.requests().iter().any(|request| {
                String::from_utf8_lossy(&request.body).contains(secret) || request.target.contains(secret)
            })
        };
    let sent = evening.cast.secrets().into_iter().any(elsewhere);
    wrong.extend(sent.then(|| "a real secret was sent away".to_owned()));
    let folder = evening.home.path().to_str().unwrap();
    let told = shown.iter().filter(|shown| shown.chat != "owner" && shown.text.contains(folder));
    wrong.extend(told.map(|shown| format!("a path of this machine is told: {shown:?}")));
    wrong.extend(strange(&audit.out));
}

/// Requests that nobody asked for.
fn strange(audit: &str) -> Option<String> {
    const KNOWN: [&str; 5] =
        ["notes.example", "more.example", "elsewhere.example", "api.anthropic.com", "doorward.internal"];
    let records = audit.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut hosts = records
        .filter(|record| record["verdict"] == "allow")
        .filter_map(|record| record["host"].as_str().map(str::to_owned));
    hosts.find(|host| !KNOWN.contains(&&**host)).map(|host| format!("somebody reached {host}"))
}
