//! What the guest sees of its sandbox, collected before the agent runs. It judges nothing: the
//! daemon compares it with what it asked for.

use std::{fs, os::unix::net::UnixStream};

use rustix::fs::StatVfsMountFlags;

use crate::{
    agents, door, kernel,
    protocol::{Attestation, SeenMount},
};

/// Collects the attestation.
pub fn gather() -> Attestation {
    let status = read("/proc/self/status");
    Attestation {
        interfaces: interfaces(&read("/proc/net/dev")),
        routes: routes(&read("/proc/net/route"), &read("/proc/net/ipv6_route")),
        capabilities: capabilities(&status),
        seccomp: field(&status, "Seccomp:").and_then(|value| value.parse().ok()).unwrap_or(0),
        no_new_privileges: field(&status, "NoNewPrivs:") == Some("1"),
        uid: rustix::process::getuid().as_raw(),
        read_only_root: read_only_root(),
        nameservers: nameservers(&read("/etc/resolv.conf")),
        permitted_syscalls: kernel::permitted(),
        // Connects, because existence is not enough: file modes, SELinux or AppArmor may block it.
        door: UnixStream::connect(door::SOCKET).err().map(|error| error.raw_os_error().unwrap_or_default()),
        extra: extra(),
    }
}

/// The inode of each: the daemon's own check may be about what was there before.
fn extra() -> Vec<SeenMount> {
    let entries = fs::read_dir(agents::EXTRA).into_iter().flatten().flatten();
    let seen = entries.filter_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let found = rustix::fs::stat(entry.path()).ok()?;
        let mount = rustix::fs::statvfs(entry.path()).ok()?;
        let read_only = mount.f_flag.contains(StatVfsMountFlags::RDONLY);
        Some(SeenMount { name, inode: (found.st_dev, found.st_ino), read_only })
    });
    seen.collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// `/proc/net/dev` has two lines of headings, then `name: numbers`.
fn interfaces(dev: &str) -> Vec<String> {
    dev.lines().skip(2).filter_map(|line| line.split_once(':')).map(|(name, _)| name.trim().to_owned()).collect()
}

/// In `/proc/net/route` the interface is the first field, in `ipv6_route` the last.
fn routes(v4: &str, v6: &str) -> Vec<String> {
    let v4 = v4.lines().skip(1).filter(|line| line.split_whitespace().next().is_some_and(|name| name != "lo"));
    let v6 = v6.lines().filter(|line| line.split_whitespace().last().is_some_and(|name| name != "lo"));
    v4.chain(v6).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn capabilities(status: &str) -> u64 {
    // An unreadable set counts as full: what cannot be seen is not assumed to be harmless.
    ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"]
        .iter()
        .map(|name| field(status, name).and_then(|value| u64::from_str_radix(value, 16).ok()).unwrap_or(u64::MAX))
        .fold(0, |all, set| all | set)
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Checks both by trying and by the mount's flag: without privileges, a write is refused on a
/// writable root as well.
fn read_only_root() -> bool {
    let probe = "/.doorward-probe";
    let refused = fs::write(probe, b"").is_err();
    if !refused {
        let _ = fs::remove_file(probe);
    }
    refused && rustix::fs::statvfs("/").is_ok_and(|root| root.f_flag.contains(StatVfsMountFlags::RDONLY))
}

fn nameservers(resolv: &str) -> Vec<String> {
    resolv
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .map(|address| address.trim().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let dev = "Inter-|   Receive  |  Transmit\n face |bytes |bytes\n    lo: 0 0\n  eth0: 12 1\n";
        assert_eq!(interfaces(dev), ["lo", "eth0"]);
        let v4 = "Iface\tDestination\tGateway\neth0\t00000000\t010011AC\nlo\t0000007F\t00000000\n";
        let v6 = "0000 00 0000 00 0000 ffffffff 00000001 00000000 00200200       lo\nfe80 40 0 0 0 0 0 0 0     eth0\n";
        assert_eq!(routes(v4, v6), ["eth0 00000000 010011AC", "fe80 40 0 0 0 0 0 0 0 eth0"]);
        let status = "Name:\tx\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000000\n\
                      CapBnd:\t00000000a0000000\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n";
        assert_eq!(capabilities(status), 0xa000_0001);
        assert_eq!(field(status, "Seccomp:"), Some("2"));
        assert_eq!(nameservers("# x\nnameserver 127.0.0.1\nsearch home\n"), ["127.0.0.1"]);
    }

    #[test]
    fn capabilities_that_cannot_be_read_count_as_all() {
        assert_eq!(capabilities(""), u64::MAX);
    }
}
