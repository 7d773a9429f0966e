//! Is the sandbox what was asked for? Compares the spec with what the guest sees and with
//! what the engine says. It catches misconfiguration, not malice: a lying guest or engine is
//! not detected here.

use std::{fmt, io, path::Path};

use bollard::models::{ContainerInspectResponse, HostConfig};
use doorward_guest::protocol::Attestation;

use crate::{
    create::{self, NOWHERE},
    spec::{IPC, SandboxSpec},
};

/// One difference from what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was checked: `interfaces`, `seccomp`, `mounts`, …
    pub what: &'static str,
    /// What is wrong with it.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.found)
    }
}

/// All differences from what was asked for. A deliberate hole is reported like any other.
pub(crate) fn examine(
    spec: &SandboxSpec,
    seccomp: &str,
    guest: &Attestation,
    engine: &ContainerInspectResponse,
) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    by_guest(spec, guest, &mut findings);
    by_engine(spec, seccomp, engine, &mut findings);
    extra(spec, guest, engine, &mut findings);
    findings.0
}

struct Findings(Vec<Finding>);

impl Findings {
    fn unless(&mut self, fine: bool, what: &'static str, found: impl FnOnce() -> String) {
        if !fine {
            // The guest's words end up on a screen: bounded, and without control characters.
            self.0.push(Finding { what, found: printable(&found(), 300) });
        }
    }
}

/// The beginning of a text, fit for a screen.
pub(crate) fn printable(text: &str, length: usize) -> String {
    desk::screen::on_screen(&text.chars().take(length).collect::<String>())
}

fn by_guest(spec: &SandboxSpec, seen: &Attestation, findings: &mut Findings) {
    let strangers: Vec<_> =
        seen.interfaces.iter().filter(|name| *name != "lo" && !FALLBACK.contains(&name.as_str())).collect();
    findings.unless(strangers.is_empty(), "interfaces", || format!("there is more than loopback: {strangers:?}"));
    findings.unless(seen.routes.is_empty(), "routes", || format!("there are ways out: {:?}", seen.routes));
    findings.unless(seen.capabilities == 0, "capabilities", || format!("{:#x} are left", seen.capabilities));
    findings.unless(seen.no_new_privileges, "no-new-privileges", || "is not set".to_owned());
    findings.unless(seen.read_only_root, "root", || "the root file system can be written".to_owned());
    findings.unless(seen.uid == spec.user.uid, "user", || format!("runs as {}, not {}", seen.uid, spec.user.uid));
    // gVisor is the kernel here and filters calls itself; what it permits is still tried below.
    let own_kernel = spec.runtime.as_deref().is_some_and(|runtime| runtime.starts_with("runsc"));
    findings.unless(seen.seccomp == 2 || own_kernel, "seccomp", || "no filter is active".to_owned());
    findings.unless(seen.permitted_syscalls.is_empty(), "system calls", || {
        format!("the kernel answers to {}", seen.permitted_syscalls.join(", "))
    });
    let names = seen.nameservers.iter().all(|server| server == NOWHERE);
    findings.unless(names, "name servers", || format!("{:?}", seen.nameservers));
    findings.unless(seen.door.is_none(), "door", || no_way_to_the_door(seen.door.unwrap_or_default()));
}

/// Why the door cannot be reached.
fn no_way_to_the_door(errno: i32) -> String {
    let error = io::Error::from_raw_os_error(errno);
    match error.kind() {
        io::ErrorKind::NotFound => "its socket is not there".to_owned(),
        io::ErrorKind::PermissionDenied => format!(
            "it is there, but cannot be connected to: {error}. SELinux or AppArmor may forbid it: see \
             docs/troubleshooting.md"
        ),
        _ => format!("it is there, but cannot be connected to: {error}"),
    }
}

