//! The wiring of the gateway: configuration, audit log, vault, resolver and policies
//! behind the doors. One per process.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use desk::lock;
use policies::{GroupName, Narrow, Policy, SandboxId};
use proxy::audit::Identity;
use proxy::ports::{Internal, NewResolver, Owner, Secrets};
use proxy::{Door, Revocations};
use rand::RngExt;
use rustls::ClientConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::budget::Budgets;
use crate::clock::OwnersClock;
use crate::config::{Config, Upstream};
use crate::home::Home;
use crate::meters::Meters;
use crate::resolver::Names;
use crate::store::ledger::{AuditLog, Notice};
use crate::vault::{SetAside, Vault};

pub mod descriptors;
mod error;
pub mod latch;
mod open_door;
pub mod policy_events;
pub mod policy_files;
mod revocations;
pub mod taken_presets;
mod tags;
mod threads;

use latch::LatchFile;
use policy_files::{PolicyFiles, Watching};
use threads::Threads;

pub use error::GatewayError;
pub use open_door::OpenDoor;
pub use policy_files::InForce;

/// Everything behind the doors of one installation.
pub struct Gateway {
    proxy: Arc<proxy::Gateway>,
    vault: Arc<Vault>,
    policies: Arc<PolicyFiles>,
    ledger: Arc<AuditLog>,
    /// The open ones.
    doors: Mutex<Vec<Weak<Door>>>,
    /// What the owner has locked, as stored; one change at a time.
    latch_file: Mutex<LatchFile>,
    threads: Threads,
    _watching: (Watching, Option<revocations::Watching>),
}

impl Gateway {
    /// Opens the gateway of a home. Policies load when a group first needs them. `internal` builds what answers agents
    /// at `http://doorward.internal`; `owner` is asked where a policy says so.
    pub fn open(
        home: &Home,
        config: &Config,
        ledger: Arc<AuditLog>,
        internal: impl FnOnce(Arc<dyn Secrets>) -> Arc<dyn Internal>,
        owner: Arc<dyn Owner>,
    ) -> Result<Arc<Self>, GatewayError> {
        Self::open_as(home, config, ledger, internal, owner, |tls| Names::of_each_door(config.upstream.clone(), tls))
    }

    /// The same with one resolver for all doors. Wrong on purpose: for the drill.
    pub fn open_with_one_resolver(
        home: &Home,
        config: &Config,
        ledger: Arc<AuditLog>,
        internal: impl FnOnce(Arc<dyn Secrets>) -> Arc<dyn Internal>,
        owner: Arc<dyn Owner>,
    ) -> Result<Arc<Self>, GatewayError> {
        Self::open_as(home, config, ledger, internal, owner, |tls| Names::of_all_doors(&config.upstream, tls))
    }

    fn open_as(
        home: &Home,
        config: &Config,
        ledger: Arc<AuditLog>,
        internal: impl FnOnce(Arc<dyn Secrets>) -> Arc<dyn Internal>,
        owner: Arc<dyn Owner>,
        resolvers: impl FnOnce(&Arc<ClientConfig>) -> NewResolver,
    ) -> Result<Arc<Self>, GatewayError> {
        let vault = Vault::new(config.credentials.clone(), SetAside::at(home.set_aside_dir()));
        let vault = Arc::new(vault.with_canaries(&config.canaries));
        let policies = Arc::new(PolicyFiles::new(home.clone(), ledger.clone()));
        let clock = OwnersClock::new(config.assistant.time_zone.clone());
        let lists = &config.upstream.crl;
        let (tls, revocations) = upstream_tls(&config.upstream)?;
        let proxy = proxy::Gateway {
            ledger: ledger.clone(),
            resolvers: resolvers(&tls),
            secrets: vault.clone(),
            budget: Arc::new(Budgets::new(ledger.clone(), clock.clone())),
            meter: Arc::new(Meters::new(ledger.clone(), clock.clone(), config.prices.with_shipped())),
            internal: internal(vault.clone()),
            owner,
            now: clock.port(),
            latch: Arc::default(),
            tls,
            limits: descriptors::take(config.queue.sandboxes),
            connections: AtomicU64::new(0),
            refreshes: proxy::Refreshes::default(),
            tags: tags::kept_at(&home.tag_secret_file()),
        };
        let latch_file = LatchFile::at(home.latch_file());
        proxy.latch.set(latch_file.at_start(&ledger));
        let threads = Threads::start().map_err(GatewayError::Threads)?;
        let watching = (policies.watch(), revocations::watch(lists, &revocations)?);
        let (proxy, doors) = (Arc::new(proxy), Mutex::default());
        Ok(Arc::new(Gateway {
            proxy,
            vault,
            policies,
            ledger,
            doors,
            latch_file: Mutex::new(latch_file),
            threads,
            _watching: watching,
        }))
    }

    /// Shuts every door of a group at once, whoever holds them: what is in flight is cut, and nothing new gets
    /// through.
    pub fn shut_doors(&self, group: &GroupName, why: &str) {
        let doors: Vec<_> = self.open_doors().iter().filter_map(Weak::upgrade).collect();
        doors.iter().filter(|door| door.identity().group == *group).for_each(|door| door.shut(why));
    }

