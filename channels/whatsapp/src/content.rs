//! The content of a message: its text, or a sentence that describes other content, in any wrapper.
//! Nothing that people send on purpose is lost: content that Doorward cannot read yet is named, so
//! that the answer can mention it.
//!
//! Content that refers to another message has no text of its own: votes and the phone's own notes
//! are left out; for reactions and edits, the message they refer to is given.

use channel_protocol::Quote;
use whatsapp_rust::Jid;
use whatsapp_rust::waproto::whatsapp as wa;

/// How deep wrappers may nest; a deeper message has no content.
const DEEPEST: usize = 16;

/// The most characters of a name that somebody chose.
const LONGEST_NAME: usize = 80;

/// Every field of a message that is a `FutureProofMessage`, in the order of their numbers.
macro_rules! wrappers {
    ($give:ident) => {
        $give!(
            view_once_message,
            ephemeral_message,
            document_with_caption_message,
            view_once_message_v2,
            edited_message,
            view_once_message_v2_extension,
            group_mentioned_message,
            bot_invoke_message,
            lottie_sticker_message,
            event_cover_image,
            status_mention_message,
            poll_creation_option_image_message,
            associated_child_message,
            group_status_mention_message,
            poll_creation_message_v4,
            status_add_yours,
            group_status_message,
            limit_sharing_message,
            bot_task_message,
            question_message,
            group_status_message_v2,
            bot_forwarded_message,
            question_reply_message,
            newsletter_admin_profile_message,
            newsletter_admin_profile_message_v2,
            spoiler_message,
            newsletter_admin_profile_status_message
        )
    };
}

/// The message itself, without wrappers. Phones wrap text in any order: disappearing, view once,
/// mention of a group, and wrappers newer than this code.
pub(crate) fn unwrapped(message: &wa::Message) -> &wa::Message {
    let mut current = message;
    for _ in 0..DEEPEST {
        match inner(current) {
            Some(inner) => current = inner,
            None => break,
        }
    }
    current
}

fn inner(message: &wa::Message) -> Option<&wa::Message> {
    if let Some(sent) = message.device_sent_message.as_option() {
        return sent.message.as_option();
    }
    if let Some(comment) = message.comment_message.as_option() {
        return comment.message.as_option();
    }
    macro_rules! first {
        ($($field:ident),+) => {
            $(if let Some(inner) = message.$field.as_option().and_then(|wrapper| wrapper.message.as_option()) {
                return Some(inner);
            })+
        };
    }
    wrappers!(first);
    None
}

/// The text, and a description of what came with it or instead of it. `None` for a message about
/// another message, or one that is not for people.
pub(crate) fn text(message: &wa::Message) -> Option<String> {
    let message = unwrapped(message);
    if let Some(text) = words(message).filter(|text| !text.trim().is_empty()) {
        return Some(text.to_owned());
    }
    let (what, caption) = attached(message)?;
    match caption.filter(|caption| !caption.trim().is_empty()) {
        // The text stays first: it may call the assistant by name.
        Some(caption) => Some(format!("{caption}\n[with {what}]")),
        None => Some(format!("[{what}]")),
    }
}

/// What was written, or chosen from a list.
fn words(message: &wa::Message) -> Option<&str> {
    message
        .conversation
        .as_deref()
        .or_else(|| message.extended_text_message.as_option()?.text.as_deref())
        .or_else(|| message.list_response_message.as_option()?.title.as_deref())
        .or_else(|| message.template_button_reply_message.as_option()?.selected_display_text.as_deref())
}

/// Describes content other than text, and returns its caption. Words of other people are reduced to
/// letters, digits and spaces.
fn attached(message: &wa::Message) -> Option<(String, Option<&str>)> {
    const SEEN: &str = "which cannot be seen here yet";
    const HEARD: &str = "which cannot be heard here yet";
    const READ: &str = "which cannot be read here yet";
    let plain = |what: &str, not: &str| (format!("{what}, {not}"), None);
    if let Some(audio) = message.audio_message.as_option() {
        let what = if audio.ptt == Some(true) { "a voice note" } else { "a sound" };
        let length = audio.seconds.map(|seconds| format!(" of {seconds} seconds")).unwrap_or_default();
        return Some((format!("{what}{length}, {HEARD}"), None));
    }
    if let Some(image) = message.image_message.as_option() {
        return Some((format!("a picture, {SEEN}"), image.caption.as_deref()));
    }
    if let Some(video) = message.video_message.as_option() {
        return Some((format!("a video, {SEEN}"), video.caption.as_deref()));
    }
    if message.ptv_message.is_set() {
        return Some(plain("a video note", SEEN));
    }
    if message.sticker_message.is_set() || message.sticker_pack_message.is_set() {
        return Some(plain("a sticker", SEEN));
    }
    if let Some(document) = message.document_message.as_option() {
        let name = named(document.file_name.as_deref().or(document.title.as_deref()));
        return Some((format!("a document{name}, {READ}"), document.caption.as_deref()));
    }
    if let Some(place) = message.location_message.as_option() {
        let at = coordinates(place.degrees_latitude, place.degrees_longitude);
        return Some((format!("a place{}{at}", named(place.name.as_deref())), place.comment.as_deref()));
    }
    if let Some(place) = message.live_location_message.as_option() {
        let at = coordinates(place.degrees_latitude, place.degrees_longitude);
        return Some((format!("a place that moves{at}"), place.caption.as_deref()));
    }
    if let Some(contact) = message.contact_message.as_option() {
        return Some(plain(&format!("a contact{}", named(contact.display_name.as_deref())), READ));
    }
    if let Some(contacts) = message.contacts_array_message.as_option() {
        return Some(plain(&format!("{} contacts", contacts.contacts.len()), READ));
    }
    let polls = [
        &message.poll_creation_message,
        &message.poll_creation_message_v2,
        &message.poll_creation_message_v3,
        &message.poll_creation_message_v5,
        &message.poll_creation_message_v6,
    ];
    if let Some(poll) = polls.into_iter().find_map(|poll| poll.as_option()) {
        return Some(plain(
            &format!("a poll{}", named(poll.name.as_deref())),
            "in which no vote can be cast from here",
        ));
    }
    if let Some(event) = message.event_message.as_option() {
        return Some(plain(&format!("an event{}", named(event.name.as_deref())), READ));
    }
    is_meant_to_be_read(message).then(|| ("a message of a kind that cannot be read here yet".to_owned(), None))
}

