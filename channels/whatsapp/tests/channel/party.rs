//! One phone with its Signal keys: what it encrypts and decrypts.

use std::collections::HashMap;

use async_trait::async_trait;
use rand::rngs::StdRng;
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::{
    CiphertextMessage, CiphertextMessageType, DeviceId, Direction, GenericSignedPreKey, IdentityChange, IdentityKey,
    IdentityKeyPair, IdentityKeyStore, KeyPair, PreKeyBundle, PreKeyId, PreKeyRecord, PreKeySignalMessage, PreKeyStore,
    ProtocolAddress, SenderKeyDistributionMessage, SenderKeyName, SenderKeyRecord, SenderKeyStore, SessionRecord,
    SessionStore, SignalMessage, SignalProtocolError, SignedPreKeyId, SignedPreKeyRecord, SignedPreKeyStore, Timestamp,
    UsePQRatchet, create_sender_key_distribution_message, group_decrypt, group_encrypt, message_decrypt,
    message_encrypt, process_prekey_bundle, process_sender_key_distribution_message,
};
use whatsapp_rust::wacore::messages::MessageUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

type Result<T> = std::result::Result<T, SignalProtocolError>;

pub(crate) const REGISTRATION: u32 = 4711;

/// A phone.
pub(crate) struct Party {
    identity: IdentityKeyPair,
    signed: KeyPair,
    signature: Vec<u8>,
    store: Keys,
    next_key: u32,
}

#[derive(Clone)]
struct Me(IdentityKeyPair);

#[derive(Default)]
struct Keys {
    sessions: Sessions,
    one_time: OneTime,
    signed: Option<SignedPreKeyRecord>,
    senders: Senders,
}

#[derive(Default)]
struct Sessions(HashMap<String, SessionRecord>);
#[derive(Default)]
struct OneTime(HashMap<u32, PreKeyRecord>);
#[derive(Default)]
struct Senders(HashMap<String, SenderKeyRecord>);
struct Signed<'a>(&'a SignedPreKeyRecord);

impl Party {
    pub(crate) fn new() -> Self {
        let identity = IdentityKeyPair::generate(&mut rng());
        let signed = KeyPair::generate(&mut rng());
        let signature =
            identity.private_key().calculate_signature(&signed.public_key.serialize(), &mut rng()).unwrap().to_vec();
        let record =
            SignedPreKeyRecord::new(SignedPreKeyId::from(1), Timestamp::from_epoch_millis(1), &signed, &signature);
        let store = Keys { signed: Some(record), ..Keys::default() };
        Party { identity, signed, signature, store, next_key: 1 }
    }

    /// The server's information about this phone's keys. Each one-time key is given out once.
    pub(crate) fn bundle(&mut self, jid: &str) -> Node {
        let id = self.next_key;
        self.next_key += 1;
        let key = KeyPair::generate(&mut rng());
        self.store.one_time.0.insert(id, PreKeyRecord::new(PreKeyId::from(id), &key));
        let number = |id: u32| id.to_be_bytes()[1..].to_vec();
        let bytes = |tag: &'static str, bytes: Vec<u8>| NodeBuilder::new(tag).bytes(bytes).build();
        NodeBuilder::new("user")
            .attr("jid", jid)
            .children([
                bytes("registration", REGISTRATION.to_be_bytes().to_vec()),
                bytes("type", vec![5]),
                bytes("identity", self.identity.public_key().public_key_bytes().to_vec()),
                NodeBuilder::new("skey")
                    .children([
                        bytes("id", number(1)),
                        bytes("value", self.signed.public_key.public_key_bytes().to_vec()),
                        bytes("signature", self.signature.clone()),
                    ])
                    .build(),
                NodeBuilder::new("key")
                    .children([bytes("id", number(id)), bytes("value", key.public_key.public_key_bytes().to_vec())])
                    .build(),
            ])
            .build()
    }

    /// Whether it has exchanged messages with the program.
    pub(crate) fn knows(&self) -> bool {
        !self.store.sessions.0.is_empty()
    }

    pub(crate) async fn meet(&mut self, bundle: &PreKeyBundle) {
        let mut me = Me(self.identity.clone());
        process_prekey_bundle(&program(), &mut self.store.sessions, &mut me, bundle, &mut rng(), UsePQRatchet::No)
            .await
            .unwrap();
    }

    /// An `enc` node for the program.
    pub(crate) async fn encrypt(&mut self, message: &wa::Message) -> Node {
        let mut me = Me(self.identity.clone());
        let padded = MessageUtils::pad_message_v2(message.encode_to_vec());
        let sealed = message_encrypt(&padded, &program(), &mut self.store.sessions, &mut me).await.unwrap();
        let kind = match sealed.message_type() {
            CiphertextMessageType::PreKey => "pkmsg",
            _ => "msg",
        };
        enc(kind, sealed.serialize().to_vec())
    }

    /// `enc` nodes for a group: the sender key, if the program lacks it, and the message.
    pub(crate) async fn encrypt_group(&mut self, group: &str, message: &wa::Message, with_key: bool) -> Vec<Node> {
        let name = SenderKeyName::from_parts(group, "me");
        let mut nodes = Vec::new();
        let carrier = self.with_sender_key(group, &wa::Message::default()).await;
        if with_key {
            nodes.push(self.encrypt(&carrier).await);
        }
        let padded = MessageUtils::pad_message_v2(message.encode_to_vec());
        let sealed = group_encrypt(&mut self.store.senders, &name, &padded, &mut rng()).await.unwrap();
        nodes.push(enc("skmsg", sealed.serialized().to_vec()));
        nodes
    }

