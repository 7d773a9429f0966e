//! What everyday clients fetch: a folder's files, and a git repository.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Ran, Request, Response, Running};

/// Answers with the file of that name below a folder.
pub fn folder(root: &Path, request: &Request) -> Response {
    let path = request.path().trim_start_matches('/');
    let page = path.is_empty() || path.ends_with('/');
    let wanted = if page { root.join(path).join("index.html") } else { root.join(path) };
    let kind = if page { "text/html" } else { "application/octet-stream" };
    match std::fs::read(wanted) {
        Ok(bytes) => Response::ok(bytes).header("content-type", kind),
        Err(_) => Response::not_found(),
    }
}

/// `hello-1.0-py3-none-any.whl`, in which a word is.
pub fn wheel() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let script = "import zipfile; z = zipfile.ZipFile('w', 'w'); i = 'hello-1.0.dist-info/'; \
                  z.writestr('hello.py', 'word = \"milk\"'); z.writestr(i + 'RECORD', ''); \
                  z.writestr(i + 'METADATA', 'Metadata-Version: 2.1\\nName: hello\\nVersion: 1.0\\n'); \
                  z.writestr(i + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'); z.close()";
    let mut command = Command::new("python3");
    command.args(["-c", script]).current_dir(folder.path());
    Running::start(command, "").wait().ok();
    std::fs::read(folder.path().join("w")).unwrap()
}

/// A repository behind git's own server program.
pub struct GitServer {
    root: tempfile::TempDir,
}

impl GitServer {
    /// `/notes.git`, with one commit in which `README` says `text`.
    pub fn new(text: &str) -> Self {
        Self::with("README", text, "")
    }

    /// The same with another name and attributes.
    pub fn with(name: &str, text: &str, attributes: &str) -> Self {
        let server = GitServer { root: tempfile::tempdir().unwrap() };
        let work = server.root.path().join("work");
        std::fs::create_dir(&work).unwrap();
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
        std::fs::write(work.join(name), text).unwrap();
        git(&work, &["add", name]);
        std::fs::write(work.join(".gitattributes"), attributes).unwrap();
        git(&work, &["add", ".gitattributes"]);
        git(&work, &["-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "--quiet", "-m", "first"]);
        git(server.root.path(), &["clone", "--quiet", "--bare", "work", "notes.git"]);
        server
    }

    /// Answers by `git http-backend`, as a web server calls it (RFC 3875).
    pub fn answer(&self, request: &Request) -> Response {
        let query = request.target.split_once('?').map_or("", |(_, query)| query);
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", self.root.path())
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", request.path())
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", request.header("content-encoding").unwrap_or_default())
            .env("GIT_PROTOCOL", request.header("git-protocol").unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &request.body).unwrap();
        answer_of(&child.wait_with_output().unwrap().stdout)
    }
}

/// From what a CGI program writes to an answer.
fn answer_of(output: &[u8]) -> Response {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let mut response = Response::ok(&output[end + 4..]);
    for line in String::from_utf8_lossy(&output[..end]).lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => response.status = status[..3].parse().unwrap(),
            Some((name, value)) => response = response.header(name, value),
            None => {}
        }
    }
    response
}

fn git(folder: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args);
    Running::start(command, "").wait().ok()
}
