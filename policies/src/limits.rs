//! `[limits]`: how much may leave, over time. What it is not: the counting, which
//! belongs to whoever keeps a clock and a database.

use desk::ValueError;

use crate::table::Block;

/// The limits of one group; what is not said is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Bytes sent up in a day, bodies and heads together.
    pub upload_per_day: Option<u64>,
    /// Bytes of the body of one request.
    pub upload_per_request: Option<u64>,
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Requests in a day.
    pub requests_per_day: Option<u64>,
    /// Names below a `*.` or `**.` that were not asked for before, in a day.
    pub new_names_per_day: Option<u64>,
}

pub(crate) const KEYS: [&str; 5] =
    ["upload_per_day", "upload_per_request", "requests_per_minute", "requests_per_day", "new_names_per_day"];

impl Limits {
    /// Each with its name, in one order.
    pub fn each(&self) -> [(&'static str, Option<u64>); 5] {
        let values = [
            self.upload_per_day,
            self.upload_per_request,
            self.requests_per_minute,
            self.requests_per_day,
            self.new_names_per_day,
        ];
        std::array::from_fn(|index| (KEYS[index], values[index]))
    }

    /// The value of one, as a file would say it.
    pub fn in_words(name: &str, value: u64) -> String {
        if name.starts_with("upload") { desk::size::in_words(value) } else { value.to_string() }
    }

    /// Both bind: the smaller one of each.
    pub(crate) fn and(self, other: Limits) -> Limits {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Limits {
            upload_per_day: least(self.upload_per_day, other.upload_per_day),
            upload_per_request: least(self.upload_per_request, other.upload_per_request),
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            requests_per_day: least(self.requests_per_day, other.requests_per_day),
            new_names_per_day: least(self.new_names_per_day, other.new_names_per_day),
        }
    }
}

pub(crate) fn limits(block: &mut Block<'_, '_>) -> Limits {
    block.known_keys("[limits]", &KEYS);
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
            assert_eq!(Limits::in_words(name, value), want);
        }
    }

    #[test]
    fn the_smaller_limit_binds() {
        let own = Limits { upload_per_day: Some(5), requests_per_day: Some(9), ..Limits::default() };
        let base = Limits {
            upload_per_day: Some(7),
            requests_per_day: Some(2),
            requests_per_minute: Some(1),
            ..Limits::default()
        };
        let both = Limits {
            upload_per_day: Some(5),
            requests_per_day: Some(2),
            requests_per_minute: Some(1),
            ..Limits::default()
        };
        assert_eq!((own.and(base), base.and(own)), (both, both));
    }
}
