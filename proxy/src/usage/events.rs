//! Server-sent events: the data of each is a document of its own.

use super::json::Picker;

/// Splits a stream into the data of its events, byte by byte.
#[derive(Default)]
pub(super) struct Events {
    line: Line,
    /// A line feed that belongs to the carriage return before it.
    after_return: bool,
}

#[derive(Default)]
enum Line {
    /// At the start of a line, after this many bytes of `data:`.
    #[default]
    Empty,
    Name(usize),
    /// In the value of a `data` line.
    Data,
    Other,
}

const NAME: &[u8] = b"data:";

impl Events {
    pub(super) fn push(&mut self, piece: &[u8], data: &mut Picker) {
        let mut rest = piece;
        while let Some((first, behind)) = rest.split_first() {
            if matches!(self.line, Line::Data) {
                let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(rest.len());
                data.push(&rest[..end]);
                rest = &rest[end..];
                if let Some((ending, behind)) = rest.split_first() {
                    // Several lines of data are one text.
                    data.push(b"\n");
                    self.end_line(*ending, data);
                    rest = behind;
                }
                continue;
            }
            rest = behind;
            self.step(*first, data);
        }
    }

    fn step(&mut self, byte: u8, data: &mut Picker) {
        if byte == b'\n' && std::mem::take(&mut self.after_return) {
            return;
        }
        self.after_return = false;
        if matches!(byte, b'\n' | b'\r') {
            return self.end_line(byte, data);
        }
        let so_far = match self.line {
            Line::Empty => 0,
            Line::Name(so_far) => so_far,
            Line::Data | Line::Other => return,
        };
        self.line = match () {
            // A byte order mark may precede the first line.
            () if so_far == 0 && matches!(byte, 0xEF | 0xBB | 0xBF) => Line::Empty,
            () if byte != NAME[so_far] => Line::Other,
            () if so_far + 1 == NAME.len() => Line::Data,
            () => Line::Name(so_far + 1),
        };
    }

    fn end_line(&mut self, byte: u8, data: &mut Picker) {
        if matches!(self.line, Line::Empty) {
            data.next_document();
        }
        self.line = Line::Empty;
        self.after_return = byte == b'\r';
    }
}
