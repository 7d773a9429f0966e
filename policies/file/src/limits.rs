//! `[limits]`: how much may be used over time. What it is not: the counting, which belongs to
//! whoever keeps a clock and a database.

use desk::ValueError;
use policies::Limits;

use crate::table::Block;

/// The value of a limit as a file would have it.
pub fn limit_in_words(name: &str, value: u64) -> String {
    match name {
        name if name.starts_with("upload") => desk::size::in_words(value),
        name if name.starts_with("money") => desk::money::in_words(value),
        _ => value.to_string(),
    }
}

pub(crate) fn limits(block: &mut Block<'_, '_>) -> Limits {
    block.known_keys("[limits]", &Limits::NAMES);
    Limits {
        upload_per_day: size(block, "upload_per_day"),
        upload_per_request: size(block, "upload_per_request"),
        requests_per_minute: block.count("requests_per_minute"),
        requests_per_day: block.count("requests_per_day"),
        new_names_per_day: block.count("new_names_per_day"),
        runs_per_day: block.count("runs_per_day"),
        tokens_per_day: block.count("tokens_per_day"),
        tokens_per_month: block.count("tokens_per_month"),
        money_per_day: money(block, "money_per_day"),
        money_per_month: money(block, "money_per_month"),
    }
}

fn size(block: &mut Block<'_, '_>, key: &str) -> Option<u64> {
    block.read(key, |text| {
        let form = || ValueError::new(format!("{text:?} is no size"), Some(desk::size::FORM.to_owned()));
        desk::size::read(text).ok_or_else(form)
    })
}

fn money(block: &mut Block<'_, '_>, key: &str) -> Option<u64> {
    block.read(key, |text| {
        let form = || ValueError::new(format!("{text:?} is no amount of money"), Some(desk::money::FORM.to_owned()));
        desk::money::read(text).ok_or_else(form)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_as_they_are_written() {
        for (name, value, want) in [
            ("upload_per_day", 20_000_000, "20 MB"),
            ("upload_per_request", 1 << 20, "1 MiB"),
            ("upload_per_request", 1_000_000_000, "1 GB"),
            ("upload_per_request", 1001, "1001 B"),
            ("upload_per_request", 0, "0"),
            ("requests_per_day", 5000, "5000"),
            ("money_per_day", 2_000_000, "2 USD"),
            ("tokens_per_month", 3_000_000, "3000000"),
        ] {
            assert_eq!(limit_in_words(name, value), want);
        }
    }
}
