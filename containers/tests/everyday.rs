//! Builds the base image, and runs everyday tools in it under all the hardening.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use containers::{Limits, SandboxSpec, images};
use support::{Installation, ask};

#[tokio::test]
async fn everyday_tools_work_in_the_base_image() {
    let installation = Installation::new().await;
    let told = std::sync::Mutex::new(Vec::new());
    let image = images::build_base(&installation.engine, &|step| told.lock().unwrap().push(step.to_owned())).await;
    let image = image.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(image.built, !told.lock().unwrap().is_empty());
    assert!(images::exists(&installation.engine, &image.tag).await.unwrap());
    let listed = images::list(&installation.engine).await.unwrap();
    assert!(listed.iter().any(|listed| listed.tags.contains(&image.tag)), "{listed:?}");
    assert!(!images::build_base(&installation.engine, &|_| ()).await.unwrap().built, "built twice");

    let limits = Limits { memory: 1 << 30, ..Limits::default() };
    let spec = SandboxSpec { image: image.tag, limits, ..installation.spec() };
    let mut sandbox = installation.start_with(&spec).await.unwrap_or_else(|error| panic!("{error}"));
    let checks = [
        ("curl --version | head -c 4", "curl"),
        ("jq -n '1+1'", "2\n"),
        (
            "git init -q r && cd r && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m m && git log --format=%s",
            "m\n",
        ),
        ("python3 -c 'import multiprocessing as m; print(m.Pool(2).map(abs, [-1, -2]))'", "[1, 2]\n"),
        ("python3 -c 'import asyncio; print(asyncio.run(asyncio.sleep(0, 5)))'", "5\n"),
        ("python3 -c 'import socket; a, b = socket.socketpair(); a.send(b\"x\"); print(b.recv(1))'", "b'x'\n"),
        ("python3 -m venv /tmp/venv && /tmp/venv/bin/pip --version | head -c 3", "pip"),
        ("node -e 'fetch; setTimeout(() => console.log(require(\"os\").cpus().length > 0), 1)'", "true\n"),
        ("node -e 'new (require(\"worker_threads\").Worker)(\"console.log(7)\", {eval: true})'", "7\n"),
        ("node -e 'console.log(require(\"child_process\").execSync(\"echo child\").toString().trim())'", "child\n"),
        ("mkdir n && cd n && npm init -y >/dev/null && npm pkg get version", "\"1.0.0\"\n"),
        ("bash -c 'set -m; sleep 100 & jobs %1 >/dev/null && kill %1; wait %1; echo $?' 2>/dev/null", "143\n"),
        ("ip -br addr | grep -vc '^lo'", "0\n(exit code 1)"),
        ("python3 -c 'import getpass; print(getpass.getuser())'; id -un; id -gn", "agent\nagent\nagent\n"),
        ("node -p 'require(\"os\").userInfo().username + require(\"os\").userInfo().homedir'", "agent/home/agent\n"),
        (
            "python3 -c 'import sqlite3; c = sqlite3.connect(\"a.db\"); c.execute(\"pragma journal_mode = wal\"); c.execute(\"create table t(x)\"); c.commit(); print(c.execute(\"select count(*) from t\").fetchone())'",
            "(0,)\n",
        ),
        // The calls that were left out are advice, or answered as an older kernel would.
        (
            "python3 -c 'import os; f = os.open(\"/etc/passwd\", 0); b = bytearray(5); print(os.posix_fadvise(f, 0, 0, 4), os.preadv(f, [b], 0), os.preadv(f, [b], 0, 0))'",
            "None 5 5\n",
        ),
        // A core would be passed to a program of the host with its command line; the limit stays, in any spelling.
        (
            "ulimit -c 0; python3 -c 'import ctypes, resource as r; b = (ctypes.c_ulong * 2)(0, 0); s = ctypes.CDLL(None).syscall; n = {\"x86_64\": (302, 160), \"aarch64\": (261, 164)}[__import__(\"os\").uname().machine]; s(n[0], 0, ctypes.c_ulong(0x100000004), b, None); s(n[1], ctypes.c_ulong(0x100000004), b); r.setrlimit(r.RLIMIT_NOFILE, (99, 99)); print(r.getrlimit(r.RLIMIT_CORE), r.getrlimit(r.RLIMIT_NOFILE))'",
            "(1, 1) (99, 99)\n",
        ),
        (
            "python3 -c 'import os; os.preadv(os.open(\"/etc/passwd\", 0), [bytearray(5)], 0, os.RWF_NOWAIT)' 2>&1 | tail -1",
            "OSError: [Errno 95] Operation not supported\n",
        ),
        (
            "dd if=/etc/passwd of=copy iflag=nocache oflag=nocache 2>/dev/null && cmp copy /etc/passwd && echo same",
            "same\n",
        ),
        ("tail -n 0 -f copy & sleep 0.2; echo more >> copy; sleep 0.3; kill $!", "more\n"),
        ("timeout 5 echo in time", "in time\n"),
        ("ps -e --no-headers | head -1 | grep -c guest", "1\n"),
        ("grep -c 'BEGIN CERTIFICATE' $SSL_CERT_FILE | grep -c '^[0-9][0-9][0-9]$'", "1\n"),
    ];
    for (id, (command, wanted)) in checks.into_iter().enumerate() {
        assert_eq!(ask(&mut sandbox, id as u64 + 1, command).await, wanted, "{command}");
    }
}
