//! `doorward door`, and a program of the tests' own behind it.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Home, PATIENCE, Ran, Running, until};

/// An open door.
pub struct Door {
    pub running: Running,
    pub socket: PathBuf,
    pub ca: PathBuf,
    pub env: PathBuf,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Door {
    /// Opens a door for a group and waits until it is there.
    #[track_caller]
    pub fn open(home: &Home, group: &str) -> Self {
        Door::open_after(home, group, "true")
    }

    /// The same in a process in which a shell has done something before.
    #[track_caller]
    pub fn open_after(home: &Home, group: &str, before: &str) -> Self {
        let at = |ending: &str| home.at(&format!("{group}-{ending}"));
        let (socket, ca, env) = (at("t.sock"), at("door-ca.pem"), at("door.env"));
        let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let args = ["door", "--group", group, "--socket", &path(&socket), "--ca", &path(&ca), "--env", &path(&env)];
        let door = home.command(&args);
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{before} && exec \"$0\" \"$@\"")]).arg(door.get_program()).args(door.get_args());
        shell.env_remove("RUST_LOG").env_remove("DOORWARD_HOME");
        let mut running = Running::start(shell, "");
        until("the door to open", || {
            assert!(running.is_running(), "the door did not open");
            running.printed().contains("The door is open")
        });
        Door { running, socket, ca, env }
    }

    /// Interrupts it, as Ctrl-C does.
    pub fn shut(self) -> Ran {
        self.running.interrupt();
        self.running.wait()
    }

    /// A variable of its `--env` file.
    #[track_caller]
    pub fn variable(&self, name: &str) -> String {
        let text = std::fs::read_to_string(&self.env).unwrap();
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("{name} is not in {text:?}")).to_owned()
    }

    /// Writes bytes as they are, and gives all that comes back.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        // A connection that is cut has said what it had to say.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// `GET https://host/path` with one more header, on a connection of its own.
    #[track_caller]
    pub fn get(&self, host: &str, path: &str, header: &str) -> Answer {
        self.ask(host, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n"))
    }

    /// A request as it is, on a connection of its own, which it must ask to close.
    #[track_caller]
    pub fn ask(&self, host: &str, request: &str) -> Answer {
        let mut stream = self.begin(host, request);
        let mut answer = Vec::new();
        // The end may come without a close_notify; the length says whether all is there.
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(&answer)));
        let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
        // How an answer is cut is chance where something is looked for in it.
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let whole = is_chunked.then(|| super::upstream::chunks(&mut &*body).ok()).flatten();
        let body = String::from_utf8_lossy(whole.as_deref().unwrap_or(body)).into_owned();
        Answer { status: head[9..12].parse().unwrap(), body }
    }

    /// The same without waiting for the answer.
    #[track_caller]
    pub fn begin(&self, host: &str, request: &str) -> StreamOwned<ClientConnection, UnixStream> {
        let stream = self.tunnel(host);
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let mut stream = StreamOwned::new(ClientConnection::new(self.tls(), name).unwrap(), stream);
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    /// A connection for which CONNECT was answered with 200.
    #[track_caller]
    pub fn tunnel(&self, host: &str) -> UnixStream {
        let mut stream = self.connect();
        stream.write_all(format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n").as_bytes()).unwrap();
        let mut reader = BufReader::with_capacity(1, stream.try_clone().unwrap());
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(reader.read_line(&mut head).unwrap() > 0, "the door hung up: {head:?}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head:?}");
        stream
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn tls(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}
