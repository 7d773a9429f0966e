//! A WhatsApp server on loopback with the phones behind it. It keeps messages that the program has
//! not acknowledged, and does not drop duplicates: it shows each message it gets.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use rand::rng;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::wacore::libsignal::protocol::{DeviceId, IdentityKey, KeyPair, PreKeyBundle, PublicKey};
use whatsapp_rust::wacore::store::Device;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

use super::linking::{Keys, codes};
use super::media;
use super::nodes::{device_less, group_stanza, is_copy, sealed, stanza};
use super::noise::Connection;
use super::party::Party;

/// The account that the program is linked to.
pub(crate) const OWN: &str = "4915100000";
pub(crate) const OWN_LID: &str = "99900011122";

/// What the server saw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The program has logged in and is ready.
    Active,
    /// A phone received this.
    Message { to: String, id: String, message: Box<wa::Message> },
    /// A message was acknowledged.
    Receipt { id: String },
    /// A message could not be decrypted: its phone was asked for it again, and has resent it.
    Retry { id: String },
    /// Somebody is typing, or has stopped.
    ChatState { to: String, state: String },
    /// Online or not.
    Presence(String),
    /// A step of linking or unlinking.
    Linking(Node),
    /// A file was uploaded, in encrypted form.
    Uploaded(Vec<u8>),
}

/// The server.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    pub(crate) seen: mpsc::UnboundedReceiver<Seen>,
}

/// Its state.
pub(crate) struct State {
    /// The program's device, once it has connected.
    pub(super) device: Option<Keys>,
    /// The material for QR codes.
    codes: Vec<String>,
    pub(super) one_time: VecDeque<(u32, PublicKey)>,
    pub(super) parties: HashMap<String, Party>,
    pub(super) groups: HashMap<String, Vec<String>>,
    /// Second names that phones know: second → first.
    pub(super) same: HashMap<String, String>,
    /// People with two names: number → opaque id.
    pub(super) lids: HashMap<String, String>,
    /// Display names; Anna if none is given.
    names: HashMap<String, String>,
    pub(super) unacknowledged: Vec<(String, Node)>,
    /// The phones' messages: they keep them, and resend them when asked to.
    written: HashMap<String, Written>,
    connection: Option<mpsc::UnboundedSender<Order>>,
    /// The program has said that it is ready for messages.
    pub(super) active: bool,
    /// The server cannot be reached.
    offline: bool,
    /// Where files are uploaded.
    pub(super) media: String,
    /// The media hosts refuse everything.
    pub(super) no_media: bool,
    /// What the program sends is shown, and not confirmed.
    silent: bool,
    /// The program's next messages are refused with these codes.
    refuse: VecDeque<String>,
    seen: mpsc::UnboundedSender<Seen>,
}

