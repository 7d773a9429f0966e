//! Files going to WhatsApp: encrypted, uploaded to its media hosts, and sent in a message, as a
//! picture or else as a document.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use channel_protocol::OutgoingFile;
use whatsapp_rust::download::MediaType;
use whatsapp_rust::prelude::Client;
use whatsapp_rust::upload::{UploadOptions, UploadResponse};
use whatsapp_rust::waproto::whatsapp as wa;

/// How long an upload may take. With everything else it is less than the daemon waits for a file.
const UPLOAD: Duration = Duration::from_secs(120);

/// Pictures that WhatsApp shows as such.
const PICTURES: [&str; 2] = ["image/jpeg", "image/png"];

/// Why a file was not uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotUploaded {
    /// It is incomplete.
    Broken,
    /// The media hosts did not accept it.
    NotTaken,
}

/// Uploads a file, encrypted for the recipients of the message.
pub(crate) async fn upload(client: &Client, file: &OutgoingFile) -> Result<UploadResponse, NotUploaded> {
    let content = BASE64_STANDARD.decode(&file.data).map_err(|_| NotUploaded::Broken)?;
    let media = if is_picture(file) { MediaType::Image } else { MediaType::Document };
    let uploaded = tokio::time::timeout(UPLOAD, client.upload(content, media, UploadOptions::new())).await;
    // The library's errors may name hosts and tokens.
    uploaded.ok().and_then(Result::ok).ok_or(NotUploaded::NotTaken)
}

/// The message for a file that was uploaded.
pub(crate) fn message(file: &OutgoingFile, uploaded: &UploadResponse, caption: &str) -> wa::Message {
    let caption = Some(caption.to_owned()).filter(|caption| !caption.trim().is_empty());
    let (url, direct_path) = (Some(uploaded.url.clone()), Some(uploaded.direct_path.clone()));
    let (media_key, file_length) = (Some(uploaded.media_key.to_vec()), Some(uploaded.file_length));
    let (file_sha256, file_enc_sha256) = (Some(uploaded.file_sha256.to_vec()), Some(uploaded.file_enc_sha256.to_vec()));
    let (mimetype, media_key_timestamp) = (Some(file.media.clone()), Some(uploaded.media_key_timestamp));
    if is_picture(file) {
        let picture = wa::message::ImageMessage {
            url,
            direct_path,
            media_key,
            file_length,
            file_sha256,
            file_enc_sha256,
            mimetype,
            media_key_timestamp,
            caption,
            ..Default::default()
        };
        return wa::Message { image_message: picture.into(), ..Default::default() };
    }
    let document = wa::message::DocumentMessage {
        url,
        direct_path,
        media_key,
        file_length,
        file_sha256,
        file_enc_sha256,
        mimetype,
        media_key_timestamp,
        caption,
        title: Some(file.name.clone()),
        file_name: Some(file.name.clone()),
        ..Default::default()
    };
    wa::Message { document_message: document.into(), ..Default::default() }
}

fn is_picture(file: &OutgoingFile) -> bool {
    PICTURES.contains(&file.media.as_str())
}
