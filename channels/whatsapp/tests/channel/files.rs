//! Outgoing files: uploaded, encrypted for the recipients, and named in a message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use channel_protocol::OutgoingFile;
use whatsapp_rust::download::MediaType;
use whatsapp_rust::wacore::download::DownloadUtils;
use whatsapp_rust::waproto::whatsapp as wa;

use super::ANNA;
use super::program::House;
use super::server::Seen;

pub(super) fn file(name: &str, media: &str, content: &[u8]) -> OutgoingFile {
    let (name, media) = (name.to_owned(), media.to_owned());
    OutgoingFile { name, media, size: content.len() as u64, data: BASE64_STANDARD.encode(content) }
}

impl House {
    /// The upload, and the message that a phone then got.
    async fn uploaded(&mut self) -> (Vec<u8>, String, wa::Message) {
        loop {
            if let Seen::Uploaded(bytes) = self.seen().await {
                let (_, id, message) = self.message().await;
                return (bytes, id, message);
            }
        }
    }
}

#[tokio::test]
async fn a_document_and_a_picture_reach_the_phone_as_they_were() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    // Larger than a protocol line without files.
    let content: Vec<u8> = (0..6_000_000_u32).map(|number| (number % 251) as u8).collect();
    program.send_file(1, ANNA, "as you asked", file("Stra\u{df}e 12.pdf", "application/pdf", &content)).await;
    let (sealed, _, message) = house.uploaded().await;
    let document = message.document_message.as_option().unwrap();
    let opened = DownloadUtils::verify_and_decrypt(&sealed, document.media_key.as_ref().unwrap(), MediaType::Document);
    assert!(opened.unwrap() == content, "it is what it was");
    assert_eq!(document.file_name.as_deref(), Some("Stra\u{df}e 12.pdf"));
    assert_eq!((document.caption.as_deref(), document.file_length), (Some("as you asked"), Some(6_000_000)));
    assert_eq!(
        (document.mimetype.as_deref(), document.url.as_deref()),
        (Some("application/pdf"), Some("https://media.test/v/file"))
    );
    program.outcome(1).await.unwrap();
    program.send_file(2, ANNA, "", file("a.png", "image/png", b"\x89PNG")).await;
    let (sealed, id, message) = house.uploaded().await;
    let picture = message.image_message.as_option().unwrap();
    let opened = DownloadUtils::verify_and_decrypt(&sealed, picture.media_key.as_ref().unwrap(), MediaType::Image);
    assert_eq!((opened.unwrap(), &picture.caption), (b"\x89PNG".to_vec(), &None));
    program.outcome(2).await.unwrap();
    // A resend is the same message.
    program.send_file(2, ANNA, "", file("a.png", "image/png", b"\x89PNG")).await;
    assert_eq!(house.uploaded().await.1, id);
}

#[tokio::test]
async fn a_file_that_is_not_taken_is_tried_again() {
    let mut house = House::linked().await;
    house.server.phone(ANNA).await;
    let mut program = house.run("own-number", &[ANNA]).await;
    house.server.no_media(true).await;
    program.send_file(1, ANNA, "", file("a.txt", "text/plain", b"hi")).await;
    let (why, retry) = program.outcome(1).await.unwrap_err();
    assert!(why.contains("media hosts") && retry, "{why}");
    assert!(!why.contains("token") && !why.contains("127.0.0.1"), "{why}");
    let broken = OutgoingFile { data: "no base64!".to_owned(), ..file("a.txt", "text/plain", b"hi") };
    program.send_file(2, ANNA, "", broken).await;
    let (why, retry) = program.outcome(2).await.unwrap_err();
    assert!(why.contains("not come whole") && !retry, "{why}");
    house.server.no_media(false).await;
    program.send_file(1, ANNA, "", file("a.txt", "text/plain", b"hi")).await;
    house.uploaded().await;
    program.outcome(1).await.unwrap();
}
