//! Names that are never mounted: places of keys, logins and browser profiles, and other ways out.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Refused, refused};
use crate::config::{self, Pattern};

const LOGINS: &str = "keys and logins";
const KEY: &str = "a key file";
const BROWSER: &str = "a browser's or messenger's profile";
const WALLET: &str = "a wallet";
const WAY_OUT: &str = "the socket of a container engine";
const OURS: &str = "Doorward's own";
const OWNERS: &str = "refused in doorward.toml";

/// By kind of content.
const REFUSED: [(&str, &[&str]); 6] = [
    (
        LOGINS,
        &[
            ".ssh",
            ".gnupg",
            ".aws",
            ".azure",
            ".config/gcloud",
            ".kube",
            ".docker",
            ".config/gh",
            ".config/op",
            ".config/rclone",
            ".config/containers",
            ".password-store",
            ".local/share/keyrings",
            ".local/share/kwalletd",
            ".local/share/pass",
            ".netrc",
            "_netrc",
            ".pgpass",
            ".my.cnf",
            ".npmrc",
            ".pypirc",
            ".git-credentials",
            ".vault-token",
            ".terraform.d",
            ".cargo/credentials*",
            "{auth.json,oauth_creds.json}",
            ".env",
            ".env.{local,prod,production,dev,development,staging}",
            ".env.*.local",
            ".secret",
            "{credentials,credentials.json,credentials.toml}",
            "service-account*.json",
        ],
    ),
    (
        KEY,
        &[
            "id_{rsa,dsa,ecdsa,ed25519,ecdsa_sk,ed25519_sk}",
            "private_key",
            "*.{ppk,p12,pfx,jks,keystore,kdb,kdbx,agekey,keytab}",
        ],
    ),
    (
        BROWSER,
        &[
            ".mozilla",
            ".librewolf",
            ".waterfox",
            ".thunderbird",
            ".config/{google-chrome*,chromium,bravesoftware,microsoft-edge*,vivaldi*,opera*,yandex-browser*}",
            ".config/{signal,slack,discord,element}",
            ".local/share/telegramdesktop",
            "snap/{firefox,chromium,brave,opera}",
            ".var/app/{org.mozilla.*,com.google.chrome*,org.chromium.*,com.brave.*,com.microsoft.edge*}",
            "{key3.db,key4.db,logins.json,cookies.sqlite}",
            "{login data,login data for account}",
            "network/cookies",
        ],
    ),
    (WALLET, &["wallet.dat", ".bitcoin", ".electrum", ".ethereum", ".monero"]),
    (WAY_OUT, &["{docker,podman,containerd,crio,buildkitd}.sock"]),
    (OURS, &["doorward.toml", "doorward.db", "installation-id"]),
];

/// The kind of everything while the refused names cannot be parsed.
const UNKNOWN: &str = "the names that are refused cannot be read";

/// The refused names.
pub(super) struct Names {
    /// `None` if they cannot be parsed: then everything is refused.
    patterns: Option<Vec<Pattern>>,
    what: Vec<&'static str>,
}

impl Names {
    /// The built-in names and the owner's.
    pub(super) fn with(owners: &[String]) -> Self {
        let always = REFUSED.iter().flat_map(|(what, names)| names.iter().map(|name| (*what, *name)));
        let owners = owners.iter().map(|name| (OWNERS, name.as_str()));
        // All parsed before: the owner's with the configuration, ours in a test.
        let (what, names): (Vec<_>, Vec<_>) = always.chain(owners).unzip();
        Names { patterns: compiled(&names), what }
    }

