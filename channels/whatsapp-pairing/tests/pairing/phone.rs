//! The phone of the account: it reads a code and signs for the device behind it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rand::rng;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{hkdf, hmac};
use whatsapp_rust::NodeBuilder;
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::libsignal::protocol::{KeyPair, PublicKey};
use whatsapp_rust::wacore::pair_code::PairCodeUtils;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::waproto::whatsapp as wa;

use super::linking::BY_NUMBER;
use super::nodes::bytes;
use super::noise::public;
use super::server::{OWN, OWN_LID, bare};

/// The prefix of what the account and the device sign.
const ACCOUNT: [u8; 2] = [6, 0];
const DEVICE: [u8; 2] = [6, 1];

/// The phone.
pub(crate) struct Phone {
    identity: KeyPair,
    /// For linking by number.
    ephemeral: KeyPair,
    details: Vec<u8>,
}

/// What a phone learns about a device that wants to be linked.
#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) code: String,
    identity: PublicKey,
    pub(crate) secret: Vec<u8>,
}

impl Candidate {
    /// From the text of a QR code.
    pub(crate) fn scanned(text: &str) -> Self {
        let parts: Vec<_> = text.split(',').collect();
        assert_eq!(parts.len(), 5, "{text}");
        let bytes = |part: &str| BASE64_STANDARD.decode(part).unwrap();
        Candidate { code: parts[0].to_owned(), identity: key(&bytes(parts[2])), secret: bytes(parts[3]) }
    }
}

impl Phone {
    pub(crate) fn new() -> Self {
        let details = wa::ADVDeviceIdentity {
            raw_id: Some(1),
            timestamp: Some(1_700_000_000),
            key_index: Some(3),
            account_type: Some(wa::ADVEncryptionType::E2EE),
            device_type: Some(wa::ADVEncryptionType::E2EE),
        };
        let (identity, ephemeral) = (KeyPair::generate(&mut rng()), KeyPair::generate(&mut rng()));
        Phone { identity, ephemeral, details: details.encode_to_vec() }
    }

