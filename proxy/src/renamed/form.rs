//! A form as it goes by: `name=value&name=value`, parted by `;` as well.

use memchr::{memchr2, memchr3};

use super::{FieldName, IsOne};

#[derive(Default)]
pub(super) struct Form {
    name: FieldName,
    in_value: bool,
}

impl Form {
    pub(super) fn finds(&mut self, mut bytes: &[u8], is_one: IsOne<'_>) -> bool {
        loop {
            if self.in_value {
                let Some(end) = memchr2(b'&', b';', bytes) else { return false };
                bytes = &bytes[end + 1..];
                self.in_value = false;
            }
            if self.name.other {
                // Too long to be one of those looked for, wherever it ends.
                let Some(end) = memchr3(b'=', b'&', b';', bytes) else { return false };
                bytes = &bytes[end..];
            }
            let Some((&byte, rest)) = bytes.split_first() else { return self.name.found };
            bytes = rest;
            match byte {
                b'=' | b'&' | b';' => {
                    self.in_value = byte == b'=';
                    if self.name.ends(is_one) {
                        return true;
                    }
                }
                _ => self.name.push(byte, is_one),
            }
        }
    }
}
