//! The inner end of the door: tools use [`LISTEN`] like any proxy, and each connection is copied to
//! the door's socket. It does not look at what it copies.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, sink},
    net::{TcpListener, TcpStream, UnixStream, unix::OwnedReadHalf},
    select,
    sync::Semaphore,
    time::sleep,
};

/// Where the proxy variables of the sandbox point.
pub const LISTEN: &str = "127.0.0.1:3128";

/// The door, in a directory that is mounted read-only.
pub const SOCKET: &str = "/run/doorward/door.sock";

/// More than an agent's tools ever had open at once; further connections wait in the backlog.
const MAX_CONNECTIONS: usize = 512;

const BUFFER: usize = 64 * 1024;

/// How long a tool may go on sending to a door that has closed.
const LINGER: Duration = Duration::from_secs(30);
/// How often a door that sends no more is checked.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Opens the listener, so that the agent never starts before the door answers.
pub async fn listen() -> std::io::Result<TcpListener> {
    TcpListener::bind(LISTEN).await
}

/// Serves until the process ends. No error of a connection ends it.
pub async fn serve(listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((inner, _)) => {
                tokio::spawn(async move {
                    copy(inner).await;
                    drop(place);
                });
            }
            // Most likely out of descriptors: gives connections time to end.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn copy(inner: TcpStream) {
    let _ = inner.set_nodelay(true);
    // A revoked door refuses; the tool sees its connection closed.
    let Ok(outer) = UnixStream::connect(SOCKET).await else { return };
    relay(inner, outer).await;
}

/// Copies in both directions until both sides have finished; the end of one direction is passed on
/// and leaves the other open. A door that has closed may have refused in the middle of what the
/// tool is sending, and most tools read an answer only after sending everything: the rest is read
/// and dropped, for a while.
async fn relay(inner: TcpStream, outer: UnixStream) {
    let (mut client, mut answers) = inner.into_split();
    let (mut door, mut requests) = outer.into_split();
    let up = async move {
        let mut ended = pass(&mut client, &mut requests).await;
        if ended == Ended::Unheard {
            ended = pass(&mut client, &mut sink()).await;
        }
        drop(requests);
        ended
    };
    let down = async move {
        let ended = pass(&mut door, &mut answers).await;
        drop(answers);
        (ended, door)
    };
    let (mut up, mut down) = (pin!(up), pin!(down));
    let (ended, door) = select! {
        ended = &mut up => {
            if ended != Ended::Broken {
                down.await;
            }
            return;
        }
        down = &mut down => down,
    };
    if ended != Ended::Unheard {
        select! {
            _ = up => {}
            () = gone_for_long(&door) => {}
        }
    }
}

/// How one direction ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// Completely.
    Said,
    /// The sender is gone.
    Broken,
    /// The receiver is gone.
    Unheard,
}

async fn pass(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> Ended {
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer).await {
            Ok(0) => return Ended::Said,
            Ok(count) if to.write_all(&buffer[..count]).await.is_ok() => {}
            Ok(_) => return Ended::Unheard,
            Err(_) => return Ended::Broken,
        }
    }
}

/// Resolves when the door has been closed for so long that the tool need not be waited for.
async fn gone_for_long(door: &OwnedReadHalf) {
    // A door that only sends no more still receives.
    while !door.ready(Interest::WRITABLE).await.map_or(true, |ready| ready.is_write_closed()) {
        sleep(LOOK_AGAIN).await;
    }
    sleep(LINGER).await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::time::Instant;

    use super::*;

    /// A tool's connection, and the connection to the door that belongs to it.
    async fn ends() -> (std::net::TcpStream, TcpStream, UnixStream, UnixStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tool = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (outer, door) = UnixStream::pair().unwrap();
        (tool, listener.accept().await.unwrap().0, outer, door)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refusal_reaches_a_tool_that_is_still_sending() {
        for _ in 0..20 {
            let (mut tool, inner, outer, mut door) = ends().await;
            let relayed = tokio::spawn(relay(inner, outer));
            let tool = tokio::task::spawn_blocking(move || {
                // Far more than all buffers hold, and nothing is read before.
                tool.write_all(&vec![0; 32 << 20]).unwrap();
                let mut heard = String::new();
                tool.read_to_string(&mut heard).unwrap();
                heard
            });
            door.read_exact(&mut [0; 1000]).await.unwrap();
            door.write_all(b"no").await.unwrap();
            drop(door);
            assert_eq!(tool.await.unwrap(), "no");
            relayed.await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_side_hears_the_other_to_its_end() {
        for door_first in [true, false] {
            let (mut tool, inner, outer, mut door) = ends().await;
            let relayed = tokio::spawn(relay(inner, outer));
            let tool = tokio::task::spawn_blocking(move || {
                let mut heard = String::new();
                if door_first {
                    tool.read_to_string(&mut heard).unwrap();
                }
                tool.write_all(b"question").unwrap();
                tool.shutdown(std::net::Shutdown::Write).unwrap();
                if !door_first {
                    tool.read_to_string(&mut heard).unwrap();
                }
                heard
            });
            let mut heard = String::new();
            if door_first {
                door.write_all(b"answer").await.unwrap();
                door.shutdown().await.unwrap();
                door.read_to_string(&mut heard).await.unwrap();
            } else {
                door.read_to_string(&mut heard).await.unwrap();
                door.write_all(b"answer").await.unwrap();
                drop(door);
            }
            assert_eq!((heard.as_str(), tool.await.unwrap().as_str()), ("question", "answer"), "{door_first}");
            relayed.await.unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_door_that_has_closed_is_not_lingered_at_for_ever() {
        let (tool, inner, outer, mut door) = ends().await;
        let begin = Instant::now();
        let ((), ()) = tokio::join!(relay(inner, outer), async move {
            // A door that only sends no more may receive as long as it likes.
            door.shutdown().await.unwrap();
            sleep(LINGER * 100).await;
        });
        let took = begin.elapsed();
        assert!(took >= LINGER * 101 && took < LINGER * 102, "{took:?}");
        drop(tool);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tool_that_breaks_off_is_gone_at_the_door_as_well() {
        let (tool, inner, outer, mut door) = ends().await;
        let relayed = tokio::spawn(relay(inner, outer));
        // Closing with unread data causes a reset, not an end.
        door.write_all(b"unread").await.unwrap();
        while tool.peek(&mut [0; 6]).unwrap() < 6 {}
        drop(tool);
        relayed.await.unwrap();
        assert_eq!(door.read(&mut [0; 1]).await.unwrap(), 0);
        assert!(door.write_all(b"more").await.is_err());
    }
}
