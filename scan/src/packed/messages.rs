//! Messages of gRPC, gRPC-Web and Connect: a prefix of five bytes, one bit of which says that the
//! message is compressed. An uncompressed message stands in the body as it is.

use super::Unreadable;

/// A stream of messages in progress.
pub(super) struct Messages {
    prefix: Vec<u8>,
    left: u64,
    /// For gRPC-Web as text: base64 letters that do not make three bytes yet.
    letters: Option<Vec<u8>>,
}

const PREFIX: usize = 5;

impl Messages {
    pub(super) fn new(base64: bool) -> Self {
        Messages { prefix: Vec::new(), left: 0, letters: base64.then(Vec::new) }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Unreadable> {
        let Some(letters) = &mut self.letters else { return self.framed(bytes) };
        let mut decoded = Vec::new();
        for letter in bytes.iter().filter(|byte| !byte.is_ascii_whitespace()) {
            letters.push(*letter);
            if let &[a, b, c, d] = letters.as_slice() {
                decoded.extend(quad([a, b, c, d]).ok_or(Unreadable::Message)?);
                letters.clear();
            }
        }
        self.framed(&decoded)
    }

    fn framed(&mut self, mut bytes: &[u8]) -> Result<(), Unreadable> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let length = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes = &bytes[length..];
                self.left -= length as u64;
                continue;
            }
            self.prefix.push(bytes[0]);
            bytes = &bytes[1..];
            if self.prefix[0] & 1 != 0 {
                return Err(Unreadable::Message);
            }
            if let &[_, a, b, c, d] = self.prefix.as_slice() {
                self.left = u32::from_be_bytes([a, b, c, d]).into();
                self.prefix.clear();
            }
            debug_assert!(self.prefix.len() < PREFIX);
        }
        Ok(())
    }
}

/// Four letters of base64; each part of a stream may end with padding.
fn quad(letters: [u8; 4]) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(letters).ok()
}
