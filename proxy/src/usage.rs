//! What models use, read from their own answers as they pass: in the formats of Anthropic, OpenAI,
//! Gemini and Ollama, as JSON and as server-sent events.
//!
//! What it is not: a judge of requests. It reads what the sandbox gets, after scrubbing, and keeps
//! only a few numbers of it.

mod asked;
mod events;
mod json;
mod metered;
#[cfg(test)]
mod tests;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use events::Events;
use gate::audit::Tokens;
use json::Picker;

pub(crate) use metered::{Metered, refuse_uncounted};

/// Bytes of text per token, if a stream has not said how many tokens it has written.
const BYTES_A_TOKEN: u64 = 4;

/// Reads one answer, piece by piece.
pub(crate) struct Reader {
    form: Form,
    picker: Picker,
}

enum Form {
    /// Until the first byte decides.
    Unknown,
    Json,
    Events(Events),
}

impl Reader {
    /// For an answer with this head; nothing if it is packed and not unpacked here. `opened`: it is unpacked.
    pub(crate) fn of(headers: &HeaderMap, opened: bool) -> Option<Self> {
        let packed = headers.get_all(CONTENT_ENCODING).iter().any(|coding| coding != "identity");
        if packed && !opened {
            return None;
        }
        let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes()).to_ascii_lowercase();
        let says = |word: &[u8]| kind.windows(word.len()).any(|part| part == word);
        let form = match () {
            () if says(b"event-stream") => Form::Events(Events::default()),
            () if says(b"json") => Form::Json,
            () => Form::Unknown,
        };
        Some(Reader { form, picker: Picker::default() })
    }

    /// Takes the next piece; returns whether it continues a text that is being written.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        if let (Form::Unknown, Some(first)) = (&self.form, piece.trim_ascii_start().first()) {
            self.form = if matches!(first, b'{' | b'[') { Form::Json } else { Form::Events(Events::default()) };
        }
        let before = self.picker.found().written;
        match &mut self.form {
            Form::Events(events) => events.push(piece, &mut self.picker),
            Form::Json | Form::Unknown => self.picker.push(piece),
        }
        matches!(self.form, Form::Events(_)) && self.picker.found().written > before
    }

    /// The use so far; nothing if the answer does not state any.
    pub(crate) fn so_far(&self) -> Option<Tokens> {
        let found = self.picker.found();
        let estimate = found.written.div_ceil(BYTES_A_TOKEN);
        (found.counts || estimate > 0).then(|| Tokens {
            model: found.model.clone(),
            input: found.input.saturating_sub(found.cached),
            cache_read: found.cache_read.max(found.cached),
            cache_write: found.cache_write,
            output: found.output.max(found.candidates + found.thoughts) + estimate,
            estimated: estimate > 0,
        })
    }
}
