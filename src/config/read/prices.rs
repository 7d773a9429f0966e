//! Parses `[prices]`.

use std::collections::BTreeMap;

use desk::Text;
use desk::toml::{Reader, TableKeys, Vocabulary};
use std::path::PathBuf;

use super::super::keys::{self, names};
use super::super::prices::{Price, Prices, SHIPPED};
use super::Block;

pub(super) const PRICE: TableKeys = TableKeys { header: "[prices.\"MODEL\"]", keys: &names(&keys::OF_PRICE) };

static LIST: Vocabulary = Vocabulary { top: &["prices"], tables: &[PRICE], synonyms: &[], planned: &[] };

/// The shipped list.
pub(crate) fn shipped_prices() -> Prices {
    let mut reader = Reader::new(Text::new("prices.toml", SHIPPED), &LIST, PathBuf::new());
    // A test parses it; a broken list would only know fewer prices.
    reader.read(prices).unwrap_or_default()
}

pub(super) fn prices(file: &mut Block<'_, '_>) -> Prices {
    let Some(mut block) = file.section("prices", PRICE.header) else { return Prices::default() };
    let mut by_model = BTreeMap::new();
    for (word, value) in block.entries() {
        let Some(mut inside) = block.as_section(value, &word.1, PRICE.header) else { continue };
        if let Some(price) = price(&mut inside) {
            by_model.insert(word.1, price);
        }
    }
    Prices::new(by_model)
}

fn price(block: &mut Block<'_, '_>) -> Option<Price> {
    block.known_keys(PRICE.header, PRICE.keys);
    for key in ["input", "output"] {
        if !block.has(key) {
            block.missing(key, PRICE.header, "3.00");
        }
    }
    let [input, output, cache_read, cache_write] =
        ["input", "output", "cache_read", "cache_write"].map(|key| dollars(block, key));
    let input = input?;
    Some(Price {
        input,
        output: output?,
        cache_read: cache_read.unwrap_or(input),
        cache_write: cache_write.unwrap_or(input),
    })
}

/// US dollars per million tokens.
fn dollars(block: &mut Block<'_, '_>, key: &str) -> Option<u64> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in the range that is asked for")]
    let fits = |number: f64| (0.0..=1e6).contains(&number).then(|| (number * 1e6).round() as u64);
    block.number(key, "from 0 to 1000000, in US dollars for a million tokens", fits)
}
