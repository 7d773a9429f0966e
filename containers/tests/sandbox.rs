//! Real sandboxes on the machine's real engine. Without one the tests fail: a sandbox that never
//! started proves nothing.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::{
    fs,
    io::{Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    time::{Duration, Instant},
};

use containers::{
    Sandbox, SandboxLost, SandboxSpec, StartError,
    protocol::{FromGuest, ToGuest},
};
use support::{Installation, ask, reply};

#[tokio::test]
async fn the_shell_agent_runs_a_command_and_tells_how_it_ended() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    assert!(sandbox.findings().is_empty());
    assert_eq!(ask(&mut sandbox, 1, "echo out; echo err >&2; echo again").await, "out\nerr\nagain\n");
    assert_eq!(ask(&mut sandbox, 2, "echo x; exit 7").await, "x\n(exit code 7)");
    assert_eq!(ask(&mut sandbox, 3, "true").await, "(no output)");
    assert_eq!(ask(&mut sandbox, 4, "kill -9 $$").await, "(ended by signal 9)");
    assert_eq!(ask(&mut sandbox, 5, "cat").await, "(no output)", "standard input is empty");
}

#[tokio::test]
async fn a_sandbox_sees_its_folders_its_environment_and_nothing_of_the_host() {
    let installation = Installation::new().await;
    fs::write(installation.path("inbox/photo.jpg"), "picture").unwrap();
    let mut sandbox = installation.start().await;
    assert_eq!(ask(&mut sandbox, 1, "pwd; cat /workspace/inbox/photo.jpg").await, "/workspace/group\npicture");
    ask(&mut sandbox, 2, "echo hi > note; echo s > ~/session").await;
    assert_eq!(fs::read_to_string(installation.path("group/note")).unwrap(), "hi\n");
    assert_eq!(fs::read_to_string(installation.path("home/session")).unwrap(), "s\n");
    let env = ask(&mut sandbox, 3, "env").await;
    let grpc = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH=/etc/ssl/certs/ca-certificates.crt";
    for line in ["HTTPS_PROXY=http://127.0.0.1:3128", "HOME=/home/agent", "GITHUB_TOKEN=ghp_surrogate", grpc] {
        assert!(env.lines().any(|present| present == line), "{line} is not in {env}");
    }
    let bundle = ask(&mut sandbox, 4, "cat $SSL_CERT_FILE").await;
    assert!(bundle.starts_with("THE IMAGE'S OWN\n-----BEGIN CERTIFICATE-----"), "{bundle}");
    assert!(env.contains("-Djavax.net.ssl.trustStore=/etc/ssl/certs/doorward.jks"), "{env}");
    let store = ask(&mut sandbox, 22, "test -s /etc/ssl/certs/doorward.jks && echo there").await;
    assert_eq!(store, "there\n", "the same for Java");
    for (id, write) in
        ["/workspace/inbox/x", "/x", "/opt/doorward/guest", "/run/doorward/x", "/etc/resolv.conf"].iter().enumerate()
    {
        let told = ask(&mut sandbox, 10 + id as u64, &format!("echo x > {write}")).await;
        assert!(told.contains("Read-only file system") || told.contains("ermission denied"), "{write}: {told}");
    }
    assert_eq!(ask(&mut sandbox, 20, "echo 'echo ran' > /tmp/x; chmod +x /tmp/x; /tmp/x").await, "ran\n");
    // Docker writes one, Podman none at all; neither may copy the host's.
    let servers = ask(&mut sandbox, 21, "grep nameserver /etc/resolv.conf 2>/dev/null; true").await;
    assert!(["nameserver 127.0.0.1\n", "(no output)"].contains(&servers.as_str()), "{servers}");
}

#[tokio::test]
async fn the_agent_holds_none_of_the_guests_descriptors_and_cannot_read_its_memory() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let open = ask(&mut sandbox, 1, "ls /proc/$$/fd; true").await;
    assert_eq!(open.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"], "only its own input and output");
    for (id, secret) in ["environ", "fd/0", "fd/1", "mem", "maps"].iter().enumerate() {
        let told = ask(&mut sandbox, 10 + id as u64, &format!("cat /proc/1/{secret}")).await;
        assert!(told.contains("ermission denied"), "{secret}: {told}");
    }
    // Writing to the guest's own output would be impersonating it to the daemon.
    assert!(ask(&mut sandbox, 20, "echo '{}' > /proc/1/fd/1").await.contains("ermission denied"));
}

