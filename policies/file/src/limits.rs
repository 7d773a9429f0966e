//! `[limits]`: how much may leave, over time. What it is not: the counting, which
//! belongs to whoever keeps a clock and a database.

use std::ops::Range;

use policies::{Limits, PatternError};

use crate::table::Block;

/// The value of one, as a file would say it.
pub fn limit_in_words(name: &str, value: u64) -> String {
    let fits =
        UNITS.iter().find(|(_, factor)| name.starts_with("upload") && value > 0 && value.is_multiple_of(*factor));
    fits.map_or_else(|| value.to_string(), |(unit, factor)| format!("{} {unit}", value / factor))
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
    let (span, text): (Range<usize>, String) = block.string(key)?;
    bytes(&text).map_err(|error| block.reader.pattern_problem(span, error)).ok()
}

/// The larger before the smaller, to be written with the largest that fits.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1000),
    ("B", 1),
];

/// `20 MB` is 20 million bytes, `1 MiB` is 1024 times 1024.
fn bytes(text: &str) -> Result<u64, PatternError> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..at], text[at..].trim_start_matches(' ').replace("KB", "kB"));
    let factor = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| factor);
    let size = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(*factor));
    size.ok_or_else(|| no_size(text))
}

fn no_size(text: &str) -> PatternError {
    let help = "write a whole number and B, kB, MB, GB, KiB, MiB or GiB, like \"20 MB\"";
    PatternError::new(format!("{text:?} is no size"), Some(help.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in [
            ("20 MB", 20_000_000),
            ("20MB", 20_000_000),
            ("1 MiB", 1_048_576),
            ("0 B", 0),
            ("7 kB", 7000),
            ("7 KB", 7000),
            ("2 GB", 2_000_000_000),
            ("3 KiB", 3072),
            ("1 GiB", 1_073_741_824),
        ] {
            assert_eq!(bytes(text), Ok(want), "{text}");
            assert_eq!(bytes(&limit_in_words("upload_per_day", want.max(1))), Ok(want.max(1)));
        }
        for text in [
            "",
            "20",
            "MB",
            "-1 MB",
            "1.5 MB",
            "20 mb",
            "20 M",
            "20 MB ",
            "99999999999999999999 B",
            "99999999999999999 GB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

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
