//! A digest in words for the owner.

use std::collections::BTreeMap;

use desk::screen::on_screen;

use super::gathered::Gathered;
use super::tasks;
use crate::meters::Report;
use crate::phrases::Phrases;
use crate::store::ledger::{Digest, Way};

/// The most hosts of a group that are named: a sandbox can ask for any number.
const HOSTS_AT_MOST: usize = 5;

/// A host's name can have 253 characters; a line in a chat has fewer.
const HOST_AT_MOST: usize = 60;

/// The digest: one line on a quiet day.
pub fn words(gathered: &Gathered) -> Phrases {
    let Gathered { since, digest, models, tasks, drill } = gathered;
    let refused: u64 = digest.ways.iter().map(|way| way.refused).sum();
    let alarms: u64 = digest.ways.iter().map(|way| way.alarms).sum();
    let asked = happened(digest, "asked");
    let about_tasks = tasks::words(tasks);
    if digest.ways.is_empty() && models.is_empty() && asked == 0 && about_tasks.is_empty() {
        let quiet = Phrases::new("digest-quiet").with("since", since);
        return digest.head.as_ref().map_or(quiet.clone(), |head| {
            quiet.and(Phrases::new("digest-quiet-log").count("record", head.seq).with("head", &head.hash))
        });
    }
    let mut text = Phrases::new("digest-since").with("since", since);
    if alarms > 0 {
        text = text.line(Phrases::new("digest-alarms").count("count", alarms));
    }
    let mut groups: BTreeMap<&str, Vec<&Way>> = BTreeMap::new();
    digest.ways.iter().for_each(|way| groups.entry(&way.group).or_default().push(way));
    for (group, ways) in groups {
        text = text.line(of_group(group, ways));
    }
    if refused > 0 {
        text = text.line(Phrases::new("digest-refused").count("count", refused));
    }
    if asked > 0 {
        let answered = happened(digest, "ask_answered");
        text = text.line(Phrases::new("digest-asked").count("asked", asked).count("answered", answered));
    }
    for report in models {
        text = text.line(of_models(report));
    }
    if tasks.planned > 0 {
        text = text.line(Phrases::new("digest-tasks").count("count", tasks.planned as u64));
    }
    text = about_tasks.into_iter().fold(text, Phrases::line);
    text = text.line(match drill {
        None => Phrases::new("digest-no-drill"),
        Some(drill) => {
            let name = if drill.passed { "digest-drill" } else { "digest-drill-failed" };
            let day = jiff::Timestamp::from_millisecond(drill.at).map(|at| at.strftime("%Y-%m-%d").to_string());
            Phrases::new(name).with("day", day.unwrap_or_default())
        }
    });
    match &digest.head {
        None => text,
        Some(head) => text.line(Phrases::new("digest-log").count("record", head.seq)).line(head.hash.clone()),
    }
}

/// Where a group's data went, most first.
fn of_group(group: &str, mut ways: Vec<&Way>) -> Phrases {
    ways.retain(|way| way.requests > way.refused);
    ways.sort_by_key(|way| std::cmp::Reverse((way.bytes_up, way.requests)));
    let rest = ways.split_off(ways.len().min(HOSTS_AT_MOST));
    let group = on_screen(group);
    if ways.is_empty() {
        return Phrases::new("digest-group-nothing").with("group", group);
    }
    let host = |way: &&Way| {
        let host = way.host.as_deref().map_or_else(|| "?".to_owned(), on_screen);
        let short: String = host.chars().take(HOST_AT_MOST).collect();
        let up = desk::size::about(way.bytes_up);
        format!("{short} ({up} ↑, {} ↓)", desk::size::about(way.bytes_down))
    };
    let hosts: Vec<String> = ways.iter().map(host).collect();
    let text = Phrases::new("digest-group").with("group", group).with("hosts", hosts.join(", "));
    match rest.len() {
        0 => text,
        more => text.and(Phrases::new("digest-more-hosts").count("count", more as u64)),
    }
}

fn of_models(report: &Report) -> Phrases {
    let group = on_screen(&report.group);
    let text = Phrases::new("digest-models")
        .with("group", group)
        .count("runs", report.runs)
        .with("tokens", report.tokens)
        .with("money", desk::money::about(report.cost));
    if report.without_price.is_empty() { text } else { text.and(Phrases::new("digest-no-price")) }
}

fn happened(digest: &Digest, what: &str) -> u64 {
    digest.events.iter().filter(|event| event.what == what).map(|event| event.times).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::gathered::LastDrill;
    use crate::phrases::Language;
    use crate::store::Standing;
    use crate::store::ledger::{Happened, Head};

    fn gathered() -> Gathered {
        let way = |group: &str, host: &str, requests, refused| Way {
            group: group.to_owned(),
            host: Some(host.to_owned()),
            requests,
            refused,
            bytes_up: 40_000 * requests,
            bytes_down: 1_200,
            ..Way::default()
        };
        let mut ways: Vec<Way> = (0..7).map(|n| way("family", &format!("h{n}.example"), n + 1, 0)).collect();
        ways.push(way("work", "weather.example", 2, 2));
        ways[0].alarms = 1;
        let event = |what: &str, times| Happened { what: what.to_owned(), times, ..Happened::default() };
        let head = Some(Head { seq: 912, hash: "ab".repeat(32) });
        let digest = Digest { ways, events: vec![event("asked", 3), event("ask_answered", 2)], head };
        let models =
            vec![Report { group: "family".into(), tokens: 94_068, cost: 420_000, runs: 12, ..Report::default() }];
        let drill = Some(LastDrill { at: 1_795_995_000_000, group: "family".to_owned(), passed: true });
        Gathered { since: "2026-11-29 08:00".into(), digest, models, tasks: Standing::default(), drill }
    }

    #[test]
    fn a_day_is_told() {
        let text = words(&gathered()).in_english();
        let want = "\
Since 2026-11-29 08:00:
1 alarm: `doorward audit --alarms`.
family: h6.example (280.0 kB ↑, 1.2 kB ↓), h5.example (240.0 kB ↑, 1.2 kB ↓), h4.example (200.0 kB ↑, 1.2 kB ↓), \
h3.example (160.0 kB ↑, 1.2 kB ↓), h2.example (120.0 kB ↑, 1.2 kB ↓) and 2 more hosts
work: nothing went out
2 requests were refused: `doorward audit --denied`.
You were asked 3 times, and answered 2.
family: 12 runs, 94068 tokens, 0.42 USD
The last drill was on 2026-11-29: nothing got out.
The log ends with record 912. Keep this fingerprint elsewhere; `doorward audit verify --head` takes it:
";
        assert_eq!(text, format!("{want}{}", "ab".repeat(32)));
        for language in Language::ALL {
            assert!(words(&gathered()).said_in(language).contains(&"ab".repeat(32)), "{language:?}");
        }
    }

    #[test]
    fn a_quiet_day_is_one_line() {
        let mut quiet = gathered();
        quiet.digest.ways.clear();
        quiet.digest.events.clear();
        quiet.models.clear();
        let text = words(&quiet).in_english();
        let want = format!(
            "A quiet day: nothing was asked at any door since 2026-11-29 08:00. The log: record 912, {}",
            "ab".repeat(32)
        );
        assert_eq!(text, want);
    }
}