#[tokio::test]
async fn turns_queue_and_can_be_broken_off() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let prompt = "touch started; sleep 1000 & sleep 1000; echo never";
    sandbox.send(&ToGuest::Prompt { id: 1, text: prompt.into() }).await.unwrap();
    sandbox.send(&ToGuest::FollowUp { id: 2, text: "echo second".into() }).await.unwrap();
    while !installation.path("group/started").exists() {
        tokio::task::yield_now().await;
    }
    sandbox.send(&ToGuest::Interrupt).await.unwrap();
    assert_eq!(reply(&mut sandbox, 1).await, "(interrupted)");
    assert_eq!(reply(&mut sandbox, 2).await, "second\n");
    assert_eq!(ask(&mut sandbox, 3, "ps | grep -c '[s]leep 1000'").await, "0\n(exit code 1)", "the group was killed");
}

#[tokio::test]
async fn long_output_is_cut_and_the_sandbox_lives_on() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let whole = ask(&mut sandbox, 1, "yes 123456789 | head -c 200000").await;
    assert_eq!(whole.len(), 200_000);
    let cut = ask(&mut sandbox, 2, "yes 123456789 | head -c 5000000").await;
    assert!(cut.ends_with(&format!("(cut here: {} more bytes)", 5_000_000 - 256 * 1024)), "{}", &cut[cut.len() - 60..]);
    // The worst case for the protocol: bytes that JSON writes as six.
    assert_eq!(ask(&mut sandbox, 3, r"head -c 262144 /dev/zero | tr '\000' '\001'").await.len(), 262_144);
}

#[tokio::test]
async fn pid_1_waits_for_orphans() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    // Each inner shell ends at once and leaves its child to pid 1.
    ask(&mut sandbox, 1, "for i in $(seq 30); do (sleep 0.01 &); done").await;
    let left = "while grep -qs 'sleep' /proc/[0-9]*/comm; do :; done; grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l";
    assert_eq!(ask(&mut sandbox, 2, left).await.trim(), "0");
}

#[tokio::test]
async fn a_process_left_in_the_background_holds_no_turn_up() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    assert_eq!(
        ask(&mut sandbox, 1, "(while :; do echo tick > alive; echo tick; sleep 0.02; done) & echo done")
            .await
            .lines()
            .filter(|line| *line == "done")
            .count(),
        1
    );
    fs::remove_file(installation.path("group/alive")).ok();
    assert_eq!(ask(&mut sandbox, 2, "while [ ! -e alive ]; do :; done; echo alive").await, "alive\n");
}

#[tokio::test]
async fn tools_reach_the_door_through_the_proxy_port() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let door = installation.door.try_clone().unwrap();
    let outside = std::thread::spawn(move || {
        let mut heard = Vec::new();
        for _ in 0..2 {
            // Answers only once the other side has sent everything: its end must be passed on and
            // leave the way back open.
            let (mut connection, _) = door.accept().unwrap();
            connection.read_to_end(&mut heard).unwrap();
            connection.write_all(&vec![b'z'; 1 << 20]).unwrap();
        }
        heard
    });
    assert_eq!(ask(&mut sandbox, 1, "echo one | nc 127.0.0.1 3128 | wc -c").await, "1048576\n");
    let both = "seq 100000 | nc localhost 3128 | wc -c";
    assert_eq!(ask(&mut sandbox, 2, both).await, "1048576\n");
    let wanted: String = std::iter::once("one\n".to_owned()).chain((1..=100_000).map(|n| format!("{n}\n"))).collect();
    assert!(outside.join().unwrap() == wanted.as_bytes(), "what arrived is not what was sent");
}

