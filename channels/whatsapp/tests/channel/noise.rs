//! The server's end of a connection: WebSocket, Noise IK, encrypted nodes.

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
use whatsapp_rust::wacore_binary::consts::{NOISE_PATTERN_IK, WA_CONN_HEADER};
use whatsapp_rust::wacore_binary::marshal::{marshal, unmarshal_ref};
use whatsapp_rust::wacore_binary::util::unpack;
use whatsapp_rust::waproto::whatsapp as wa;

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
    /// Accepts a client that knows our static key; `None` if it goes away first.
    pub(crate) async fn accept(stream: TcpStream, own: &KeyPair) -> Option<Self> {
        let (_, mut socket) = ServerBuilder::new().accept(stream).await.ok()?;
        let mut frames = FrameDecoder::new();
        let mut first = true;
        let hello = loop {
            let bytes = socket.next().await?.ok()?.into_payload();
            let start = if first { WA_CONN_HEADER.len() } else { 0 };
            first = false;
            frames.feed(&bytes[start..]);
            if let Some(frame) = frames.decode_frame() {
                break wa::HandshakeMessage::decode_from_slice(&frame).unwrap();
            }
        };
        let hello = hello.client_hello.into_option().expect("a client hello");
        let theirs: [u8; 32] = hello.ephemeral.unwrap().try_into().unwrap();
        let mut noise = NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).unwrap();
        noise.authenticate(&public(own));
        noise.authenticate(&theirs);
        noise.mix_shared_secret(own.private_key.serialize(), &theirs).unwrap();
        let device = noise.decrypt(&hello.r#static.expect("Noise IK: the device is linked")).unwrap();
        let device: [u8; 32] = device.try_into().unwrap();
        noise.mix_shared_secret(own.private_key.serialize(), &device).unwrap();
        noise.decrypt(&hello.payload.unwrap()).unwrap();
        let ephemeral = KeyPair::generate(&mut rng());
        noise.authenticate(&public(&ephemeral));
        noise.mix_shared_secret(ephemeral.private_key.serialize(), &theirs).unwrap();
        noise.mix_shared_secret(ephemeral.private_key.serialize(), &device).unwrap();
        let payload = noise.encrypt(&[]).unwrap();
        let answer = wa::HandshakeMessage {
            server_hello: wa::handshake_message::ServerHello {
                ephemeral: Some(public(&ephemeral).to_vec()),
                payload: Some(payload),
                ..Default::default()
            }
            .into(),
            ..Default::default()
        };
        let frame = encode_frame(&answer.encode_to_vec(), None).unwrap();
        socket.send(Message::binary(frame)).await.ok()?;
        // The client writes with what we read with.
        let (open, seal) = noise.finish().unwrap();
        Some(Connection { socket, frames, seal, open, sealed: 0, opened: 0 })
    }

    pub(crate) async fn send(&mut self, node: &Node) -> Option<()> {
        let sealed = self.seal.encrypt_with_counter(self.sealed, &marshal(node).unwrap()).unwrap();
        self.sealed += 1;
        self.socket.send(Message::binary(encode_frame(&sealed, None).unwrap())).await.ok()
    }

    /// The next node; `None` when the client has gone. Cancel-safe: nothing is taken
    /// off the socket that is not kept.
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
