//! A request's part of an upstream connection, and how it ends.

use std::any::Any;
use std::sync::Arc;

use crate::driver::Driver;
use crate::streams::Leash;

/// A request's part of a connection, kept until the request has ended completely.
pub(crate) enum Hold {
    /// The whole connection.
    Connection(Arc<Driver>),
    /// One of its streams, and the place that the request takes.
    Stream { leash: Leash, _place: Box<dyn Any + Send + Sync>, _driver: Arc<Driver> },
}

impl Hold {
    /// Ends the request's part only.
    pub(crate) fn end(&self) {
        match self {
            Hold::Connection(driver) => driver.abort(),
            Hold::Stream { leash, .. } => leash.pull(),
        }
    }
}
