//! The way to the container engine, which the tests can close: the engine itself serves
//! everybody on this machine and is never touched.

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

/// A socket before the engine's own.
pub(crate) struct Engine {
    socket: PathBuf,
    way: Arc<Way>,
}

#[derive(Default)]
struct Way {
    hangs: Mutex<bool>,
    changed: Condvar,
    streams: Mutex<Vec<UnixStream>>,
}

impl Engine {
    /// Beside the home, and open.
    pub(crate) fn before_the_real_one(folder: &Path) -> Self {
        let (socket, way) = (folder.join("engine.sock"), Arc::<Way>::default());
        let listener = UnixListener::bind(&socket).unwrap();
        let mine = Arc::clone(&way);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                mine.carry(stream);
            }
        });
        Engine { socket, way }
    }

    /// For `doorward.toml`.
    pub(crate) fn config(&self) -> String {
        format!("[engine]\nhost = \"unix://{}\"", self.socket.display())
    }

    /// It takes connections and says nothing any more.
    pub(crate) fn hang(&self) {
        *self.way.hangs.lock().unwrap() = true;
    }

    /// It goes on where it was.
    pub(crate) fn go_on(&self) {
        *self.way.hangs.lock().unwrap() = false;
        self.way.changed.notify_all();
    }

    /// It has ended: its connections with it, and nobody takes new ones.
    pub(crate) fn stop(&self) {
        fs::rename(&self.socket, self.aside()).unwrap();
        // What is left of a listener that has gone refuses.
        drop(UnixListener::bind(&self.socket).unwrap());
        for stream in self.way.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// It is there again.
    pub(crate) fn start(&self) {
        fs::rename(self.aside(), &self.socket).unwrap();
    }

    fn aside(&self) -> PathBuf {
        self.socket.with_extension("aside")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.go_on();
    }
}

impl Way {
    fn carry(self: &Arc<Self>, client: UnixStream) {
        let Ok(engine) = UnixStream::connect(real()) else { return };
        self.streams.lock().unwrap().extend([client.try_clone().unwrap(), engine.try_clone().unwrap()]);
        for (from, to) in [(client.try_clone().unwrap(), engine.try_clone().unwrap()), (engine, client)] {
            let way = Arc::clone(self);
            std::thread::spawn(move || way.copy(from, to));
        }
    }

    fn copy(&self, mut from: UnixStream, mut to: UnixStream) {
        let mut chunk = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            drop(self.changed.wait_while(self.hangs.lock().unwrap(), |hangs| *hangs).unwrap());
            if to.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }
}

/// Where the real one listens.
fn real() -> PathBuf {
    let named = std::env::var("DOCKER_HOST").ok();
    named.and_then(|host| host.strip_prefix("unix://").map(PathBuf::from)).unwrap_or("/var/run/docker.sock".into())
}
