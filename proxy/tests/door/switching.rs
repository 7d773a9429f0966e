//! Before a WebSocket is open: the handshake with its host.

use policies::Code;

use crate::support::{BAD_CERTIFICATES, Setup, World};
use crate::websocket::{RULES, handshake};

/// RFC 6455 §4.1: the connection would speak another protocol.
#[tokio::test]
async fn a_switch_to_something_else_is_none_to_a_websocket() {
    let world = World::with(Setup { family: RULES.to_owned(), ..Setup::default() }).await;
    for upgrade in ["Upgrade: h2c\r\n", "", "Upgrade: websocket, h2c\r\n"] {
        world.upstream("cdn.allowed.test").answers(format!("HTTP/1.1 101 Y\r\nConnection: Upgrade\r\n{upgrade}\r\n"));
        let mut client = world.family.tunnel("cdn.allowed.test:443").await;
        client.send(handshake("cdn.allowed.test", "/ws", "")).await;
        assert_eq!(client.head_answer().await.unwrap().status, 502, "{upgrade}");
        world.settled().await;
        assert_eq!(world.log.rows().last().unwrap().code(), Some(Code::UpstreamUnreadable), "{upgrade}");
    }
}

/// Upstream it uses TLS like any request: with a wrong certificate there is no handshake.
#[tokio::test]
async fn the_hosts_certificate_is_verified() {
    for name in BAD_CERTIFICATES {
        let rule = format!(
            "[[allow]]\nhost = \"{name}\"\ndo = [\"GET /ws\"]\nwebsocket = true\nprivate = [\"127.0.0.16/32\"]\n"
        );
        let world = World::with(Setup { family: rule, ..Setup::default() }).await;
        let mut client = world.family.tunnel(&format!("{name}:443")).await;
        client.send(handshake(name, "/ws", "")).await;
        assert_ne!(client.head_answer().await.unwrap().status, 101, "{name}");
        world.settled().await;
        assert_eq!(world.log.only().code(), Some(Code::TlsVerify), "{name}");
        assert!(world.upstream("bad.test").received().is_empty(), "{name}");
    }
}
