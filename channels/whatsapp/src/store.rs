//! The library's store, without data that would reveal unregistered chats.
//!
//! The library stores everything it learns: sessions with everyone who writes, their names and
//! devices, and each decrypted message until it is acknowledged. Only data that must survive a
//! restart goes to disk: our own keys, Signal sessions (under names that hide the number), and data
//! of registered chats. The rest stays in memory, and the library fetches it again.
//!
//! What it is not: encryption. Whoever has the folder has WhatsApp's keys.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, mpsc};
use whatsapp_rust::Jid;
use whatsapp_rust::bytes::Bytes;
use whatsapp_rust::wacore::appstate::hash::HashState;
use whatsapp_rust::wacore::appstate::processor::AppStateMutationMAC;
use whatsapp_rust::wacore::store::error::{Result, StoreError};
use whatsapp_rust::wacore::store::traits::{
    AppStateSyncKey, AppSyncStore, DeviceListRecord, DeviceStore, LidPnMappingEntry, MsgSecretEntry, MsgSecretStore,
    PendingInboundKey, PendingInboundRow, ProtocolStore, SignalStore, TcTokenEntry,
};
use whatsapp_rust::wacore::store::{Device, InMemoryBackend};
use whatsapp_rust_sqlite_storage::SqliteStore;

use crate::chats::Chats;

/// How many sent messages are kept for phones that cannot decrypt them.
const SENT: usize = 512;

/// Whether the store has ended: then nothing is stored any more, as if the program had died.
#[derive(Clone, Default)]
pub(crate) struct Ended(Arc<Mutex<bool>>);

impl Ended {
    /// Ends it, after what is being stored.
    pub(crate) async fn end(&self) {
        *self.0.lock().await = true;
    }

    pub(crate) async fn has_ended(&self) -> bool {
        *self.0.lock().await
    }
}

/// The store.
pub(crate) struct Store {
    disk: SqliteStore,
    memory: InMemoryBackend,
    chats: Chats,
    /// Key for hashing names: without the folder's keys, numbers cannot be found by brute force.
    salt: [u8; 32],
    ended: Ended,
    broken: mpsc::UnboundedSender<()>,
    /// The messages sent to registered chats since the start: chat and id.
    sent: Mutex<VecDeque<(String, String)>>,
}

impl Store {
    /// `broken` is notified when something could not be stored or read.
    pub(crate) fn new(
        disk: SqliteStore,
        chats: Chats,
        salt: [u8; 32],
        ended: Ended,
        broken: mpsc::UnboundedSender<()>,
    ) -> Self {
        Store { disk, memory: InMemoryBackend::new(), chats, salt, ended, broken, sent: Mutex::default() }
    }

    /// Reports what failed: it ends the session.
    fn sees<T>(&self, done: Result<T>) -> Result<T> {
        if done.is_err() {
            // An error means that the session is ending anyway.
            let _ = self.broken.send(());
        }
        done
    }

    /// Once something could not be stored, nothing is stored any more, as if the program had died here:
    /// a disk with room again would keep that a message was decrypted, and not the message itself.
    /// Redelivered, it would pass for a duplicate and be acknowledged. What is read goes on, or the
    /// library would take the next message for one that nobody can decrypt, and WhatsApp would drop it.
    async fn stores<T>(&self, doing: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let mut ended = self.ended.0.lock().await;
        if *ended {
            return Err(StoreError::Io(io::Error::other("nothing is stored any more")));
        }
        let done = self.sees(doing.await);
        *ended = done.is_err();
        done
    }

    fn registered(&self, names: &[Option<Jid>]) -> bool {
        let names: Vec<Jid> = names.iter().flatten().cloned().collect();
        self.chats.word(&names).is_some() || names.iter().any(|name| self.chats.is_own(name))
    }

    /// Also if WhatsApp names it otherwise here than it is registered, as far as that is known.
    async fn registered_by_any_name(&self, chat: &str) -> Result<bool> {
        let Ok(jid) = chat.parse::<Jid>() else { return Ok(false) };
        if self.chats.is_known(&jid) || self.chats.is_own(&jid) {
            return Ok(true);
        }
        let mapping = match (jid.is_lid(), jid.is_pn()) {
            (true, _) => self.get_lid_mapping(&jid.user).await?,
            (_, true) => self.get_pn_mapping(&jid.user).await?,
            _ => None,
        };
        Ok(mapping.is_some_and(|mapping| self.registered_mapping(&mapping)))
    }