    /// Makes it a device of the account.
    pub(crate) fn sign(&self, device: &Candidate) -> Node {
        let text = [&ACCOUNT[..], &self.details, device.identity.public_key_bytes()].concat();
        let signed = wa::ADVSignedDeviceIdentity {
            details: Some(self.details.clone()),
            account_signature_key: Some(public(&self.identity).to_vec()),
            account_signature: Some(self.identity.private_key.calculate_signature(&text, &mut rng()).unwrap().to_vec()),
            device_signature: None,
        };
        let signed = signed.encode_to_vec();
        let seal = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &device.secret), &signed);
        let sealed = wa::ADVSignedDeviceIdentityHMAC {
            details: Some(signed),
            hmac: Some(seal.as_ref().to_vec()),
            account_type: Some(wa::ADVEncryptionType::E2EE),
        };
        let parts = [
            NodeBuilder::new("device-identity").bytes(sealed.encode_to_vec()).build(),
            NodeBuilder::new("device")
                .attr("jid", format!("{OWN}:7@s.whatsapp.net"))
                .attr("lid", format!("{OWN_LID}:7@lid"))
                .build(),
            NodeBuilder::new("biz").attr("name", "Doorward").build(),
            NodeBuilder::new("platform").attr("name", "android").build(),
        ];
        let success = NodeBuilder::new("pair-success").children(parts).build();
        from_whatsapp("iq", "set").attr("id", "linked").attr("xmlns", "md").children([success]).build()
    }

    /// The device has signed in turn.
    pub(crate) fn is_signed(&self, device: &Candidate, answer: &Node) -> bool {
        let identity = answer.get_optional_child("device-identity").unwrap();
        assert_eq!(identity.attrs.get("key-index").unwrap().as_str(), "3");
        let signed = wa::ADVSignedDeviceIdentity::decode_from_slice(&bytes(identity)).unwrap();
        let ours = public(&self.identity);
        let text = [&DEVICE[..], &self.details, device.identity.public_key_bytes(), &ours].concat();
        device.identity.verify_signature(&text, &signed.device_signature.unwrap())
    }

    /// The code shown by the program has been typed.
    pub(crate) fn typed(&self, code: &str) -> Node {
        let wrapped = PairCodeUtils::encrypt_ephemeral_pub(&public(&self.ephemeral), code);
        let parts = [
            ("link_code_pairing_wrapped_primary_ephemeral_pub", wrapped.to_vec()),
            ("primary_identity_pub", public(&self.identity).to_vec()),
            ("link_code_pairing_ref", BY_NUMBER.to_vec()),
        ];
        let parts = parts.map(|(name, bytes)| NodeBuilder::new(name).bytes(bytes).build());
        let hello = NodeBuilder::new("link_code_companion_reg").attr("stage", "primary_hello").children(parts).build();
        from_whatsapp("notification", "link_code_companion_reg").attr("id", "typed").children([hello]).build()
    }

    /// Decrypts the program's messages for the code: first its hello, then its keys.
    pub(crate) fn open(&self, code: &str, hello: &Node, finish: &Node) -> Candidate {
        assert_eq!(hello.attrs.get("jid").unwrap().as_str(), bare(OWN));
        let part = |node: &Node, name: &str| bytes(node.get_optional_child(name).unwrap());
        let wrapped = part(hello, "link_code_pairing_wrapped_companion_ephemeral_pub");
        let theirs = key(&PairCodeUtils::decrypt_primary_ephemeral_pub(&wrapped, code).unwrap());
        let shared = self.ephemeral.private_key.calculate_agreement(&theirs).unwrap();
        let bundle = part(finish, "link_code_pairing_wrapped_key_bundle");
        let (salt, rest) = bundle.split_at(32);
        let (nonce, sealed) = rest.split_at(12);
        let seal = derived(&shared, salt, b"link_code_pairing_key_bundle_encryption_key");
        let seal = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &seal).unwrap());
        let mut opened = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
        let opened = seal.open_in_place(nonce, Aad::empty(), &mut opened).unwrap();
        let (identity, rest) = opened.split_at(32);
        let (ours, random) = rest.split_at(32);
        assert_eq!(ours, public(&self.identity));
        assert_eq!(identity, part(finish, "companion_identity_public"));
        let identity = key(identity);
        let both = self.identity.private_key.calculate_agreement(&identity).unwrap();
        let secret = derived(&[&shared[..], &both[..], random].concat(), &[], b"adv_secret");
        Candidate { code: code.to_owned(), identity, secret: secret.to_vec() }
    }
}

/// A phone's first message to a new device.
pub(crate) fn settings_keys() -> wa::Message {
    let key = wa::message::AppStateSyncKey {
        key_id: wa::message::AppStateSyncKeyId { key_id: Some(vec![0, 0, 0, 0, 0, 1]) }.into(),
        key_data: wa::message::AppStateSyncKeyData {
            key_data: Some(vec![5; 32]),
            fingerprint: wa::message::AppStateSyncKeyFingerprint {
                raw_id: Some(1),
                current_index: Some(0),
                device_indexes: vec![0],
            }
            .into(),
            timestamp: Some(1_700_000_000_000),
        }
        .into(),
    };
    let protocol = wa::message::ProtocolMessage {
        r#type: Some(wa::message::protocol_message::Type::APP_STATE_SYNC_KEY_SHARE),
        app_state_sync_key_share: wa::message::AppStateSyncKeyShare { keys: vec![key] }.into(),
        ..Default::default()
    };
    wa::Message { protocol_message: protocol.into(), ..Default::default() }
}

/// WhatsApp asks for another code, as when a phone could not use this one.
pub(crate) fn given_up() -> Node {
    let which = NodeBuilder::new("link_code_pairing_ref").bytes(BY_NUMBER.to_vec()).build();
    let refresh = NodeBuilder::new("link_code_companion_reg").attr("stage", "refresh_code").children([which]).build();
    from_whatsapp("notification", "link_code_companion_reg").attr("id", "given-up").children([refresh]).build()
}

fn from_whatsapp(tag: &'static str, kind: &'static str) -> NodeBuilder {
    NodeBuilder::new(tag).attr("from", "s.whatsapp.net").attr("type", kind)
}

fn key(bytes: &[u8]) -> PublicKey {
    PublicKey::from_djb_public_key_bytes(bytes).unwrap()
}

fn derived(secret: &[u8], salt: &[u8], purpose: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(secret);
    extracted.expand(&[purpose], hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    key
}
