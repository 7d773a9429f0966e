#![allow(clippy::unwrap_used)]

use wa::message as m;
use whatsapp_rust::prelude::MessageBuilderExt;

use super::*;

fn wrapper(message: wa::Message) -> m::FutureProofMessage {
    m::FutureProofMessage { message: message.into() }
}

/// All wrappers that phones use, one or two of them, in either order.
#[test]
fn a_text_is_found_in_every_wrapper_and_in_every_two_of_them() {
    type Wrap = Box<dyn Fn(wa::Message) -> wa::Message>;
    let wrap: Vec<(&str, Wrap)> = {
        macro_rules! each {
            ($($field:ident),+) => {
                vec![$((
                    stringify!($field),
                    Box::new(|inner| wa::Message { $field: wrapper(inner).into(), ..Default::default() }) as Box<_>,
                )),+]
            };
        }
        wrappers!(each)
    };
    assert_eq!(wrap.len(), 27, "as many as the protocol of this version has");
    for (outer, around) in &wrap {
        for (inner, within) in &wrap {
            let message = around(within(wa::Message::text("@Doorward hi")));
            assert_eq!(text(&message).as_deref(), Some("@Doorward hi"), "{inner} in {outer}");
            assert_eq!(unwrapped(&message), &wa::Message::text("@Doorward hi"));
        }
    }
    let sent = m::DeviceSentMessage { message: wrap[0].1(wa::Message::text("hi")).into(), ..Default::default() };
    let message = wrap[5].1(wa::Message { device_sent_message: sent.into(), ..Default::default() });
    assert_eq!(text(&message).as_deref(), Some("hi"));
    let deep = (0..40).fold(wa::Message::text("hi"), |inner, _| wrap[1].1(inner));
    assert_eq!(text(&deep), None, "and an endless one ends");
}

#[test]
fn what_is_no_text_is_named() {
    macro_rules! with {
        ($field:ident: $value:expr) => {
            wa::Message { $field: $value.into(), ..Default::default() }
        };
    }
    let some = |text: &str| Some(text.to_owned());
    let cases = [
        (
            with!(audio_message: m::AudioMessage { ptt: Some(true), seconds: Some(12), ..Default::default() }),
            "[a voice note of 12 seconds, which cannot be heard here yet]",
        ),
        (with!(audio_message: m::AudioMessage::default()), "[a sound, which cannot be heard here yet]"),
        (with!(image_message: m::ImageMessage::default()), "[a picture, which cannot be seen here yet]"),
        (
            with!(image_message: m::ImageMessage { caption: some("stop"), ..Default::default() }),
            "stop\n[with a picture, which cannot be seen here yet]",
        ),
        (with!(video_message: m::VideoMessage::default()), "[a video, which cannot be seen here yet]"),
        (with!(ptv_message: m::VideoMessage::default()), "[a video note, which cannot be seen here yet]"),
        (with!(sticker_message: m::StickerMessage::default()), "[a sticker, which cannot be seen here yet]"),
        (
            with!(document_message: m::DocumentMessage { file_name: some("bill.pdf"), ..Default::default() }),
            "[a document called bill.pdf, which cannot be read here yet]",
        ),
        (
            with!(document_message: m::DocumentMessage { file_name: some("a'; rm -rf $HOME #\n`x`"), ..Default::default() }),
            "[a document called a rm -rf HOME x, which cannot be read here yet]",
        ),
        (
            with!(location_message: m::LocationMessage {
                degrees_latitude: Some(52.5), degrees_longitude: Some(13.4), ..Default::default()
            }),
            "[a place at 52.50000 13.40000]",
        ),
        (with!(live_location_message: m::LiveLocationMessage::default()), "[a place that moves]"),
        (
            with!(contact_message: m::ContactMessage { display_name: some("Dora"), ..Default::default() }),
            "[a contact called Dora, which cannot be read here yet]",
        ),
        (
            with!(contacts_array_message: m::ContactsArrayMessage::default()),
            "[0 contacts, which cannot be read here yet]",
        ),
        (
            with!(poll_creation_message_v3: m::PollCreationMessage { name: some("Pizza?"), ..Default::default() }),
            "[a poll called Pizza, in which no vote can be cast from here]",
        ),
        (
            with!(event_message: m::EventMessage { name: some("Party"), ..Default::default() }),
            "[an event called Party, which cannot be read here yet]",
        ),
        (
            with!(list_response_message: m::ListResponseMessage { title: some("Monday"), ..Default::default() }),
            "Monday",
        ),
        (
            with!(order_message: m::OrderMessage { order_title: some("Tea"), ..Default::default() }),
            "[a message of a kind that cannot be read here yet]",
        ),
        (
            with!(group_invite_message: m::GroupInviteMessage { group_name: some("Tea"), ..Default::default() }),
            "[a message of a kind that cannot be read here yet]",
        ),
    ];
    for (message, said) in cases {
        assert_eq!(text(&message).as_deref(), Some(said), "{message:?}");
        let wrapped = wa::Message { ephemeral_message: wrapper(message).into(), ..Default::default() };
        assert_eq!(text(&wrapped).as_deref(), Some(said), "the same where it disappears");
    }
}

