//! An alarm as the owner reads it: what happened, where, and what to do.

use desk::screen::on_screen;

use super::Alarm;

/// A reason is cut to this; the audit log has all of it.
const WHY_AT_MOST: usize = 300;

/// The one alarm that is not about what was sent.
const IN_ANSWER: &str = "secret_in_answer";

/// The message for the owner's chat. Of what a sandbox can choose it holds the host
/// alone, with nothing in it that a terminal would obey.
pub fn text(alarm: &Alarm) -> String {
    let group = on_screen(&alarm.group);
    let why: String = on_screen(&alarm.why).chars().take(WHY_AT_MOST).collect();
    if alarm.kind == "budget" {
        return format!(
            "{why}.{}\nWhat to do: nothing, if you expect it; what goes beyond the limit is refused. \
             `doorward audit digest --group {group} --since 1d` shows where it went; the limits are in [limits] of \
             the group's policy.",
            more(alarm)
        );
    }
    if alarm.kind == "access_request" {
        // Longer than other reasons: its writer has cut what is the agent's.
        let asked = on_screen(&alarm.why);
        return format!(
            "{asked}{}\nNothing is allowed by this. `doorward requests` shows what was asked and the lines that would \
             allow it; whether they go into the policy is yours to say.",
            more(alarm)
        );
    }
    if alarm.kind == "policy_rejected" {
        // Without what is wrong in it: a file of the owner's may hold what no chat should.
        return format!(
            "The policy of group {group} was saved with a mistake and was not taken; the one before it stays in force.{}\n\
             What to do: `doorward policy check {group}` shows where the mistake is. It is taken as soon as you save it \
             without one.",
            more(alarm)
        );
    }
    if alarm.kind == "disk" {
        let ended = on_screen(&alarm.why);
        let (first, rest) = ended.split_at(ended.chars().next().map_or(0, char::len_utf8));
        return format!("{}{rest}.{}", first.to_uppercase(), more(alarm));
    }
    if matches!(&*alarm.kind, "log_lost" | "store_gone") {
        // Of no group, and in Doorward's own words.
        return format!("ALARM: {}.", on_screen(&alarm.why));
    }
    if alarm.kind == "reply_withheld" {
        return format!(
            "ALARM in group {group}: an answer to its chat was withheld.{}\nWhy: {why}.\nWhat to do: an agent should not \
             know a real secret: replace it at its issuer, and find the file or message it was in. {}",
            more(alarm),
            shown(alarm)
        );
    }
    let host = alarm.host.as_deref().map_or_else(|| "a host that could not be read".to_owned(), on_screen);
    let ended = if alarm.kind == IN_ANSWER {
        "The answer was cut off before the secret was whole."
    } else if alarm.cut_off {
        "The request was cut off; part of it may have gone out before."
    } else {
        "The request was refused; nothing of it went out."
    };
    format!(
        "ALARM in group {group}: {}.\n{ended}{}\nWhy: {}: {why}\nWhat to do: {} \
         Stop the group with `doorward stop {group}` until you know. {}",
        happened(&alarm.kind, &host),
        more(alarm),
        on_screen(&alarm.kind),
        advice(&alarm.kind),
        shown(alarm),
    )
}

/// How the owner sees all of it. Of several, some may stand in one record together.
fn shown(alarm: &Alarm) -> String {
    let Alarm { seq, more, group, .. } = alarm;
    match more {
        0 => format!("`doorward audit show {seq}` shows all of it (record {seq})."),
        _ => format!(
            "`doorward audit show {seq}` shows the last one (record {seq}), `doorward audit --group {} --alarms` all of \
             them.",
            on_screen(group)
        ),
    }
}

fn more(alarm: &Alarm) -> String {
    match alarm.more {
        0 => String::new(),
        // The one that is shown is among those that were counted.
        1 => " It came after another of this kind.".to_owned(),
        more => format!(" And {} more of this kind since the last message.", more - 1),
    }
}

fn happened(kind: &str, host: &str) -> String {
    let sent = match kind {
        IN_ANSWER => return format!("{host} sent a real secret back in a way that it could not be taken off"),
        "secret_in_request" => "a real secret was on its way",
        "credential_not_surrogate" => "a key that is not the group's own was sent",
        kind if kind.starts_with("surrogate_") => "the stand-in for a credential was sent where it does not belong,",
        _ => "something that looks like a leak was sent",
    };
    format!("{sent} to {host}")
}

/// What to do about an alarm of this kind.
pub fn advice(kind: &str) -> &'static str {
    match kind {
        "secret_in_request" => {
            "a sandbox should not know a real secret: replace the secret at its issuer, and find the file or message \
             it was in."
        }
        IN_ANSWER => {
            "somebody may have had the host write down what it was sent: look at what was asked for. Replace the secret if \
             it came in pieces, or if others can fetch that answer. `doorward secret trust` shows whether the host gets \
             none any more."
        }
        "credential_not_surrogate" => {
            "if you gave the agent that key yourself, take it away and make it a credential of doorward.toml; if not, \
             the agent may be following somebody else's instructions."
        }
        kind if kind.starts_with("surrogate_") => {
            "no real secret was in it, so none has to be replaced. The agent may be following somebody else's \
             instructions: look at what it read last."
        }
        _ => "look at what the agent read last; it may be following somebody else's instructions.",
    }
}
