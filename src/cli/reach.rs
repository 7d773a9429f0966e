//! The daemon that serves a home: the running one, or one inside this process for as long as the command takes. Both
//! are reached over the same socket.

use super::{Failure, environment, progress, show, up};
use crate::control::client::Client;
use crate::daemon::Daemon;
use crate::home::Home;

/// Access to the daemon.
pub(crate) struct Reached<'a> {
    home: &'a Home,
    first: Option<Client>,
    own: Option<Daemon>,
}

/// Finds the daemon of this home, or starts one.
pub(crate) async fn daemon(home: &Home) -> Result<Reached<'_>, Failure> {
    if let Some(client) = Client::connect(home).await.map_err(environment)? {
        return Ok(Reached { home, first: Some(client), own: None });
    }
    show::aside(
        "doorward: Doorward is not running, so this command starts it for itself (`doorward up` keeps it running)",
    );
    own(home).await
}

/// A daemon of this command's own.
pub(crate) async fn own(home: &Home) -> Result<Reached<'_>, Failure> {
    let own = progress::while_waiting("starting the daemon", Daemon::start(home)).await.map_err(up::failed)?;
    if let Some(note) = &own.facts().upgraded {
        show::aside(note);
    }
    Ok(Reached { home, first: None, own: Some(own) })
}

impl Reached<'_> {
    /// A connection; each carries one request.
    pub(crate) async fn client(&mut self) -> Result<Client, Failure> {
        if let Some(client) = self.first.take() {
            return Ok(client);
        }
        let client = Client::connect(self.home).await.map_err(environment)?;
        client.ok_or_else(|| environment(anyhow::anyhow!("the daemon went away; start it again with `doorward up`")))
    }

    /// Whether the daemon keeps running after this command.
    pub(crate) fn stays(&self) -> bool {
        self.own.is_none()
    }

    /// Ends the daemon if it is this command's own.
    pub(crate) async fn leave(self) {
        if let Some(own) = self.own {
            progress::while_waiting("stopping the daemon", own.stop()).await;
        }
    }
}
