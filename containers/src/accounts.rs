//! The sandbox's `/etc/passwd` and `/etc/group`: a name for the agent's user. An image cannot know
//! its user id, and ssh, Node and Python look up the name.

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    SandboxSpec,
    spec::{HOME, SHELL},
};

pub(crate) const PASSWD: &str = "passwd";
pub(crate) const GROUP: &str = "group";

/// Writes both.
pub(crate) fn write(spec: &SandboxSpec) -> io::Result<()> {
    let (uid, gid) = (spec.user.uid, spec.user.gid);
    // In rootless Docker the agent is uid 0 inside: the first line with an id wins.
    let agent = format!("agent:x:{uid}:{gid}:agent:{HOME}:{SHELL}\n");
    let passwd = format!("{agent}root:x:0:0:root:/root:{SHELL}\nnobody:x:65534:65534:nobody:/:{SHELL}\n");
    let group = format!("agent:x:{gid}:\nroot:x:0:\nnogroup:x:65534:\n");
    fs::create_dir_all(&spec.accounts)?;
    put(&spec.accounts.join(PASSWD), &passwd)?;
    put(&spec.accounts.join(GROUP), &group)
}

/// Readable by the agent's user, whatever our umask is.
fn put(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}
