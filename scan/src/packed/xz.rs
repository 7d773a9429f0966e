//! Xz (format version 1.2.1): consecutive streams with zeros between them.

use xz4rust::{XzDecoder, XzError, XzNextBlockResult};

use super::{Output, Unreadable, WIDEST};

/// An xz file in progress.
pub(super) struct Xz {
    decoder: Box<XzDecoder<'static>>,
    /// Bytes that the decoder could not begin with: it needs several at once.
    came: Vec<u8>,
    step: Step,
    streams: u64,
}

#[derive(PartialEq, Eq)]
enum Step {
    /// Before a stream.
    Before,
    In,
    /// Something other than a stream followed, which `xz` ignores too.
    Ended,
}

/// How many bytes the decoder may take without having decoded them.
const TAKES_AHEAD: u64 = 64;
const MAGIC: &[u8] = b"\xfd7zXZ\0";

impl Xz {
    pub(super) fn new() -> Self {
        let widest = usize::try_from(WIDEST).unwrap_or(usize::MAX);
        let decoder = XzDecoder::in_heap_with_alloc_dict_size(0, widest);
        Xz { decoder, came: Vec::new(), step: Step::Before, streams: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        let mut came = std::mem::take(&mut self.came);
        came.extend_from_slice(bytes);
        let mut rest = came.as_slice();
        while !rest.is_empty() {
            match self.step {
                Step::Ended => return Ok(()),
                Step::In => {}
                Step::Before => {
                    if self.streams > 0 {
                        rest = &rest[rest.iter().take_while(|byte| **byte == 0).count()..];
                    }
                    if !rest.starts_with(&MAGIC[..rest.len().min(MAGIC.len())]) {
                        self.end()?;
                        return Ok(());
                    }
                    if rest.len() < MAGIC.len() {
                        break;
                    }
                    self.step = Step::In;
                }
            }
            let taken = self.decode(rest, out)?;
            if taken == 0 && self.step == Step::In {
                break;
            }
            rest = &rest[taken..];
        }
        self.came = rest.to_vec();
        Ok(())
    }

    pub(super) fn is_whole(&self) -> bool {
        self.step != Step::In && (self.streams > 0)
    }

    pub(super) fn lag(&self) -> u64 {
        if self.step == Step::In { self.came.len() as u64 + TAKES_AHEAD } else { 0 }
    }

    fn end(&mut self) -> Result<(), Unreadable> {
        self.step = Step::Ended;
        if self.streams > 0 { Ok(()) } else { Err(Unreadable::Broken) }
    }

    /// Decodes as far as possible; returns how many bytes were taken.
    fn decode(&mut self, bytes: &[u8], out: &mut Output<'_, '_>) -> Result<usize, Unreadable> {
        let mut piece = [0; 16 << 10];
        let mut taken = 0;
        loop {
            piece.fill(0);
            let step = match self.decoder.decode(&bytes[taken..], &mut piece) {
                Ok(step) => step,
                Err(XzError::NeedsLargerInputBuffer) => return Ok(taken),
                Err(XzError::DictionaryTooLarge(_)) => return Err(Unreadable::Wide),
                Err(_) => {
                    // The output from before the damage is somewhere in it.
                    out.take(&piece)?;
                    return Err(Unreadable::Broken);
                }
            };
            taken += step.input_consumed();
            out.take(&piece[..step.output_produced()])?;
            match step {
                XzNextBlockResult::EndOfStream(..) => {
                    self.streams += 1;
                    self.step = Step::Before;
                    self.decoder.reset();
                    return Ok(taken);
                }
                XzNextBlockResult::NeedMoreData(0, 0) => return Ok(taken),
                XzNextBlockResult::NeedMoreData(..) => {}
            }
        }
    }
}
