//! The server's part of linking: it hands out codes, carries messages between the program and the
//! phone, and restarts the connection when the program has signed.

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore::libsignal::protocol::PublicKey;
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

use super::nodes::number;

/// The public half of the program's device.
pub(crate) struct Keys {
    pub(crate) registration: u32,
    pub(crate) identity: PublicKey,
    pub(crate) signed: (u32, PublicKey, Vec<u8>),
}

impl Keys {
    pub(crate) fn of(device: &Device) -> Self {
        let signature = device.signed_pre_key_signature.to_vec();
        Keys {
            registration: device.registration_id,
            identity: device.identity_key.public_key,
            signed: (device.signed_pre_key_id, device.signed_pre_key.public_key, signature),
        }
    }

    /// What an unlinked device says about itself.
    pub(crate) fn told(who: wa::ClientPayload) -> Option<Self> {
        let data = who.device_pairing_data.into_option()?;
        let key = |bytes: Option<Vec<u8>>| PublicKey::from_djb_public_key_bytes(&bytes.unwrap()).unwrap();
        Some(Keys {
            registration: number(&data.e_regid.unwrap()),
            identity: key(data.e_ident),
            signed: (number(&data.e_skey_id.unwrap()), key(data.e_skey_val), data.e_skey_sig.unwrap()),
        })
    }
}

/// The parts of QR codes.
pub(crate) fn codes(codes: &[String]) -> Node {
    let refs = codes.iter().map(|code| NodeBuilder::new("ref").bytes(code.as_bytes().to_vec()).build());
    let list = NodeBuilder::new("pair-device").children(refs.collect::<Vec<_>>()).build();
    NodeBuilder::new("iq")
        .attr("from", "s.whatsapp.net")
        .attr("type", "set")
        .attr("id", "codes")
        .attr("xmlns", "md")
        .children([list])
        .build()
}

/// The answer to the program's part of linking by number.
pub(crate) fn by_number(asked: &Node) -> Vec<Node> {
    let Some(part) = asked.get_optional_child("link_code_companion_reg") else { return Vec::new() };
    if part.attrs.get("stage").is_none_or(|stage| stage.as_str() != "companion_hello") {
        return Vec::new();
    }
    let code = NodeBuilder::new("link_code_pairing_ref").bytes(BY_NUMBER.to_vec()).build();
    vec![NodeBuilder::new("link_code_companion_reg").children([code]).build()]
}

/// The account's settings, which are empty. A new device waits for them.
pub(crate) fn unchanged(asked: &Node) -> Vec<Node> {
    let asked = asked.get_optional_child("sync").and_then(Node::children).unwrap_or_default().iter();
    let all = asked.filter_map(|collection| {
        let name = collection.attrs.get("name")?.as_str().into_owned();
        Some(NodeBuilder::new("collection").attr("name", name).attr("version", "0").build())
    });
    vec![NodeBuilder::new("sync").children(all.collect::<Vec<_>>()).build()]
}

/// The reference of linking by number.
pub(crate) const BY_NUMBER: &[u8] = b"by number";

/// WhatsApp's request to reconnect, now as a linked device.
pub(crate) fn again() -> Node {
    NodeBuilder::new("stream:error").attr("code", "515").build()
}
