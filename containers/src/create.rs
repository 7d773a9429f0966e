//! From a [`SandboxSpec`] to the request to the engine, and to the container.

use std::{borrow::Cow, collections::HashMap, path::PathBuf};

use bollard::{
    errors::Error,
    models::{
        ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountBindOptions,
        MountBindOptionsPropagationEnum as Propagation, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
        ResourcesUlimits,
    },
    query_parameters::CreateContainerOptionsBuilder,
};

use crate::{
    accounts,
    container::Container,
    engine::{Engine, EngineKind, Facts},
    environment::door_environment,
    guest, orphans,
    spec::{CA_BUNDLE, DOOR, EXTRA, GLOBAL, HOME, INBOX, IPC, SKILLS, SandboxSpec, TRUST_STORE, WORKSPACE},
};

/// The seccomp profile of every sandbox; `seccomp/README.md` explains it.
pub(crate) const SECCOMP: &str = include_str!("../seccomp/sandbox.json");

/// The only name server in a sandbox: the sandbox itself, where none is listening. Without it the
/// engine copies the host's, which shows the agent the owner's network.
pub(crate) const NOWHERE: &str = "127.0.0.1";

/// Mount options of a small tmpfs.
const SMALL: &str = "rw,noexec,nosuid,nodev,size=16m,mode=1777";

/// Asks the engine for a container.
pub(crate) async fn container(engine: &Engine, name: String, request: ContainerCreateBody) -> Result<Container, Error> {
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let mut container = Container::asked_for(engine, name);
    let created = engine.docker.create_container(Some(options), request).await;
    container.answered(&created);
    created.map(|_| container)
}

/// The whole request to create the container. `seccomp` is the profile in this engine's form.
pub(crate) fn request(spec: &SandboxSpec, facts: &Facts, seccomp: &str) -> ContainerCreateBody {
    let environment = door_environment().into_iter().chain(spec.environment.iter().cloned());
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: Some("sandbox".to_owned()),
        user: Some(format!("{}:{}", spec.user.uid, spec.user.gid)),
        entrypoint: Some(vec![guest::PATH.to_owned()]),
        cmd: Some(Vec::new()),
        env: Some(environment.map(|(name, value)| format!("{name}={value}")).collect()),
        working_dir: Some(WORKSPACE.to_owned()),
        labels: Some(orphans::labels(spec)),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // Our end of stdin is closed when this process dies, however it dies; the guest then exits.
        stdin_once: Some(true),
        tty: Some(false),
        host_config: Some(host_config(spec, facts, seccomp)),
        ..Default::default()
    }
}

fn host_config(spec: &SandboxSpec, facts: &Facts, seccomp: &str) -> HostConfig {
    let (limits, enforced) = (spec.limits, facts.enforced);
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([
            // Compilers and test runners execute files in /tmp.
            ("/tmp".to_owned(), "rw,exec,nosuid,nodev,size=1g,mode=1777".to_owned()),
            ("/run".to_owned(), SMALL.to_owned()),
            // The host never opens it: the guest reads it.
            (IPC.to_owned(), SMALL.to_owned()),
        ])),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges".to_owned(), format!("seccomp={seccomp}")]),
        privileged: Some(false),
        ipc_mode: Some("private".to_owned()),
        userns_mode: spec.user.userns_mode.clone(),
        // The engine keeps nothing that an agent prints; attaching still works.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        pids_limit: enforced.pids.then_some(limits.pids),
        memory: enforced.memory.then_some(limits.memory),
        // Memory and swap together, so no swap.
        memory_swap: (enforced.memory && enforced.swap).then_some(limits.memory),
        nano_cpus: enforced.cpu.then_some((limits.cpus * 1e9) as i64),
        ulimits: Some(ulimits(spec)),
        dns: Some(vec![NOWHERE.to_owned()]),
        // "." means no search domain; without it the engine copies the host's.
        dns_search: Some(vec![".".to_owned()]),
        // The guest is pid 1 and reaps all processes itself.
        init: Some(false),
        mounts: Some(mounts(spec).chain(terminals(spec, facts)).collect()),
        runtime: spec.runtime.clone(),
        ..Default::default()
    }
}

