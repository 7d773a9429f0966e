//! `[limits]`: how much may leave, over time. What it is not: the counting, which
//! belongs to whoever keeps a clock and a database.

use desk::ValueError;
use policies::Limits;

use crate::table::Block;

/// The value of one, as a file would say it.
pub fn limit_in_words(name: &str, value: u64) -> String {
    if name.starts_with("upload") { desk::size::in_words(value) } else { value.to_string() }
}

pub(crate) fn limits(block: &mut Block<'_, '_>) -> Limits {
    block.known_keys("[limits]", &Limits::NAMES);
    Limits {
        upload_per_day: size(block, "upload_per_day"),
        upload_per_request: size(block, "upload_per_request"),
        requests_per_minute: block.count("requests_per_minute"),
        requests_per_day: block.count("requests_per_day"),
        new_names_per_day: block.count("new_names_per_day"),
    }
}

fn size(block: &mut Block<'_, '_>, key: &str) -> Option<u64> {
    block.read(key, |text| {
        let form = || ValueError::new(format!("{text:?} is no size"), Some(desk::size::FORM.to_owned()));
        desk::size::read(text).ok_or_else(form)
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
        ] {
            assert_eq!(limit_in_words(name, value), want);
        }
    }
}
