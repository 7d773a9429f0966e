//! `tls = "tunnel"`: a connection that is passed through without being opened. The name in the
//! handshake must be the permitted one, the address is checked like any other, and the bytes are
//! counted.

use std::pin::pin;
use std::time::Duration;

use policies::{Code, Host, Refusal};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::rustls::server::Acceptor;

use crate::audited::AuditedTunnel;
use crate::exit::{Exit, Stream};
use crate::gate::Gate;
use crate::patience::until_both;
use crate::tally::Tally;

/// A ClientHello is one TLS record, or a few (RFC 8446 §5.1).
const LONGEST_HELLO: usize = 64 << 10;

/// How much is copied at a time.
const BLOCK: usize = 64 << 10;

/// Carries a tunnel from the client's first byte to the last byte of either side.
pub async fn carry<S>(gate: &Gate, audited: AuditedTunnel, client: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let tally = audited.tally().clone();
    let carried = tokio::select! {
        carried = through(gate, &audited, client) => carried,
        // The reason is already in the tally.
        () = tally.until_cut() => Ok(()),
    };
    if let Err(refusal) = carried {
        tally.refuse(&refusal);
    }
}

async fn through<S>(gate: &Gate, audited: &AuditedTunnel, mut client: S) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let permit = audited.permit();
    let hello = timeout(gate.limits().handshake_time, hello(&mut client, &permit.authority().host))
        .await
        .map_err(|_| Refusal::new(Code::Timeout, "the TLS handshake took too long"))??;
    let (mut server, ..) = Exit::open_tunnel(gate, audited).await?.into_parts();
    audited.tally().add_up(hello.len())?;
    server.write_all(&hello).await.map_err(|_| broken_off())?;
    both_ways(audited.tally(), &mut client, &mut server, gate.limits().idle_body_time).await
}

/// Reads the ClientHello without answering it, and compares its name with the permitted one.
/// Nothing is dialled before this.
async fn hello<S: AsyncRead + Unpin>(client: &mut S, host: &Host) -> Result<Vec<u8>, Refusal> {
    let not_tls = || Refusal::new(Code::NotTls, "no TLS handshake followed CONNECT; the door carries only HTTPS");
    let (mut read, mut acceptor) = (Vec::new(), Acceptor::default());
    let mut fed = 0;
    loop {
        if client.read_buf(&mut read).await.map_err(|_| not_tls())? == 0 || read.len() > LONGEST_HELLO {
            return Err(not_tls());
        }
        fed += acceptor.read_tls(&mut &read[fed..]).map_err(|_| not_tls())?;
        let Some(accepted) = acceptor.accept().map_err(|_| not_tls())? else { continue };
        let named = accepted.client_hello().server_name().map(Host::parse);
        return match named {
            Some(Ok(named)) if named == *host => Ok(read),
            // For an IP address there is no name to send (RFC 6066 §3).
            None if host.name().is_none() => Ok(read),
            _ => Err(Refusal::new(
                Code::AuthorityMismatch,
                format!("CONNECT named {host}, the TLS handshake another host or none"),
            )),
        };
    }
}

/// Copies in both directions until both sides are done; one side may end first, and the other soon
/// after.
async fn both_ways<S>(
    tally: &Tally,
    client: &mut S,
    server: &mut Box<dyn Stream>,
    time: Duration,
) -> Result<(), Refusal>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let up = copied(&mut from_client, &mut to_server, |length| match length {
        0 => {
            tally.mark_sent();
            Ok(())
        }
        _ => tally.add_up(length),
    });
    let down = copied(&mut from_server, &mut to_client, |length| {
        tally.add_down(length);
        Ok(())
    });
    until_both(pin!(up), pin!(down), time).await
}

/// Copies in one direction. `counted` is told of each piece before it goes on, and of the end as 0.
async fn copied(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    counted: impl Fn(usize) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let mut block = vec![0; BLOCK];
    loop {
        let length = from.read(&mut block).await.map_err(|_| broken_off())?;
        counted(length)?;
        if length == 0 {
            return to.shutdown().await.map_err(|_| broken_off());
        }
        to.write_all(&block[..length]).await.map_err(|_| broken_off())?;
    }
}

fn broken_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the tunnel broke off")
}
