//! A linked account: the data that linking leaves in the program's folder, and the server that
//! knows it.

use std::path::Path;
use std::sync::Arc;

use whatsapp_rust::Jid;
use whatsapp_rust::wacore::libsignal::protocol::KeyPair;
use whatsapp_rust::wacore::store::traits::DeviceStore;
use whatsapp_rust::wacore::store::{CachedNoiseCert, CachedServerCertChain, Device};
use whatsapp_rust::waproto::whatsapp as wa;
use whatsapp_rust_sqlite_storage::SqliteStore;

use super::noise::public;
use super::server::{OWN, OWN_LID, Server, key};

pub(crate) async fn linked(folder: &Path) -> Server {
    linked_as(folder, true).await
}

/// Links a folder, and serves it. WhatsApp's side of linking is not available here.
pub(crate) async fn linked_as(folder: &Path, with_lid: bool) -> Server {
    std::fs::create_dir_all(folder).unwrap();
    let key = key();
    let mut device = device(&key);
    if !with_lid {
        device.lid = None;
    }
    let store = SqliteStore::new(folder.join("session.db").to_str().unwrap()).await.unwrap();
    store.save(&device).await.unwrap();
    drop(store);
    Server::start(Some(&device), &[], key).await
}

fn device(server: &KeyPair) -> Device {
    let mut device = Device::new();
    device.pn = Some(Jid::pn_device(OWN, 7));
    device.lid = Some(Jid::lid_device(OWN_LID, 7));
    device.push_name = "Doorward".to_owned();
    device.account = Some(Arc::new(wa::ADVSignedDeviceIdentity {
        details: Some(vec![1]),
        account_signature_key: Some(vec![2; 32]),
        account_signature: Some(vec![3; 64]),
        device_signature: Some(vec![4; 64]),
    }));
    // Noise IK checks no certificate: the server's key is known from here.
    let certificate = CachedNoiseCert { key: public(server), not_before: 0, not_after: i64::MAX };
    device.server_cert_chain = Some(CachedServerCertChain { intermediate: certificate.clone(), leaf: certificate });
    device
}
