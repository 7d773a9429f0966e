//! Model prices: the list that ships with Doorward (`prices.toml`), and the owner's own in `[prices]`, which take
//! precedence.

use std::collections::BTreeMap;

use proxy::audit::Tokens;

/// The shipped list.
pub(super) const SHIPPED: &str = include_str!("prices.toml");

/// The date of the shipped list.
pub const PRICES_OF: &str = "2026-10-24";

/// Prices are per million tokens.
const MILLION: u128 = 1_000_000;

/// A model's price, in millionths of a US dollar per million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// Input tokens.
    pub input: u64,
    /// Input tokens read from a cache.
    pub cache_read: u64,
    /// Input tokens written to a cache.
    pub cache_write: u64,
    /// Output tokens.
    pub output: u64,
}

/// Prices by model name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    by_model: BTreeMap<String, Price>,
}

impl Prices {
    pub(super) fn new(by_model: BTreeMap<String, Price>) -> Self {
        Prices { by_model }
    }

    /// These prices, and the shipped ones for other models.
    #[must_use]
    pub fn with_shipped(&self) -> Self {
        let mut all = super::read::shipped_prices().by_model;
        all.extend(self.by_model.clone());
        Prices { by_model: all }
    }

    /// The price of a model, whose name may be followed by a date or `latest`.
    pub fn of(&self, model: &str) -> Option<&Price> {
        self.by_model.get(model).or_else(|| self.by_model.get(without_version(model)?))
    }

    /// The cost of these tokens, in millionths of a US dollar; `None` if their model has no price. No tokens cost
    /// nothing, whatever the model.
    pub fn cost(&self, tokens: &Tokens) -> Option<u64> {
        if tokens.sum() == 0 {
            return Some(0);
        }
        let price = self.of(tokens.model.as_deref()?)?;
        let parts = [
            (tokens.input, price.input),
            (tokens.cache_read, price.cache_read),
            (tokens.cache_write, price.cache_write),
            (tokens.output, price.output),
        ];
        let cost: u128 = parts.into_iter().map(|(tokens, price)| u128::from(tokens) * u128::from(price)).sum();
        Some(u64::try_from(cost.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }
}

/// The name before the version in `claude-x-20250101`, `gpt-x-2025-01-31`, `x-latest`, `x@20250101`.
fn without_version(model: &str) -> Option<&str> {
    let digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let (name, last) = model.rsplit_once(['-', '@'])?;
    if last == "latest" || digits(last, 8) {
        return Some(name);
    }
    let (year_and_name, month) = name.rsplit_once('-')?;
    let (name, year) = year_and_name.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn shipped() -> Prices {
        Prices::default().with_shipped()
    }

    #[test]
    fn a_model_is_known_with_and_without_its_date() {
        let prices = shipped();
        for model in [
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-5-latest",
            "claude-sonnet-4-5@20250929",
        ] {
            assert_eq!(prices.of(model).map(|price| price.output), Some(15_000_000), "{model}");
        }
        assert_eq!(prices.of("gpt-4o-2024-08-06").map(|price| price.output), Some(10_000_000));
        for model in ["claude-sonnet-4-5-x", "claude", "sonnet", "", "gpt-4o-realtime", "claude-opus-9", "-20250929"] {
            assert_eq!(prices.of(model), None, "{model}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let tokens = |model: &str| Tokens {
            model: Some(model.to_owned()),
            input: 1_000_000,
            cache_read: 1_000_000,
            cache_write: 1_000_000,
            output: 1_000_000,
            estimated: false,
        };
        assert_eq!(shipped().cost(&tokens("claude-opus-4-5")), Some(36_750_000));
        assert_eq!(shipped().cost(&tokens("unheard-of")), None);
        assert_eq!(
            shipped().cost(&Tokens { model: Some("claude-opus-4-5".into()), input: 1, ..Tokens::default() }),
            Some(5)
        );
        assert_eq!(shipped().cost(&Tokens::default()), Some(0));
    }

    #[test]
    fn the_owners_prices_go_first() {
        let price = Price { input: 1, cache_read: 1, cache_write: 1, output: 1 };
        let own = Prices::new(BTreeMap::from([("claude-opus-4-5".to_owned(), price), ("mine".to_owned(), price)]));
        let all = own.with_shipped();
        assert_eq!((all.of("claude-opus-4-5"), all.of("mine")), (Some(&price), Some(&price)));
        assert!(all.of("claude-sonnet-4-5").is_some());
    }

    #[test]
    fn a_price_list_says_of_which_day_it_is() {
        assert!(PRICES_OF.parse::<jiff::civil::Date>().is_ok());
        assert!(SHIPPED.matches("https://").count() >= 2, "and whose");
    }
}
