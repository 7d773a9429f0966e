//! Tries a key with one harmless request through a door: it is judged and logged like an agent's, and the key goes
//! where a sandbox's requests would take it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use policies::GroupName;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use super::super::{Failure, reach};
use crate::control::client::ClientError;
use crate::control::protocol::{Answer, Request};
use crate::home::Home;

const HOST: &str = "api.anthropic.com";

/// Counting tokens costs nothing and needs the same key.
const BODY: &str = r#"{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hello"}]}"#;

/// The network of a café is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// The result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// The service accepts the key.
    Accepted,
    /// It rejects it.
    NotAccepted,
    /// Unknown, with the reason.
    Unknown(String),
}

/// Tries the key that the group's agent would use.
pub(super) async fn key(home: &Home, group: &GroupName) -> Result<Tried, Failure> {
    let mut reached = reach::own(home).await?;
    let tried = tokio::time::timeout(PATIENCE, through_a_door(home, &mut reached, group)).await;
    reached.leave().await;
    match tried {
        Ok(Ok(answer)) => Ok(read(&answer)),
        Ok(Err(error)) => Ok(Tried::Unknown(format!("{error:#}"))),
        Err(_) => Ok(Tried::Unknown(format!("{HOST} did not answer within {} s", PATIENCE.as_secs()))),
    }
}

async fn through_a_door(home: &Home, reached: &mut reach::Reached<'_>, group: &GroupName) -> anyhow::Result<Vec<u8>> {
    let dir = tempfile::Builder::new().prefix("try").tempdir_in(home.run_dir())?;
    let socket = dir.path().join("d.sock");
    let client = reached.client().await.map_err(|failure| anyhow!(failure.to_string()))?;
    let (answer, held) = client.ask(&Request::Door { group: group.to_string(), socket: socket.clone() }).await?;
    let Answer::Door { ca_pem, environment, .. } = answer else { return Err(ClientError::Unexpected.into()) };
    let key = header(&environment).context("doorward.toml has no credential that Claude Code could use")?;
    let answer = ask(&socket, &ca_pem, &key).await;
    held.release().await;
    answer
}

/// The header for the surrogate.
fn header(environment: &[(String, String)]) -> Option<String> {
    let held = |wanted: &str| environment.iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let key = held("ANTHROPIC_API_KEY").map(|key| format!("x-api-key: {key}"));
    key.or_else(|| {
        let token = held("CLAUDE_CODE_OAUTH_TOKEN").or_else(|| held("ANTHROPIC_AUTH_TOKEN"))?;
        Some(format!("authorization: Bearer {token}\r\nanthropic-beta: oauth-2025-04-20"))
    })
}

#[expect(clippy::disallowed_methods, reason = "the door of this command's own")]
async fn ask(socket: &Path, ca_pem: &str, key: &str) -> anyhow::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("CONNECT {HOST}:443 HTTP/1.1\r\nHost: {HOST}:443\r\n\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.context("the door hung up")?);
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let mut tls = TlsConnector::from(config).connect(ServerName::try_from(HOST)?, stream).await?;
    let request = format!(
        "POST /v1/messages/count_tokens HTTP/1.1\r\nHost: {HOST}\r\n{key}\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    tls.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // The end may come without a close_notify.
    let _ = tls.read_to_end(&mut answer).await;
    Ok(answer)
}

/// What an answer says about the key. A service that has accepted it never answers 401.
fn read(answer: &[u8]) -> Tried {
    let text = String::from_utf8_lossy(answer);
    let status: u16 = text.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_default();
    let said = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let json = said.find('{').map(|at| serde_json::Deserializer::from_str(&said[at..]).into_iter());
    let json: Option<serde_json::Value> = json.and_then(|mut values| values.next()?.ok());
    let word = |name: &str| json.as_ref().and_then(|json| json[name].as_str());
    if word("error").is_some_and(|error| error.starts_with("refused by doorward")) {
        return Tried::Unknown(format!("the door refused it: {}", word("why").unwrap_or("no reason was given")));
    }
    match status {
        401 => Tried::NotAccepted,
        200..=299 | 400 | 404 | 429 => Tried::Accepted,
        0 => Tried::Unknown(format!("{HOST} hung up")),
        status => Tried::Unknown(format!("{HOST} answered with status {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_says_of_the_key_is_read() {
        let answer = |status: &str, body: &str| read(format!("HTTP/1.1 {status}\r\na: b\r\n\r\n{body}").as_bytes());
        assert_eq!(answer("200 OK", "{\"input_tokens\":9}"), Tried::Accepted);
        assert_eq!(answer("401 Unauthorized", "{\"type\":\"error\"}"), Tried::NotAccepted);
        // A model of this version that no longer exists; an account without credit.
        assert_eq!(answer("404 Not Found", ""), Tried::Accepted);
        assert_eq!(answer("400 Bad Request", "{\"type\":\"error\"}"), Tried::Accepted);
        let refused =
            "1f\r\n{\"error\":\"refused by doorward (not_allowed): no rule\",\"why\":\"no rule\"}\r\n0\r\n\r\n";
        assert_eq!(answer("403 Forbidden", refused), Tried::Unknown("the door refused it: no rule".to_owned()));
        assert!(matches!(read(b""), Tried::Unknown(_)) && matches!(answer("529 Busy", ""), Tried::Unknown(_)));
    }
}
