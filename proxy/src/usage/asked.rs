//! The most that a request may use: its prompt by its length, its answer by the request's own limit.

use gate::audit::Tokens;
use serde::Deserialize;

use super::{BYTES_A_TOKEN, json};

/// A longer run of base64 is not text: an image, whose tokens each host counts in its own way.
const LONGEST_WORD: usize = 512;

#[derive(Default, Deserialize)]
struct Asked {
    model: Option<String>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    #[serde(rename = "generationConfig", alias = "generation_config")]
    config: Option<Config>,
    n: Option<u64>,
    best_of: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Config {
    #[serde(rename = "maxOutputTokens", alias = "max_output_tokens")]
    most: Option<u64>,
    #[serde(rename = "candidateCount", alias = "candidate_count")]
    candidates: Option<u64>,
}

/// Reads it from a complete body; nothing if the body can be read in more than one way.
pub(super) fn read(body: &[u8]) -> Option<Tokens> {
    let Asked { model, max_tokens, max_completion_tokens, max_output_tokens, config, n, best_of } =
        serde_json::from_slice(body).ok()?;
    let Config { most, candidates } = config.unwrap_or_default();
    let most = [max_tokens, max_completion_tokens, max_output_tokens, most];
    let output = most.into_iter().flatten().max().unwrap_or(0);
    // The number of answers that are written.
    let times = [n, best_of, candidates].into_iter().flatten().max().unwrap_or(1).max(1);
    let model = model.and_then(|model| json::model(model.as_bytes()));
    let input = text(body).div_ceil(BYTES_A_TOKEN);
    Some(Tokens { model, input, output: output.saturating_mul(times), estimated: true, ..Tokens::default() })
}

/// The model named in a path, as with Gemini: `/v1beta/models/NAME:generateContent`.
pub(super) fn in_path(path: &str) -> Option<String> {
    let (before, last) = path.rsplit_once('/')?;
    let (name, _) = last.split_once(':').filter(|_| before.ends_with("/models"))?;
    json::model(name.as_bytes())
}

/// The bytes that may be text.
fn text(body: &[u8]) -> u64 {
    let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
    let words = body.chunk_by(|a, b| in_word(a) == in_word(b));
    words.filter(|word| word.len() <= LONGEST_WORD || !in_word(&word[0])).map(|word| word.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(body: &str) -> Option<(Option<String>, u64)> {
        read(body.as_bytes()).map(|tokens| (tokens.model, tokens.output))
    }

    #[test]
    fn every_shape_says_how_much_it_may_be() {
        for (body, want) in [
            (r#"{"model":"claude-x","max_tokens":100,"messages":[{"max_tokens":7}]}"#, (Some("claude-x"), 100)),
            (r#"{"model":"gpt-x","max_completion_tokens":50}"#, (Some("gpt-x"), 50)),
            (r#"{"model":"gpt-x","max_tokens":60,"n":3}"#, (Some("gpt-x"), 180)),
            (r#"{"model":"gpt-x","max_output_tokens":70,"input":"hello"}"#, (Some("gpt-x"), 70)),
            (r#"{"generationConfig":{"maxOutputTokens":80}}"#, (None, 80)),
            (r#"{"model":"gpt-x","max_tokens":60,"n":2,"best_of":20}"#, (Some("gpt-x"), 1200)),
            (r#"{"generationConfig":{"maxOutputTokens":80,"candidateCount":8}}"#, (None, 640)),
            (r#"{"generation_config":{"max_output_tokens":80,"candidate_count":2}}"#, (None, 160)),
            (r#"{"model":"a model\u001b[2J","max_tokens":1}"#, (None, 1)),
            (r#"{"messages":[]}"#, (None, 0)),
        ] {
            assert_eq!(asked(body), Some((want.0.map(ToOwned::to_owned), want.1)), "{body}");
        }
    }

    #[test]
    fn a_model_in_the_path_is_read() {
        for (path, want) in [
            ("/v1beta/models/gemini-2.5-pro:generateContent", Some("gemini-2.5-pro")),
            (
                "/v1/projects/p/locations/eu/publishers/google/models/gemini-2.5-pro:streamGenerateContent",
                Some("gemini-2.5-pro"),
            ),
            ("/v1/models/claude-x", None),
            ("/v1/messages", None),
            ("/v1/models/:x", None),
            ("/models:x", None),
        ] {
            assert_eq!(in_path(path).as_deref(), want, "{path}");
        }
    }

    #[test]
    fn a_prompt_is_held_by_its_text_and_not_by_its_images() {
        let input = |body: &str| read(body.as_bytes()).unwrap().input;
        let text = "what is seen here? ".repeat(1000);
        let (short, image) = ("aGVsbG8=", "iVBORw0KGgo".repeat(10_000));
        let with = |image: &str| format!(r#"{{"messages":[{{"text":"{text}","data":"{image}"}}]}}"#);
        assert_eq!(input(&with(short)), with(short).len().div_ceil(4) as u64);
        assert_eq!(input(&with(&image)), with("").len().div_ceil(4) as u64);
        let thai = "ก".repeat(3000);
        assert_eq!(input(&with(&thai)), with(&thai).len().div_ceil(4) as u64);
    }

    #[test]
    fn what_has_two_readings_has_none() {
        for body in [
            r#"{"generationConfig":{},"generation_config":{}}"#,
            r#"{"max_tokens":1,"max_tokens":9}"#,
            r#"{"max_tokens":-1}"#,
            r#"{"max_tokens":"9"}"#,
            "[]",
            "",
            "x",
        ] {
            assert_eq!(asked(body), None, "{body}");
        }
    }
}
