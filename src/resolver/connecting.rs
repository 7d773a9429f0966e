//! The resolver's connections, made by the library. If the connection to a single server fails, the library reports "no
//! connections available" and hides the reason; owners must learn why a server over HTTPS is rejected.
#![expect(clippy::disallowed_types, reason = "the owner's name server: asked for a name that a permit is about")]

use std::net::IpAddr;

use futures_util::TryFutureExt;
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{ConnectionProvider, PoolContext};

/// Makes the connections.
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

/// An error that the library passes on unchanged.
fn said(error: NetError) -> NetError {
    match error {
        NetError::Io(error) => NetError::from(error.to_string()),
        other => other,
    }
}
