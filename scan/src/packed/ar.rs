//! Ar, the format of Debian packages: a header of 60 bytes before each file.

use super::{Output, Unreadable};

/// An ar archive in progress.
pub(super) struct Ar {
    header: Vec<u8>,
    left: u64,
    /// Whether a byte pads the file to an even length.
    filling: bool,
    begun: bool,
}

pub(super) const MAGIC: &[u8] = b"!<arch>\n";
const HEADER: usize = 60;

impl Ar {
    pub(super) fn new() -> Self {
        Ar { header: Vec::new(), left: 0, filling: false, begun: false }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let length = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                out.within(&bytes[..length])?;
                bytes = &bytes[length..];
                self.left -= length as u64;
            } else if std::mem::take(&mut self.filling) {
                bytes = &bytes[1..];
            } else {
                let wanted = if self.begun { HEADER } else { MAGIC.len() };
                let take = bytes.len().min(wanted - self.header.len());
                self.header.extend_from_slice(&bytes[..take]);
                bytes = &bytes[take..];
                if self.header.len() == wanted {
                    self.header(out)?;
                }
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.left == 0 && self.header.is_empty()
    }

    fn header(&mut self, out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let header = std::mem::take(&mut self.header);
        if !std::mem::replace(&mut self.begun, true) {
            return if header == MAGIC { Ok(()) } else { Err(Unreadable::Broken) };
        }
        let size = std::str::from_utf8(&header[48..58]).ok().and_then(|text| text.trim().parse().ok());
        let (Some(size), b"`\n") = (size, &header[58..]) else { return Err(Unreadable::Broken) };
        (self.left, self.filling) = (size, size % 2 == 1);
        out.begins()
    }
}
