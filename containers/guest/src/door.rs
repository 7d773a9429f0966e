//! The inner end of the door: tools speak to [`LISTEN`] as to any proxy, and each
//! connection is copied to the door's socket. It reads nothing of what it copies.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream, UnixStream},
    sync::Semaphore,
};

/// Where the proxy variables of the sandbox point.
pub const LISTEN: &str = "127.0.0.1:3128";

/// The door, in a directory that is mounted read-only.
pub const SOCKET: &str = "/run/doorward/door.sock";

/// More than an agent's tools ever had open at once; beyond it connections wait in the backlog.
const MAX_CONNECTIONS: usize = 512;

const BUFFER: usize = 64 * 1024;

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
            // Out of descriptors, most likely: give connections time to end.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Copies both ways until both sides have finished; one side's end is passed on
/// and leaves the other way open.
async fn copy(mut inner: TcpStream) {
    let _ = inner.set_nodelay(true);
    // A revoked door refuses; the tool sees its connection closed.
    let Ok(mut outer) = UnixStream::connect(SOCKET).await else { return };
    let _ = copy_bidirectional_with_sizes(&mut inner, &mut outer, BUFFER, BUFFER).await;
}
