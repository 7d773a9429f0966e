//! Ways out that bypass the door.

use std::{
    io::{ErrorKind, Write},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    time::Duration,
};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with};

use super::Outcome;

const PATIENCE: Duration = Duration::from_secs(2);

/// Connects and writes the text.
pub(super) fn tcp(address: &str, text: &[&str]) -> Outcome {
    let address = socket_address(address)?;
    let mut stream =
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| format!("cannot connect: {error}"))?;
    stream.write_all(text.join(" ").as_bytes()).map_err(|error| format!("connected, cannot write: {error}"))?;
    Ok(format!("connected to {address}"))
}

/// Sends the text as one datagram. It counts as sent unless there is an error.
pub(super) fn udp(address: &str, text: &[&str]) -> Outcome {
    let (socket, address) = datagram(address, text.join(" ").as_bytes())?;
    match socket.recv(&mut [0; 512]) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(format!("nobody there: {error}")),
        _ => Ok(format!("sent to {address}")),
    }
}

/// Queries a name server. On the sandbox's own loopback only an answer counts.
pub(super) fn dns(server: &str, name: &str) -> Outcome {
    let (socket, address) = datagram(server, &question(name)?)?;
    match socket.recv(&mut [0; 512]) {
        Ok(count) => Ok(format!("{address} answered with {count} bytes")),
        Err(error) if address.ip().is_loopback() => Err(format!("no answer: {error}")),
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(format!("nobody there: {error}")),
        Err(_) => Ok(format!("the question left for {address}, no answer came")),
    }
}

/// One echo request, over a raw socket or the kernel's own ping socket.
pub(super) fn icmp(address: &str) -> Outcome {
    let address: IpAddr = address.parse().map_err(|_| format!("{address:?} is not an address"))?;
    let (family, protocol, request) = match address {
        IpAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP, [8, 0, 0xf7, 0xfd, 0, 1, 0, 1]),
        IpAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6, [128, 0, 0, 0, 0, 1, 0, 1]),
    };
    let mut failures = Vec::new();
    for kind in [SocketType::RAW, SocketType::DGRAM] {
        let sent = socket_with(family, kind, SocketFlags::CLOEXEC, Some(protocol))
            .and_then(|socket| sendto(&socket, &request, SendFlags::empty(), &SocketAddr::new(address, 0)));
        match sent {
            Ok(_) => return Ok(format!("an echo request left for {address}")),
            Err(error) => failures.push(error.to_string()),
        }
    }
    Err(failures.join("; "))
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text:?} is not ADDRESS:PORT"))
}

fn datagram(address: &str, bytes: &[u8]) -> Result<(UdpSocket, SocketAddr), String> {
    let address = socket_address(address)?;
    let any: SocketAddr = if address.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
    let send = || {
        let socket = UdpSocket::bind(any)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.connect(address)?;
        socket.send(bytes)?;
        Ok(socket)
    };
    send().map(|socket| (socket, address)).map_err(|error: std::io::Error| format!("cannot send: {error}"))
}

/// A question for the A record (RFC 1035 §4).
fn question(name: &str) -> Result<Vec<u8>, String> {
    let mut packet = vec![0xd0, 0x0d, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(u8::try_from(label.len()).ok().filter(|length| *length < 64).ok_or("a label is too long")?);
        packet.extend_from_slice(label.as_bytes());
    }
    packet.extend_from_slice(&[0, 0, 1, 0, 1]);
    Ok(packet)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_can_be_reached_is_reached() {
        let tcp_canary = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        tcp(&tcp_canary.local_addr().unwrap().to_string(), &["secret"]).unwrap();
        let udp_canary = UdpSocket::bind("127.0.0.1:0").unwrap();
        let answer = std::thread::spawn({
            let canary = udp_canary.try_clone().unwrap();
            move || {
                let mut buffer = [0; 512];
                let (count, from) = canary.recv_from(&mut buffer).unwrap();
                canary.send_to(&buffer[..count], from).unwrap();
                buffer[..count].to_vec()
            }
        });
        dns(&udp_canary.local_addr().unwrap().to_string(), "a.example").unwrap();
        assert!(answer.join().unwrap().ends_with(b"\x01a\x07example\x00\x00\x01\x00\x01"));
    }

    #[test]
    fn a_closed_port_is_no_success() {
        let free = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        assert!(udp(&free, &["x"]).is_err());
        assert!(dns(&free, "a.example").is_err());
        assert!(tcp(&free, &["x"]).is_err());
        assert!(udp("nonsense", &[]).is_err());
    }
}