#[tokio::test]
async fn a_revoked_door_closes_connections_and_the_sandbox_lives_on() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let door = installation.door.try_clone().unwrap();
    let outside = std::thread::spawn(move || {
        let (mut connection, _) = door.accept().unwrap();
        let mut request = [0; 25];
        connection.read_exact(&mut request).unwrap();
        connection.write_all(b"HTTP/1.1 200 let in\r\n\r\n").unwrap();
        request
    });
    let (succeeded, answer) = installation.attack(&sandbox, &["raw-http", r"CONNECT a.example:443 x\r\n"]).await;
    assert!(succeeded && answer.starts_with("HTTP/1.1 200 let in"), "{answer}");
    assert_eq!(&outside.join().unwrap(), b"CONNECT a.example:443 x\r\n");
    fs::remove_file(installation.path("door/door.sock")).unwrap();
    let (succeeded, answer) = installation.attack(&sandbox, &["raw-http", r"GET http://a.example/ x\r\n"]).await;
    assert!(!succeeded && answer == "closed without an answer", "{answer}");
    assert_eq!(ask(&mut sandbox, 1, "echo alive").await, "alive\n");
}

#[tokio::test]
async fn stopping_ends_a_sandbox_whatever_the_agent_does() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    sandbox.send(&ToGuest::Prompt { id: 1, text: "trap '' TERM INT; while :; do sleep 1; done".into() }).await.unwrap();
    let begin = Instant::now();
    sandbox.stop(Duration::from_secs(2)).await;
    assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    assert_eq!(installation.engine.running(&installation.id).await.unwrap(), []);
}

#[tokio::test]
async fn dropping_a_sandbox_removes_it() {
    let installation = Installation::new().await;
    drop(installation.start().await);
    installation.until_empty().await;
}

#[test]
fn the_sandbox_ends_when_the_daemon_dies() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let installation = runtime.block_on(Installation::new());
    let sandbox = runtime.block_on(installation.start());
    let id = sandbox.container_id().to_owned();
    // As after a kill -9: the container is not removed, its connection just breaks.
    drop(sandbox);
    runtime.block_on(async {
        let docker = bollard::Docker::connect_with_unix(
            installation.engine.facts().socket.to_str().unwrap(),
            20,
            bollard::API_DEFAULT_VERSION,
        );
        let docker = docker.unwrap().negotiate_version().await.unwrap();
        let exit = async {
            while docker.inspect_container(&id, None).await.unwrap().state.unwrap().running.unwrap() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), exit).await.expect("the guest outlived the daemon");
        assert_eq!(installation.engine.remove_orphans(&installation.id, &[]).await.unwrap(), [id]);
    });
}

#[tokio::test]
async fn orphans_are_removed_and_other_installations_left_alone() {
    let (ours, theirs) = (Installation::new().await, Installation::new().await);
    let (mut orphan, mut foreign) = (ours.start().await, theirs.start().await);
    let running = ours.engine.running(&ours.id).await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].group.as_str(), &running[0].sandbox), ("family", &ours.spec().id));
    assert_eq!(ours.engine.remove_orphans(&ours.id, &[&ours.spec().id]).await.unwrap(), [""; 0], "kept");
    let removed = ours.engine.remove_orphans(&ours.id, &[]).await.unwrap();
    assert_eq!(removed, [orphan.container_id()]);
    assert!(matches!(orphan.next().await, Err(SandboxLost::Ended { .. })));
    assert_eq!(ask(&mut foreign, 1, "echo alive").await, "alive\n");
}

#[tokio::test]
async fn the_owner_runs_commands_beside_the_agent() {
    let installation = Installation::new().await;
    let sandbox = installation.start().await;
    let exec = async |script, input| installation.exec(&sandbox, &["sh", "-c", script], input).await;
    assert_eq!(exec("echo a; echo b >&2; exit 3", b"").await, (3, "a\n".into(), "b\n".into()));
    assert_eq!(exec("wc -c; pwd", &[b'x'; 100_000]).await, (0, "100000\n/workspace/group\n".into(), "".into()));
    let user = installation.engine.sandbox_user().uid.to_string();
    assert_eq!(exec("id -u; grep -c '^Seccomp:.2' /proc/self/status", b"").await.1, format!("{user}\n1\n"));
}

/// A file of the machine could be locked by one sandbox, and another would notice.
#[tokio::test]
async fn what_a_command_reads_and_writes_is_no_file_of_the_machines() {
    const EACH: &str = "stat -L -c %d:%i /dev/stdin /dev/stdout /dev/stderr";
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    let machines = fs::metadata("/dev/null").unwrap();
    let machines = format!("{}:{}", machines.dev(), machines.ino());
    let of_the_owner = installation.exec(&sandbox, &["sh", "-c", EACH], b"").await.1;
    let of_the_agent = ask(&mut sandbox, 1, EACH).await;
    for files in [of_the_owner, of_the_agent] {
        let files: Vec<&str> = files.lines().collect();
        assert!(files.len() == 3 && !files.contains(&machines.as_str()), "{files:?}, and the machine's is {machines}");
    }
}