/// A vote, a reaction, the phone's own notes: not messages to people.
#[test]
fn what_is_about_another_message_is_none() {
    let silent = [
        wa::Message::default(),
        wa::Message { reaction_message: m::ReactionMessage::default().into(), ..Default::default() },
        wa::Message { poll_update_message: m::PollUpdateMessage::default().into(), ..Default::default() },
        wa::Message { protocol_message: m::ProtocolMessage::default().into(), ..Default::default() },
        wa::Message { album_message: m::AlbumMessage::default().into(), ..Default::default() },
        wa::Message { keep_in_chat_message: m::KeepInChatMessage::default().into(), ..Default::default() },
        wa::Message {
            sender_key_distribution_message: m::SenderKeyDistributionMessage::default().into(),
            message_context_info: wa::MessageContextInfo::default().into(),
            ..Default::default()
        },
        wa::Message::text(" \n"),
    ];
    for message in silent {
        assert_eq!(text(&message), None, "{message:?}");
    }
}

#[test]
fn how_long_messages_stay_is_read_where_a_chat_says_it() {
    let disappearing = |expiration| {
        let context = wa::ContextInfo { expiration, ..Default::default() };
        wa::Message::text_with_context("hi", context)
    };
    assert_eq!(stays(&disappearing(Some(604_800))), Some(604_800));
    let wrapped = wa::Message { ephemeral_message: wrapper(disappearing(Some(86_400))).into(), ..Default::default() };
    assert_eq!(stays(&wrapped), Some(86_400));
    assert_eq!(stays(&disappearing(None)), Some(0));
    assert_eq!(stays(&wa::Message::text("hi")), Some(0), "it was switched off");
    let context = wa::ContextInfo { expiration: Some(60), ..Default::default() };
    let voice = m::AudioMessage { context_info: context.into(), ..Default::default() };
    assert_eq!(stays(&wa::Message { audio_message: voice.into(), ..Default::default() }), Some(60));
    let setting = |seconds| {
        let note = m::ProtocolMessage {
            r#type: Some(m::protocol_message::Type::EPHEMERAL_SETTING),
            ephemeral_expiration: seconds,
            ..Default::default()
        };
        wa::Message { protocol_message: note.into(), ..Default::default() }
    };
    assert_eq!((stays(&setting(Some(90))), stays(&setting(None))), (Some(90), Some(0)));
    let reaction = wa::Message { reaction_message: m::ReactionMessage::default().into(), ..Default::default() };
    let revoked = wa::Message { protocol_message: m::ProtocolMessage::default().into(), ..Default::default() };
    assert_eq!((stays(&reaction), stays(&revoked)), (None, None), "these do not say");
}
