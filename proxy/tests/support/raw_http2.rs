//! An HTTP/2 upstream that writes the given frames, as no well-behaved server would: refused
//! streams, a GOAWAY that leaves some out, ends in the middle.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use proxy::ports::Resolved;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::{World, certificates};

const PREFACE: usize = 24;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// How to answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// 200, and nothing more.
    Ok,
    /// Its stream is reset with this reason.
    Reset(u32),
    /// GOAWAY with this distance below its stream, and the end.
    Goaway { below: u32 },
    /// The connection ends without a word.
    End,
    /// A part of a head, then the end.
    HalfAHead,
    /// These frames.
    Frames(&'static [Frame]),
}

/// A frame: kind, flags, whether it is on the request's stream (or the connection's), payload.
pub type Frame = (u8, u8, bool, &'static [u8]);

/// A stream that was opened: on which connection, and how much of a body came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    pub connection: usize,
    pub body: usize,
}

#[derive(Clone)]
pub struct RawHttp2 {
    opened: Arc<Mutex<Vec<Opened>>>,
    _task: Arc<Task>,
}

struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RawHttp2 {
    /// In place of the server with this name. `says`: the answers to the first request, the second,
    /// and so on; `Ok` to all others.
    pub async fn instead_of(world: &World, name: &str, says: &[Say]) -> Self {
        let ip: IpAddr = world.upstream(name).address.ip();
        let listener = TcpListener::bind((ip, 0)).await.expect("a loopback address");
        let port = Some(listener.local_addr().unwrap().port());
        world.names.set(name, vec![vec![Resolved { ip, port }]]);
        let (opened, says) = (Arc::<Mutex<Vec<Opened>>>::default(), Arc::<[Say]>::from(says));
        let kept = opened.clone();
        let task = tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.expect("a listener");
                tokio::spawn(serve(stream, connection, kept.clone(), says.clone()));
            }
        });
        RawHttp2 { opened, _task: Arc::new(Task(task.abort_handle())) }
    }

    /// The streams that were opened, in order.
    pub fn opened(&self) -> Vec<Opened> {
        self.opened.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, connection: usize, opened: Arc<Mutex<Vec<Opened>>>, says: Arc<[Say]>) -> Option<()> {
    let mut stream = TlsAcceptor::from(certificates::server(b"h2")).accept(stream).await.ok()?;
    let mut preface = [0; PREFACE];
    stream.read_exact(&mut preface).await.ok()?;
    stream.write_all(&frame(4, 0, 0, &[])).await.ok()?;
    stream.flush().await.ok()?;
    let mut index = 0;
    loop {
        let (kind, flags, id, payload) = read(&mut stream).await?;
        match kind {
            HEADERS => {
                let mut all = opened.lock().unwrap();
                index = all.len();
                all.push(Opened { connection, body: 0 });
            }
            DATA => opened.lock().unwrap()[index].body += payload.len(),
            _ => continue,
        }
        // The end of a request is answered; a refusal comes at its head.
        let say = says.get(index).copied().unwrap_or(Say::Ok);
        let ends = flags & 1 == 1;
        if !ends && (say == Say::Ok || kind == DATA) {
            continue;
        }
        match say {
            Say::Ok => stream.write_all(&frame(HEADERS, 5, id, &[0x88])).await.ok()?,
            Say::Reset(_) if kind == DATA => {}
            Say::Frames(frames) => {
                for (kind, flags, of_the_stream, payload) in frames {
                    let id = if *of_the_stream { id } else { 0 };
                    stream.write_all(&frame(*kind, *flags, id, payload)).await.ok()?;
                }
            }
            Say::Reset(reason) => stream.write_all(&frame(3, 0, id, &reason.to_be_bytes())).await.ok()?,
            Say::Goaway { below } => {
                let last = id.saturating_sub(below).to_be_bytes();
                stream.write_all(&frame(7, 0, 0, &[&last[..], &[0; 4]].concat())).await.ok()?;
                stream.flush().await.ok()?;
                stream.shutdown().await.ok()?;
                return None;
            }
            Say::End => return None,
            Say::HalfAHead => {
                stream.write_all(&frame(HEADERS, 5, id, &[0x88])[..9]).await.ok()?;
                stream.flush().await.ok()?;
                return None;
            }
        }
        stream.flush().await.ok()?;
    }
}

async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}