/// Where the tunnel modules are loaded, the kernel adds these to every new network namespace
/// (`fb_tunnels_only_for_init_net` in the kernel's sysctl docs). They are down, and only
/// CAP_NET_ADMIN can bring them up.
const FALLBACK: [&str; 9] =
    ["tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "sit0", "ip6tnl0", "ip6gre0"];

fn by_engine(spec: &SandboxSpec, seccomp: &str, inspect: &ContainerInspectResponse, findings: &mut Findings) {
    let nothing = HostConfig::default();
    let host = inspect.host_config.as_ref().unwrap_or(&nothing);
    let network = host.network_mode.as_deref().unwrap_or_default();
    findings.unless(network == "none", "network mode", || format!("is {network:?}, not none"));
    let networks = inspect.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let joined: Vec<_> = networks.into_iter().flat_map(|all| all.keys()).filter(|name| *name != "none").collect();
    findings.unless(joined.is_empty(), "networks", || format!("is joined to {joined:?}"));
    let options = host.security_opt.as_deref().unwrap_or_default();
    let profile = options.iter().find_map(|option| option.strip_prefix("seccomp="));
    findings.unless(profile == Some(seccomp), "seccomp profile", || "is not Doorward's".to_owned());
    let added = host.cap_add.as_deref().unwrap_or_default();
    findings.unless(added.is_empty(), "added capabilities", || format!("{added:?}"));
    let dropped = host.cap_drop.as_deref().unwrap_or_default();
    findings.unless(drops_all(dropped), "dropped capabilities", || format!("only {dropped:?}"));
    findings.unless(host.privileged != Some(true), "privileged", || "is set".to_owned());
    findings.unless(host.readonly_rootfs == Some(true), "read-only root", || "is not set".to_owned());
    for (what, mode) in [("pid mode", &host.pid_mode), ("ipc mode", &host.ipc_mode), ("uts mode", &host.uts_mode)] {
        // Podman calls the sandbox's own ipc namespace "shareable": whoever controls the engine
        // could start another container in it.
        let own = matches!(mode.as_deref(), None | Some("" | "private" | "shareable"));
        findings.unless(own, what, || format!("is {mode:?}"));
    }
    let devices = host.devices.as_deref().unwrap_or_default();
    findings.unless(devices.is_empty(), "devices", || format!("{} are passed through", devices.len()));
    mounts(spec, inspect, findings);
}

/// Docker keeps the word `ALL`; Podman lists every capability that it dropped.
fn drops_all(dropped: &[String]) -> bool {
    dropped.iter().any(|name| name.eq_ignore_ascii_case("all")) || dropped.len() >= 11
}

fn mounts(spec: &SandboxSpec, inspect: &ContainerInspectResponse, findings: &mut Findings) {
    let wanted = create::mounted(spec);
    let present = inspect.mounts.as_deref().unwrap_or_default();
    for mount in present {
        let inside = mount.destination.as_deref().unwrap_or_default();
        // Podman lists its tmpfs mounts here too.
        if ["/tmp", "/run", IPC].contains(&inside) && mount.source.as_deref().unwrap_or_default().starts_with("tmpfs") {
            continue;
        }
        // The engine reports its source; what was asked for is in `terminals`.
        let of_its_own = mount.typ.as_deref() == Some("volume") && mount.driver.as_deref() == Some("local");
        if inside == create::TERMINALS && of_its_own {
            continue;
        }
        let source = Path::new(mount.source.as_deref().unwrap_or_default());
        let asked = wanted.iter().find(|(_, target, _)| *target == inside);
        findings.unless(asked.is_some_and(|asked| asked.0 == source), "mounts", || {
            format!("{} at {inside} was not asked for", source.display())
        });
        let writable = asked.is_some_and(|asked| asked.2) && mount.rw != Some(false);
        findings.unless(!writable, "mounts", || format!("{inside} can be written"));
    }
    for (_, target, _) in &wanted {
        let there = present.iter().any(|mount| mount.destination.as_deref() == Some(&**target));
        findings.unless(there, "mounts", || format!("{target} is missing"));
    }
}

/// The owner's folders: the engine mounts by path, and whoever could change where that leads between the check and
/// the mount could make it mount another folder. With a kernel of its own, a sandbox has other inode numbers.
fn extra(spec: &SandboxSpec, guest: &Attestation, inspect: &ContainerInspectResponse, findings: &mut Findings) {
    let used = inspect.host_config.as_ref().and_then(|host| host.runtime.as_deref());
    let runtime = used.or(spec.runtime.as_deref()).unwrap_or_default();
    let own_kernel = ["runsc", "kata"].iter().any(|name| runtime.contains(name));
    for one in &spec.folders.extra {
        let seen = guest.extra.iter().find(|seen| seen.name == one.name);
        findings.unless(seen.is_some(), "mounts", || format!("{} is not there", one.target()));
        let Some(seen) = seen else { continue };
        findings.unless(own_kernel || seen.inode == one.inode, "mounts", || {
            format!("{} is not the folder that was looked at: it was replaced meanwhile", one.target())
        });
        findings.unless(seen.read_only || !one.read_only, "mounts", || format!("{} can be written", one.target()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{borrow::Cow, collections::HashMap, path::PathBuf};

    use bollard::models::{DeviceMapping, EndpointSettings, MountPoint, NetworkSettings};
    use doorward_guest::protocol::SeenMount;

    use super::*;
    use crate::create::tests::{facts, spec};

    fn seen() -> Attestation {
        Attestation {
            interfaces: vec!["lo".into(), "sit0".into()],
            routes: vec![],
            capabilities: 0,
            seccomp: 2,
            no_new_privileges: true,
            uid: 1000,
            read_only_root: true,
            nameservers: vec!["127.0.0.1".into()],
            permitted_syscalls: vec![],
            door: None,
            extra: vec![SeenMount { name: "notes".into(), inode: (2049, 77), read_only: true }],
        }
    }

    fn inspected() -> ContainerInspectResponse {
        let point = |(source, target, read_only): (PathBuf, Cow<'static, str>, bool)| MountPoint {
            source: Some(source.display().to_string()),
            destination: Some(target.into_owned()),
            rw: Some(!read_only),
            ..Default::default()
        };
        ContainerInspectResponse {
            host_config: create::request(&spec(), &facts(), "{}").host_config,
            mounts: Some(create::mounted(&spec()).into_iter().map(point).collect()),
            network_settings: Some(NetworkSettings {
                networks: Some(HashMap::from([("none".to_owned(), EndpointSettings::default())])),
                ..Default::default()
            }),
            ..Default::default()
        }
    }

    fn found(guest: &Attestation, engine: &ContainerInspectResponse) -> Vec<&'static str> {
        examine(&spec(), "{}", guest, engine).iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn what_was_asked_for_passes() {
        assert_eq!(found(&seen(), &inspected()), [""; 0]);
    }

    #[test]
    fn each_thing_that_the_guest_sees_is_found() {
        type Change = fn(&mut Attestation);
        let table: [(&str, Change); 15] = [
            ("mounts", |seen| seen.extra.clear()),
            ("mounts", |seen| seen.extra[0].inode.0 += 1),
            ("mounts", |seen| seen.extra[0].inode.1 += 1),
            ("mounts", |seen| seen.extra[0].read_only = false),
            ("interfaces", |seen| seen.interfaces.push("eth0".into())),
            ("routes", |seen| seen.routes.push("eth0 00000000".into())),
            ("capabilities", |seen| seen.capabilities = 1 << 13),
            ("no-new-privileges", |seen| seen.no_new_privileges = false),
            ("root", |seen| seen.read_only_root = false),
            ("user", |seen| seen.uid = 0),
            ("seccomp", |seen| seen.seccomp = 0),
            ("system calls", |seen| seen.permitted_syscalls.push("vsock".into())),
            ("name servers", |seen| seen.nameservers.push("192.168.1.1".into())),
            ("name servers", |seen| seen.nameservers = vec!["127.0.0.11".into()]),
            ("door", |seen| seen.door = Some(13)),
        ];
        for (what, change) in table {
            let mut seen = seen();
            change(&mut seen);
            assert_eq!(found(&seen, &inspected()), [what]);
        }
    }

    #[test]
    fn a_kernel_of_its_own_numbers_folders_by_itself() {
        let seen =
            Attestation { extra: vec![SeenMount { name: "notes".into(), inode: (5, 5), read_only: true }], ..seen() };
        for (runtime, wanted) in
            [(None, 1), (Some("runc"), 1), (Some("crun"), 1), (Some("runsc"), 0), (Some("kata"), 0)]
        {
            let mut engine = inspected();
            engine.host_config.as_mut().unwrap().runtime = runtime.map(str::to_owned);
            assert_eq!(found(&seen, &engine).len(), wanted, "{runtime:?}");
        }
    }

    /// A missing file, something in the way, no listener, not a socket.
    #[test]
    fn what_is_wrong_with_the_door_is_said() {
        for (errno, words) in [
            (2, "is not there"),
            (1, "SELinux or AppArmor"),
            (13, "SELinux or AppArmor"),
            (111, "cannot be connected to: Connection refused"),
            (20, "cannot be connected to: Not a directory"),
            (0, "cannot be connected to"),
        ] {
            let told = examine(&spec(), "{}", &Attestation { door: Some(errno), ..seen() }, &inspected());
            assert!(told.len() == 1 && told[0].to_string().contains(words), "{errno}: {told:?}");
        }
    }

    #[test]
    fn each_thing_that_the_engine_says_is_found() {
        type Change = fn(&mut HostConfig);
        let table: [(&str, Change); 11] = [
            ("network mode", |host| host.network_mode = Some("bridge".into())),
            ("seccomp profile", |host| host.security_opt = Some(vec!["no-new-privileges".into()])),
            ("seccomp profile", |host| host.security_opt = Some(vec!["seccomp=unconfined".into()])),
            ("added capabilities", |host| host.cap_add = Some(vec!["NET_RAW".into()])),
            ("dropped capabilities", |host| host.cap_drop = Some(vec!["NET_RAW".into()])),
            ("privileged", |host| host.privileged = Some(true)),
            ("read-only root", |host| host.readonly_rootfs = Some(false)),
            ("pid mode", |host| host.pid_mode = Some("host".into())),
            ("ipc mode", |host| host.ipc_mode = Some("host".into())),
            ("uts mode", |host| host.uts_mode = Some("host".into())),
            ("devices", |host| host.devices = Some(vec![DeviceMapping::default()])),
        ];
        for (what, change) in table {
            let mut engine = inspected();
            change(engine.host_config.as_mut().unwrap());
            assert_eq!(found(&seen(), &engine), [what]);
        }
    }

    #[test]
    fn mounts_and_networks_are_found() {
        type Change = fn(&mut Vec<MountPoint>);
        let table: [(&str, Change); 4] = [
            ("can be written", |mounts| mounts[2].rw = Some(true)),
            ("was not asked for", |mounts| mounts[0].source = Some("/etc".into())),
            ("was not asked for", |mounts| {
                mounts.push(MountPoint { destination: Some("/host".into()), ..Default::default() });
            }),
            ("is missing", |mounts| drop(mounts.remove(1))),
        ];
        for (words, change) in table {
            let mut engine = inspected();
            change(engine.mounts.as_mut().unwrap());
            let findings = examine(&spec(), "{}", &seen(), &engine);
            assert!(findings.len() == 1 && findings[0].to_string().contains(words), "{findings:?}");
        }
        let mut engine = inspected();
        let networks = engine.network_settings.as_mut().unwrap().networks.as_mut().unwrap();
        networks.insert("bridge".into(), EndpointSettings::default());
        assert_eq!(found(&seen(), &engine), ["networks"]);
    }

    #[test]
    fn an_engine_that_says_nothing_is_not_believed() {
        let findings = found(&seen(), &ContainerInspectResponse::default());
        assert!(findings.contains(&"network mode") && findings.contains(&"mounts"), "{findings:?}");
    }

    #[test]
    fn what_the_guest_says_is_shown_without_control_characters() {
        let mut seen = seen();
        seen.permitted_syscalls = vec!["\u{1b}[2J".repeat(1000)];
        let text = examine(&spec(), "{}", &seen, &inspected())[0].to_string();
        assert!(!text.contains('\u{1b}') && text.len() < 3000, "{text}");
    }
}
