//! Nodes as WhatsApp's servers write and read them.

use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::{Jid, NodeBuilder};

use super::server::{OWN, bare};

/// The copy of a message to another person that the account's own phone gets.
pub(crate) fn is_copy(message: &wa::Message) -> bool {
    let sent = message.device_sent_message.as_option();
    sent.and_then(|sent| sent.destination_jid.as_deref()).is_some_and(|to| device_less(to) != bare(OWN))
}

pub(crate) fn stanza(from: &str, id: &str) -> NodeBuilder {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    NodeBuilder::new("message").attr("from", from).attr("id", id).attr("type", "text").attr("t", now.to_string())
}

pub(crate) fn group_stanza(group: &str, from: &str, id: &str) -> NodeBuilder {
    let mode = if from.ends_with("@lid") { "lid" } else { "pn" };
    stanza(group, id).attr("participant", from).attr("addressing_mode", mode)
}

pub(crate) fn group(jid: &str, members: &[String]) -> Node {
    let people = members.iter().map(|member| NodeBuilder::new("participant").attr("jid", member.as_str()).build());
    let mode = if members.iter().any(|member| member.ends_with("@lid")) { "lid" } else { "pn" };
    NodeBuilder::new("group")
        .attr("id", jid.split('@').next().unwrap())
        .attr("subject", "Family")
        .attr("creation", "1700000000")
        .attr("addressing_mode", mode)
        .children(people.collect::<Vec<_>>())
        .build()
}

pub(crate) fn jids(node: &Node) -> Vec<String> {
    let all = node.children().unwrap_or_default().iter();
    all.filter_map(|user| user.attrs.get("jid").map(|jid| jid.as_str().into_owned())).collect()
}

pub(crate) fn sealed(enc: &Node) -> (String, Vec<u8>) {
    (enc.attrs.get("type").unwrap().as_str().into_owned(), bytes(enc))
}

pub(crate) fn bytes(node: &Node) -> Vec<u8> {
    node.as_node_ref().content_bytes().unwrap().to_vec()
}

/// Big-endian, as WhatsApp writes ids.
pub(crate) fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

pub(crate) fn device_less(jid: &str) -> String {
    jid.parse::<Jid>().unwrap().to_non_ad().to_string()
}
