//! Which entrances of the kernel are open: one harmless attempt per system call that the seccomp
//! profile must refuse.
//!
//! Every attempt has arguments that the kernel itself rejects (a bad pointer, an impossible pid,
//! conflicting flags), so that nothing happens if the filter is missing: only the error differs.

use rustix::net::{AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, socket_with};

/// The names of the attempts that were not refused.
pub fn permitted() -> Vec<String> {
    let sockets = SOCKETS.iter().filter(|attempt| socket_permitted(attempt)).map(|attempt| attempt.0);
    let calls = calls().into_iter().filter(|(_, number, args)| call_permitted(*number, *args)).map(|call| call.0);
    sockets.chain(calls).map(String::from).collect()
}

/// Whether a vsock socket can be created: it reaches the host of a virtual machine without any
/// network interface.
pub fn vsock_permitted() -> bool {
    SOCKETS.iter().any(|attempt| attempt.0 == "vsock" && socket_permitted(attempt))
}

/// Whether io_uring is available: its operations pass no seccomp filter at all.
pub fn io_uring_permitted() -> bool {
    permitted_by_name("io_uring")
}

/// Whether contexts for asynchronous I/O can be created: they are counted for the whole machine.
pub fn aio_permitted() -> bool {
    permitted_by_name("aio")
}

fn permitted_by_name(wanted: &str) -> bool {
    calls().into_iter().any(|(name, number, args)| name == wanted && call_permitted(number, args))
}

/// Attaches to a process as a debugger does. For the drill.
pub fn ptrace_attach(pid: i32) -> std::io::Result<()> {
    call(libc::SYS_ptrace, [libc::PTRACE_ATTACH as usize, pid as usize, 0, 0, 0]).map(drop)
}

const AF_ALG: AddressFamily = AddressFamily::from_raw(libc::AF_ALG as u16);

const SOCKETS: [(&str, AddressFamily, u32); 5] = [
    ("vsock", AddressFamily::VSOCK, 0),
    ("af_alg", AF_ALG, 0),
    ("af_packet", AddressFamily::PACKET, 0),
    ("af_bluetooth", AddressFamily::BLUETOOTH, 0),
    // NETLINK_KOBJECT_UEVENT: netlink other than routing.
    ("netlink", AddressFamily::NETLINK, 15),
];

fn socket_permitted((_, family, protocol): &(&str, AddressFamily, u32)) -> bool {
    let kind = match *family {
        AF_ALG => SocketType::SEQPACKET,
        AddressFamily::VSOCK => SocketType::STREAM,
        _ => SocketType::RAW,
    };
    let protocol = RawProtocol::new(*protocol).map(Protocol::from_raw);
    match socket_with(*family, kind, SocketFlags::CLOEXEC, protocol) {
        Ok(_) => true,
        // Unknown to this kernel rather than refused by a filter: there is nothing to reach.
        Err(error) => !(refused(error.raw_os_error()) || error == rustix::io::Errno::AFNOSUPPORT),
    }
}

/// The same number on every architecture; libc does not name it everywhere.
const SYS_CACHESTAT: libc::c_long = 451;

type Call = (&'static str, libc::c_long, [usize; 5]);

fn calls() -> [Call; 13] {
    const NOBODY: usize = i32::MAX as usize;
    // These conflict (clone(2)), so that no process is created.
    let userns = (libc::CLONE_NEWUSER | libc::CLONE_FS) as usize;
    [
        ("io_uring", libc::SYS_io_uring_setup, [1, 0, 0, 0, 0]),
        ("keyctl", libc::SYS_keyctl, [usize::MAX, 0, 0, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [libc::PTRACE_ATTACH as usize, NOBODY, 0, 0, 0]),
        ("process_vm_readv", libc::SYS_process_vm_readv, [NOBODY, 0, 0, 0, 0]),
        ("user namespaces", libc::SYS_clone, [userns, 0, 0, 0, 0]),
        ("unshare", libc::SYS_unshare, [0, 0, 0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0, 0, 0]),
        ("bpf", libc::SYS_bpf, [NOBODY, 0, 0, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, 0, 0, usize::MAX]),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, [NOBODY, 0, 0, 0, 0]),
        // A context for no events, and at no address, cannot be created (io_setup(2)).
        ("aio", libc::SYS_io_setup, [0, 0, 0, 0, 0]),
        ("cachestat", SYS_CACHESTAT, [usize::MAX, 0, 0, 0, 0]),
        ("fanotify", libc::SYS_fanotify_init, [usize::MAX, 0, 0, 0, 0]),
    ]
}

fn call_permitted(number: libc::c_long, args: [usize; 5]) -> bool {
    match call(number, args) {
        Ok(_) => true,
        Err(error) => !refused(error.raw_os_error().unwrap_or(0)),
    }
}

fn refused(errno: i32) -> bool {
    matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS)
}

/// One system call by number.
///
/// Unsafe because the kernel would follow any pointer among the arguments. Only
/// this file calls it, with null pointers and plain numbers; rustix offers none of
/// these calls safely.
#[allow(unsafe_code)]
fn call(number: libc::c_long, args: [usize; 5]) -> std::io::Result<i64> {
    let [a, b, c, d, e] = args;
    // SAFETY: no argument is a pointer to memory of this process (see above), so the
    // kernel writes nowhere; and no flags are given that duplicate the process.
    let result = unsafe { libc::syscall(number, a, b, c, d, e) };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_attempts_do_no_harm_where_nothing_is_refused() {
        // Outside a sandbox most of them are not refused; what counts is that this process still exists, once.
        let before = std::process::id();
        let _ = super::permitted();
        assert_eq!(before, std::process::id());
    }
}