/// A phone's message, before encryption.
#[derive(Clone)]
struct Written {
    from: String,
    group: Option<String>,
    /// More of its stanza's attributes.
    more: Vec<(&'static str, String)>,
    message: wa::Message,
}

impl Written {
    fn stanza(&self, id: &str) -> NodeBuilder {
        match &self.group {
            Some(group) => group_stanza(group, &self.from, id),
            None => {
                self.more.iter().fold(stanza(&self.from, id), |stanza, (key, value)| stanza.attr(key, value.as_str()))
            }
        }
    }
}

/// A command to the connection.
pub(super) enum Order {
    Send(Node),
    Cut,
}

impl Server {
    /// Serves this linked device, or one that links with these codes.
    pub(crate) async fn start(device: Option<&Device>, codes: &[&str], key: KeyPair) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/ws/chat", listener.local_addr().unwrap());
        let (events, seen) = mpsc::unbounded_channel();
        let state = Arc::new(Mutex::new(State {
            device: device.map(Keys::of),
            codes: codes.iter().map(ToString::to_string).collect(),
            one_time: VecDeque::new(),
            parties: HashMap::from([(bare(OWN), Party::new())]),
            groups: HashMap::new(),
            same: HashMap::new(),
            lids: HashMap::from([(bare(OWN), format!("{OWN_LID}@lid"))]),
            names: HashMap::new(),
            unacknowledged: Vec::new(),
            written: HashMap::new(),
            connection: None,
            active: false,
            offline: false,
            media: listener.local_addr().unwrap().to_string(),
            no_media: false,
            silent: false,
            refuse: VecDeque::new(),
            seen: events,
        }));
        let (own, shared) = (key, Arc::clone(&state));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, own.clone(), Arc::clone(&shared)));
            }
        });
        Server { url, state, seen }
    }

    /// A phone with this name.
    pub(crate) async fn phone(&self, jid: &str) {
        self.state.lock().await.parties.insert(jid.to_owned(), Party::new());
    }

    /// Gives the phone another name too.
    pub(crate) async fn also(&self, jid: &str, other: &str) {
        self.state.lock().await.same.insert(other.to_owned(), jid.to_owned());
    }

    /// Sets a display name.
    pub(crate) async fn named(&self, jid: &str, name: &str) {
        self.state.lock().await.names.insert(jid.to_owned(), name.to_owned());
    }

    pub(crate) async fn group(&self, jid: &str, members: &[&str]) {
        let members = members.iter().map(ToString::to_string).collect();
        self.state.lock().await.groups.insert(jid.to_owned(), members);
    }

    /// `from` writes to the program; `more` are attributes that WhatsApp would add.
    pub(crate) async fn write(&self, from: &str, id: &str, message: &wa::Message, more: &[(&'static str, &str)]) {
        let mut state = self.state.lock().await;
        let more = more.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let written = Written { from: from.to_owned(), group: None, more, message: message.clone() };
        let stanza = written.stanza(id);
        state.written.insert(id.to_owned(), written);
        let node = state.meet(from).await.encrypt(message).await;
        state.deliver(from, id, stanza, vec![node]);
    }

    /// `from` writes to a group.
    pub(crate) async fn write_group(&self, group: &str, from: &str, id: &str, message: &wa::Message, with_key: bool) {
        let mut state = self.state.lock().await;
        let (from_whom, group_of) = (from.to_owned(), Some(group.to_owned()));
        let written = Written { from: from_whom, group: group_of, more: Vec::new(), message: message.clone() };
        let stanza = written.stanza(id);
        state.written.insert(id.to_owned(), written);
        let nodes = state.meet(from).await.encrypt_group(group, message, with_key).await;
        state.deliver(from, id, stanza, nodes);
    }

    /// Sends any node.
    pub(crate) async fn send(&self, node: Node) {
        self.state.lock().await.order(Order::Send(node));
    }

    /// Cuts the connection, as networks do.
    pub(crate) async fn cut(&self) {
        self.state.lock().await.order(Order::Cut);
    }

    /// Sets whether the server can be reached.
    pub(crate) async fn offline(&self, offline: bool) {
        let mut state = self.state.lock().await;
        state.offline = offline;
        state.order(Order::Cut);
    }

    /// From now on what the program sends is confirmed, or only shown.
    pub(crate) async fn no_media(&self, no_media: bool) {
        self.state.lock().await.no_media = no_media;
    }

    pub(crate) async fn silent(&self, silent: bool) {
        self.state.lock().await.silent = silent;
    }

    /// The next `times` messages of the program are refused with this code.
    pub(crate) async fn refuse(&self, code: &str, times: usize) {
        self.state.lock().await.refuse.extend(std::iter::repeat_n(code.to_owned(), times));
    }

    /// Messages without an acknowledgement.
    pub(crate) async fn unacknowledged(&self) -> Vec<String> {
        self.state.lock().await.unacknowledged.iter().map(|(id, _)| id.clone()).collect()
    }
}

impl State {
    async fn meet(&mut self, from: &str) -> &mut Party {
        let known = self.parties.get(from).unwrap_or_else(|| panic!("no phone {from}")).knows();
        let bundle = (!known).then(|| self.bundle());
        let party = self.parties.get_mut(from).unwrap();
        if let Some(bundle) = bundle {
            party.meet(&bundle).await;
        }
        party
    }

    /// The phone with this name, whichever of its two.
    pub(super) fn party(&mut self, jid: &str) -> Option<&mut Party> {
        let name = device_less(jid);
        let name = self.same.get(&name).cloned().unwrap_or(name);
        self.parties.get_mut(&name)
    }

    /// The program's keys, as a phone gets them.
    fn bundle(&mut self) -> PreKeyBundle {
        let one_time = self.one_time.pop_front().map(|(id, key)| (id.into(), key));
        let device = self.device.as_ref().expect("the program has connected");
        let (id, key, signature) = device.signed.clone();
        let identity = IdentityKey::new(device.identity);
        PreKeyBundle::new(device.registration, DeviceId::new(0), one_time, id.into(), key, signature, identity).unwrap()
    }

    fn deliver(&mut self, from: &str, id: &str, stanza: NodeBuilder, children: Vec<Node>) {
        let name = self.names.get(from).map_or("Anna", String::as_str);
        let node = stanza.attr("notify", name).children(children).build();
        self.unacknowledged.push((id.to_owned(), node.clone()));
        if self.active {
            self.order(Order::Send(node));
        }
    }

    pub(super) fn order(&mut self, order: Order) {
        if let Some(connection) = &self.connection {
            let _ = connection.send(order);
        }
    }

    pub(super) fn tell(&self, seen: Seen) {
        let _ = self.seen.send(seen);
    }

    async fn handle(&mut self, node: &Node) {
        let text = |key: &str| node.attrs.get(key).map(|value| value.as_str().into_owned()).unwrap_or_default();
        match &*node.tag {
            "iq" => self.answer(node, &text("xmlns"), &text("type"), &text("id")),
            "message" => self.receive(node, &text("to"), &text("id")).await,
            "receipt" if text("type") == "retry" => self.resend(node, &text("id")).await,
            "receipt" => {
                // Several at once are in a list.
                let listed = node.get_optional_child("list").and_then(Node::children).unwrap_or_default().iter();
                let listed = listed.filter_map(|item| item.attrs.get("id").map(|id| id.as_str().into_owned()));
                for id in listed.chain([text("id")]).collect::<Vec<_>>() {
                    let before = self.unacknowledged.len();
                    self.unacknowledged.retain(|(waiting, _)| *waiting != id);
                    if self.unacknowledged.len() < before {
                        self.tell(Seen::Receipt { id });
                    }
                }
            }
            // For one stanza: a resend under the same id still waits.
            "ack" => {
                let id = text("id");
                if let Some(first) = self.unacknowledged.iter().position(|(waiting, _)| *waiting == id) {
                    self.unacknowledged.remove(first);
                    self.tell(Seen::Receipt { id });
                }
            }
            "presence" => self.tell(Seen::Presence(text("type"))),
            "chatstate" => {
                let state = node.children().and_then(|all| all.first()).map(|child| child.tag.to_string());
                self.tell(Seen::ChatState { to: text("to"), state: state.unwrap_or_default() });
            }
            _ => {}
        }
    }

    /// The program could not decrypt a message. Its phone encrypts it anew, for the program only,
    /// with the group's sender key in it.
    async fn resend(&mut self, receipt: &Node, id: &str) {
        let written = self.written.get(id).unwrap_or_else(|| panic!("nobody wrote {id}")).clone();
        let count = receipt.get_optional_child("retry").and_then(|retry| retry.attrs.get("count")).unwrap();
        let count = count.as_str().into_owned();
        let bundle = receipt.get_optional_child("keys").is_some().then(|| self.bundle());
        let party = self.parties.get_mut(&written.from).unwrap();
        if let Some(bundle) = bundle {
            party.meet(&bundle).await;
        }
        let message = match &written.group {
            Some(group) => party.with_sender_key(group, &written.message).await,
            None => written.message.clone(),
        };
        let mut node = party.encrypt(&message).await;
        node.attrs.insert("count", count);
        self.deliver(&written.from, id, written.stanza(id), vec![node]);
        self.tell(Seen::Retry { id: id.to_owned() });
    }

    /// Each phone decrypts its part.
    async fn receive(&mut self, node: &Node, to: &str, id: &str) {
        for participant in node.get_optional_child("participants").and_then(Node::children).unwrap_or_default() {
            let jid = participant.attrs.get("jid").unwrap().as_str().into_owned();
            let (kind, sealed) = sealed(participant.get_optional_child("enc").unwrap());
            let party = self.party(&jid).unwrap_or_else(|| panic!("no phone {jid}"));
            let message = party.decrypt(&kind, &sealed).await;
            match message.sender_key_distribution_message.as_option() {
                Some(skdm) => {
                    let bytes = skdm.axolotl_sender_key_distribution_message.as_deref().unwrap();
                    party.take_sender_key(to, bytes).await;
                }
                None if is_copy(&message) => {}
                None => {
                    self.tell(Seen::Message { to: device_less(&jid), id: id.to_owned(), message: Box::new(message) })
                }
            }
        }
        if let Some(enc) = node.get_optional_child("enc") {
            let (kind, sealed) = sealed(enc);
            if kind == "skmsg" {
                for member in self.groups.get(to).cloned().unwrap_or_default() {
                    let Some(party) = self.parties.get_mut(&member) else { continue };
                    if device_less(&member) == bare(OWN) {
                        continue;
                    }
                    let message = Box::new(party.decrypt_group(to, &sealed).await);
                    self.tell(Seen::Message { to: member, id: id.to_owned(), message });
                }
            } else {
                // Sent again to one member of a group.
                let to = node.attrs.get("participant").map_or(to.to_owned(), |member| member.as_str().into_owned());
                let party = self.party(&to).unwrap_or_else(|| panic!("no phone {to}"));
                let message = Box::new(party.decrypt(&kind, &sealed).await);
                self.tell(Seen::Message { to, id: id.to_owned(), message });
            }
        }
        if self.silent {
            return;
        }
        if let Some(code) = self.refuse.pop_front() {
            let ack = NodeBuilder::new("ack")
                .attr("class", "message")
                .attr("id", id)
                .attr("from", to)
                .attr("t", "1")
                .attr("error", code)
                .build();
            self.order(Order::Send(ack));
            return;
        }
        let ack =
            NodeBuilder::new("ack").attr("class", "message").attr("id", id).attr("from", to).attr("t", "1").build();
        self.order(Order::Send(ack));
    }
}

async fn serve(stream: tokio::net::TcpStream, own: KeyPair, state: Arc<Mutex<State>>) {
    if state.lock().await.offline {
        return;
    }
    if media::is_upload(&stream).await {
        return media::take(stream, &state).await;
    }
    let Some((mut connection, who)) = Connection::accept(stream, &own).await else { return };
    let (orders, mut waiting) = mpsc::unbounded_channel();
    let first = {
        let mut state = state.lock().await;
        (state.connection, state.active) = (Some(orders), false);
        match Keys::told(who) {
            Some(keys) => {
                state.device = Some(keys);
                codes(&state.codes)
            }
            None => NodeBuilder::new("success").attr("lid", format!("{OWN_LID}:7@lid")).attr("t", "1").build(),
        }
    };
    if connection.send(&first).await.is_none() {
        return;
    }
    loop {
        tokio::select! {
            node = connection.next() => match node {
                Some(node) => state.lock().await.handle(&node).await,
                None => return,
            },
            order = waiting.recv() => match order {
                Some(Order::Send(node)) => {
                    if connection.send(&node).await.is_none() {
                        return;
                    }
                }
                // A newer connection has taken over, or the test cuts this one.
                Some(Order::Cut) | None => return,
            },
        }
    }
}

pub(crate) fn bare(number: &str) -> String {
    format!("{number}@s.whatsapp.net")
}

/// The server's key, made before the device, which must know it.
pub(crate) fn key() -> KeyPair {
    KeyPair::generate(&mut rng())
}