    /// The message, with this phone's sender key for the group in it.
    pub(crate) async fn with_sender_key(&mut self, group: &str, message: &wa::Message) -> wa::Message {
        let name = SenderKeyName::from_parts(group, "me");
        let key = create_sender_key_distribution_message(&name, &mut self.store.senders, &mut rng()).await.unwrap();
        wa::Message {
            sender_key_distribution_message: wa::message::SenderKeyDistributionMessage {
                group_id: Some(group.to_owned()),
                axolotl_sender_key_distribution_message: Some(key.serialized().to_vec()),
            }
            .into(),
            ..message.clone()
        }
    }

    /// Decrypts an `enc` node of the program.
    pub(crate) async fn decrypt(&mut self, kind: &str, bytes: &[u8]) -> wa::Message {
        let sealed = match kind {
            "pkmsg" => CiphertextMessage::PreKeySignalMessage(PreKeySignalMessage::try_from(bytes).unwrap()),
            "msg" => CiphertextMessage::SignalMessage(SignalMessage::try_from(bytes).unwrap()),
            other => panic!("an enc of type {other}"),
        };
        let mut me = Me(self.identity.clone());
        let signed = self.store.signed.clone().unwrap();
        let opened = message_decrypt(
            &sealed,
            &program(),
            &mut self.store.sessions,
            &mut me,
            &mut self.store.one_time,
            &Signed(&signed),
            &mut rng(),
            UsePQRatchet::No,
        )
        .await
        .unwrap();
        read(&opened.plaintext)
    }

    /// Takes the program's sender key for a group.
    pub(crate) async fn take_sender_key(&mut self, group: &str, bytes: &[u8]) {
        let skdm = SenderKeyDistributionMessage::try_from(bytes).unwrap();
        let name = SenderKeyName::from_parts(group, "program");
        process_sender_key_distribution_message(&name, &skdm, &mut self.store.senders).await.unwrap();
    }

    /// Decrypts a group message of the program.
    pub(crate) async fn decrypt_group(&mut self, group: &str, bytes: &[u8]) -> wa::Message {
        let name = SenderKeyName::from_parts(group, "program");
        read(&group_decrypt(bytes, &mut self.store.senders, &name).await.unwrap())
    }
}

fn read(padded: &[u8]) -> wa::Message {
    wa::Message::decode_from_slice(MessageUtils::unpad_message_ref(padded, 2).unwrap()).unwrap()
}

fn enc(kind: &str, bytes: Vec<u8>) -> Node {
    NodeBuilder::new("enc").attr("v", "2").attr("type", kind).bytes(bytes).build()
}

fn program() -> ProtocolAddress {
    ProtocolAddress::new("program", DeviceId::new(0))
}

#[async_trait]
impl IdentityKeyStore for Me {
    async fn get_identity_key_pair(&self) -> Result<IdentityKeyPair> {
        Ok(self.0.clone())
    }
    async fn get_local_registration_id(&self) -> Result<u32> {
        Ok(REGISTRATION)
    }
    async fn save_identity(&mut self, _: &ProtocolAddress, _: &IdentityKey) -> Result<IdentityChange> {
        Ok(IdentityChange::NewOrUnchanged)
    }
    async fn is_trusted_identity(&self, _: &ProtocolAddress, _: &IdentityKey, _: Direction) -> Result<bool> {
        Ok(true)
    }
    async fn get_identity(&self, _: &ProtocolAddress) -> Result<Option<IdentityKey>> {
        Ok(None)
    }
}

#[async_trait]
impl SessionStore for Sessions {
    async fn load_session(&self, address: &ProtocolAddress) -> Result<Option<SessionRecord>> {
        Ok(self.0.get(address.name()).cloned())
    }
    async fn has_session(&self, address: &ProtocolAddress) -> Result<bool> {
        Ok(self.0.contains_key(address.name()))
    }
    async fn store_session(&mut self, address: &ProtocolAddress, record: SessionRecord) -> Result<()> {
        self.0.insert(address.name().to_owned(), record);
        Ok(())
    }
}

#[async_trait]
impl PreKeyStore for OneTime {
    async fn get_pre_key(&self, id: PreKeyId) -> Result<PreKeyRecord> {
        self.0.get(&u32::from(id)).cloned().ok_or(SignalProtocolError::InvalidPreKeyId)
    }
    async fn save_pre_key(&mut self, id: PreKeyId, record: &PreKeyRecord) -> Result<()> {
        self.0.insert(id.into(), record.clone());
        Ok(())
    }
    async fn remove_pre_key(&mut self, id: PreKeyId) -> Result<()> {
        self.0.remove(&u32::from(id));
        Ok(())
    }
}

#[async_trait]
impl SignedPreKeyStore for Signed<'_> {
    async fn get_signed_pre_key(&self, _: SignedPreKeyId) -> Result<SignedPreKeyRecord> {
        Ok(self.0.clone())
    }
    async fn save_signed_pre_key(&mut self, _: SignedPreKeyId, _: &SignedPreKeyRecord) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl SenderKeyStore for Senders {
    async fn store_sender_key(&mut self, name: &SenderKeyName, record: SenderKeyRecord) -> Result<()> {
        self.0.insert(name.cache_key().to_owned(), record);
        Ok(())
    }
    async fn load_sender_key(&self, name: &SenderKeyName) -> Result<Option<SenderKeyRecord>> {
        Ok(self.0.get(name.cache_key()).cloned())
    }
}

/// A new one for each use: futures that hold it move between threads.
fn rng() -> StdRng {
    rand::make_rng()
}
