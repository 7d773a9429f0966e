//! A network for the drill: the deliberate hole that proves its attacks. A daemon's sandboxes never
//! join it.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr},
};

use bollard::{
    errors::Error,
    models::{Ipam, IpamConfig, NetworkCreateRequest},
    query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder},
};

use crate::{Engine, EngineKind, orphans::INSTALLATION};

/// A network that this installation made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The engine's name for it.
    pub name: String,
    /// The host's address on it; with a rootless engine, the engine's.
    pub gateway: Ipv4Addr,
    /// The same for IPv6, if the engine could create it.
    pub gateway6: Option<Ipv6Addr>,
}

impl Engine {
    /// Creates a network with the installation's label, with IPv6 if the machine has it. If the
    /// engine runs as root, the network leads to the host and no further.
    pub async fn create_network(&self, installation: &str) -> Result<Network, Error> {
        let name = format!("doorward-drill-{}", &installation[..installation.len().min(12)]);
        // A unique local prefix (RFC 4193) from the installation's random id.
        let prefix = u32::from_str_radix(&installation[..installation.len().min(8)], 16).unwrap_or(1);
        let gateway6 = Ipv6Addr::new(0xfdd0, 0x0d00, (prefix >> 16) as u16, prefix as u16, 0, 0, 0, 1);
        let mut request = self.network_request(installation, &name);
        request.enable_ipv6 = Some(true);
        request.ipam = Some(Ipam {
            config: Some(vec![IpamConfig {
                subnet: Some(format!("{gateway6}/64").replace("::1/", "::/")),
                gateway: Some(gateway6.to_string()),
                ..Default::default()
            }]),
            ..Default::default()
        });
        let with_ipv6 = self.docker.create_network(request).await;
        if with_ipv6.is_err() {
            self.docker.create_network(self.network_request(installation, &name)).await?;
        }
        let found = self.docker.inspect_network(&name, None::<InspectNetworkOptions>).await?;
        let configs = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateway = configs.iter().find_map(|config| config.gateway.as_deref()?.parse().ok());
        let gateway = gateway.ok_or_else(|| Error::DockerStreamError {
            error: format!("the network {name} has no address of the host"),
        })?;
        Ok(Network { name, gateway, gateway6: with_ipv6.is_ok().then_some(gateway6) })
    }

    /// Removes the networks that this installation created.
    pub async fn remove_networks(&self, installation: &str) -> Result<(), Error> {
        let filters = HashMap::from([("label", vec![format!("{INSTALLATION}={installation}")])]);
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        for network in self.docker.list_networks(Some(options)).await? {
            // If an engine ignores the filter, networks of others must not be removed.
            let ours = network.labels.as_ref().and_then(|labels| labels.get(INSTALLATION));
            if let (Some(label), Some(id)) = (ours, &network.id)
                && label == installation
            {
                self.docker.remove_network(id).await?;
            }
        }
        Ok(())
    }

    fn network_request(&self, installation: &str, name: &str) -> NetworkCreateRequest {
        let rootless = matches!(self.facts().kind, EngineKind::RootlessDocker | EngineKind::RootlessPodman);
        NetworkCreateRequest {
            name: name.to_owned(),
            // A rootless engine reaches the host only through its outer network.
            internal: Some(!rootless),
            labels: Some(HashMap::from([(INSTALLATION.to_owned(), installation.to_owned())])),
            ..Default::default()
        }
    }
}
