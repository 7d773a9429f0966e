//! The codes by which an owner names a question.

use rand::RngExt;

use super::reading::{ALPHABET, LENGTH};

/// A code that cannot be guessed while its question is open. It has a digit: no word is a code.
pub(super) fn new() -> String {
    let mut rng = rand::rng();
    loop {
        let code: String = (0..LENGTH).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])).collect();
        if code.bytes().any(|byte| byte.is_ascii_digit()) {
            return code;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn a_code_is_read_as_one() {
        for _ in 0..1000 {
            let code = super::new();
            assert_eq!(super::super::reading::coded(&code).unwrap().code, code);
        }
    }
}
