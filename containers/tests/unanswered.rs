//! An engine that takes the request for a container but does not answer that it created one: the
//! container is removed all the same, although its id is unknown.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod support;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{io, thread};

use containers::{Engine, Sandbox};
use support::Installation;

/// What happens to the engine's answer.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    /// It never comes.
    Held,
    /// The connection breaks instead.
    Cut,
}

/// Which container is requested: the one from which the image's certificates are read, or the
/// sandbox's own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Asked {
    Certificates,
    Sandbox,
}

/// Stands in front of the real engine and forwards everything except that answer. The flag says
/// whether that answer has come.
fn front(at: &Path, engine: &Path, asked: Asked, answer: Answer) -> Arc<AtomicBool> {
    let (listener, engine) = (UnixListener::bind(at).unwrap(), engine.to_owned());
    let has_come = Arc::new(AtomicBool::new(false));
    let told = has_come.clone();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let Ok(server) = UnixStream::connect(&engine) else { return };
            let making = Arc::new(AtomicBool::new(false));
            let (seen, told) = (making.clone(), told.clone());
            let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                relay(from_client, to_server, |bytes| {
                    let text = String::from_utf8_lossy(bytes);
                    let first = text.lines().next().unwrap_or_default();
                    let certificates = first.contains("-certificates");
                    let this = first.contains("/containers/create") && certificates == (asked == Asked::Certificates);
                    seen.fetch_or(this, Ordering::SeqCst);
                    true
                })
            });
            thread::spawn(move || {
                let alive = client.try_clone().unwrap();
                relay(server, client, |_| !making.load(Ordering::SeqCst));
                told.fetch_or(making.load(Ordering::SeqCst), Ordering::SeqCst);
                if making.load(Ordering::SeqCst) && answer == Answer::Held {
                    thread::park();
                }
                let _ = alive.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    has_come
}

/// Runs until it ends, or until `passes` holds a piece back.
fn relay(mut from: UnixStream, mut to: UnixStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut piece = [0; 16 * 1024];
    loop {
        match io::Read::read(&mut from, &mut piece) {
            Ok(0) | Err(_) => return,
            Ok(length) if !passes(&piece[..length]) => return,
            Ok(length) => {
                if io::Write::write_all(&mut to, &piece[..length]).is_err() {
                    return;
                }
            }
        }
    }
}

async fn is_removed_though_nobody_knows_its_id(asked: Asked, answer: Answer) {
    let installation = Installation::new().await;
    let socket = installation.path("engine.sock");
    let has_come = front(&socket, &installation.engine.facts().socket, asked, answer);
    let engine = Engine::connect(Some(&format!("unix://{}", socket.display()))).await.unwrap();
    let spec = installation.spec();
    let starting = tokio::spawn(async move { Sandbox::start(&engine, &spec).await.map(drop) });
    until(async || has_come.load(Ordering::SeqCst)).await;
    let left = async || installation.engine.running(&installation.id).await.unwrap().len();
    assert_eq!(left().await, 1, "{asked:?}, {answer:?}");
    match answer {
        // The caller does not wait any longer.
        Answer::Held => starting.abort(),
        Answer::Cut => drop(starting.await.unwrap().unwrap_err()),
    }
    until(async || left().await == 0).await;
}

async fn until(mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..1200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come to that");
}

#[tokio::test]
async fn a_container_that_the_engine_did_not_confirm_in_time_is_removed() {
    let of = |asked| is_removed_though_nobody_knows_its_id(asked, Answer::Held);
    tokio::join!(of(Asked::Certificates), of(Asked::Sandbox));
}

#[tokio::test]
async fn a_container_whose_confirmation_was_lost_is_removed() {
    let of = |asked| is_removed_though_nobody_knows_its_id(asked, Answer::Cut);
    tokio::join!(of(Asked::Certificates), of(Asked::Sandbox));
}