/// Whether there is content that is neither about another message nor for the phone only.
fn is_meant_to_be_read(message: &wa::Message) -> bool {
    let mut rest = message.clone();
    macro_rules! leave_out {
        ($($field:ident),+) => {
            $(rest.$field = Default::default();)+
        };
    }
    leave_out!(
        sender_key_distribution_message,
        fast_ratchet_key_sender_key_distribution_message,
        message_context_info,
        protocol_message,
        reaction_message,
        enc_reaction_message,
        poll_update_message,
        poll_add_option_message,
        poll_result_snapshot_message,
        poll_result_snapshot_message_v3,
        keep_in_chat_message,
        pin_in_chat_message,
        enc_event_response_message,
        sticker_sync_rmr_message,
        call_log_messsage,
        message_history_bundle,
        message_history_notice,
        placeholder_message,
        secret_encrypted_message,
        status_notification_message,
        status_quoted_message,
        status_sticker_interaction_message,
        group_root_key_share,
        root_secret_distribute_message,
        // Its pictures follow, each as a separate message.
        album_message,
        conversation,
        extended_text_message
    );
    wrappers!(leave_out);
    rest != wa::Message::default()
}

/// A name chosen by a person, in brackets. It may reach a shell, so it contains no character with a
/// meaning there.
fn named(name: Option<&str>) -> String {
    let kept = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ',') { c } else { ' ' };
    let name: String = name.unwrap_or_default().chars().take(LONGEST_NAME).map(kept).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() { String::new() } else { format!(" called {name}") }
}

fn coordinates(latitude: Option<f64>, longitude: Option<f64>) -> String {
    match (latitude, longitude) {
        (Some(latitude), Some(longitude)) => format!(" at {latitude:.5} {longitude:.5}"),
        _ => String::new(),
    }
}

/// The message that this one replies to.
pub(crate) fn quote(message: &wa::Message) -> Option<Quote> {
    let context = context(message)?;
    let id = context.stanza_id.clone()?;
    let sender = context.participant.as_deref().and_then(|jid| jid.parse::<Jid>().ok());
    let quoted = context.quoted_message.as_option().and_then(text).unwrap_or_default();
    Some(Quote { id, sender: sender.map(|jid| jid.to_non_ad().to_string()).unwrap_or_default(), text: quoted })
}

/// The message that this one reacts to, and the emoji: empty if the reaction was removed.
pub(crate) fn reaction(message: &wa::Message) -> Option<(&str, &str)> {
    let reaction = unwrapped(message).reaction_message.as_option()?;
    let to = reaction.key.as_option()?.id.as_deref()?;
    Some((to, reaction.text.as_deref().unwrap_or_default()))
}

/// The message that this one edits, and the new version.
pub(crate) fn edit(message: &wa::Message) -> Option<(&str, &wa::Message)> {
    use wa::message::protocol_message::Type;
    let note = unwrapped(message).protocol_message.as_option()?;
    let edited = note.edited_message.as_option().filter(|_| note.r#type == Some(Type::MESSAGE_EDIT))?;
    Some((note.key.as_option()?.id.as_deref()?, edited))
}

/// Whether it was forwarded from elsewhere.
pub(crate) fn is_forwarded(message: &wa::Message) -> bool {
    context(message).is_some_and(|context| context.is_forwarded == Some(true) || context.forwarding_score > Some(0))
}

/// Where WhatsApp keeps quotes, mentions and the lifetime of a message.
pub(crate) fn context(message: &wa::Message) -> Option<&wa::ContextInfo> {
    let message = unwrapped(message);
    macro_rules! first {
        ($($field:ident),+ $(,)?) => {
            $(if let Some(context) = message.$field.as_option().and_then(|said| said.context_info.as_option()) {
                return Some(context);
            })+
        };
    }
    first!(
        extended_text_message,
        image_message,
        video_message,
        ptv_message,
        audio_message,
        document_message,
        sticker_message,
        location_message,
        live_location_message,
        contact_message,
        contacts_array_message,
        poll_creation_message,
        poll_creation_message_v2,
        poll_creation_message_v3,
        poll_creation_message_v5,
        poll_creation_message_v6,
        event_message,
        list_response_message,
        template_button_reply_message,
        sticker_pack_message,
        album_message,
    );
    None
}

/// The lifetime that this message sets for the chat's messages, in seconds: 0 for ever. `None` if
/// it does not say.
pub(crate) fn stays(message: &wa::Message) -> Option<u32> {
    use wa::message::protocol_message::Type;
    let message = unwrapped(message);
    if let Some(note) = message.protocol_message.as_option() {
        let is_setting = note.r#type == Some(Type::EPHEMERAL_SETTING);
        return is_setting.then(|| note.ephemeral_expiration.unwrap_or(0));
    }
    match context(message) {
        Some(context) => Some(context.expiration.unwrap_or(0)),
        // In chats with disappearing messages each text says so.
        None => text(message).map(|_| 0),
    }
}

#[cfg(test)]
mod tests;
