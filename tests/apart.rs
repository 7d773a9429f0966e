//! Sandboxes of two groups, side by side in one daemon: no file of one is a file of the
//! other, and what one uses up is missing to nobody (invariant 15).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::support::{Doh, Door, Home, Running, until};

/// Two groups and a daemon for both.
fn two() -> Home {
    Home::new().group("one").group("two")
}

/// Runs a Python script in a sandbox of a group; `stay` is a file whose appearing ends it.
struct Python<'a> {
    home: &'a Home,
    group: &'static str,
    running: Running,
}

impl<'a> Python<'a> {
    fn start(home: &'a Home, group: &'static str, script: &str) -> Self {
        Python { home, group, running: home.start(&["exec", group, "--", "python3", "-c", &format!("{STAY}{script}")]) }
    }

    /// Waits until the script says that it is ready.
    fn ready(self) -> Self {
        until(&format!("the sandbox of {} to be ready", self.group), || self.running.printed().contains("ready\n"));
        self
    }

    /// What it printed, once it was let go.
    fn end(self) -> String {
        std::fs::write(self.home.group_folder(self.group).join("go"), "").unwrap();
        self.running.wait().ok().out
    }
}

/// `stay()` says that all is ready, and waits to be let go.
const STAY: &str = "
import os, sys, time
def stay():
    print('ready', flush=True)
    while not os.path.exists('/workspace/group/go'): time.sleep(0.02)
";

/// A lock needs no right to write, and whoever asks for it learns whether it is taken:
/// twenty bits a second and more, through any file that two sandboxes have in common.
#[test]
fn a_lock_in_one_sandbox_is_not_felt_in_another() {
    let home = two();
    let _daemon = home.up();
    // Everything that is mounted, and what every image has.
    let files = "
import fcntl
mounts = [line.split()[4] for line in open('/proc/self/mountinfo')]
extra = ['/bin/sh', '/usr/bin/env', '/usr/bin/python3', '/dev/null', '/dev/zero', '/dev/urandom', '/etc', '/usr', '/sys']
held, names, seen = [], [], set()
for name in mounts + extra:
    if name.startswith('/proc') or '/pts' in name: continue
    try: fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
    except OSError: continue
    # The same under another name would be taken by ourselves.
    inode = (os.fstat(fd).st_dev, os.fstat(fd).st_ino)
    if inode not in seen: seen.add(inode); held.append(fd); names.append(name)
def free(fd):
    try: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError: return False
    return True
";
    let holds = format!("{files}\nfor fd in held: assert free(fd)\nstay()\nprint(len(held))");
    let asks = format!("{files}\nprint('taken:', [name for fd, name in zip(held, names) if not free(fd)], names)");
    let one = Python::start(&home, "one", &holds).ready();
    let two = Python::start(&home, "two", &asks).end();
    assert!(two.starts_with("taken: [] "), "another sandbox's locks are felt: {two}");
    assert!(two.contains("/opt/doorward/guest") && two.contains("/etc/passwd"), "{two}");
    // The control: in the group's own folder two sandboxes of one group do meet.
    let folder = "import fcntl\nfd = os.open('/workspace/group', os.O_RDONLY)\n";
    let again = Python::start(&home, "one", &format!("{folder}try: fcntl.flock(fd, 6)\nexcept OSError: print('met')"));
    assert_eq!(again.running.wait().ok().out, "met\n");
    let held: usize = one.end().trim_start_matches("ready\n").trim().parse().unwrap();
    assert!(held > 15, "only {held} files were tried");
}

/// Not by its locks alone: by no file at all.
#[test]
fn no_file_is_seen_by_two_sandboxes() {
    let home = two();
    let _daemon = home.up();
    let script = "
def look(path):
    try: seen = os.lstat(path)
    except OSError: return
    print(seen.st_dev, seen.st_ino, path)
for top, folders, files in os.walk('/'):
    if top.startswith('/proc'): folders.clear(); continue
    look(top)
    for name in files: look(os.path.join(top, name))
stay()
";
    let (one, two) = (Python::start(&home, "one", script).ready(), Python::start(&home, "two", script).ready());
    let seen = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter_map(|line| line.rsplit_once(" /").map(|(inode, _)| inode.to_owned()));
        lines.collect()
    };
    let (one, two) = (one.end(), two.end());
    let (first, second) = (seen(&one), seen(&two));
    let common: Vec<_> = first.intersection(&second).collect();
    let names: Vec<_> =
        one.lines().filter(|line| common.iter().any(|inode| line.starts_with(&format!("{inode} ")))).collect();
    assert!(names.is_empty(), "{} files are in both, such as {:?}", names.len(), &names[..names.len().min(5)]);
    assert!(first.len() > 3000, "only {} files were seen", first.len());
}

