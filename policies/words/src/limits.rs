//! How much a group may use. What it is not: the counting, which belongs to whoever keeps a clock
//! and a database.

/// The limits of one group; what is not set is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Limits {
    /// Bytes sent up in a day, bodies and heads together.
    pub upload_per_day: Option<u64>,
    /// Bytes in the body of one request.
    pub upload_per_request: Option<u64>,
    /// Requests in a minute.
    pub requests_per_minute: Option<u64>,
    /// Requests in a day.
    pub requests_per_day: Option<u64>,
    /// Names below a `*.` or `**.` that were not requested before, in a day.
    pub new_names_per_day: Option<u64>,
    /// Runs of the agent in a day.
    pub runs_per_day: Option<u64>,
    /// Tokens of models in a day.
    pub tokens_per_day: Option<u64>,
    /// Tokens of models in a month.
    pub tokens_per_month: Option<u64>,
    /// The cost of models in a day, in millionths of a US dollar.
    pub money_per_day: Option<u64>,
    /// The same in a month.
    pub money_per_month: Option<u64>,
}

impl Limits {
    /// Their names, as in `[limits]`.
    pub const NAMES: [&str; 10] = [
        "upload_per_day",
        "upload_per_request",
        "requests_per_minute",
        "requests_per_day",
        "new_names_per_day",
        "runs_per_day",
        "tokens_per_day",
        "tokens_per_month",
        "money_per_day",
        "money_per_month",
    ];

    /// Each limit with its name, in a fixed order.
    pub fn each(&self) -> [(&'static str, Option<u64>); 10] {
        let Limits {
            upload_per_day,
            upload_per_request,
            requests_per_minute,
            requests_per_day,
            new_names_per_day,
            runs_per_day,
            tokens_per_day,
            tokens_per_month,
            money_per_day,
            money_per_month,
        } = *self;
        let values = [
            upload_per_day,
            upload_per_request,
            requests_per_minute,
            requests_per_day,
            new_names_per_day,
            runs_per_day,
            tokens_per_day,
            tokens_per_month,
            money_per_day,
            money_per_month,
        ];
        std::array::from_fn(|index| (Limits::NAMES[index], values[index]))
    }

    /// Whether any of them limits models.
    pub fn bind_models(&self) -> bool {
        [self.tokens_per_day, self.tokens_per_month, self.money_per_day, self.money_per_month]
            .iter()
            .any(Option::is_some)
    }

    /// Both together: the smaller of each.
    #[must_use]
    pub fn and(self, other: Limits) -> Limits {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Limits {
            upload_per_day: least(self.upload_per_day, other.upload_per_day),
            upload_per_request: least(self.upload_per_request, other.upload_per_request),
            requests_per_minute: least(self.requests_per_minute, other.requests_per_minute),
            requests_per_day: least(self.requests_per_day, other.requests_per_day),
            new_names_per_day: least(self.new_names_per_day, other.new_names_per_day),
            runs_per_day: least(self.runs_per_day, other.runs_per_day),
            tokens_per_day: least(self.tokens_per_day, other.tokens_per_day),
            tokens_per_month: least(self.tokens_per_month, other.tokens_per_month),
            money_per_day: least(self.money_per_day, other.money_per_day),
            money_per_month: least(self.money_per_month, other.money_per_month),
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
