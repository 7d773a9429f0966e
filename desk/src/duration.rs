//! Lengths of time: `90s`, `10m`, `2h`, `7d`.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// What to write for a length of time; the help text of a problem.
pub const FORM: &str = "write it as \"90s\", \"10m\", \"2h\" or \"7d\"";

/// Reads a length of time in any form that [`jiff::fmt::friendly`] or ISO 8601 allows. A day has 24
/// hours; a month has no fixed length and is refused.
pub fn read(text: &str) -> Option<Duration> {
    let exact = text.parse::<SignedDuration>().ok();
    let with_days = || text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    exact.or_else(with_days).and_then(|length| Duration::try_from(length).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        const HOUR: u64 = 60 * 60;
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("2h", 2 * HOUR),
            ("1h 30m", HOUR + HOUR / 2),
            ("1h30m", HOUR + HOUR / 2),
            ("1.5h", HOUR + HOUR / 2),
            ("2 hours", 2 * HOUR),
            ("2 hours, 10 minutes", 2 * HOUR + 600),
            ("01:30:00", HOUR + HOUR / 2),
            ("PT2H", 2 * HOUR),
            ("7d", 7 * 24 * HOUR),
            ("1 week", 7 * 24 * HOUR),
            ("0s", 0),
        ] {
            assert_eq!(read(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "10", "ten minutes", "-2h", "2h ago", "1 month", "1y", "99999999999999999999h"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
