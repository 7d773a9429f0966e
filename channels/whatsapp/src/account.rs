//! Opens the store and builds the client, for the channel and the commands.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use channel_protocol::ChannelState;
use diesel::{RunQueryDsl, sql_query};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use whatsapp_rust::bot::{Bot, BotBuilder, Provided};
use whatsapp_rust::http::{HttpClient, HttpRequest, HttpResponse, UreqHttpClient};
use whatsapp_rust::transport::TokioWebSocketTransportFactory;
use whatsapp_rust::wacore::store::traits::{DeviceStore, ProtocolStore};
use whatsapp_rust::wacore::store::{Device, DevicePropsOverride};
use whatsapp_rust::waproto::whatsapp::device_props::PlatformType;
use whatsapp_rust::{CacheConfig, Jid, MsgSecretPolicy};
use whatsapp_rust_sqlite_storage::{SqliteStore, SqliteStoreConfig};

use crate::chats::Chats;
use crate::events::NOT_LINKED;
use crate::folder::Folder;
use crate::ids::Ids;
use crate::status;
use crate::store::{Ended, Store};

/// For a test server, which ignores it.
const TEST_VERSION: (u32, u32, u32) = (2, 3000, 1_000_000_000);

/// How long a sent message is kept for phones that cannot decrypt it.
const RESENT: Duration = Duration::from_secs(2 * 60 * 60);

/// The builder, complete except for its handlers.
pub(crate) type Builder = BotBuilder<Provided, Provided, Provided, Provided>;

/// Access to the media hosts of a test server, which is on this machine and has no certificate.
#[derive(Debug)]
struct InTheClear(UreqHttpClient);

#[async_trait]
impl HttpClient for InTheClear {
    async fn execute(&self, request: HttpRequest) -> anyhow::Result<HttpResponse> {
        let url = request.url.replacen("https://", "http://", 1);
        self.0.execute(HttpRequest { url, ..request }).await
    }
}

/// The second since 1970 before which sent messages are not kept.
fn sent_before(now: SystemTime) -> i64 {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(RESENT);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// The sent messages on the disk.
pub(crate) struct Sent(SqliteStore);

impl Sent {
    /// Deletes them all.
    pub(crate) async fn forget(&self) -> anyhow::Result<()> {
        let deleted = self.0.delete_expired_sent_messages(i64::MAX).await;
        deleted.map(drop).context("what was sent to a removed chat cannot be deleted")
    }
}

/// An opened store.
pub(crate) struct Account {
    /// The linked device; `None` before linking.
    pub(crate) device: Option<Device>,
    disk: SqliteStore,
    /// The secret of this link; deleted with the keys.
    secret: [u8; 32],
    ended: Ended,
}

impl Account {
    /// Opens the store in the folder.
    pub(crate) async fn open(folder: &Folder) -> anyhow::Result<Self> {
        let path = folder.session();
        let name = path.to_str().ok_or_else(|| anyhow!("the folder's path is not UTF-8: {}", path.display()))?;
        // What is deleted is overwritten.
        let config = SqliteStoreConfig::default()
            .with_connection_init(|disk| Ok(sql_query("PRAGMA secure_delete = ON").execute(disk).map(drop)?));
        let disk = SqliteStore::with_config(name, config).await;
        let disk = disk.with_context(|| format!("cannot open {}", path.display()))?;
        let device = disk.load().await.with_context(|| format!("cannot read {}", path.display()))?;
        // The library does this later too, every few minutes; on a full disk that is early enough.
        let _ = disk.delete_expired_sent_messages(sent_before(SystemTime::now())).await;
        let secret = folder.secret()?;
        let device = device.filter(Device::is_registered);
        if device.is_none() {
            // The file exists from now on, linked or not.
            status::write(folder, ChannelState::LoggedOut, NOT_LINKED);
        }
        Ok(Account { device, disk, secret, ended: Ended::default() })
    }

    /// Our own names: phone number first.
    pub(crate) fn own(&self) -> Vec<Jid> {
        self.device.iter().flat_map(|device| [device.pn.clone(), device.lid.clone()]).flatten().collect()
    }

    /// The ids of the messages that this device sends.
    pub(crate) fn ids(&self) -> Ids {
        Ids::new(&self.secret)
    }

    /// By which the store is ended.
    pub(crate) fn ended(&self) -> Ended {
        self.ended.clone()
    }

    /// What was sent, and is kept for phones that cannot decrypt it.
    pub(crate) fn sent(&self) -> Sent {
        Sent(self.disk.clone())
    }

    /// The builder. History is not fetched, message secrets are not kept.
    pub(crate) fn builder(self, chats: Chats, server: Option<&str>, broken: mpsc::UnboundedSender<()>) -> Builder {
        let salt = Sha256::new().chain_update(b"doorward veiled names").chain_update(self.secret).finalize().into();
        let mut transport = TokioWebSocketTransportFactory::new();
        if let Some(url) = server {
            transport = transport.with_url(url);
        }
        let builder = Bot::builder()
            .with_backend(Store::new(self.disk, chats, salt, self.ended, broken))
            .with_transport_factory(transport)
            .with_cache_config(CacheConfig {
                msg_secret_policy: MsgSecretPolicy::Disabled,
                sent_message_ttl_secs: RESENT.as_secs(),
                ..Default::default()
            })
            .skip_history_sync();
        match server {
            Some(_) => builder.with_version(TEST_VERSION).with_http_client(InTheClear(UreqHttpClient::new())),
            None => builder,
        }
    }

    /// How the phone lists this device.
    pub(crate) fn props() -> DevicePropsOverride {
        DevicePropsOverride::new().with_os("Doorward").with_platform_type(PlatformType::DESKTOP)
    }
}
