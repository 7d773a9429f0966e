//! The tour's servers: a bank that requires a key, and a weather site.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::loopback::{Answers, Authority, Listener, Request};

use super::{TourError, VARIABLE};

/// Two web servers with real TLS, on loopback.
pub struct Town {
    bank: Listener,
    weather: Listener,
    key: String,
}

impl Town {
    /// What the tour's group may do at first.
    pub const POLICY: &'static str = "\
# What the agent of this group may reach. Nothing else leaves its sandbox.

[[allow]]
host = \"bank.example\"
do = [\"GET /balance\"]
credential = \"bank\"
private = [\"127.0.0.1/32\"]   # the tour's bank is on this computer
";

    /// Opens both.
    pub async fn open(authority: &Authority) -> Result<Self, TourError> {
        let key = format!("bank-{:032x}", rand::random::<u128>());
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let open = async |name: &str, answers: Answers| {
            let tls = authority.server(&[name])?;
            Listener::tcp(here, Some(tls), answers).await.map_err(TourError::Town)
        };
        let bank = open("bank.example", bank(key.clone())).await?;
        let weather = open("weather.example", Arc::new(|_: &Request<'_>| weather())).await?;
        Ok(Town { bank, weather, key })
    }

    /// The bank's real key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The bank.
    pub fn bank(&self) -> &Listener {
        &self.bank
    }

    /// The weather site.
    pub fn weather(&self) -> &Listener {
        &self.weather
    }

    /// The tour's `doorward.toml`.
    pub(super) fn configuration(&self) -> String {
        format!(
            "[upstream]\n\
             extra_ca = [\"tour-ca.pem\"]\n\n\
             [upstream.hosts]\n\
             \"bank.example\" = \"{}\"\n\
             \"weather.example\" = \"{}\"\n\n\
             [credentials.bank]\n\
             secret = \"file:bank-key\"\n\
             hosts = [\"bank.example\"]\n\
             env = \"{VARIABLE}\"\n\
             prefix = \"bank-\"\n",
            self.bank.address(),
            self.weather.address(),
        )
    }
}

/// Tells the balance to whoever has the key, and echoes the key: a careless server, to show the key being removed from
/// its answer.
fn bank(key: String) -> Answers {
    let wanted = format!("Bearer {key}");
    Arc::new(move |request| match request.header("authorization") {
        Some(shown) if shown == wanted => (200, format!("{{\"balance\": \"1,204.50\", \"you_showed\": \"{key}\"}}\n")),
        _ => (401, "{\"error\": \"wrong key\"}\n".to_owned()),
    })
}

fn weather() -> (u16, String) {
    (200, "{\"today\": \"sunny, 21 degrees\"}\n".to_owned())
}