fn ulimits(spec: &SandboxSpec) -> Vec<ResourcesUlimits> {
    let mut all = vec![
        ulimit("nofile", spec.limits.open_files),
        // A core dump would contain the crashed process's memory, and its command line goes to the host's journal.
        // If cores are piped to a program, a limit of 0 does not prevent that, but 1 does (core(5)).
        ulimit("core", 1),
        // Takes effect at once; the check of folders follows later (docs/sandbox.md, "Disk").
        ulimit("fsize", spec.limits.file_bytes),
    ];
    if !spec.user.own {
        // The kernel counts POSIX message queues per user. All sandboxes here are one user, so with
        // any limit one sandbox could use it up for the others.
        all.push(ulimit("msgqueue", 0));
    }
    all
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) }
}

/// All mounts: path on the host, path inside, whether read-only.
pub(crate) fn mounted(spec: &SandboxSpec) -> Vec<(PathBuf, Cow<'static, str>, bool)> {
    let folders = &spec.folders;
    let inbox = folders.inbox.clone().map(|folder| (folder, INBOX, true));
    let global = folders.global.clone().map(|folder| (folder, GLOBAL, true));
    let skills = folders.skills.clone().map(|folder| (folder, SKILLS, true));
    let extra = folders.extra.iter().map(|one| (one.source.clone(), Cow::Owned(one.target()), one.read_only));
    let always = [
        (folders.group.clone(), WORKSPACE, false),
        (folders.home.clone(), HOME, false),
        (spec.door.clone(), DOOR, true),
        (spec.guest.clone(), guest::PATH, true),
        (spec.ca_bundle.clone(), CA_BUNDLE, true),
        (spec.accounts.join(accounts::PASSWD), "/etc/passwd", true),
        (spec.accounts.join(accounts::GROUP), "/etc/group", true),
        (spec.trust_store(), TRUST_STORE, true),
    ];
    let fixed = always.into_iter().chain(inbox).chain(global).chain(skills);
    fixed.map(|(source, target, read_only)| (source, Cow::Borrowed(target), read_only)).chain(extra).collect()
}

