//! The inner half of the drill: every attack fails in a proper sandbox, and succeeds in a
//! deliberately weakened one, so that a broken attack does not pass.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::{
    fs,
    net::{TcpListener, UdpSocket},
    os::unix::fs::PermissionsExt,
};

use bollard::models::HostConfig;
use containers::guest;
use support::Installation;

#[tokio::test]
async fn nothing_reaches_the_network_unless_a_network_was_joined() {
    let installation = Installation::new().await;
    let network = installation.engine.create_network(&installation.id).await.unwrap();
    let host = network.gateway.to_string();
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    let tcp_at = format!("{host}:{}", tcp.local_addr().unwrap().port());
    let udp_at = format!("{host}:{}", udp.local_addr().unwrap().port());
    let attacks: [&[&str]; 4] =
        [&["tcp", &tcp_at, "secret"], &["udp", &udp_at, "secret"], &["dns", &udp_at, "s.example"], &["icmp", &host]];
    let strict = installation.start().await;
    for attack in attacks {
        let (succeeded, detail) = installation.attack(&strict, attack).await;
        assert!(!succeeded, "{attack:?}: {detail}");
        assert!(
            detail.contains("unreachable") || detail.contains("not permitted"),
            "{attack:?} failed oddly: {detail}"
        );
    }
    for attack in [&["tcp6", "[2001:db8::1]:443"], &["tcp", "169.254.169.254:80"], &["udp", "8.8.8.8:443"]] {
        assert!(!installation.attack(&strict, attack).await.0, "{attack:?}");
    }
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    assert!(tcp.accept().is_err() && udp.recv(&mut [0; 64]).is_err(), "something arrived");

    strict.stop(std::time::Duration::from_secs(2)).await;
    let weak = installation.start_with_hole(|host| host.network_mode = Some(network.name.clone())).await;
    let found: Vec<_> = weak.findings().iter().map(|finding| finding.what).collect();
    for what in ["interfaces", "routes", "network mode", "networks"] {
        assert!(found.contains(&what), "{what} is not in {found:?}");
    }
    for attack in &attacks[..3] {
        let (succeeded, detail) = installation.attack(&weak, attack).await;
        assert!(succeeded, "{attack:?}: {detail}");
    }
    assert!(tcp.accept().is_ok() && udp.recv(&mut [0; 64]).is_ok(), "the canaries heard nothing");
}

#[tokio::test]
async fn the_kernels_side_entrances_are_shut_by_our_profile_and_open_without_it() {
    let installation = Installation::new().await;
    let strict = installation.start().await;
    for attack in ["vsock", "io_uring", "aio", "ptrace", "mount"] {
        let (succeeded, detail) = installation.attack(&strict, &[attack]).await;
        assert!(!succeeded, "{attack}: {detail}");
    }
    strict.stop(std::time::Duration::from_secs(2)).await;
    let weak = installation.start_with_hole(engines_own_profile).await;
    let found = weak.findings().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(found.contains("seccomp profile: is not Doorward's"), "{found}");
    for attack in ["vsock", "io_uring", "aio"] {
        assert!(found.contains(attack), "{attack} is not in {found}");
        let (succeeded, detail) = installation.attack(&weak, &[attack]).await;
        assert!(succeeded, "{attack}: {detail}");
    }
}

/// The engine uses its own profile instead of ours.
fn engines_own_profile(host: &mut HostConfig) {
    host.security_opt.as_mut().unwrap().retain(|option| !option.starts_with("seccomp="));
}

#[tokio::test]
async fn a_writable_root_is_found() {
    let installation = Installation::new().await;
    let weak = installation.start_with_hole(|host| host.readonly_rootfs = Some(false)).await;
    let found: Vec<_> = weak.findings().iter().map(|finding| finding.what).collect();
    assert_eq!(found, ["root", "read-only root"]);
}

#[tokio::test]
async fn the_door_cannot_be_replaced_and_no_other_socket_is_there() {
    let installation = Installation::new().await;
    let sandbox = installation.start().await;
    let (replaced, detail) = installation.attack(&sandbox, &["door-replace"]).await;
    assert!(!replaced, "{detail}");
    assert!(installation.path("door/door.sock").exists());
    assert!(installation.attack(&sandbox, &["unix", "/run/doorward/door.sock"]).await.0, "the door itself is open");
    for path in ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock"] {
        assert!(!installation.attack(&sandbox, &["unix", path]).await.0, "{path}");
    }
    let (found, detail) = installation.attack(&sandbox, &["sockets"]).await;
    assert!(!found, "{detail}");
    // The control: a socket in the group folder is found.
    let path = installation.path("group/open.sock");
    let _open = std::os::unix::net::UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    let (found, detail) = installation.attack(&sandbox, &["sockets"]).await;
    assert!(found && detail == "/workspace/group/open.sock", "{detail}");
}

#[tokio::test]
async fn files_and_memory_give_nothing_away() {
    let installation = Installation::new().await;
    let outside = installation.path("secret");
    fs::write(&outside, "real-secret").unwrap();
    let sandbox = installation.start().await;
    let outside = outside.to_str().unwrap();
    let (found, detail) = installation.attack(&sandbox, &["files", outside, "/root", "/proc/1/root/etc"]).await;
    assert!(!found, "{detail}");
    assert!(installation.attack(&sandbox, &["files", outside, "/workspace/group"]).await.0, "the control");
    let (found, detail) = installation.attack(&sandbox, &["environ", "real-secret"]).await;
    assert!(!found, "{detail}");
    let (found, detail) = installation.attack(&sandbox, &["environ", "ghp_surrogate"]).await;
    assert!(found && !detail.contains("ghp_surrogate"), "the control: {detail}");
}

#[tokio::test]
async fn an_unknown_attack_is_no_pass() {
    let installation = Installation::new().await;
    let sandbox = installation.start().await;
    for args in [&[guest::PATH, "attack", "nonsense"][..], &[guest::PATH, "attack", "tcp"], &[guest::PATH, "attack"]] {
        let (code, out, err) = installation.exec(&sandbox, args, b"").await;
        assert!(code == 2 && out.is_empty() && err.contains("there is no attack"), "{args:?}: {code} {out} {err}");
    }
}
