//! The program's queries (`iq`) to the server, each with its answer.

use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore::libsignal::protocol::PublicKey;
use whatsapp_rust::wacore_binary::Node;

use super::linking::{again, by_number, unchanged};
use super::nodes::{bytes, group, jids, number};
use super::server::{Order, Seen, State};

impl State {
    pub(super) fn answer(&mut self, node: &Node, namespace: &str, kind: &str, id: &str) {
        if node.get_optional_child("pair-device-sign").is_some() {
            self.tell(Seen::Linking(node.clone()));
            return self.order(Order::Send(again()));
        }
        // Answers to our own queries.
        if kind == "result" || kind == "error" {
            return;
        }
        let result = |children: Vec<Node>| {
            NodeBuilder::new("iq")
                .attr("type", "result")
                .attr("id", id)
                .attr("from", "s.whatsapp.net")
                .children(children)
        };
        let has = |tag: &str| node.get_optional_child(tag).is_some();
        let children = match namespace {
            "encrypt" if has("count") => {
                vec![NodeBuilder::new("count").attr("value", self.one_time.len().to_string()).build()]
            }
            "encrypt" if has("digest") => {
                let error = NodeBuilder::new("error").attr("code", "404").attr("text", "item-not-found").build();
                let answer = NodeBuilder::new("iq").attr("type", "error").attr("id", id).attr("from", "s.whatsapp.net");
                return self.order(Order::Send(answer.children([error]).build()));
            }
            "encrypt" if has("list") || has("rotate") => {
                self.upload(node.get_optional_child("rotate").unwrap_or(node));
                Vec::new()
            }
            "encrypt" if has("key") => {
                let asked = jids(node.get_optional_child("key").unwrap());
                let users = asked.iter().filter_map(|jid| {
                    let party = self.party(jid)?;
                    Some(party.bundle(jid))
                });
                vec![NodeBuilder::new("list").children(users.collect::<Vec<_>>()).build()]
            }
            "usync" => vec![self.usync(node)],
            "w:g2" => {
                let to = node.attrs.get("to").map(|to| to.as_str().into_owned()).unwrap_or_default();
                match self.groups.get(&to) {
                    Some(members) => vec![group(&to, members)],
                    None => {
                        let all = self.groups.iter().map(|(jid, members)| group(jid, members));
                        vec![NodeBuilder::new("groups").children(all.collect::<Vec<_>>()).build()]
                    }
                }
            }
            "w:m" => {
                let host = NodeBuilder::new("host").attr("hostname", self.media.as_str()).build();
                let media = NodeBuilder::new("media_conn").attr("auth", "token").attr("ttl", "300");
                vec![media.children([host]).build()]
            }
            "w:sync:app:state" => unchanged(node),
            "md" => {
                self.tell(Seen::Linking(node.clone()));
                by_number(node)
            }
            "passive" if has("active") => {
                self.order(Order::Send(result(Vec::new()).build()));
                for (_, waiting) in self.unacknowledged.clone() {
                    let mut waiting = waiting;
                    waiting.attrs.insert("offline", "0");
                    self.order(Order::Send(waiting));
                }
                let count = self.unacknowledged.len().to_string();
                let offline = NodeBuilder::new("offline").attr("count", count).build();
                self.order(Order::Send(
                    NodeBuilder::new("ib").attr("from", "s.whatsapp.net").children([offline]).build(),
                ));
                self.active = true;
                return self.tell(Seen::Active);
            }
            _ => Vec::new(),
        };
        self.order(Order::Send(result(children).build()));
    }

    fn upload(&mut self, node: &Node) {
        let key = |node: &Node| {
            let id = number(&bytes(node.get_optional_child("id").unwrap()));
            let value = bytes(node.get_optional_child("value").unwrap());
            (id, PublicKey::from_djb_public_key_bytes(&value).unwrap())
        };
        if let Some(list) = node.get_optional_child("list") {
            self.one_time = list.children().unwrap_or_default().iter().map(key).collect();
        }
        if let Some(signed) = node.get_optional_child("skey") {
            let (id, public) = key(signed);
            let signature = bytes(signed.get_optional_child("signature").unwrap());
            self.device.as_mut().unwrap().signed = (id, public, signature);
        }
    }

    /// Each person has one device: the phone.
    fn usync(&self, node: &Node) -> Node {
        let list = node.get_optional_child("usync").and_then(|usync| usync.get_optional_child("list"));
        let users = jids(list.unwrap()).into_iter().map(|jid| {
            let device = NodeBuilder::new("device").attr("id", "0").build();
            let devices = NodeBuilder::new("device-list").attr("hash", "2:AAAAAAAA").children([device]).build();
            let mut parts = vec![NodeBuilder::new("devices").children([devices]).build()];
            if let Some(lid) = self.lids.get(&jid) {
                parts.push(NodeBuilder::new("lid").attr("val", lid.as_str()).build());
            }
            NodeBuilder::new("user").attr("jid", jid.as_str()).children(parts).build()
        });
        let list = NodeBuilder::new("list").children(users.collect::<Vec<_>>()).build();
        NodeBuilder::new("usync").children([list]).build()
    }
}
