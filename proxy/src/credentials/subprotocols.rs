//! Names of WebSocket subprotocols. Browsers cannot set headers on a WebSocket, so some APIs take
//! keys in the header that lists these: only text in the form of a name passes as one.

use super::names::header_tells;
use super::values::{could_be_a_key, is_of_a_vendor, is_of_words};

/// Names in IANA's registry and of vendors that have another form.
const KNOWN: [&str; 10] = [
    "notificationchannel-netapi-rest.openmobilealliance.org",
    "mielecloudconnect",
    "2016.serverpush.dash.mpeg.org",
    "2018.mmt.mpeg.org",
    "oneM2M.R2.0.json",
    "oneM2M.R2.0.xml",
    "oneM2M.R2.0.cbor",
    "t140",
    "AWS.IoT.v1",
    "EXIDeXchange",
];

/// The longest name, and the longest word in one.
const LONGEST: usize = 40;
const LONGEST_WORD: usize = 16;

/// At most this many digits in a version, and in a whole name.
const VERSION: usize = 2;
const DIGITS: usize = 5;

/// Whether a list of subprotocols names nothing that could authenticate.
pub(super) fn are_names(list: &str) -> bool {
    each(list).all(|one| {
        let could_be_one = !is_name(one) && (could_be_a_key(one) || one.contains(['.', '=']));
        !could_be_one && !header_tells(&policies::normal_name(&one.to_ascii_lowercase()))
    })
}

/// The entries of such a list that are not names.
pub(super) fn beside_names(list: &str) -> String {
    each(list).filter(|one| !is_name(one)).collect::<Vec<_>>().join(" ")
}

fn each(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

/// `v12.stomp`, `graphql-transport-ws`, `v5.channel.k8s.io`, `ocpp2.0.1`: words and versions.
fn is_name(text: &str) -> bool {
    if KNOWN.contains(&text) {
        return true;
    }
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let short = text.len() <= LONGEST && digits <= DIGITS;
    short && text.split(['.', '-', '+', '_']).all(is_piece) && !is_of_a_vendor(text)
}

/// A word, a version, or both together: `ocpp1`, `k8s`.
fn is_piece(piece: &str) -> bool {
    let digits = piece.bytes().filter(u8::is_ascii_digit).count();
    let mut words = piece.split(|c: char| c.is_ascii_digit()).filter(|word| !word.is_empty());
    let all_letters = piece.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_word = |word: &str| {
        let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
        upper == 0 || upper == word.len() || is_of_words(word.as_bytes())
    };
    !piece.is_empty() && all_letters && piece.len() <= LONGEST_WORD && digits <= VERSION && words.all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// IANA's registry, and names that clients offer outside it.
    const NAMES: &str = "MBWS.huawei.com MBLWS.huawei.com soap wamp v10.stomp v11.stomp v12.stomp ocpp1.2 ocpp1.5 ocpp1.6 \
         ocpp2.0 ocpp2.0.1 ocpp2.1 rfb sip notificationchannel-netapi-rest.openmobilealliance.org wpcp amqp mqtt jsflow \
         rwpcp xmpp ship mielecloudconnect v10.pcp.sap.com msrp v1.saltyrtc.org TLCP-2.0.0.lightstreamer.com bfcp \
         sldp.softvelum.com opcua+uacp opcua+uajson v1.swindon-lattice+json v1.usp mles-websocket coap \
         TLCP-2.1.0.lightstreamer.com sqlnet.oracle.com oneM2M.R2.0.json oneM2M.R2.0.xml oneM2M.R2.0.cbor transit \
         2016.serverpush.dash.mpeg.org 2018.mmt.mpeg.org clue webrtc.softvelum.com cobra.v2.json drp \
         hub.bsc.bacnet.org dc.bsc.bacnet.org jmap t140 done TLCP-2.5.0.lightstreamer.com collection-update \
         v4.channel.k8s.io v5.channel.k8s.io base64.channel.k8s.io base64.binary.k8s.io v2.portforward.k8s.io \
         v1.kernel.websocket.jupyter.org actioncable-v1-json actioncable-v1-ext-json actioncable-unsupported \
         json.webpubsub.azure.v1 json.reliable.webpubsub.azure.v1 protobuf.reliable.webpubsub.azure.v1 wamp.2.json \
         wamp.2.msgpack wamp.2.cbor.batched realtime openai-beta.realtime-v1 graphql-ws graphql-transport-ws \
         subscriptions-transport-ws AWS.IoT.v1 mqttv3.1 mqttv5 chat superchat echo-protocol com.microsoft.signalr \
         binary base64 tty webtty text.ircv3.net janus-protocol lws-mirror-protocol zap-protocol-v1 vite-hmr";

    #[test]
    fn names_in_use_are_names() {
        for name in NAMES.split_whitespace() {
            assert!(is_name(name) && are_names(name) && beside_names(name).is_empty(), "{name}");
        }
        assert!(are_names(&NAMES.split_whitespace().collect::<Vec<_>>().join(", ")));
    }

    /// Attack K08 again.
    #[test]
    fn a_key_is_no_name() {
        for key in [
            "0a1b2c3d4e5f6a7b8c9d",
            "base64url.bearer.authorization.k8s.io.YWJjZGVmZ2hpamtsbW5vcA",
            "base64url.bearer.authorization.k8s.io",
            "v1.token.websocket.jupyter.org",
            "openai-insecure-api-key.sk-abc",
            "realtime.AbCdEfGhIjKlMnOp",
            "qZxWvUtSrQpO",
            "aB.cD.eF.gH.iJ.kL.mN.oP.qR.sT.uV.wX.yZ.x",
            "a1.b2.c3.d4.e5.f6.g7.h8",
            "v1.a1b2c3d4",
            "a1b2.c3d4.e5f6",
            "abcdefghijklmnopqrstuvwxyz",
            "ghp_abcdefghijklmnop-v12",
            "v1.k=v",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "..",
            "v1..x",
        ] {
            assert!(!are_names(key) && !are_names(&format!("chat, {key}")), "{key}");
        }
    }
}
