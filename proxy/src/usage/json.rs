//! Numbers and names out of JSON as it passes. Nothing of a document is kept except the current
//! position, the name or number being read, and the findings.

/// The longest key, number or model name that counts.
const LONGEST: usize = 96;

/// Documents nested deeper are not read further.
const DEEPEST: usize = 128;

/// No answer is billed for more, and sums of these fit.
const MOST: u64 = 1 << 40;

/// What an answer states.
#[derive(Default)]
pub(super) struct Found {
    pub(super) model: Option<String>,
    /// Input tokens, including those that OpenAI and Gemini name in `cached`.
    pub(super) input: u64,
    pub(super) cached: u64,
    /// As counted by Anthropic, in addition to `input`.
    pub(super) cache_read: u64,
    pub(super) cache_write: u64,
    pub(super) output: u64,
    /// As counted by Gemini, in place of `output`.
    pub(super) candidates: u64,
    pub(super) thoughts: u64,
    /// Whether there were any of these.
    pub(super) counts: bool,
    /// Bytes of text since the last count of tokens.
    pub(super) written: u64,
}

/// A key that matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Other,
    Model,
    /// The wrapper of a beginning or an end: `message`, `response`.
    Whole,
    Usage,
    UsageMetadata,
    Input,
    Output,
    CacheRead,
    CacheWrite,
    Details,
    Cached,
    Candidates,
    Thoughts,
    Delta,
    /// A text of a delta.
    Text,
    PromptEval,
    Eval,
}

impl Key {
    fn named(name: &[u8]) -> Self {
        match name {
            b"model" | b"modelVersion" => Key::Model,
            b"message" | b"response" => Key::Whole,
            b"usage" => Key::Usage,
            b"usageMetadata" => Key::UsageMetadata,
            b"input_tokens" | b"prompt_tokens" | b"promptTokenCount" => Key::Input,
            b"output_tokens" | b"completion_tokens" => Key::Output,
            b"cache_read_input_tokens" => Key::CacheRead,
            b"cache_creation_input_tokens" => Key::CacheWrite,
            b"prompt_tokens_details" | b"input_tokens_details" => Key::Details,
            b"cached_tokens" | b"cachedContentTokenCount" => Key::Cached,
            b"candidatesTokenCount" => Key::Candidates,
            b"thoughtsTokenCount" => Key::Thoughts,
            b"delta" => Key::Delta,
            b"text" | b"partial_json" | b"thinking" | b"content" | b"reasoning_content" | b"arguments" => Key::Text,
            b"prompt_eval_count" => Key::PromptEval,
            b"eval_count" => Key::Eval,
            _ => Key::Other,
        }
    }
}

/// Reads documents, piece by piece.
#[derive(Default)]
pub(super) struct Picker {
    found: Found,
    /// The open containers: an object with its current key, or a list.
    open: Vec<Option<Key>>,
    reading: Reading,
    token: Vec<u8>,
    /// Whether the next string is a key.
    key_next: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Between,
    Text {
        escaped: bool,
    },
    Number,
    /// Not JSON, or too deep: until the next document.
    Broken,
}

impl Picker {
    pub(super) fn found(&self) -> &Found {
        &self.found
    }