#[tokio::test]
async fn a_sandbox_that_is_not_as_asked_is_refused_and_removed() {
    let installation = Installation::new().await;
    fs::remove_file(installation.path("door/door.sock")).unwrap();
    let refused = installation.start_with(&installation.spec()).await.err().unwrap();
    assert!(matches!(&refused, StartError::AttestationFailed { findings } if findings[0].what == "door"), "{refused}");
    assert!(refused.to_string().contains("its socket is not there"), "{refused}");
    assert_eq!(installation.engine.running(&installation.id).await.unwrap(), []);
}

/// A door that exists but cannot be connected to is no door.
#[tokio::test]
async fn a_door_that_does_not_open_is_found_before_the_agent_starts() {
    type Meddle = fn(&std::path::Path);
    let cases: [(&str, &str, Meddle); 4] = [
        ("its mode", "SELinux or AppArmor", |door| {
            fs::set_permissions(door, fs::Permissions::from_mode(0o000)).unwrap();
        }),
        ("nobody listens", "Connection refused", |door| {
            fs::remove_file(door).unwrap();
            drop(std::os::unix::net::UnixListener::bind(door).unwrap());
            fs::set_permissions(door, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("a plain file", "Connection refused", |door| {
            fs::remove_file(door).unwrap();
            fs::write(door, "").unwrap();
            fs::set_permissions(door, fs::Permissions::from_mode(0o666)).unwrap();
        }),
        ("a socket of datagrams", "cannot be connected to", |door| {
            fs::remove_file(door).unwrap();
            std::mem::forget(std::os::unix::net::UnixDatagram::bind(door).unwrap());
            fs::set_permissions(door, fs::Permissions::from_mode(0o666)).unwrap();
        }),
    ];
    for (what, words, meddle) in cases {
        let installation = Installation::new().await;
        meddle(&installation.path("door/door.sock"));
        let refused = installation.start_with(&installation.spec()).await.err().unwrap();
        assert!(matches!(&refused, StartError::AttestationFailed { findings } if findings.len() == 1), "{refused}");
        assert!(refused.to_string().contains(words), "{what}: {refused}");
        assert_eq!(installation.engine.running(&installation.id).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_missing_image_is_told_by_name() {
    let installation = Installation::new().await;
    let spec = SandboxSpec { image: "doorward-test/none:1".into(), ..installation.spec() };
    let error = installation.start_with(&spec).await.err().unwrap().to_string();
    assert!(error.contains("doorward-test/none:1"), "{error}");
}

#[tokio::test]
async fn a_guest_that_breaks_the_protocol_is_ended() {
    let cases = [
        ("echo garbage", "a line that is not JSON"),
        (r"head -c 5000000 /dev/zero | tr '\000' a", "more than 4194304 bytes"),
        (r#"echo '{"type":"ready"}'"#, "something else before `hello`"),
        ("echo broken >&2; exit 4", "broken"),
    ];
    for (script, wanted) in cases {
        let installation = Installation::new().await;
        let told = start_scripted(&installation, script).await.err().unwrap().to_string();
        assert!(told.contains(wanted), "{script}: {told}");
        assert_eq!(installation.engine.running(&installation.id).await.unwrap(), []);
    }
}

/// Runs a shell script in the guest's place.
async fn start_scripted(installation: &Installation, script: &str) -> Result<Sandbox, StartError> {
    let path = installation.path("scripted");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    installation.start_with(&SandboxSpec { guest: path, ..installation.spec() }).await
}

#[tokio::test]
async fn a_daemon_that_breaks_the_protocol_ends_the_sandbox() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    sandbox
        .send(&ToGuest::Start { v: 1, agent: containers::protocol::Agent::Shell, servers: Vec::new() })
        .await
        .unwrap();
    let lost = loop {
        match sandbox.next().await {
            Ok(Some(FromGuest::Ready)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(lost) => break lost,
        }
    };
    assert!(lost.to_string().contains("`start` twice"), "{lost}");
}
