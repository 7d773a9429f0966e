//! How much a group may use up. What it is not: the counting, which belongs to whoever
//! keeps a clock and a database.

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

impl Limits {
    /// Their names, as in `[limits]`.
    pub const NAMES: [&str; 5] =
        ["upload_per_day", "upload_per_request", "requests_per_minute", "requests_per_day", "new_names_per_day"];

    /// Each with its name, in one order.
    pub fn each(&self) -> [(&'static str, Option<u64>); 5] {
        let Limits { upload_per_day, upload_per_request, requests_per_minute, requests_per_day, new_names_per_day } =
            *self;
        let values = [upload_per_day, upload_per_request, requests_per_minute, requests_per_day, new_names_per_day];
        std::array::from_fn(|index| (Limits::NAMES[index], values[index]))
    }

    /// Both bind: the smaller one of each.
    #[must_use]
    pub fn and(self, other: Limits) -> Limits {
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

#[cfg(test)]
mod tests {
    use super::*;

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