    /// How much of the document is in memory.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.open.len() + self.token.len()
    }

    /// Another document begins.
    pub(super) fn next_document(&mut self) {
        if self.reading == Reading::Number {
            self.end_number();
        }
        self.open.clear();
        self.token.clear();
        self.reading = Reading::Between;
        self.key_next = false;
    }

    pub(super) fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some((byte, behind)) = rest.split_first() {
            match self.reading {
                Reading::Broken => return,
                Reading::Text { escaped: false } => {
                    let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')).unwrap_or(rest.len());
                    self.text(&rest[..plain]);
                    rest = &rest[plain..];
                    if let Some((byte, behind)) = rest.split_first() {
                        rest = behind;
                        match byte {
                            b'"' => self.end_text(),
                            _ => self.reading = Reading::Text { escaped: true },
                        }
                    }
                    continue;
                }
                Reading::Text { escaped: true } => {
                    // An escape is one character; its value never matters.
                    self.text(b"\\");
                    self.reading = Reading::Text { escaped: false };
                }
                Reading::Number if byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E') => {
                    self.keep(&[*byte]);
                }
                Reading::Number => {
                    self.end_number();
                    continue;
                }
                Reading::Between => self.between(*byte),
            }
            rest = behind;
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b'{' | b'[' if self.open.len() == DEEPEST => self.reading = Reading::Broken,
            b'{' => {
                self.open.push(Some(Key::Other));
                self.key_next = true;
            }
            b'[' => {
                self.open.push(None);
                self.key_next = false;
            }
            b'}' | b']' if self.open.pop().is_some_and(|was| was.is_some() == (byte == b'}')) => self.key_next = false,
            b'"' => {
                self.token.clear();
                self.reading = Reading::Text { escaped: false };
            }
            b',' => self.key_next = matches!(self.open.last(), Some(Some(_))),
            b':' | b' ' | b'\t' | b'\r' | b'\n' => {}
            b'-' | b'0'..=b'9' => {
                self.token.clear();
                self.reading = Reading::Number;
                self.keep(&[byte]);
            }
            // true, false and null.
            b'a'..=b'z' => {}
            _ => self.reading = Reading::Broken,
        }
    }

    /// Adds to the text being read; a text that is too long is dropped.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (LONGEST + 1).saturating_sub(self.token.len());
        self.token.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn text(&mut self, bytes: &[u8]) {
        self.keep(bytes);
        if !self.key_next && self.is_written() {
            self.found.written += bytes.len() as u64;
        }
    }

    fn end_text(&mut self) {
        self.reading = Reading::Between;
        let whole = self.token.len() <= LONGEST;
        if self.key_next {
            let key = if whole { Key::named(&self.token) } else { Key::Other };
            if let Some(Some(last)) = self.open.last_mut() {
                *last = key;
            }
            self.key_next = false;
        } else if whole && matches!(self.place()[..], [Key::Model] | [Key::Whole, Key::Model]) {
            self.found.model = model(&self.token).or_else(|| self.found.model.take());
        }
    }

    fn end_number(&mut self) {
        self.reading = Reading::Between;
        let number = std::str::from_utf8(&self.token).ok().and_then(|digits| digits.parse::<u64>().ok());
        let Some(number) = number.filter(|_| self.token.len() <= LONGEST).map(|number| number.min(MOST)) else {
            return;
        };
        let place = self.place();
        let place = if place.first() == Some(&Key::Whole) { &place[1..] } else { &place[..] };
        let found = &mut self.found;
        let of = match place {
            [Key::Usage | Key::UsageMetadata, Key::Input] | [Key::PromptEval] => &mut found.input,
            [Key::Usage, Key::Output] | [Key::Eval] => {
                found.written = 0;
                &mut found.output
            }
            [Key::Usage, Key::CacheRead] => &mut found.cache_read,
            [Key::Usage, Key::CacheWrite] => &mut found.cache_write,
            [Key::Usage, Key::Details, Key::Cached] | [Key::UsageMetadata, Key::Cached] => &mut found.cached,
            [Key::UsageMetadata, Key::Candidates] => &mut found.candidates,
            [Key::UsageMetadata, Key::Thoughts] => &mut found.thoughts,
            _ => return,
        };
        // If an answer states it several times, the largest is the total.
        *of = number.max(*of);
        found.counts = true;
    }

    /// The keys that lead to the current position. Lists on the way are skipped.
    fn place(&self) -> Vec<Key> {
        self.open.iter().copied().flatten().take(LONGEST_PLACE).collect()
    }

    /// Whether the string being read is text that the model writes in pieces.
    fn is_written(&self) -> bool {
        let mut keys = self.open.iter().copied().flatten();
        let in_delta = keys.any(|key| key == Key::Delta);
        in_delta && matches!(self.open.iter().copied().flatten().last(), Some(Key::Delta | Key::Text))
    }
}

/// No place that matters is longer.
const LONGEST_PLACE: usize = 4;

/// The name of a model, if it can be one: it goes into the log.
pub(super) fn model(name: &[u8]) -> Option<String> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/@".contains(byte);
    let name = (!name.is_empty() && name.len() <= LONGEST && name.iter().all(fits)).then_some(name)?;
    String::from_utf8(name.to_vec()).ok()
}