    /// The kind of a path, by its name and its parents'.
    pub(super) fn of(&self, path: &Path) -> Option<&'static str> {
        let text = path.as_os_str().as_bytes().to_ascii_lowercase();
        let path = text.strip_prefix(b"/").unwrap_or(&text);
        let Some(patterns) = &self.patterns else { return Some(UNKNOWN) };
        patterns.iter().position(|pattern| pattern.matches(path)).map(|at| self.what[at])
    }

    /// Also refuses what lies in such a folder.
    pub(super) fn refuse_path(&self, path: &Path) -> Result<(), Refused> {
        let found = path.ancestors().find_map(|part| Some((part, self.of(part)?)));
        let Some((part, what)) = found else { return Ok(()) };
        let fix = match what {
            OWNERS => "take it out of `refuse` under [mounts] in doorward.toml, or do not mount it",
            _ => "mount another folder: what is there is never for a sandbox",
        };
        Err(refused(format!("{} ({what}) is never mounted", shown(part)), fix))
    }
}

fn compiled(names: &[&str]) -> Option<Vec<Pattern>> {
    names.iter().map(|name| config::pattern(name).ok()).collect()
}

/// A path with every character visible.
pub(super) fn shown(path: &Path) -> String {
    desk::screen::on_screen(&path.to_string_lossy())
}

/// A name in a folder as a full path.
pub(super) fn below(mount: &Path, parent: &Path, name: &[u8]) -> PathBuf {
    mount.join(parent).join(OsStr::from_bytes(name))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        for (_, names) in REFUSED {
            for name in names {
                assert!(config::pattern(name).is_ok(), "{name}");
                assert_eq!(*name, name.to_ascii_lowercase(), "paths are compared in small letters");
            }
        }
        let count: usize = REFUSED.iter().map(|(_, names)| names.len()).sum();
        assert_eq!(Names::with(&[]).patterns.map(|all| all.len()), Some(count));
    }

    /// One that cannot be parsed refuses everything, not nothing.
    #[test]
    fn names_that_cannot_be_read_refuse_everything() {
        assert!(Names::with(&["[".to_owned()]).refuse_path(Path::new("/home/me/notes")).is_err());
        assert!(Names::with(&[]).refuse_path(Path::new("/home/me/notes")).is_ok());
    }

    #[test]
    fn what_never_leaves_is_known_by_its_name_in_any_case() {
        let names = Names::with(&["*.pst".to_owned(), "drafts".to_owned()]);
        for (path, what) in [
            ("/home/me/.ssh", LOGINS),
            ("/home/me/.SSH", LOGINS),
            ("/home/me/work/.env", LOGINS),
            ("/home/me/work/.env.test.local", LOGINS),
            ("/home/me/.cargo/credentials.toml", LOGINS),
            ("/home/me/.codex/auth.json", LOGINS),
            ("/home/me/.gemini/oauth_creds.json", LOGINS),
            ("/home/me/backup/id_ed25519", KEY),
            ("/home/me/keys.KDBX", KEY),
            ("/home/me/.config/google-chrome-beta", BROWSER),
            ("/home/me/.config/BraveSoftware", BROWSER),
            ("/home/me/old/Default/Login Data", BROWSER),
            ("/home/me/.mozilla", BROWSER),
            ("/home/me/coins/wallet.dat", WALLET),
            ("/run/user/1000/podman/podman.sock", WAY_OUT),
            ("/backup/doorward.toml", OURS),
            ("/home/me/mail/old.pst", OWNERS),
            ("/home/me/Drafts", OWNERS),
        ] {
            assert_eq!(names.of(Path::new(path)), Some(what), "{path}");
        }
        for path in ["/home/me/notes", "/home/me/ssh", "/home/me/.sshrc", "/home/me/.env.example", "/home/me/cookies"] {
            assert_eq!(names.of(Path::new(path)), None, "{path}");
        }
        let odd = Path::new(OsStr::from_bytes(b"/home/me/\xff\n/.ssh"));
        assert_eq!(names.of(odd), Some(LOGINS), "whatever else is in the path");
    }

    #[test]
    fn nothing_below_such_a_folder_is_mounted() {
        let refused = Names::with(&[]).refuse_path(Path::new("/home/me/.ssh/config.d/x")).unwrap_err();
        assert!(refused.why.contains("/home/me/.ssh (keys and logins) is never mounted"), "{refused:?}");
    }
}
