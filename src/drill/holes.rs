//! Deliberate holes, to prove that an attack succeeds if there is one. Each is an edit of the finished request to the
//! engine, so the code that builds the wall knows of none.

use std::os::unix::fs::chown;

use containers::{CreateRequest, DOOR, HOME, SandboxUser, WORKSPACE, guest};

/// What is deliberately wrong with a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// Joined to this network of the engine.
    Network(String),
    /// The engine's own seccomp profile instead of ours.
    EngineSeccomp,
    /// No seccomp profile at all: engines differ in what theirs forbids.
    NoSeccomp,
    /// The door's folder is writable.
    WritableDoor,
    /// Files as large as the disk.
    LargeFiles,
    /// It shares what should be its own with all sandboxes that have this edit.
    Shared {
        /// Its user.
        user: SandboxUser,
        /// The file of its guest.
        guest: String,
    },
}

impl Edit {
    /// Makes the hole.
    pub(super) fn apply(self, request: &mut CreateRequest) {
        let host = request.host_config.get_or_insert_default();
        match self {
            Edit::Network(name) => host.network_mode = Some(name),
            Edit::EngineSeccomp | Edit::NoSeccomp => {
                let options = host.security_opt.get_or_insert_default();
                options.retain(|option| !option.starts_with("seccomp="));
                options.extend((self == Edit::NoSeccomp).then(|| "seccomp=unconfined".to_owned()));
            }
            Edit::WritableDoor => {
                let mounts = host.mounts.iter_mut().flatten();
                mounts
                    .filter(|mount| mount.target.as_deref() == Some(DOOR))
                    .for_each(|mount| mount.read_only = Some(false));
            }
            Edit::LargeFiles => {
                host.ulimits.get_or_insert_default().retain(|limit| limit.name.as_deref() != Some("fsize"));
            }
            Edit::Shared { user, guest } => {
                request.user = Some(format!("{}:{}", user.uid, user.gid));
                for mount in host.mounts.iter_mut().flatten() {
                    match (mount.target.as_deref(), &mount.source) {
                        (Some(guest::PATH), _) => mount.source = Some(guest.clone()),
                        (Some(WORKSPACE | HOME), Some(folder)) if user.chown => {
                            if let Err(error) = chown(folder, Some(user.uid), Some(user.gid)) {
                                tracing::warn!(%error, "The drill could not give a folder away");
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> CreateRequest {
        serde_json::from_value(serde_json::json!({
            "User": "70001:70001",
            "HostConfig": {
                "NetworkMode": "none",
                "SecurityOpt": ["no-new-privileges", "seccomp={}"],
                "Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 1}, {"Name": "fsize", "Soft": 1, "Hard": 1}],
                "Mounts": [
                    {"Target": "/run/doorward", "Source": "/d/door", "ReadOnly": true},
                    {"Target": "/opt/doorward/guest", "Source": "/d/guest", "ReadOnly": true},
                ],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_hole_changes_only_what_it_names() {
        let user = SandboxUser { uid: 1000, gid: 1000, userns_mode: None, chown: false, own: true };
        let shared = Edit::Shared { user, guest: "/d/one".into() };
        let cases: [(Edit, &[(&str, &str)]); 6] = [
            (Edit::Network("n".into()), &[("/HostConfig/NetworkMode", "\"n\"")]),
            (Edit::EngineSeccomp, &[("/HostConfig/SecurityOpt", r#"["no-new-privileges"]"#)]),
            (Edit::NoSeccomp, &[("/HostConfig/SecurityOpt", r#"["no-new-privileges","seccomp=unconfined"]"#)]),
            (Edit::WritableDoor, &[("/HostConfig/Mounts/0/ReadOnly", "false")]),
            (Edit::LargeFiles, &[("/HostConfig/Ulimits", r#"[{"Hard":1,"Name":"nofile","Soft":1}]"#)]),
            (shared, &[("/User", "\"1000:1000\""), ("/HostConfig/Mounts/1/Source", "\"/d/one\"")]),
        ];
        let strict = serde_json::to_value(strict()).unwrap();
        for (edit, places) in cases {
            let mut weak = serde_json::from_value(strict.clone()).unwrap();
            edit.apply(&mut weak);
            let mut weak = serde_json::to_value(weak).unwrap();
            for (at, now) in places {
                assert_eq!(weak.pointer(at).unwrap().to_string(), *now);
                *weak.pointer_mut(at).unwrap() = strict.pointer(at).unwrap().clone();
            }
            assert_eq!(weak, strict);
        }
    }
}