/// The sandbox's own pseudo-terminals. All containers of a machine share a maximum
/// (`kernel.pty.max` minus its reserve), and one could take them all. Only Docker mounts such a
/// file system for us, and only if the sandbox runs on the host's kernel.
pub(crate) fn terminals(spec: &SandboxSpec, facts: &Facts) -> Option<Mount> {
    let runtime = spec.runtime.as_deref().unwrap_or(&facts.default_runtime);
    let of_this_kernel = ["runc", "crun", "io.containerd.runc.v2"].contains(&runtime);
    if facts.kind != EngineKind::Docker || !of_this_kernel {
        return None;
    }
    let options = [("type", "devpts"), ("device", "devpts"), ("o", TERMINAL_OPTIONS)];
    let driver = MountVolumeOptionsDriverConfig {
        name: Some("local".to_owned()),
        options: Some(options.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
    };
    Some(Mount {
        typ: Some(MountType::VOLUME),
        target: Some(TERMINALS.to_owned()),
        volume_options: Some(MountVolumeOptions { driver_config: Some(driver), ..Default::default() }),
        ..Default::default()
    })
}

/// Where terminals are mounted.
pub(crate) const TERMINALS: &str = "/dev/pts";

/// The engines' own options, plus a limit.
const TERMINAL_OPTIONS: &str = "newinstance,nosuid,noexec,ptmxmode=0666,mode=0620,gid=5,max=128";

fn mounts(spec: &SandboxSpec) -> impl Iterator<Item = Mount> {
    let mount = |(source, target, read_only): (PathBuf, Cow<'static, str>, bool)| Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        read_only: Some(read_only),
        bind_options: Some(MountBindOptions {
            // What is mounted on the host later must not appear inside.
            propagation: Some(Propagation::RPRIVATE),
            // Nor what is already mounted below an owner's folder: older engines leave it writable.
            non_recursive: target.starts_with(EXTRA).then_some(true),
            ..Default::default()
        }),
        target: Some(target.into_owned()),
        ..Default::default()
    };
    mounted(spec).into_iter().map(mount)
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use doorward_guest::protocol::Agent;

    use super::*;
    use crate::{Enforced, Extra, Folders, Limits, SandboxUser};

    pub(crate) fn spec() -> SandboxSpec {
        SandboxSpec {
            installation: "i1".into(),
            group: "family".into(),
            id: "s1".into(),
            agent: Agent::Shell,
            servers: Vec::new(),
            image: "doorward/base:1".into(),
            runtime: None,
            user: SandboxUser { uid: 1000, gid: 1000, userns_mode: None, chown: false, own: true },
            folders: Folders {
                group: "/d/group".into(),
                home: "/d/home".into(),
                inbox: Some("/d/inbox".into()),
                global: None,
                skills: Some("/d/skills".into()),
                extra: vec![Extra {
                    source: "/srv/notes".into(),
                    name: "notes".into(),
                    read_only: true,
                    inode: (2049, 77),
                }],
            },
            door: "/d/door".into(),
            guest: "/d/guest-1".into(),
            ca: String::new(),
            ca_bundle: "/d/ca.crt".into(),
            accounts: "/d/own".into(),
            environment: vec![("GITHUB_TOKEN".into(), "ghp_surrogate".into())],
            limits: Limits::default(),
        }
    }

    pub(crate) fn facts() -> Facts {
        Facts {
            kind: EngineKind::Docker,
            version: "20.10".into(),
            socket: "/var/run/docker.sock".into(),
            enforced: Enforced { pids: true, memory: true, swap: true, cpu: true },
            runtimes: vec![],
            default_runtime: "runc".into(),
            remaps_users: false,
            root: "/var/lib/docker".into(),
            guards: vec![],
        }
    }

    /// The complete shape of a sandbox: it is only changed on purpose.
    #[test]
    fn the_shape_of_a_sandbox() {
        let config = request(&spec(), &facts(), "{}").host_config.unwrap();
        let wanted = serde_json::json!({
            "NetworkMode": "none", "ReadonlyRootfs": true, "Privileged": false, "IpcMode": "private", "Init": false,
            "CapDrop": ["ALL"], "SecurityOpt": ["no-new-privileges", "seccomp={}"],
            "LogConfig": {"Type": "none"}, "Dns": ["127.0.0.1"], "DnsSearch": ["."],
            "PidsLimit": 512, "Memory": 2_147_483_648_i64, "MemorySwap": 2_147_483_648_i64, "NanoCpus": 2_000_000_000_i64,
            "Ulimits": [
                {"Name": "nofile", "Soft": 4096, "Hard": 4096}, {"Name": "core", "Soft": 1, "Hard": 1},
                {"Name": "fsize", "Soft": 20_000_000_000_i64, "Hard": 20_000_000_000_i64},
            ],
            "Tmpfs": {
                "/tmp": "rw,exec,nosuid,nodev,size=1g,mode=1777",
                "/run": "rw,noexec,nosuid,nodev,size=16m,mode=1777",
                "/workspace/ipc": "rw,noexec,nosuid,nodev,size=16m,mode=1777",
            },
            "Mounts": [
                mount("/d/group", "/workspace/group", false), mount("/d/home", "/home/agent", false),
                mount("/d/door", "/run/doorward", true), mount("/d/guest-1", "/opt/doorward/guest", true),
                mount("/d/ca.crt", "/etc/ssl/certs/ca-certificates.crt", true),
                mount("/d/own/passwd", "/etc/passwd", true), mount("/d/own/group", "/etc/group", true),
                mount("/d/ca.jks", "/etc/ssl/certs/doorward.jks", true),
                mount("/d/inbox", "/workspace/inbox", true), mount("/d/skills", "/workspace/skills", true),
                {
                    "Type": "bind", "Source": "/srv/notes", "Target": "/workspace/extra/notes", "ReadOnly": true,
                    "BindOptions": {"Propagation": "rprivate", "NonRecursive": true},
                },
                {
                    "Type": "volume", "Target": "/dev/pts",
                    "VolumeOptions": {"DriverConfig": {"Name": "local", "Options": {
                        "type": "devpts", "device": "devpts",
                        "o": "newinstance,nosuid,noexec,ptmxmode=0666,mode=0620,gid=5,max=128",
                    }}},
                },
            ],
        });
        assert_eq!(serde_json::to_value(config).unwrap(), wanted);
    }

    fn mount(source: &str, target: &str, read_only: bool) -> serde_json::Value {
        serde_json::json!({
            "Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only,
            "BindOptions": {"Propagation": "rprivate"},
        })
    }

    #[test]
    fn terminals_are_bounded_where_the_engine_can() {
        let of = |kind, runtime: Option<&str>| {
            let spec = SandboxSpec { runtime: runtime.map(str::to_owned), ..spec() };
            terminals(&spec, &Facts { kind, ..facts() }).is_some()
        };
        assert!(of(EngineKind::Docker, None) && of(EngineKind::Docker, Some("crun")));
        assert!(!of(EngineKind::Docker, Some("runsc")) && !of(EngineKind::RootlessDocker, None));
        assert!(!of(EngineKind::Podman, None));
    }

    #[test]
    fn limits_that_the_engine_does_not_enforce_are_not_asked_for() {
        let mut facts = facts();
        facts.enforced = Enforced { pids: false, memory: false, swap: false, cpu: false };
        let config = request(&spec(), &facts, "{}").host_config.unwrap();
        assert_eq!((config.pids_limit, config.memory, config.memory_swap, config.nano_cpus), (None, None, None, None));
    }

    /// Sandboxes that share a user could each use up what the kernel counts per user.
    #[test]
    fn what_is_counted_by_user_is_not_there_where_all_sandboxes_are_one_user() {
        let shared = SandboxUser { own: false, ..spec().user };
        let limits = ulimits(&SandboxSpec { user: shared, ..spec() });
        let queues = limits.iter().find(|limit| limit.name.as_deref() == Some("msgqueue")).unwrap();
        assert_eq!((queues.soft, queues.hard), (Some(0), Some(0)));
        assert!(ulimits(&spec()).iter().all(|limit| limit.name.as_deref() != Some("msgqueue")));
    }

    #[test]
    fn the_callers_variables_come_after_the_doors() {
        let body = request(&spec(), &facts(), "{}");
        let env = body.env.unwrap();
        assert_eq!(env.last().unwrap(), "GITHUB_TOKEN=ghp_surrogate");
        assert!(env.contains(&"HTTPS_PROXY=http://127.0.0.1:3128".to_owned()));
        assert_eq!(body.user.unwrap(), "1000:1000");
        assert_eq!(body.entrypoint.unwrap(), ["/opt/doorward/guest"]);
        assert_eq!(body.stdin_once, Some(true));
    }

    #[test]
    fn the_profile_is_an_allow_list_that_names_none_of_the_dangerous_calls() {
        let profile: serde_json::Value = serde_json::from_str(SECCOMP).unwrap();
        assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
        let rules = profile["syscalls"].as_array().unwrap();
        let named = |name: &'static str| {
            rules.iter().filter(move |rule| rule["names"].as_array().unwrap().iter().any(|named| named == name))
        };
        for name in [
            "io_uring_setup",
            "io_uring_enter",
            "cachestat",
            "fanotify_init",
            "keyctl",
            "add_key",
            "request_key",
            "ptrace",
            "process_vm_readv",
            "process_vm_writev",
            "pidfd_getfd",
            "kcmp",
            "unshare",
            "setns",
            "mount",
            "umount2",
            "fsopen",
            "open_tree",
            "move_mount",
            "pivot_root",
            "bpf",
            "perf_event_open",
            "userfaultfd",
            "kexec_load",
            "init_module",
            "finit_module",
            "open_by_handle_at",
            "socketcall",
            "syslog",
            "chroot",
        ] {
            assert_eq!(named(name).count(), 0, "{name}");
        }
        // Allowed for certain arguments only, or answered as unknown.
        for name in ["socket", "socketpair", "clone", "personality", "preadv2", "fadvise64"] {
            assert!(named(name).count() > 0 && named(name).all(|rule| !rule["args"].is_null()), "{name}");
        }
        for name in ["clone3", "io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_cancel", "io_destroy"] {
            assert_eq!(named(name).map(|rule| rule["errnoRet"].clone()).collect::<Vec<_>>(), [38], "{name}");
        }
    }
}
