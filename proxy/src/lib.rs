//! One request, from the door to upstream and back.

pub mod audit;
pub mod ports;
pub mod scan;
