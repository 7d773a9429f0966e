//! Bzip2: consecutive streams of blocks, each of which is unpacked whole.

use bzip2::{Decompress, Status};

use super::{Output, Unreadable};

/// A bzip2 file in progress.
pub(super) struct Bzip2 {
    decoder: Decompress,
    /// Whether any of a stream has come.
    begun: bool,
    streams: u64,
    /// Something other than a stream followed, which `bzip2` ignores too.
    ended: bool,
}

impl Bzip2 {
    pub(super) fn new() -> Self {
        Bzip2 { decoder: Decompress::new(false), begun: false, streams: 0, ended: false }
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut piece = [0; 16 << 10];
        while !self.ended {
            let (taken, made) = (self.decoder.total_in(), self.decoder.total_out());
            self.begun |= !bytes.is_empty();
            let status = self.decoder.decompress(bytes, &mut piece);
            let count = |all: u64, before: u64| usize::try_from(all - before).unwrap_or(usize::MAX);
            let (taken, made) = (count(self.decoder.total_in(), taken), count(self.decoder.total_out(), made));
            bytes = &bytes[taken..];
            out.take(&piece[..made])?;
            let status = match status {
                Ok(status) => status,
                Err(_) if self.streams > 0 && self.decoder.total_out() == 0 => {
                    self.ended = true;
                    return Ok(());
                }
                Err(_) => return Err(Unreadable::Broken),
            };
            match status {
                Status::StreamEnd => {
                    self.streams += 1;
                    (self.decoder, self.begun) = (Decompress::new(false), false);
                    if bytes.is_empty() {
                        return Ok(());
                    }
                }
                Status::MemNeeded => return Err(Unreadable::Broken),
                _ if taken == 0 && made == 0 => return Ok(()),
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.streams > 0 && (self.ended || !self.begun)
    }
}
