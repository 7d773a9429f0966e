//! A request to switch the protocol, and the connection once the host has agreed.

use std::sync::Arc;

use bytes::Bytes;
use http::header::UPGRADE;
use http::{HeaderMap, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use policies::{Code, Refusal};
use tokio::io::{join, split};

use crate::audited::Audited;
use crate::driver::{Driver, drive};
use crate::ends::Ends;
use crate::exit::Exit;
use crate::gate::Gate;
use crate::outbound::OutboundHead;
use crate::tally::Tally;
use crate::unanswered::{answers, unreadable};
use crate::upgraded::Upgraded;

/// A host's answer to a request to switch the protocol.
pub struct Switching {
    answer: http::Response<Incoming>,
    tally: Arc<Tally>,
    driver: Arc<Driver>,
}

/// Asks for a WebSocket, over a connection of its own.
pub async fn upgrade(gate: &Gate, audited: &Audited, head: OutboundHead) -> Result<Switching, Refusal> {
    if !head.is_for(audited.shared_permit()) {
        return Err(Refusal::new(Code::AuthorityMismatch, "the request would go where it was not judged to go"));
    }
    let (stream, ..) = Exit::open_http1(gate, audited).await?.into_parts();
    let (reading, writing) = split(stream);
    let shaken = answers().handshake(TokioIo::new(join(Ends::of(reading), writing))).await;
    let (mut sender, driver) = shaken.map_err(|_| websocket_broke_off())?;
    let driver = drive(driver.with_upgrades());
    let request = head.upgrading(Empty::<Bytes>::new()).into_http1(audited.tally(), &Arc::default())?;
    let answer = sender.send_request(request).await.map_err(|error| match error.is_parse() {
        true => unreadable(),
        false => websocket_broke_off(),
    })?;
    let (status, tally) = (answer.status(), audited.tally().clone());
    tally.answered(status.as_u16());
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let why = format!("the host refused the WebSocket with status {}", status.as_u16());
        return Err(Refusal::new(Code::UpstreamFailed, why));
    }
    // RFC 6455 §4.1.
    if answer.headers().get(UPGRADE).is_none_or(|to| !to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(Refusal::new(Code::UpstreamUnreadable, "the host switched to something else than a WebSocket"));
    }
    Ok(Switching { answer, tally, driver })
}

impl Switching {
    /// The head of the host's answer.
    pub fn headers(&self) -> &HeaderMap {
        self.answer.headers()
    }

    /// The connection on which the new protocol is spoken.
    pub async fn switched(self) -> Result<Upgraded, Refusal> {
        let Switching { answer, tally, driver } = self;
        let stream = hyper::upgrade::on(answer).await.map_err(|_| websocket_broke_off())?;
        Ok(Upgraded::of(stream, tally, driver))
    }
}

fn websocket_broke_off() -> Refusal {
    Refusal::new(Code::UpstreamFailed, "the WebSocket broke off")
}