    fn registered_mapping(&self, entry: &LidPnMappingEntry) -> bool {
        self.registered(&[Some(Jid::lid(entry.lid.as_str())), Some(Jid::pn(entry.phone_number.as_str()))])
    }

    /// Counts a sent message; returns the oldest if that makes too many.
    async fn one_too_many(&self, chat: &str, id: &str) -> Option<(String, String)> {
        let (mut sent, newest) = (self.sent.lock().await, (chat.to_owned(), id.to_owned()));
        sent.retain(|before| *before != newest);
        sent.push_back(newest);
        if sent.len() > SENT { sent.pop_front() } else { None }
    }

    fn veil(&self, name: &str) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.salt);
        hasher.update(name.as_bytes());
        hasher.finalize()[..12].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// `user@server` and `user:device@server` keep their shape: the disk store looks
    /// for all devices of a user by the beginning of the address.
    fn address(&self, address: &str) -> String {
        let end = address.find([':', '@']).unwrap_or(address.len());
        format!("{}{}", self.veil(&address[..end]), &address[end..])
    }
}

/// Implements a trait by forwarding to one of the two stores, except for the methods given.
macro_rules! forward {
    ($trait:ident to $store:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* }
     stores { $(fn $stores:ident($($what:ident: $of:ty),*) -> $done:ty;)* } own { $($own:item)* }) => {
        #[async_trait]
        impl $trait for Store {
            $(async fn $name(&self, $($arg: $type),*) -> $out { self.sees(self.$store.$name($($arg),*).await) })*
            $(async fn $stores(&self, $($what: $of),*) -> $done { self.stores(self.$store.$stores($($what),*)).await })*
            $($own)*
        }
    };
}

forward! { SignalStore to disk {
    fn load_prekey(id: u32) -> Result<Option<Bytes>>;
    fn load_prekeys_batch(ids: &[u32]) -> Result<Vec<(u32, Bytes)>>;
    fn get_max_prekey_id() -> Result<u32>;
    fn load_signed_prekey(id: u32) -> Result<Option<Vec<u8>>>;
    fn load_all_signed_prekeys() -> Result<Vec<(u32, Vec<u8>)>>;
} stores {
    fn store_prekey(id: u32, record: &[u8], uploaded: bool) -> Result<()>;
    fn store_prekeys_batch(keys: &[(u32, Bytes)], uploaded: bool) -> Result<()>;
    fn mark_prekeys_uploaded(ids: &[u32]) -> Result<()>;
    fn remove_prekey(id: u32) -> Result<()>;
    fn store_signed_prekey(id: u32, record: &[u8]) -> Result<()>;
    fn remove_signed_prekey(id: u32) -> Result<()>;
} own {
    async fn put_identity(&self, address: &str, key: [u8; 32]) -> Result<()> {
        self.stores(self.disk.put_identity(&self.address(address), key)).await
    }
    async fn put_identities_batch(&self, identities: &[(Arc<str>, [u8; 32])]) -> Result<()> {
        let veiled: Vec<_> = identities.iter().map(|(address, key)| (self.address(address).into(), *key)).collect();
        self.stores(self.disk.put_identities_batch(&veiled)).await
    }
    async fn load_identity(&self, address: &str) -> Result<Option<[u8; 32]>> {
        self.sees(self.disk.load_identity(&self.address(address)).await)
    }
    async fn delete_identity(&self, address: &str) -> Result<()> {
        self.stores(self.disk.delete_identity(&self.address(address))).await
    }
    async fn get_session(&self, address: &str) -> Result<Option<Bytes>> {
        self.sees(self.disk.get_session(&self.address(address)).await)
    }
    async fn put_session(&self, address: &str, session: &[u8]) -> Result<()> {
        self.stores(self.disk.put_session(&self.address(address), session)).await
    }
    async fn put_sessions_batch(&self, sessions: &[(Arc<str>, Bytes)]) -> Result<()> {
        let veiled: Vec<_> = sessions.iter().map(|(at, session)| (self.address(at).into(), session.clone())).collect();
        self.stores(self.disk.put_sessions_batch(&veiled)).await
    }
    async fn delete_session(&self, address: &str) -> Result<()> {
        self.stores(self.disk.delete_session(&self.address(address))).await
    }
    async fn has_session(&self, address: &str) -> Result<bool> {
        self.sees(self.disk.has_session(&self.address(address)).await)
    }
    async fn has_signal_state_for_user(&self, user: &str) -> Result<bool> {
        self.sees(self.disk.has_signal_state_for_user(&self.veil(user)).await)
    }
    async fn put_sender_key(&self, address: &str, record: &[u8]) -> Result<()> {
        self.stores(self.disk.put_sender_key(&self.veil(address), record)).await
    }
    async fn put_sender_keys_batch(&self, sender_keys: &[(Arc<str>, Bytes)]) -> Result<()> {
        let veiled: Vec<_> = sender_keys.iter().map(|(at, key)| (self.veil(at).into(), key.clone())).collect();
        self.stores(self.disk.put_sender_keys_batch(&veiled)).await
    }
    async fn get_sender_key(&self, address: &str) -> Result<Option<Vec<u8>>> {
        self.sees(self.disk.get_sender_key(&self.veil(address)).await)
    }
    async fn delete_sender_key(&self, address: &str) -> Result<()> {
        self.stores(self.disk.delete_sender_key(&self.veil(address))).await
    }
} }