/// Instances of inotify, timers and pipes' room are counted by user, contexts of asynchronous
/// I/O for the whole machine.
#[test]
fn what_one_sandbox_uses_up_is_missing_to_no_other() {
    let home = two();
    let _daemon = home.up();
    // The numbers of the system calls are x86-64's, and aarch64's.
    let takes = "
import ctypes, platform, fcntl
libc = ctypes.CDLL(None, use_errno=True)
io_setup, timer_create = {'x86_64': (206, 222), 'aarch64': (0, 107)}[platform.machine()]
class Event(ctypes.Structure): _fields_ = [('v', ctypes.c_void_p), ('signo', ctypes.c_int), ('notify', ctypes.c_int), ('pad', ctypes.c_char * 48)]
def take(call, most):
    for n in range(most):
        if call() < 0: return n
    return most
def pipes(most):
    held = [os.pipe() for _ in range(most)]
    try:
        for end, _ in held: fcntl.fcntl(end, 1031, 1 << 20)
    except OSError: pass
    return held
print('inotify', take(lambda: libc.inotify_init1(0), 1000))
print('aio', take(lambda: libc.syscall(io_setup, 64, ctypes.byref(ctypes.c_ulong())), 10), ctypes.get_errno())
print('timers', take(lambda: libc.syscall(timer_create, 0, ctypes.byref(Event(None, 10, 0)), ctypes.byref(ctypes.c_int())), 300000))
print('terminals', take(lambda: libc.open(b'/dev/ptmx', os.O_RDWR | os.O_NOCTTY), 5000))
held = pipes(100)
print('pipe', fcntl.fcntl(os.pipe()[0], 1032))
stay()
";
    let machine = || std::fs::read_to_string("/proc/sys/fs/aio-nr").unwrap();
    let before = machine();
    let one = Python::start(&home, "one", takes).ready();
    let (two, during) = (Python::start(&home, "two", takes).end(), machine());
    let one = one.end();
    let count = |text: &str, what: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(what)).unwrap_or_else(|| panic!("{what}: {text}"));
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    for what in ["inotify ", "timers ", "terminals "] {
        let (took, left) = (count(&one, what), count(&two, what));
        assert!(took > 50 && left == took, "of {what} one took {took}, and {left} were left to the other");
    }
    // ENOSYS: as on a kernel without it, so that programs do without.
    assert!(one.contains("aio 0 38\n") && two.contains("aio 0 38\n"), "{one}{two}");
    assert_eq!(before, during, "contexts of the whole machine");
    // The second group's pipes are not cut down to a page because of the first one's.
    assert_eq!(count(&two, "pipe "), count(&one, "pipe "));
}

/// A name that a group has asked for would come sooner to another: which of sixteen it was is
/// four bits, and where others have been is nobody's business.
#[test]
fn what_one_group_asked_for_is_asked_again_for_another() {
    let doh = Doh::to_keep("dns.example", "news.example", 60);
    let allowed = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\n";
    let home = two().host("dns.example", &doh).resolver(&"https://dns.example");
    let home = home.policy("one", allowed).policy("two", allowed);
    let _daemon = home.up();
    let (one, two) = (Door::open(&home, "one"), Door::open(&home, "two"));
    let questions = |door: &Door| {
        let before = doh.asked().len();
        let refused = door.get("news.example", "/", "");
        assert!(refused.body.contains("\"resolved_private\""), "{refused:?}");
        doh.asked().len() - before
    };
    let first = questions(&one);
    // The address is kept; that there is no IPv6 one was said by nobody who may be quoted.
    assert!(questions(&one) < first, "the same door keeps an answer");
    assert_eq!(questions(&two), first, "another door has none of it");
}

/// On the kernel's side the two are two users, and the folders are theirs alone.
#[test]
fn each_group_is_a_user_of_its_own() {
    let home = two();
    let _daemon = home.up();
    let whoami = |group: &str| home.exec(group, "id -u; id -un; id -gn; echo x > made").ok().out;
    let (one, two) = (whoami("one"), whoami("two"));
    let uid = |text: &str| text.lines().next().unwrap().parse::<u32>().unwrap();
    assert_ne!(uid(&one), uid(&two));
    assert!(one.contains("\nagent\nagent\n"), "it has a name: {one}");
    assert_eq!(uid(&whoami("one")), uid(&one), "and is kept");
    use std::os::unix::fs::MetadataExt as _;
    let owner = |path: &Path| std::fs::metadata(path).unwrap().uid();
    assert_eq!(owner(&home.group_folder("one").join("made")), uid(&one));
}

/// The owner of an installation from before each group had a user of its own.
#[test]
fn what_an_earlier_version_left_is_the_groups_own_again() {
    let home = two();
    let daemon = home.up();
    home.exec("one", "mkdir old; echo text > old/file; ln -s /etc old/link").ok();
    let folder = home.group_folder("one");
    let gave = Command::new("chown").args(["-hR", "10001:10001"]).arg(&folder).status().unwrap();
    assert!(gave.success());
    daemon.stop().ok();
    let _daemon = home.up();
    home.exec("one", "echo more >> old/file && cat old/file && rm old/link").ok().prints("text\nmore");
}
