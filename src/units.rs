//! The systemd units that run the daemon: the package's own, adapted to a home.

use std::path::{Path, PathBuf};

use crate::home::Home;

/// The package's units, for a user's manager and for the system's.
const OWN: &str = include_str!("../packaging/doorward.service");
const SYSTEM: &str = include_str!("../packaging/doorward@.service");

/// The unit's name.
pub const NAME: &str = "doorward.service";

/// The systemd manager that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The user's own.
    Own,
    /// The system's, as this user.
    System {
        /// The user's name or number.
        user: String,
    },
}

/// Why a unit cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} cannot stand in a unit: it holds a line break or another control character")]
pub struct Unwritable(String);

impl Manager {
    /// Where its unit is installed.
    pub fn file(&self, home: &Home) -> Option<PathBuf> {
        match self {
            Manager::Own => Some(home.users_units()?.join(NAME)),
            Manager::System { .. } => Some(Path::new("/etc/systemd/system").join(NAME)),
        }
    }

    /// The arguments of `systemctl` that select the manager.
    pub fn arguments(&self) -> &'static [&'static str] {
        match self {
            Manager::Own => &["--user"],
            Manager::System { .. } => &[],
        }
    }
}

/// The unit that runs this program for a home.
pub fn unit(manager: &Manager, program: &Path, home: &[(&str, PathBuf)]) -> Result<String, Unwritable> {
    let mut lines = format!("ExecStart={} up", quoted(program)?);
    for (variable, path) in home {
        lines += &format!("\nEnvironment={}", quoted_text(&format!("{variable}={}", text(path)?)));
    }
    let template = match manager {
        Manager::Own => OWN.to_owned(),
        Manager::System { user } if ["root", "0"].contains(&user.as_str()) => {
            // It gives folders to groups' users, and inspects what their programs keep open.
            let needs = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_KILL CAP_SYS_PTRACE";
            SYSTEM.replace("CapabilityBoundingSet=", &format!("CapabilityBoundingSet={needs}")).replace("%i", user)
        }
        Manager::System { user } => SYSTEM.replace("%i", user),
    };
    // The first lines explain the package's unit.
    let body = template.lines().skip_while(|line| line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let body = body.replace("ExecStart=/usr/bin/doorward up", &lines);
    Ok(format!("# Written by `doorward service install`; `doorward service remove` removes it.\n{body}\n"))
}

fn text(path: &Path) -> Result<&str, Unwritable> {
    let text = path.to_str().filter(|text| !text.chars().any(char::is_control));
    text.ok_or_else(|| Unwritable(path.display().to_string()))
}

/// `$` is expanded only in commands.
fn quoted(path: &Path) -> Result<String, Unwritable> {
    Ok(quoted_text(text(path)?).replace('$', "$$"))
}

fn quoted_text(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_systemd_reads_anew_is_escaped() {
        let home = [("DOORWARD_HOME", PathBuf::from("/srv/100% \"mine\""))];
        let unit = unit(&Manager::Own, Path::new("/opt/a $b/doorward"), &home).unwrap();
        assert!(unit.contains("\nExecStart=\"/opt/a $$b/doorward\" up\n"), "{unit}");
        assert!(unit.contains("\nEnvironment=\"DOORWARD_HOME=/srv/100%% \\\"mine\\\"\"\n"), "{unit}");
        assert!(super::unit(&Manager::Own, Path::new("/a\nb"), &[]).is_err());
    }

    #[test]
    fn a_system_unit_names_its_user_and_gives_root_what_it_needs() {
        let unit = |user: &str| unit(&Manager::System { user: user.into() }, Path::new("/x"), &[]).unwrap();
        let alice = unit("alice");
        assert!(alice.contains("\nUser=alice\n") && alice.contains("\nCapabilityBoundingSet=\n"), "{alice}");
        assert!(alice.contains("for alice\n") && !alice.contains('%'), "{alice}");
        assert!(unit("root").contains("CAP_CHOWN"));
    }
}
