//! An alarm in words for the owner: what happened, where, and what to do.

use desk::screen::on_screen;

use super::alarm::Alarm;
use crate::phrases::Phrases;

/// Reasons are cut to this length; the audit log has all of it.
const WHY_AT_MOST: usize = 300;

/// The only alarm about an answer and not about what was sent.
const IN_ANSWER: &str = "secret_in_answer";

/// The message for the owner's chat. The host is the only part that a sandbox can choose, and it is stripped of
/// whatever a terminal would obey.
pub fn words(alarm: &Alarm) -> Phrases {
    let group = on_screen(&alarm.group);
    let whole = on_screen(&alarm.why);
    let why: String = whole.chars().take(WHY_AT_MOST).collect();
    let of_group = |name| Phrases::new(name).with("group", &group);
    match &*alarm.kind {
        "budget" => Phrases::new("budget").saying("why", why).and(more(alarm)).line(of_group("budget-do")),
        // Longer than other reasons: the agent's part has been cut already.
        "access_request" => {
            Phrases::new("access").saying("asked", whole).and(more(alarm)).line(Phrases::new("access-do"))
        }
        // Without the error itself: a file of the owner's may hold what no chat should.
        "policy_rejected" => of_group("policy-rejected").and(more(alarm)).line(of_group("policy-rejected-do")),
        "disk" => Phrases::new("disk").saying("why", capitalised(&whole)).and(more(alarm)),
        // About no group, and in Doorward's own words.
        "log_lost" | "store_gone" | "owner_away" => Phrases::new("alarm-of-nobody").saying("why", whole),
        "reply_withheld" => withheld(alarm, &why, &of_group),
        _ => at_the_door(alarm, &why, &of_group),
    }
}

fn withheld(alarm: &Alarm, why: &str, of_group: &dyn Fn(&'static str) -> Phrases) -> Phrases {
    let bait = scan::bait_named(&alarm.why).is_some();
    let advice = Phrases::new(if bait { "advice-bait" } else { "advice-reply" });
    let record = Phrases::new("alarm-record").count("record", alarm.seq);
    let reason = Phrases::new("alarm-reply-why").saying("why", why.to_owned());
    let what_to_do = Phrases::new("alarm-reply-do").saying("advice", advice).saying("shown", record);
    of_group("alarm-reply").and(more(alarm)).line(reason).line(what_to_do)
}

fn at_the_door(alarm: &Alarm, why: &str, of_group: &dyn Fn(&'static str) -> Phrases) -> Phrases {
    let ended = Phrases::new(match &*alarm.kind {
        IN_ANSWER => "alarm-answer-cut",
        _ if alarm.cut_off => "alarm-request-cut",
        _ => "alarm-request-refused",
    });
    let (what, advice) = happened(alarm);
    let reason = Phrases::new("alarm-why").with("code", on_screen(&alarm.kind)).saying("why", why.to_owned());
    let what_to_do = of_group("alarm-do").saying("advice", advice).saying("shown", shown(alarm));
    of_group("alarm").saying("what", what).line(ended).and(more(alarm)).line(reason).line(what_to_do)
}

/// Of several, some may share one record.
fn shown(alarm: &Alarm) -> Phrases {
    match alarm.more {
        0 => Phrases::new("alarm-record").count("record", alarm.seq),
        _ => Phrases::new("alarm-records").count("record", alarm.seq).with("group", on_screen(&alarm.group)),
    }
}

fn more(alarm: &Alarm) -> Phrases {
    match alarm.more {
        0 => Phrases::default(),
        // The one shown is counted, too.
        1 => Phrases::new("alarm-second"),
        more => Phrases::new("alarm-more").count("count", more - 1),
    }
}

/// What happened and what to do.
fn happened(alarm: &Alarm) -> (Phrases, Phrases) {
    let host = match alarm.host.as_deref() {
        Some(host) => Phrases::from(on_screen(host)),
        None => Phrases::new("unreadable-host"),
    };
    let (what, advice) = kind_of(&alarm.kind, &alarm.why);
    (what.saying("host", host), advice)
}

fn kind_of(kind: &str, why: &str) -> (Phrases, Phrases) {
    match kind {
        IN_ANSWER => (Phrases::new("alarm-secret-back"), Phrases::new("advice-secret-back")),
        "secret_in_request" => match scan::bait_named(why) {
            Some(bait) => (Phrases::new("alarm-bait").with("bait", on_screen(bait)), Phrases::new("advice-bait")),
            None => (Phrases::new("alarm-secret"), Phrases::new("advice-secret")),
        },
        "credential_not_surrogate" => (Phrases::new("alarm-foreign-key"), Phrases::new("advice-foreign-key")),
        kind if kind.starts_with("surrogate_") => (Phrases::new("alarm-surrogate"), Phrases::new("advice-surrogate")),
        _ => (Phrases::new("alarm-leak"), Phrases::new("advice-leak")),
    }
}

/// What to do about an alarm of this kind.
pub fn advice(kind: &str, why: &str) -> String {
    kind_of(kind, why).1.in_english()
}

fn capitalised(text: &str) -> String {
    let (first, rest) = text.split_at(text.chars().next().map_or(0, char::len_utf8));
    first.to_uppercase() + rest
}
