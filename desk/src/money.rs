//! Amounts of money: `2 USD`, `0.50 USD`, in millionths of a US dollar.

/// What to write for an amount; the help text of a problem.
pub const FORM: &str = "write it in US dollars, like \"2 USD\" or \"0.50 USD\": models' prices are in these";

/// Millionths of a dollar.
pub const DOLLAR: u64 = 1_000_000;

/// An amount in millionths; `None` if it has a finer fraction or another currency.
pub fn read(text: &str) -> Option<u64> {
    let number = text.trim().strip_suffix("USD").or_else(|| text.trim().strip_suffix("usd"))?;
    millionths(number.trim())
}

/// A plain number in millionths: `0.25`.
pub fn millionths(number: &str) -> Option<u64> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || part.len() > 6 {
        return None;
    }
    let part = format!("{part:0<6}").parse::<u64>().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(DOLLAR)?.checked_add(part)
}

/// The amount as a file would have it, exactly.
pub fn in_words(millionths: u64) -> String {
    let (whole, part) = (millionths / DOLLAR, millionths % DOLLAR);
    if part == 0 {
        return format!("{whole} USD");
    }
    let part = format!("{part:06}");
    let short = part.trim_end_matches('0');
    format!("{whole}.{short:0<2} USD")
}

/// The amount for people, rounded up to the cent; anything less is `less than 0.01 USD`.
pub fn about(millionths: u64) -> String {
    let cents = millionths.div_ceil(DOLLAR / 100);
    match millionths {
        0 => "0 USD".to_owned(),
        small if small < DOLLAR / 100 => "less than 0.01 USD".to_owned(),
        _ => format!("{}.{:02} USD", cents / 100, cents % 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, want, words, about_words) in [
            ("2 USD", 2_000_000, "2 USD", "2.00 USD"),
            ("2USD", 2_000_000, "2 USD", "2.00 USD"),
            (" 0.5 usd ", 500_000, "0.50 USD", "0.50 USD"),
            ("0.000001 USD", 1, "0.000001 USD", "less than 0.01 USD"),
            ("12.345 USD", 12_345_000, "12.345 USD", "12.35 USD"),
            ("0 USD", 0, "0 USD", "0 USD"),
        ] {
            assert_eq!(read(text), Some(want), "{text}");
            assert_eq!((in_words(want).as_str(), about(want).as_str()), (words, about_words));
            assert_eq!(read(&in_words(want)), Some(want));
        }
    }

    #[test]
    fn what_is_no_amount() {
        for text in
            ["", "2", "USD", "2 EUR", "$2", "-2 USD", "2. USD", ".5 USD", "0.0000001 USD", "99999999999999999999 USD"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
