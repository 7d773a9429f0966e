//! `send_file`: a file for the group's own chat, as bytes that came through the door: no path of an agent's is ever
//! opened.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use percent_encoding::percent_decode_str;
use policies::{Code, Refusal};
use proxy::ports::Caller;
use serde::Deserialize;
use serde_json::json;

use super::asked::{Asked, Described};
use super::http::{refused, respond_json};
use super::message::{MESSAGES_AT_MOST, not_said};
use super::table::Request;
use super::{Operation, Operations, Proof};
use crate::channels::protocol::MAX_FILE;
use crate::store::{RunId, Sayable, Text};

/// Where files are uploaded: `PUT /files/NAME`.
pub(super) const FOLDER: &str = "/files/";

/// The longest name, in bytes.
const LONGEST_NAME: usize = 100;

/// The longest caption, in bytes.
const LONGEST_CAPTION: usize = 1 << 10;

/// The most bytes of files that may wait for a group's chat.
const WAITING: u64 = 64 << 20;

/// Media types by file extension. The agent is not asked.
const MEDIA: [(&str, &str); 17] = [
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("gif", "image/gif"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("md", "text/markdown"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("txt", "text/plain"),
    ("webp", "image/webp"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("zip", "application/zip"),
];

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SendFile {
    /// Its name in the chat.
    name: String,
    /// Its content.
    #[serde(deserialize_with = "from_base64")]
    content: Bytes,
    /// Its caption.
    caption: Option<String>,
}

fn from_base64<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = BASE64_STANDARD.decode(text.trim()).map_err(|_| serde::de::Error::custom("`content` is no base64"))?;
    Ok(bytes.into())
}

impl Asked for SendFile {
    fn described() -> Described {
        Described {
            what: format!(
                "Sends a file to the chat you are answering in. For a file that you have on disk run `curl -T FILE \
                 http://doorward.internal/files/NAME` instead, which takes up to {} MB; here `content` is base64 and the \
                 whole call at most 256 KiB. It counts as one of the messages of this answer.",
                MAX_FILE >> 20
            ),
            properties: json!({
                "name": { "type": "string", "maxLength": LONGEST_NAME, "description": "Its name, like report.pdf" },
                "content": { "type": "string", "description": "What it holds, in base64" },
                "caption": { "type": "string", "maxLength": LONGEST_CAPTION, "description": "What to say beside it" },
            }),
            required: &["name", "content"],
        }
    }

    fn perform(&self, operations: &Operations, caller: &Caller, _: Proof<'_>) -> Result<String, Refusal> {
        let (chats, group) = (operations.chats()?, &caller.identity().group);
        let Some(run) = caller.run() else {
            return Err(refuse("nothing is being answered now; a file belongs to an answer".to_owned()));
        };
        let media = self.check().map_err(refuse)?;
        let caption = match self.caption.as_deref().filter(|caption| !caption.trim().is_empty()) {
            Some(caption) => operations.say.say(group, Text::Message(operations.with_names(group, caption)))?,
            None => Sayable::default(),
        };
        let file = proxy::aside(|| operations.say.file(group, &self.name, media, self.content.clone()))?;
        let bounds = (MESSAGES_AT_MOST, WAITING);
        let queued = chats.store.send_file_in_run(group, RunId(run), (&file, &caption), bounds);
        queued.map_err(|error| not_said(&error))?;
        chats.outbox.wake();
        Ok(format!("{} is on its way to the chat.", self.name))
    }
}

impl SendFile {
    /// Its media type, if it can be sent.
    fn check(&self) -> Result<&'static str, String> {
        if !is_name(&self.name) {
            return Err(format!(
                "`name` is a file's name of 1 to {LONGEST_NAME} bytes: no folders, no dot in front, nothing that \
                 hides, and no sign of a question of Doorward's"
            ));
        }
        if self.content.is_empty() || self.content.len() > MAX_FILE {
            return Err(format!("a file has 1 to {MAX_FILE} bytes"));
        }
        if self.caption.as_ref().is_some_and(|caption| caption.len() > LONGEST_CAPTION) {
            return Err(format!("`caption` is at most {LONGEST_CAPTION} bytes long"));
        }
        let end = self.name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
        let known = MEDIA.iter().find(|(known, _)| end.as_deref() == Some(known));
        Ok(known.map_or("application/octet-stream", |(_, media)| media))
    }
}

/// Whether a name is a single path component on any system, and reads as it is.
fn is_name(name: &str) -> bool {
    let fits =
        (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with(['.', ' ', '-']) && !name.ends_with(['.', ' ']);
    let plain = |c: char| !c.is_control() && !r#"/\:*?"<>|"#.contains(c) && (c == ' ' || !c.is_whitespace());
    fits && name.chars().all(plain) && !name.contains(desk::screen::MARKS) && desk::screen::on_screen(name) == name
}

/// Sends a file that was uploaded under its name.
pub(super) async fn put(operations: &Operations, caller: &Caller, path: &str, content: &Bytes) -> Response<Bytes> {
    let name = percent_decode_str(path.trim_start_matches(FOLDER)).decode_utf8();
    let Ok(name) = name else {
        operations.refuse_unread(caller, Operation::SendFile);
        return refused(StatusCode::BAD_REQUEST, &refuse("the file's name is not UTF-8".to_owned()));
    };
    let file = SendFile { name: name.into_owned(), content: content.clone(), caption: None };
    match operations.perform(caller, Request::SendFile(file)).await {
        Ok(done) => respond_json(StatusCode::OK, &json!({ "done": done })),
        Err(refusal) => refused(StatusCode::FORBIDDEN, &refusal),
    }
}

fn refuse(why: String) -> Refusal {
    Refusal::new(Code::OperationRefused, why)
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn a_name_is_one_part_of_a_path_and_reads_as_it_is() {
        for name in ["report.pdf", "Stra\u{df}e 12.txt", "\u{62a}\u{642}\u{631}\u{64a}\u{631}.pdf", "a"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            ".",
            "..",
            ".bashrc",
            "a/b",
            "a\\b",
            "c:x",
            "-rf",
            "a\nb",
            "invoice\u{202e}fdp.exe",
            "a\u{200b}.pdf",
            "x ",
            "\u{1f6c2}",
            "\u{1f6c2}.envrc",
            "sk-live\u{1f6c3}0123.txt",
        ] {
            assert!(!is_name(name), "{name:?}");
        }
        assert!(!is_name(&"x".repeat(101)));
    }
}