forward! { AppSyncStore to disk {
    fn get_sync_key(key_id: &[u8]) -> Result<Option<AppStateSyncKey>>;
    fn get_version(name: &str) -> Result<HashState>;
    fn get_mutation_mac(name: &str, index_mac: &[u8]) -> Result<Option<Vec<u8>>>;
    fn get_mutation_macs(name: &str, index_macs: &[[u8; 32]]) -> Result<HashMap<[u8; 32], Vec<u8>>>;
    fn get_latest_sync_key_id() -> Result<Option<Vec<u8>>>;
} stores {
    fn set_sync_key(key_id: &[u8], key: AppStateSyncKey) -> Result<()>;
    fn set_version(name: &str, state: HashState) -> Result<()>;
    fn put_mutation_macs(name: &str, version: u64, mutations: &[AppStateMutationMAC]) -> Result<()>;
    fn delete_mutation_macs(name: &str, index_macs: &[Vec<u8>]) -> Result<()>;
    fn clear_mutation_macs(name: &str) -> Result<()>;
} own {} }

forward! { DeviceStore to disk {
    fn load() -> Result<Option<Device>>;
    fn exists() -> Result<bool>;
} stores {
    fn save(device: &Device) -> Result<()>;
    fn create() -> Result<i32>;
} own {} }

// Secrets of single messages, for polls and edits, which are not read.
forward! { MsgSecretStore to memory {
    fn put_msg_secrets(entries: Vec<MsgSecretEntry>) -> Result<usize>;
    fn get_msg_secret(chat: &str, sender: &str, msg_id: &str) -> Result<Option<Vec<u8>>>;
    fn delete_expired_msg_secrets(cutoff_timestamp: i64) -> Result<u32>;
} stores {} own {} }

