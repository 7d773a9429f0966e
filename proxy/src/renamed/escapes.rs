//! Escapes of a form, undone as they go by: `%5F`, `+` and ASP.NET's `%u005F`.

/// At most `%uFFFF` of an escape that has not ended.
#[derive(Default)]
pub(super) struct Escapes {
    open: Vec<u8>,
}

impl Escapes {
    /// The next byte, and the characters that are known with it.
    pub(super) fn push(&mut self, byte: u8, mut out: impl FnMut(char)) {
        if self.open.is_empty() {
            match byte {
                b'%' => self.open.push(byte),
                b'+' => out(' '),
                _ => out(plain(byte)),
            }
            return;
        }
        let wide = matches!(self.open.get(1), Some(b'u' | b'U'));
        let belongs = byte.is_ascii_hexdigit() || (self.open.len() == 1 && matches!(byte, b'u' | b'U'));
        if !belongs {
            self.finish(&mut out);
            self.push(byte, out);
            return;
        }
        self.open.push(byte);
        let digits = match (wide, self.open.len()) {
            (true, 6) => &self.open[2..],
            (false, 3) if byte.is_ascii_hexdigit() => &self.open[1..],
            _ => return,
        };
        let code = std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let c = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        out(if wide || c.is_ascii() { c } else { OTHER });
        self.open.clear();
    }

    /// What began like an escape and is none.
    pub(super) fn finish(&mut self, out: impl FnMut(char)) {
        std::mem::take(&mut self.open).into_iter().map(plain).for_each(out);
    }
}

/// Stands for whatever is not ASCII: none of the names that are looked for holds it.
const OTHER: char = '\u{e9}';

fn plain(byte: u8) -> char {
    if byte.is_ascii() { char::from(byte) } else { OTHER }
}
