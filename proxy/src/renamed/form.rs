//! A form as it passes: `name=value&name=value`, also separated by `;`.

use memchr::{memchr2, memchr3};

use super::{FieldName, IsOne};

#[derive(Default)]
pub(super) struct Form {
    name: FieldName,
    in_value: bool,
}

impl Form {
    /// Where a name that is looked for ends.
    pub(super) fn finds(&mut self, piece: &[u8], is_one: IsOne<'_>) -> Option<usize> {
        let mut bytes = piece;
        loop {
            if self.in_value {
                let end = memchr2(b'&', b';', bytes)?;
                bytes = &bytes[end + 1..];
                self.in_value = false;
            }
            if self.name.other {
                // Too long to be one of those looked for, wherever it ends.
                let end = memchr3(b'=', b'&', b';', bytes)?;
                bytes = &bytes[end..];
            }
            let Some((&byte, rest)) = bytes.split_first() else {
                return self.name.found.then_some(piece.len());
            };
            bytes = rest;
            match byte {
                b'=' | b'&' | b';' => {
                    self.in_value = byte == b'=';
                    if self.name.ends(is_one) {
                        return Some(piece.len() - bytes.len());
                    }
                }
                _ => self.name.push(byte, is_one),
            }
        }
    }
}

/// The value of a field whose name ends with the first of these bytes, if it is complete.
pub(super) fn value(bytes: &[u8], last: bool) -> Option<&[u8]> {
    match bytes.split_first()? {
        (b'=', value) => match memchr2(b'&', b';', value) {
            Some(end) => Some(&value[..end]),
            None => last.then_some(value),
        },
        (b'&' | b';', _) => Some(&[]),
        _ => last.then_some(&[]),
    }
}
