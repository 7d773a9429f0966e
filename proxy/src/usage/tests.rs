#![allow(clippy::unwrap_used)]

use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::*;

const ANTHROPIC: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"id":"m","model":"claude-x-4","content":[],"usage":{"input_tokens":25,"cache_creation_input_tokens":7,"cache_read_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":7},"output_tokens":1}}}"#,
    "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n",
    r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello, \"usage\":{\"output_tokens\":9999}"}}"#,
    "\n\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}"#,
    "\n\ndata: {\"type\":\"message_stop\"}\n\n",
);

const OPENAI: &str = concat!(
    r#"data: {"model":"gpt-x","choices":[{"delta":{"role":"assistant","content":"Hel"}}],"usage":null}"#,
    "\n\n",
    r#"data: {"model":"gpt-x","choices":[],"usage":{"prompt_tokens":50,"completion_tokens":9,"total_tokens":59,"prompt_tokens_details":{"cached_tokens":40}}}"#,
    "\n\ndata: [DONE]\n\n",
);

const RESPONSES: &str = concat!(
    "\u{feff}event: response.created\r\n",
    r#"data: {"type":"response.created","response":{"model":"gpt-y","usage":null}}"#,
    "\r\n\r\n",
    r#"data: {"type":"response.output_text.delta","delta":"Hi there"}"#,
    "\r\n\r\n",
    r#"data: {"type":"response.completed","response":{"model":"gpt-y","usage":{"input_tokens":30,"input_tokens_details":{"cached_tokens":10},"output_tokens":4}}}"#,
    "\r\n\r\n",
);

const WHOLE: &str = r#"{"id":"m","type":"message","model":"claude-x-4","content":[{"type":"tool_use","input":{"usage":{"output_tokens":7777},"model":"other"}},{"type":"text","text":"\\\"usage\\\""}],"usage":{"input_tokens":12,"cache_read_input_tokens":3,"output_tokens":8}}"#;

const GEMINI: &str = r#"[{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":1}},
{"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":5,"thoughtsTokenCount":2,"cachedContentTokenCount":4},"modelVersion":"gemini-x"}]"#;

const OLLAMA: &str = "{\"model\":\"llama\",\"message\":{\"content\":\"a\"},\"done\":false}\n{\"model\":\"llama\",\"done\":true,\"prompt_eval_count\":26,\"eval_count\":29}\n";

fn reader(kind: &'static str) -> Reader {
    let headers: HeaderMap = [(CONTENT_TYPE, HeaderValue::from_static(kind))].into_iter().collect();
    Reader::of(&headers, false).unwrap()
}

/// Model, input, read from the cache, written to it, output, estimated.
type Said = (String, u64, u64, u64, u64, bool);

fn said(reader: &Reader) -> Option<Said> {
    let tokens = reader.so_far()?;
    let model = tokens.model.unwrap_or_default();
    Some((model, tokens.input, tokens.cache_read, tokens.cache_write, tokens.output, tokens.estimated))
}

fn shapes() -> [(&'static str, &'static str, Said); 6] {
    let said = |model: &str, input, read, write, output| (model.to_owned(), input, read, write, output, false);
    [
        ("text/event-stream; charset=utf-8", ANTHROPIC, said("claude-x-4", 25, 300, 7, 15)),
        ("text/event-stream", OPENAI, said("gpt-x", 10, 40, 0, 9)),
        ("text/event-stream", RESPONSES, said("gpt-y", 20, 10, 0, 4)),
        ("application/json", WHOLE, said("claude-x-4", 12, 3, 0, 8)),
        ("application/json", GEMINI, said("gemini-x", 7, 4, 0, 7)),
        ("application/x-ndjson", OLLAMA, said("llama", 26, 0, 0, 29)),
    ]
}

#[test]
fn every_shape_is_read_and_wherever_it_is_cut() {
    for (kind, text, want) in shapes() {
        for cut in 0..=text.len() {
            let mut reader = reader(kind);
            reader.push(&text.as_bytes()[..cut]);
            reader.push(&text.as_bytes()[cut..]);
            assert_eq!(said(&reader), Some(want.clone()), "{kind} cut at {cut}");
        }
        let mut reader = reader(kind);
        text.as_bytes().iter().for_each(|byte| _ = reader.push(&[*byte]));
        assert_eq!(said(&reader), Some(want.clone()), "{kind} byte by byte");
    }
}

