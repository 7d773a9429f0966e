//! A request's part of an upstream connection, and how it ends.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;

use tokio::task::{self, AbortHandle};

use crate::streams::Leash;

/// A connection's task; it ends with the last who holds it.
pub(crate) struct Driver(AbortHandle);

impl Driver {
    pub(crate) fn abort(&self) {
        self.0.abort();
    }

    pub(crate) fn id(&self) -> task::Id {
        self.0.id()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Runs a connection until nobody holds it any more.
pub(crate) fn drive(connection: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Arc<Driver> {
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(upstream.closed = !error.is_canceled(), "Upstream connection ended");
        }
    });
    Arc::new(Driver(driver.abort_handle()))
}

/// A request's part of a connection, kept for as long as anything of the request is left.
pub(crate) enum Hold {
    /// All of it.
    Connection(Arc<Driver>),
    /// One of its streams, and the place that it takes.
    Stream { leash: Leash, _place: Box<dyn Any + Send + Sync>, _driver: Arc<Driver> },
}

impl Hold {
    /// Ends the request's part and no other's.
    pub(crate) fn end(&self) {
        match self {
            Hold::Connection(driver) => driver.abort(),
            Hold::Stream { leash, .. } => leash.pull(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Whoever still uses a connection keeps it going; nobody has to end it.
    #[tokio::test]
    async fn a_connection_ends_with_the_last_who_holds_it() {
        let (held, mut gone) = tokio::sync::oneshot::channel::<()>();
        let one = drive(async move {
            let _held = held;
            std::future::pending().await
        });
        let other = one.clone();
        drop(one);
        tokio::task::yield_now().await;
        assert_eq!(gone.try_recv(), Err(tokio::sync::oneshot::error::TryRecvError::Empty));
        drop(other);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(10), gone).await;
        assert!(ended.is_ok_and(|held| held.is_err()), "it goes on without anybody");
    }
}
