//! The program under test, as a person sees it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rqrr::PreparedImage;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use whatsapp_rust::wacore_binary::Node;

use super::phone::settings_keys;
use super::server::{OWN, Seen, Server, bare, key};

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// An empty folder, and a server that hands out codes.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) server: Server,
}

/// A running program.
pub(crate) struct Terminal {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl House {
    pub(crate) async fn new(codes: &[&str]) -> Self {
        House { folder: tempfile::tempdir().unwrap(), server: Server::start(None, codes, key()).await }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a command of the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Terminal {
        let mut command = Command::new(env!("CARGO_BIN_EXE_doorward-whatsapp-pairing"));
        command.arg("--folder").arg(self.path()).args(["--server", &self.server.url]).args(arguments).env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Terminal { child, lines }
    }

    /// Runs a command of the program.
    pub(crate) async fn command(&self, arguments: &[&str]) -> (i32, String) {
        self.start(arguments).end().await
    }

    /// The next step of linking that the server saw.
    pub(crate) async fn step(&mut self) -> Node {
        let step = async {
            loop {
                if let Seen::Linking(node) = self.server.seen.recv().await.unwrap() {
                    return node;
                }
            }
        };
        tokio::time::timeout(PATIENCE, step).await.expect("the server saw no step of linking")
    }

    /// The program reconnects as a linked device, and the phone sends what it sends every new one:
    /// the keys of the account's settings.
    pub(crate) async fn welcome(&mut self) {
        let active = async { while self.server.seen.recv().await.unwrap() != Seen::Active {} };
        tokio::time::timeout(PATIENCE, active).await.expect("the program does not come back");
        self.server.write(&bare(OWN), "keys", &settings_keys(), &[]).await;
    }

    /// The next step of linking that has this part.
    pub(crate) async fn step_with(&mut self, part: &str) -> Node {
        loop {
            if let Some(part) = self.step().await.get_optional_child(part) {
                return part.clone();
            }
        }
    }
}

impl Terminal {
    pub(crate) async fn line(&mut self) -> String {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("the program says nothing");
        line.unwrap().expect("the program has ended")
    }

    /// The exit code, and the output since.
    pub(crate) async fn end(mut self) -> (i32, String) {
        let end = async {
            let mut text = String::new();
            while let Some(line) = self.lines.next_line().await.unwrap() {
                text += &line;
                text.push('\n');
            }
            self.child.stderr.take().unwrap().read_to_string(&mut text).await.unwrap();
            (self.child.wait().await.unwrap().code().unwrap(), text)
        };
        tokio::time::timeout(PATIENCE, end).await.expect("the program does not end")
    }
}

impl Terminal {
    /// Reads the next QR code, as a camera does.
    pub(crate) async fn scan(&mut self) -> String {
        let mut rows = Vec::new();
        loop {
            let Some(row) = cells(&self.line().await) else { continue };
            rows.push(row);
            // Each cell contains two modules, one above the other.
            let width = rows[0].len();
            if rows.len() == width.div_ceil(2) {
                let dark = |x: usize, y: usize| match rows[y / 2][x] {
                    '█' => true,
                    '▀' => y.is_multiple_of(2),
                    '▄' => !y.is_multiple_of(2),
                    _ => false,
                };
                let side = rows.len() * 2;
                let mut picture =
                    PreparedImage::prepare_from_bitmap(width * ZOOM, side * ZOOM, |x, y| dark(x / ZOOM, y / ZOOM));
                return picture.detect_grids()[0].decode().unwrap().1;
            }
        }
    }
}

/// Pixels per module.
const ZOOM: usize = 4;

/// A line's modules as black and white.
fn cells(line: &str) -> Option<Vec<char>> {
    Some(line.strip_prefix("\x1b[30;47m")?.strip_suffix("\x1b[0m")?.chars().collect())
}
