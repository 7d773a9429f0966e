//! Connections to the resolver, made by the library. Where there is one server and a
//! connection to it fails, the library says "no connections available" and keeps the
//! reason to itself; a server over HTTPS is refused for reasons that owners must hear.
#![expect(clippy::disallowed_types, reason = "the owner's name server: asked for a name that a permit is about")]

use std::net::IpAddr;

use futures_util::TryFutureExt;
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ConnectionProvider, PoolContext};

/// What makes the connections.
#[derive(Clone, Default)]
pub(super) struct Connecting(TokioRuntimeProvider);

impl ConnectionProvider for Connecting {
    type Conn = <TokioRuntimeProvider as ConnectionProvider>::Conn;
    type FutureConn = <TokioRuntimeProvider as ConnectionProvider>::FutureConn;
    type RuntimeProvider = TokioRuntimeProvider;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        cx: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        let connecting = self.0.new_connection(ip, config, cx)?;
        match config.protocol {
            ProtocolConfig::Https { .. } => Ok(Box::pin(connecting.map_err(said))),
            _ => Ok(connecting),
        }
    }

    fn runtime_provider(&self) -> &TokioRuntimeProvider {
        &self.0
    }
}

/// An error that the library hands on as it is.
fn said(error: NetError) -> NetError {
    match error {
        NetError::Io(error) => NetError::from(error.to_string()),
        other => other,
    }
}
