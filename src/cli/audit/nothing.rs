//! What to say if nothing matches: what the log does contain.

use desk::did_you_mean;
use desk::screen::on_screen;
use policies::GroupName;

use crate::cli::times;
use crate::store::ledger::{AuditReader, Filter};

/// The most names that are listed.
const NAMES_AT_MOST: usize = 8;

/// Why nothing matches, as far as the log tells.
pub(super) fn words(reader: &AuditReader, filter: &Filter) -> anyhow::Result<String> {
    let mut text = "Nothing in the log matches.".to_owned();
    if let Some(unknown) = filter.group.as_ref().and_then(|group| unknown_group(reader, group).transpose()) {
        return Ok(text + " " + &unknown?);
    }
    if let Some(host) = &filter.host
        && reader.count(&Filter { host: Some(host.clone()), ..Filter::default() })? == 0
    {
        return Ok(text + " " + &others("host", host, &reader.hosts()?));
    }
    let other_times = Filter { since: None, until: None, limit: Some(1), ..filter.clone() };
    if (filter.since, filter.until) != (None, None)
        && let Some(last) = reader.entries(&other_times)?.last()
    {
        text += &format!(" The last at another time is of {}.", times::time(last.at, &times::zone()));
    }
    Ok(text)
}

/// Suggestions for a group that is not in the log.
pub(super) fn unknown_group(reader: &AuditReader, group: &GroupName) -> anyhow::Result<Option<String>> {
    let (group, groups) = (group.to_string(), reader.groups()?);
    Ok((!groups.contains(&group)).then(|| others("group", &group, &groups)))
}

/// Suggestions for an unknown name: the names that contain it, or else the closest one.
fn others(what: &str, name: &str, known: &[String]) -> String {
    let none = format!("It holds nothing of {what} {}", on_screen(name));
    if known.is_empty() {
        return format!("{none}, nor of any other.");
    }
    let part = name.to_lowercase();
    let part = part.trim_matches('*');
    let holding: Vec<&String> = known.iter().filter(|known| !part.is_empty() && known.contains(part)).collect();
    let close = did_you_mean(part, known.iter().map(String::as_str));
    match (holding.as_slice(), close) {
        ([], None) if what == "host" => format!("{none}. Most was asked of {}", list(known)),
        ([], None) => format!("{none}. It has {}", list(known)),
        ([], Some(close)) => format!("{none}; did you mean {}?", on_screen(close)),
        ([one], _) => format!("{none}; did you mean {}?", on_screen(one)),
        (several, _) if what == "host" => {
            format!("{none}. `--host '*{}*'` finds {}", on_screen(part), list(several))
        }
        (several, _) => format!("{none}. There are {}", list(several)),
    }
}

fn list<T: AsRef<str>>(names: &[T]) -> String {
    let shown: Vec<String> = names.iter().take(NAMES_AT_MOST).map(|name| on_screen(name.as_ref())).collect();
    match names.len() {
        all if all > NAMES_AT_MOST => format!("{} and {} more.", shown.join(", "), all - NAMES_AT_MOST),
        _ => format!("{}.", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_there_is_answered_with_those_that_are() {
        let known = ["api.open-meteo.com", "bbc.co.uk", "geo.open-meteo.com"].map(str::to_owned);
        let said = |name: &str| others("host", name, &known);
        assert!(said("bbc").ends_with("; did you mean bbc.co.uk?"), "{}", said("bbc"));
        assert!(said("bbc.co.ku").ends_with("; did you mean bbc.co.uk?"), "{}", said("bbc.co.ku"));
        let several = "`--host '*open-meteo*'` finds api.open-meteo.com, geo.open-meteo.com.";
        assert!(said("*.open-meteo").contains("open-meteo") && said("open-meteo").ends_with(several));
        assert!(
            said("zzz").ends_with("asked of api.open-meteo.com, bbc.co.uk, geo.open-meteo.com."),
            "{}",
            said("zzz")
        );
        assert!(others("group", "nosuch", &[]).ends_with("nor of any other."));
        let many: Vec<String> = (0..20).map(|number| format!("h{number}.example")).collect();
        assert!(others("host", "zzz", &many).ends_with("h7.example and 12 more."));
    }
}
