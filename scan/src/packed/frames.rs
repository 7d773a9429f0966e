//! aws-chunked: the frames in which S3 takes an upload. Each gives its length in hex and, if
//! signed, a signature; checksums of the whole may follow the last. It is always the outermost
//! coding, wherever it is listed.

use http::HeaderMap;

use super::{Output, Unreadable};

/// A framed body in progress.
pub(super) struct Frames {
    step: Step,
    /// The line being read.
    line: Vec<u8>,
    /// How many bytes of payload came, and how many were promised.
    came: u64,
    promised: Option<u64>,
}

enum Step {
    Head,
    /// This many bytes of a frame.
    Data(u64),
    /// The line break after it.
    Break,
    /// After the last frame; this many bytes may still come.
    Sums(usize),
}

/// The name of the coding.
pub(super) const NAME: &str = "aws-chunked";
/// The longest line: the longest signature has 144 letters (SigV4A), and some checksums have as
/// many.
const LONGEST_LINE: usize = 512;
/// More than all checksums together.
const LONGEST_SUMS: usize = 4 << 10;
const SIGNATURE: &[u8] = b";chunk-signature=";

impl Frames {
    /// For a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Unreadable> {
        let mut promised = None;
        for value in headers.get_all("x-amz-decoded-content-length") {
            let length = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            let length = length.and_then(|text| text.parse().ok()).ok_or(Unreadable::Frames)?;
            if promised.replace(length).is_some_and(|other: u64| other != length) {
                return Err(Unreadable::Frames);
            }
        }
        Ok(Frames { step: Step::Head, line: Vec::new(), came: 0, promised })
    }

    /// Whether the headers ask S3 to read frames without naming the coding, as some clients do.
    pub(super) fn are_meant(headers: &HeaderMap) -> bool {
        let mut said =
            headers.get_all("x-amz-content-sha256").iter().map(|value| value.as_bytes().to_ascii_uppercase());
        said.any(|said| said.starts_with(b"STREAMING-") && memchr::memmem::find(&said, b"-PAYLOAD").is_some())
    }

    pub(super) fn push(&mut self, mut bytes: &[u8], out: &mut Output<'_, '_>) -> Result<(), Unreadable> {
        while let Some(&first) = bytes.first() {
            if let Step::Data(left) = &mut self.step {
                let length = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                // What is cut by frames does not stand like this in the body.
                out.take(&bytes[..length])?;
                bytes = &bytes[length..];
                *left -= length as u64;
                if *left == 0 {
                    self.step = Step::Break;
                }
                continue;
            }
            bytes = &bytes[1..];
            if self.line.len() == LONGEST_LINE {
                return Err(Unreadable::Frames);
            }
            self.line.push(first);
            if let Step::Sums(left) = &mut self.step {
                *left = left.checked_sub(1).ok_or(Unreadable::Frames)?;
            }
            if first == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.step = self.next(&line).ok_or(Unreadable::Frames)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), Unreadable> {
        let whole = matches!(self.step, Step::Sums(_)) && self.line.is_empty() && self.is_promised(true);
        if whole { Ok(()) } else { Err(Unreadable::Frames) }
    }

    /// The step after a line.
    fn next(&mut self, line: &[u8]) -> Option<Step> {
        match self.step {
            Step::Head => {
                let length = length(line.strip_suffix(b"\r\n")?)?;
                self.came = self.came.checked_add(length)?;
                self.is_promised(length == 0).then_some(if length == 0 {
                    Step::Sums(LONGEST_SUMS)
                } else {
                    Step::Data(length)
                })
            }
            Step::Break => (line == b"\r\n").then_some(Step::Head),
            Step::Sums(left) => {
                // Some end these lines with a bare LF and leave an empty one between them.
                let line = line.strip_suffix(b"\n")?;
                is_sum(line.strip_suffix(b"\r").unwrap_or(line)).then_some(Step::Sums(left))
            }
            Step::Data(_) => None,
        }
    }

    fn is_promised(&self, last: bool) -> bool {
        self.promised.is_none_or(|promised| if last { self.came == promised } else { self.came <= promised })
    }
}

/// `400;chunk-signature=…`
fn length(head: &[u8]) -> Option<u64> {
    let end = head.iter().position(|byte| *byte == b';').unwrap_or(head.len());
    let (digits, signature) = head.split_at(end);
    if !signature.is_empty() {
        let signature = signature.strip_prefix(SIGNATURE)?;
        // SigV4A signatures are padded with asterisks.
        if signature.is_empty() || !signature.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'*') {
            return None;
        }
    }
    if digits.is_empty() || digits.len() > 16 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A checksum, or the signature of the checksums: nothing else that a server might take for a
/// header.
fn is_sum(line: &[u8]) -> bool {
    if line.is_empty() {
        return true;
    }
    let Some(end) = line.iter().position(|byte| *byte == b':') else { return false };
    let (name, value) = (line[..end].to_ascii_lowercase(), &line[end + 1..]);
    let sum = name.strip_prefix(b"x-amz-checksum-");
    let named = sum.is_some_and(|kind| !kind.is_empty() && kind.iter().all(u8::is_ascii_alphanumeric));
    (named || name == b"x-amz-trailer-signature") && value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}