#[test]
fn a_kind_that_is_not_said_is_seen() {
    for (kind, text, want) in shapes().into_iter().filter(|(_, text, _)| !text.starts_with('\u{feff}')) {
        let mut reader = Reader::of(&HeaderMap::new(), false).unwrap();
        reader.push(text.as_bytes());
        assert_eq!(said(&reader), Some(want), "{kind}");
    }
}

/// A stream that is cut before it has stated its use is estimated by its text.
#[test]
fn a_stream_in_its_middle_is_estimated() {
    let end = ANTHROPIC.find(r#"data: {"type":"message_delta""#).unwrap();
    let mut reader = reader("text/event-stream");
    assert!(reader.push(&ANTHROPIC.as_bytes()[..end]), "it goes on with text");
    let (_, input, .., output, estimated) = said(&reader).unwrap();
    assert_eq!((input, output, estimated), (25, 1 + 37_u64.div_ceil(BYTES_A_TOKEN), true));
    assert!(!reader.push(&ANTHROPIC.as_bytes()[end..]), "what it ends with is no text");
    assert_eq!(said(&reader), Some(("claude-x-4".to_owned(), 25, 300, 7, 15, false)));
}

#[test]
fn what_says_nothing_comes_to_nothing() {
    for (kind, text) in [
        ("application/json", r#"{"input_tokens": 2095}"#),
        ("application/json", r#"{"usage":{"input_tokens":-5,"output_tokens":1.5}}"#),
        ("application/json", r#"{"usage":{"input_tokens":99999999999999999999}}"#),
        ("application/json", r#"{"content":[{"usage":{"output_tokens":5}}]}"#),
        ("application/json", "}{\"usage\":{\"output_tokens\":5}}"),
        ("text/event-stream", "data: [DONE]\n\n"),
        ("text/event-stream", "event: x\nnodata: {\"usage\":{\"output_tokens\":5}}\n\n"),
        ("text/html", "<html>"),
    ] {
        let mut reader = reader(kind);
        reader.push(text.as_bytes());
        assert_eq!(said(&reader), None, "{text}");
    }
}

#[test]
fn a_model_that_could_be_anything_has_no_name() {
    for text in [
        r#"{"model":"a b","usage":{"output_tokens":5}}"#.to_owned(),
        r#"{"model":"\u001b[2J","usage":{"output_tokens":5}}"#.to_owned(),
        format!(r#"{{"model":"{}","usage":{{"output_tokens":5}}}}"#, "m".repeat(1 << 20)),
    ] {
        let mut reader = reader("application/json");
        reader.push(text.as_bytes());
        assert_eq!(said(&reader), Some((String::new(), 0, 0, 0, 5, false)));
    }
}

#[test]
fn an_answer_that_is_packed_is_read_where_somebody_undoes_it() {
    let headers: HeaderMap = [(CONTENT_ENCODING, HeaderValue::from_static("gzip"))].into_iter().collect();
    assert!(Reader::of(&headers, false).is_none());
    assert!(Reader::of(&headers, true).is_some());
}

proptest! {
    /// Whatever comes, in pieces of any size: the same result, and no more memory than for what was open.
    #[test]
    fn pieces_do_not_matter(
        text in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..600),
            "[\\[\\]{}:,\"\\\\\n\r 0-9a-z]{0,600}".prop_map(String::into_bytes),
            Just(ANTHROPIC.as_bytes().to_vec()),
        ],
        cuts in proptest::collection::vec(0_usize..600, 0..8),
        events in any::<bool>(),
    ) {
        let kind = if events { "text/event-stream" } else { "application/json" };
        let (mut whole, mut pieces) = (reader(kind), reader(kind));
        whole.push(&text);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut from = 0;
        for cut in cuts.into_iter().chain([text.len()]) {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        prop_assert_eq!(said(&whole), said(&pieces));
        prop_assert!(pieces.picker.held() <= 128 + 97);
    }
}
