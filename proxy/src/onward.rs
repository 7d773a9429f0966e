//! The protocol that follows on a connection after an upgrade. Run by the connection's own task, so
//! that a door that shuts ends it too.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

type Next = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Nothing until it is set.
#[derive(Default)]
pub(crate) struct Onward(Mutex<Option<Next>>);

impl Onward {
    pub(crate) fn with(&self, next: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(next));
    }

    pub(crate) async fn go(&self) {
        let next = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(next) = next {
            next.await;
        }
    }
}
