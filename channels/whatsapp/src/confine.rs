//! Confinement: afterwards, the process can reach its own folder, the files for name lookups and
//! certificates, and TCP on the ports of WhatsApp and DNS. It uses landlock, which Linux has since
//! 5.13 (files) and 6.7 (ports).
//!
//! What it is not: it does not hide other processes of the same user, and landlock does not prevent
//! connections to Unix sockets with a path. docs/whatsapp.md says so.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

/// Why the process is not confined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotConfined {
    /// The kernel has no landlock, or it is switched off.
    #[error("this system has no landlock (Linux 5.13 or newer, with landlock switched on)")]
    Missing,
    /// The kernel has it and refuses.
    #[error("landlock refused: {0}")]
    Refused(#[from] RulesetError),
    /// Our own folder cannot be opened.
    #[error("cannot open {0}")]
    Folder(PathBuf),
}

/// Needed for name lookups, certificates and the clock. None of it is secret.
const READ: [&str; 16] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/run/systemd/resolve",
    "/lib",
    "/lib64",
    "/usr/lib",
];

/// Devices.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/urandom", "/dev/random"];

/// HTTPS, DNS over TCP.
const PORTS: [u16; 2] = [443, 53];

/// Confines this process, its future threads and its children, for good.
pub(crate) fn confine(folder: &Path, test_port: Option<u16>) -> Result<(), NotConfined> {
    let abi = ABI::V6;
    let files = AccessFs::from_all(abi);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(files)?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    let own = PathFd::new(folder).map_err(|_| NotConfined::Folder(folder.to_owned()))?;
    rules = rules.add_rule(PathBeneath::new(own, own_rights(abi)))?;
    for path in READ {
        rules = allow(rules, path, AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    for path in DEVICES {
        rules = allow(rules, path, AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    for port in PORTS.into_iter().chain(test_port) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    match rules.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err(NotConfined::Missing),
        RulesetStatus::PartiallyEnforced | RulesetStatus::FullyEnforced => Ok(()),
    }
}

/// Everything in our own folder except running programs and making devices or sockets.
fn own_rights(abi: ABI) -> BitFlags<AccessFs> {
    AccessFs::from_all(abi)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock | AccessFs::MakeFifo)
}

/// A path that this system does not have needs no rule.
fn allow(
    rules: landlock::RulesetCreated,
    path: &str,
    rights: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    // Rights for folders cannot be granted on a file.
    let rights = if Path::new(path).is_dir() { rights } else { rights & AccessFs::from_file(ABI::V6) };
    rules.add_rule(PathBeneath::new(opened, rights))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    #![allow(clippy::disallowed_methods, reason = "a test that nothing can be started has to try")]
    use std::fs;
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Landlock applies to the calling thread, so a test can use a thread of its own.
    #[test]
    fn the_folder_and_the_named_ports_are_all_that_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "x").unwrap();
        let (allowed, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (allowed, other) = (allowed.local_addr().unwrap(), other.local_addr().unwrap());
        let own = folder.path().to_owned();
        let confined = std::thread::spawn(move || {
            match confine(&own, Some(allowed.port())) {
                Ok(()) => {}
                // A kernel without it: the program warns loudly, and there is nothing to test.
                Err(NotConfined::Missing) => return false,
                Err(error) => panic!("{error}"),
            }
            fs::write(own.join("mine"), "x").unwrap();
            let denied = |result: std::io::Result<()>| result.unwrap_err().kind() == ErrorKind::PermissionDenied;
            assert!(denied(fs::read(&secret).map(drop)), "a file of somebody else");
            assert!(denied(fs::write(outside.path().join("new"), "x")), "a new file elsewhere");
            assert!(denied(fs::read("/etc/passwd").map(drop)), "the list of users");
            assert!(denied(fs::read_dir("/root").map(drop)), "a home folder");
            assert!(denied(std::process::Command::new("/bin/true").status().map(drop)), "another program");
            assert!(fs::read("/etc/hosts").is_ok(), "name lookups");
            assert_ne!(TcpStream::connect(allowed).err().map(|error| error.kind()), Some(ErrorKind::PermissionDenied));
            if net_is_handled() {
                assert!(denied(TcpStream::connect(other).map(drop)), "another port");
            }
            true
        });
        let confined = confined.join().unwrap();
        let switched_on = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|lsm| lsm.contains("landlock"));
        assert!(confined || !switched_on, "the kernel has landlock and the process is not confined");
    }

    /// Ports since Linux 6.7.
    fn net_is_handled() -> bool {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessNet::from_all(ABI::V4))
            .is_ok()
    }
}
