//! Codes, by which an owner names a question.

use rand::RngExt;

use super::reading::{ALPHABET, LENGTH};

/// A code that nobody can guess in the time that a question is open, with a digit in it: no word is one.
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
