//! The server's end of a connection: WebSocket, Noise (IK with clients that know our key, XX with
//! others), encrypted nodes.

use futures_util::{SinkExt, StreamExt};
use rand::rng;
use tokio::net::TcpStream;
use tokio_websockets::{Message, ServerBuilder, WebSocketStream};
use whatsapp_rust::buffa::Message as _;
use whatsapp_rust::wacore::framing::{FrameDecoder, encode_frame};
use whatsapp_rust::wacore::handshake::NoiseHandshake;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::noise::NoiseCipher;
use whatsapp_rust::wacore_binary::Node;
use whatsapp_rust::wacore_binary::consts::{NOISE_PATTERN_IK, NOISE_PATTERN_XX, WA_CONN_HEADER};
use whatsapp_rust::wacore_binary::marshal::{marshal, unmarshal_ref};
use whatsapp_rust::wacore_binary::util::unpack;
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust::waproto::whatsapp::cert_chain::noise_certificate::Details;

/// A connection after the handshake.
pub(crate) struct Connection {
    socket: WebSocketStream<TcpStream>,
    frames: FrameDecoder,
    seal: NoiseCipher,
    open: NoiseCipher,
    sealed: u32,
    opened: u32,
}

pub(crate) fn public(key: &KeyPair) -> [u8; 32] {
    key.public_key.public_key_bytes().try_into().unwrap()
}

impl Connection {
    /// Accepts a client, and returns its identity; `None` if it goes away first, as one does that
    /// does not trust us.
    pub(crate) async fn accept(stream: TcpStream, own: &KeyPair) -> Option<(Self, wa::ClientPayload)> {
        let (_, mut socket) = ServerBuilder::new().accept(stream).await.ok()?;
        let mut frames = FrameDecoder::new();
        let hello = shake(&mut socket, &mut frames, WA_CONN_HEADER.len()).await?.client_hello.into_option().unwrap();
        let theirs: [u8; 32] = hello.ephemeral.clone().unwrap().try_into().unwrap();
        let ephemeral = KeyPair::generate(&mut rng());
        let (noise, payload) = match hello.r#static {
            Some(device) => {
                let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).unwrap();
                noise.authenticate(&public(own));
                noise.authenticate(&theirs);
                mix(&mut noise, own, &theirs);
                let device: [u8; 32] = noise.decrypt(&device).unwrap().try_into().unwrap();
                mix(&mut noise, own, &device);
                let payload = noise.decrypt(&hello.payload.unwrap()).unwrap();
                noise.authenticate(&public(&ephemeral));
                mix(&mut noise, &ephemeral, &theirs);
                mix(&mut noise, &ephemeral, &device);
                let sealed = noise.encrypt(&[]).unwrap();
                answer(&mut socket, &ephemeral, None, sealed).await?;
                (noise, payload)
            }
            None => {
                let mut noise = NoiseHandshake::new(NOISE_PATTERN_XX, &WA_CONN_HEADER).unwrap();
                noise.authenticate(&theirs);
                noise.authenticate(&public(&ephemeral));
                mix(&mut noise, &ephemeral, &theirs);
                let key = noise.encrypt(&public(own)).unwrap();
                mix(&mut noise, own, &theirs);
                let certificate = noise.encrypt(&certificate(own)).unwrap();
                answer(&mut socket, &ephemeral, Some(key), certificate).await?;
                let finish = shake(&mut socket, &mut frames, 0).await?.client_finish.into_option().unwrap();
                let device: [u8; 32] = noise.decrypt(&finish.r#static.unwrap()).unwrap().try_into().unwrap();
                mix(&mut noise, &ephemeral, &device);
                let payload = noise.decrypt(&finish.payload.unwrap()).unwrap();
                (noise, payload)
            }
        };
        // The client writes with the key that we read with.
        let (open, seal) = noise.finish().unwrap();
        let who = wa::ClientPayload::decode_from_slice(&payload).unwrap();
        Some((Connection { socket, frames, seal, open, sealed: 0, opened: 0 }, who))
    }

    pub(crate) async fn send(&mut self, node: &Node) -> Option<()> {
        let sealed = self.seal.encrypt_with_counter(self.sealed, &marshal(node).unwrap()).unwrap();
        self.sealed += 1;
        self.socket.send(Message::binary(encode_frame(&sealed, None).unwrap())).await.ok()
    }

    /// The next node; `None` when the client has gone. Cancel-safe: whatever is read off the socket
    /// is kept.
    pub(crate) async fn next(&mut self) -> Option<Node> {
        loop {
            if let Some(frame) = self.frames.decode_frame() {
                let mut bytes = frame.to_vec();
                self.open.decrypt_in_place_with_counter(self.opened, &mut bytes).unwrap();
                self.opened += 1;
                return Some(unmarshal_ref(&unpack(&bytes).unwrap()).unwrap().to_owned());
            }
            let message = self.socket.next().await?.ok()?;
            if message.is_close() {
                return None;
            }
            self.frames.feed(message.as_payload());
        }
    }
}

fn mix(noise: &mut NoiseHandshake, ours: &KeyPair, theirs: &[u8; 32]) {
    noise.mix_shared_secret(ours.private_key.serialize(), theirs).unwrap();
}

/// The next handshake message, without its prefix.
async fn shake(
    socket: &mut WebSocketStream<TcpStream>,
    frames: &mut FrameDecoder,
    mut before: usize,
) -> Option<wa::HandshakeMessage> {
    loop {
        let message = socket.next().await?.ok()?;
        if message.is_close() {
            return None;
        }
        frames.feed(&message.as_payload()[std::mem::take(&mut before)..]);
        if let Some(frame) = frames.decode_frame() {
            return Some(wa::HandshakeMessage::decode_from_slice(&frame).unwrap());
        }
    }
}

async fn answer(
    socket: &mut WebSocketStream<TcpStream>,
    ephemeral: &KeyPair,
    key: Option<Vec<u8>>,
    payload: Vec<u8>,
) -> Option<()> {
    let hello = wa::handshake_message::ServerHello {
        ephemeral: Some(public(ephemeral).to_vec()),
        r#static: key,
        payload: Some(payload),
        ..Default::default()
    };
    let message = wa::HandshakeMessage { server_hello: hello.into(), ..Default::default() };
    let frame = encode_frame(&message.encode_to_vec(), None).unwrap();
    socket.send(Message::binary(frame)).await.ok()
}

/// The content of WhatsApp's certificate without its signatures, which cannot be forged.
fn certificate(own: &KeyPair) -> Vec<u8> {
    let sign = |serial: u32, issuer: u32, key: [u8; 32]| {
        let details = Details {
            serial: Some(serial),
            issuer_serial: Some(issuer),
            key: Some(key.to_vec()),
            not_before: Some(0),
            not_after: Some(u64::from(u32::MAX)),
        };
        let signature = Some(vec![0; 64]);
        wa::cert_chain::NoiseCertificate { details: Some(details.encode_to_vec()), signature }
    };
    let (intermediate, leaf) = (sign(1, 0, [1; 32]), sign(2, 1, public(own)));
    wa::CertChain { leaf: leaf.into(), intermediate: intermediate.into() }.encode_to_vec()
}