forward! { ProtocolStore to memory {
    fn get_sender_key_devices(group_jid: &str) -> Result<Vec<(String, bool)>>;
    fn set_sender_key_status(group_jid: &str, entries: &[(&str, bool)]) -> Result<()>;
    fn clear_sender_key_devices(group_jid: &str) -> Result<()>;
    fn delete_sender_key_device_rows(device_jids: &[&str]) -> Result<()>;
    fn clear_all_sender_key_devices() -> Result<()>;
    fn save_base_key(address: &str, message_id: &str, base_key: &[u8]) -> Result<()>;
    fn has_same_base_key(address: &str, message_id: &str, current_base_key: &[u8]) -> Result<bool>;
    fn delete_base_key(address: &str, message_id: &str) -> Result<()>;
    fn update_device_list(record: DeviceListRecord) -> Result<()>;
    fn update_device_lists(records: Vec<DeviceListRecord>) -> Result<()>;
    fn get_devices(user: &str) -> Result<Option<DeviceListRecord>>;
    fn delete_devices(user: &str) -> Result<()>;
    fn get_group_metadata(group_jid: &str) -> Result<Option<Vec<u8>>>;
    fn put_group_metadata(group_jid: &str, blob: &[u8]) -> Result<()>;
    fn delete_group_metadata(group_jid: &str) -> Result<()>;
    fn get_tc_token(jid: &str) -> Result<Option<TcTokenEntry>>;
    fn put_tc_token(jid: &str, entry: &TcTokenEntry) -> Result<()>;
    fn delete_tc_token(jid: &str) -> Result<()>;
    fn get_all_tc_token_jids() -> Result<Vec<String>>;
    fn delete_expired_tc_tokens(token_cutoff: i64, sender_cutoff: i64) -> Result<u32>;
    fn touch_tc_token_sender_timestamp(jid: &str, sender_timestamp: i64) -> Result<()>;
    fn store_received_tc_token(jid: &str, token: &[u8], token_timestamp: i64) -> Result<()>;
} stores {} own {
    async fn get_lid_mapping(&self, lid: &str) -> Result<Option<LidPnMappingEntry>> {
        match self.memory.get_lid_mapping(lid).await? {
            Some(entry) => Ok(Some(entry)),
            None => self.disk.get_lid_mapping(lid).await,
        }
    }
    async fn get_pn_mapping(&self, phone: &str) -> Result<Option<LidPnMappingEntry>> {
        match self.memory.get_pn_mapping(phone).await? {
            Some(entry) => Ok(Some(entry)),
            None => self.disk.get_pn_mapping(phone).await,
        }
    }
    async fn put_lid_mapping(&self, entry: &LidPnMappingEntry) -> Result<()> {
        if self.registered_mapping(entry) {
            self.disk.put_lid_mapping(entry).await?;
        }
        self.memory.put_lid_mapping(entry).await
    }
    async fn put_lid_mappings(&self, entries: &[LidPnMappingEntry]) -> Result<()> {
        let durable: Vec<_> = entries.iter().filter(|entry| self.registered_mapping(entry)).cloned().collect();
        self.disk.put_lid_mappings(&durable).await?;
        self.memory.put_lid_mappings(entries).await
    }
    async fn get_all_lid_mappings(&self) -> Result<Vec<LidPnMappingEntry>> {
        let mut all = self.disk.get_all_lid_mappings().await?;
        all.extend(self.memory.get_all_lid_mappings().await?);
        Ok(all)
    }
    // A phone that cannot decrypt what was sent asks for it again, perhaps after a restart.
    async fn store_sent_message(&self, chat: &str, id: &str, message: &[u8]) -> Result<()> {
        if !self.registered_by_any_name(chat).await? {
            return self.memory.store_sent_message(chat, id, message).await;
        }
        self.stores(self.disk.store_sent_message(chat, id, message)).await?;
        match self.one_too_many(chat, id).await {
            Some((chat, id)) => self.stores(self.disk.take_sent_message(&chat, &id)).await.map(drop),
            None => Ok(()),
        }
    }
    async fn take_sent_message(&self, chat: &str, id: &str) -> Result<Option<Vec<u8>>> {
        match self.memory.take_sent_message(chat, id).await? {
            Some(message) => Ok(Some(message)),
            None => self.stores(self.disk.take_sent_message(chat, id)).await,
        }
    }
    async fn delete_expired_sent_messages(&self, cutoff_timestamp: i64) -> Result<u32> {
        let forgotten = self.memory.delete_expired_sent_messages(cutoff_timestamp).await?;
        Ok(forgotten + self.disk.delete_expired_sent_messages(cutoff_timestamp).await?)
    }
    // A decrypted message, until it is acknowledged.
    async fn store_pending_inbound(&self, chat: &str, sender: &str, id: &str, message: &[u8]) -> Result<()> {
        if self.registered_by_any_name(chat).await? {
            self.stores(self.disk.store_pending_inbound(chat, sender, id, message)).await
        } else {
            self.memory.store_pending_inbound(chat, sender, id, message).await
        }
    }
    // Refused with what is stored: a message that is not found here is acknowledged.
    async fn get_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<Option<Vec<u8>>> {
        match self.memory.get_pending_inbound(chat, sender, id).await? {
            Some(message) => Ok(Some(message)),
            None => self.stores(self.disk.get_pending_inbound(chat, sender, id)).await,
        }
    }
    async fn delete_pending_inbound(&self, chat: &str, sender: &str, id: &str) -> Result<()> {
        self.memory.delete_pending_inbound(chat, sender, id).await?;
        self.stores(self.disk.delete_pending_inbound(chat, sender, id)).await
    }
    async fn delete_expired_pending_inbound(&self, cutoff_timestamp: i64) -> Result<u32> {
        let forgotten = self.memory.delete_expired_pending_inbound(cutoff_timestamp).await?;
        Ok(forgotten + self.disk.delete_expired_pending_inbound(cutoff_timestamp).await?)
    }
    async fn store_pending_inbound_batch(&self, rows: &[PendingInboundRow<'_>]) -> Result<()> {
        let (mut durable, mut other) = (Vec::new(), Vec::new());
        for row in rows {
            let kept = if self.registered_by_any_name(row.chat).await? { &mut durable } else { &mut other };
            kept.push(*row);
        }
        self.memory.store_pending_inbound_batch(&other).await?;
        if durable.is_empty() {
            return Ok(());
        }
        self.stores(self.disk.store_pending_inbound_batch(&durable)).await
    }
    async fn delete_pending_inbound_batch(&self, keys: &[PendingInboundKey<'_>]) -> Result<()> {
        self.memory.delete_pending_inbound_batch(keys).await?;
        self.stores(self.disk.delete_pending_inbound_batch(keys)).await
    }
} }

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const REGISTERED: &str = "491701111111@s.whatsapp.net";
    const LID: &str = "20001112223@lid";

    async fn store(folder: &std::path::Path) -> Store {
        let disk = SqliteStore::new(folder.join("session.db").to_str().unwrap()).await.unwrap();
        disk.save(&Device::new()).await.unwrap();
        let chats = Chats::default();
        chats.replace(&[REGISTERED.to_owned()]);
        Store::new(disk, chats, [7; 32], Ended::default(), mpsc::unbounded_channel().0)
    }

    async fn kept(store: &Store, chat: &str, id: usize) -> bool {
        store.disk.take_sent_message(chat, &id.to_string()).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn the_last_sent_messages_of_registered_chats_are_on_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (store, other) = (store(folder.path()).await, "491709999999@s.whatsapp.net");
        store.store_sent_message(other, "0", b"text").await.unwrap();
        assert!(!kept(&store, other, 0).await);
        assert!(store.take_sent_message(other, "0").await.unwrap().is_some());

        for id in 0..=SENT {
            store.store_sent_message(REGISTERED, &id.to_string(), b"text").await.unwrap();
            // Sent once more, it is the same message.
            store.store_sent_message(REGISTERED, &id.to_string(), b"text").await.unwrap();
        }
        assert!(!kept(&store, REGISTERED, 0).await);
        for id in 1..=SENT {
            assert!(kept(&store, REGISTERED, id).await, "{id}");
        }
    }

    #[tokio::test]
    async fn a_message_to_the_other_name_of_a_registered_chat_is_kept_too() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        let names = LidPnMappingEntry {
            lid: LID.trim_end_matches("@lid").to_owned(),
            phone_number: "491701111111".to_owned(),
            created_at: 1,
            updated_at: 1,
            learning_source: "usync".to_owned(),
        };
        store.put_lid_mapping(&names).await.unwrap();
        store.store_sent_message(LID, "0", b"text").await.unwrap();
        assert!(kept(&store, LID, 0).await);
    }

    #[tokio::test]
    async fn once_something_was_not_stored_nothing_is_and_reading_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path()).await;
        store.put_session("491701111111.0", b"before").await.unwrap();
        let disk = rusqlite::Connection::open(folder.path().join("session.db")).unwrap();
        let full = "CREATE TRIGGER full BEFORE INSERT ON pending_inbound_messages
                    BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END";
        disk.execute_batch(full).unwrap();
        store.store_pending_inbound(REGISTERED, REGISTERED, "1", b"text").await.unwrap_err();
        disk.execute_batch("DROP TRIGGER full").unwrap();

        store.put_session("491701111111.0", b"after").await.unwrap_err();
        assert_eq!(store.get_session("491701111111.0").await.unwrap().unwrap(), b"before"[..]);
        // Not found, it would be acknowledged.
        store.get_pending_inbound(REGISTERED, REGISTERED, "1").await.unwrap_err();
    }
}
