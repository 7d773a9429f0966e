//! Form escapes, undone as they pass: `%5F`, `+` and ASP.NET's `%u005F`.

/// An unfinished escape, at most `%uFFFF`.
#[derive(Default)]
pub(super) struct Escapes {
    open: Vec<u8>,
}

impl Escapes {
    /// Reads the next byte, and gives out the characters that are now known.
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

    /// Gives out an escape that was not completed.
    pub(super) fn finish(&mut self, out: impl FnMut(char)) {
        std::mem::take(&mut self.open).into_iter().map(plain).for_each(out);
    }
}

/// Replaces anything that is not ASCII: no name that is looked for contains it.
const OTHER: char = '\u{e9}';

fn plain(byte: u8) -> char {
    if byte.is_ascii() { char::from(byte) } else { OTHER }
}