    fn open_doors(&self) -> MutexGuard<'_, Vec<Weak<Door>>> {
        lock(&self.doors)
    }

    /// The secrets that must not leave in any way.
    pub fn secrets(&self) -> Arc<dyn Secrets> {
        self.vault.clone()
    }

    /// The log that doors write.
    pub fn log(&self) -> &Arc<AuditLog> {
        &self.ledger
    }

    /// Puts this version's preset in force, after the owner's yes.
    pub fn accept_preset(&self, name: &str) -> Result<(), String> {
        self.policies.accept_preset(name)
    }

    /// Sets the callback for replaced policies, once.
    pub fn tell_replaced_policies(&self, hears: policy_files::Replaced) {
        self.policies.tell_replaced(hears);
    }

    /// The policy in force for a group.
    pub fn policy(&self, group: &GroupName) -> Arc<Policy> {
        self.policies.of(group).load()
    }

    /// The hash of each policy in force that has been asked for so far.
    pub fn policies_in_force(&self) -> Vec<(GroupName, String)> {
        self.policies.in_force()
    }

    /// The policy of a group, whichever is in force by then.
    pub fn policy_handle(&self, group: &GroupName) -> InForce {
        self.policies.of(group)
    }

    /// What of the policy of a group a helper may ask for.
    pub fn narrowed_policy(&self, group: &GroupName, narrow: &Narrow) -> InForce {
        self.policies.narrowed(group, narrow)
    }

    /// Opens a door with its own identity and surrogates, for a program of the owner's. No other user of the machine
    /// gets in, wherever the socket is.
    pub fn open_door(&self, group: &GroupName, socket: &Path) -> Result<OpenDoor, GatewayError> {
        self.door(new_identity(group), socket, OWNERS, self.policy_handle(group))
    }

    /// Opens the door of a sandbox, for an identity that is already made, under its group's policy or a helper's part of
    /// it. The folders above the socket decide who gets there.
    pub fn open_door_as(&self, identity: Identity, socket: &Path, policy: InForce) -> Result<OpenDoor, GatewayError> {
        self.door(identity, socket, SANDBOXES, policy)
    }

    fn door(&self, identity: Identity, socket: &Path, mode: u32, policy: InForce) -> Result<OpenDoor, GatewayError> {
        let place = self.threads.place();
        let listener = listen(socket, mode).and_then(|listener| place.hears(listener));
        let listener = listener.map_err(|error| GatewayError::Socket { path: socket.to_owned(), error })?;
        let policy = policy.for_a_door();
        let hash = policy.load().hash().to_string();
        let issued = self.vault.issue(&identity, &policy.load().credentials());
        let made = Door::new(self.proxy.clone(), identity.clone(), policy, issued.keyring);
        let door = made.inspect_err(|_| {
            // Without a door nothing else would retire the surrogates issued for it.
            self.vault.retire(&identity);
            let _ = std::fs::remove_file(socket);
        })?;
        // Before anything can come through.
        let opened = Notice::of("door_opened", &identity, format!("a door was opened, with policy {hash} in force"));
        self.ledger.note(&Notice { policy: Some(hash), ..opened });
        {
            let mut doors = self.open_doors();
            doors.retain(|door| door.strong_count() > 0);
            doors.push(Arc::downgrade(&door));
        }
        let served = place.serve(door.clone().serve(listener));
        Ok(OpenDoor {
            door,
            policies: self.policies.clone(),
            vault: self.vault.clone(),
            ledger: self.ledger.clone(),
            environment: issued.environment,
            socket: socket.to_owned(),
            served,
            why: "its program or sandbox has ended",
            _open: self.policies.door_open(),
        })
    }
}

/// Sandbox ids are random: they reveal nothing and are never reused.
pub fn new_identity(group: &GroupName) -> Identity {
    let mut rng = rand::rng();
    loop {
        if let Some(sandbox) = SandboxId::new(&format!("{:016x}", rng.random::<u64>())) {
            return Identity { group: group.clone(), sandbox };
        }
    }
}

/// Socket modes: for the owner's own program, and for a sandbox, whose user differs from the daemon's.
const OWNERS: u32 = 0o600;
const SANDBOXES: u32 = 0o666;

#[expect(clippy::disallowed_methods, reason = "a door: its sandbox gets the answers to its requests")]
fn listen(socket: &Path, mode: u32) -> io::Result<net::UnixListener> {
    let listener = net::UnixListener::bind(socket)?;
    listener.set_nonblocking(true)?;
    std::fs::set_permissions(socket, Permissions::from_mode(mode))?;
    Ok(listener)
}

/// TLS to upstreams, with the owner's CA and CRL files.
pub fn upstream_tls(upstream: &Upstream) -> Result<(Arc<ClientConfig>, Arc<Revocations>), GatewayError> {
    Ok(proxy::upstream_tls_with(&extra_roots(&upstream.extra_ca)?, &revocations::read(&upstream.crl)?)?)
}

fn extra_roots(files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, GatewayError> {
    let mut roots = Vec::new();
    for path in files {
        let wrong = |why: String| GatewayError::ExtraCa { path: path.clone(), why };
        let text = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let found = found.map_err(|error| wrong(error.to_string()))?;
        if found.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        roots.extend(found);
    }
    Ok(roots)
}
