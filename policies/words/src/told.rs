//! What people read of a request: its URL, the command that allows it, and what to send in place of a method that
//! no rule can name.

use crate::{Facts, GroupName, Method, Scheme, Upgrade};

impl Facts {
    /// The URL without its query, which may hold what must not be shown.
    pub fn url_without_query(&self) -> String {
        format!("{}://{}{}", self.scheme.as_str(), self.authority.host_header(self.scheme), self.path)
    }

    /// The command with which an owner allows a group exactly this, safe to paste into a shell. The path must be
    /// spelt as in a rule.
    pub fn command_to_allow(&self, group: &GroupName) -> String {
        let secure = self.scheme == Scheme::Https;
        let url = match self.upgrade {
            Some(Upgrade::WebSocket) => {
                let scheme = if secure { "wss" } else { "ws" };
                format!("{scheme}://{}{}", self.authority.host_header(self.scheme), self.path)
            }
            None => self.url_without_query(),
        };
        format!("doorward policy allow {group} {} {}", self.method, in_shell(&url))
    }
}

/// Quotes a word for a shell: it contains what a sandbox asked for.
fn in_shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | ':' | '.' | '_' | '-' | '%' | '+' | '@' | ',');
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

impl Method {
    /// Why a text is not a method that a rule can name, and what to send instead.
    pub fn instead(text: &str) -> String {
        match text {
            "COPY" | "MOVE" => format!(
                "{text} writes to a second address, in the header Destination, that no rule judges; GET it here, PUT it \
                 there, and DELETE it here if it is to move"
            ),
            "TRACE" | "TRACK" => format!("{text} has the host send the whole request back, with its credential"),
            "CONNECT" => "CONNECT is for the door itself, and opens no tunnel within another".to_owned(),
            _ if Method::parse(&text.to_ascii_uppercase()).is_some() => {
                format!("methods are written in upper case: {}", text.to_ascii_uppercase())
            }
            _ => {
                let known = Method::ALL.map(Method::as_str).join(", ");
                format!("this method is not one that a rule can name; known are {known}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_command_is_safe_to_paste() {
        fn command(method: &str, url: &str) -> String {
            let group = GroupName::parse("family").unwrap();
            Facts::parse(method, url).unwrap().command_to_allow(&group)
        }
        assert_eq!(command("POST", "https://a.test/x?k=v"), "doorward policy allow family POST https://a.test/x");
        assert_eq!(command("GET", "wss://a.test/x"), "doorward policy allow family GET wss://a.test/x");
        for path in ["/$(id)", "/a;b", "/a&b", "/it's", "/~a", "/!x", "/*"] {
            let url = format!("https://a.test{path}");
            let command = command("GET", &url);
            let word = command.strip_prefix("doorward policy allow family GET '").unwrap().strip_suffix('\'').unwrap();
            assert!(!word.replace(r"'\''", "").contains('\''), "{command}");
        }
    }

    #[test]
    fn what_no_rule_can_name_says_what_to_send_instead() {
        for (text, says) in [
            ("COPY", "PUT it there"),
            ("MOVE", "DELETE it here"),
            ("TRACE", "with its credential"),
            ("CONNECT", "no tunnel"),
            ("get", "upper case: GET"),
            ("Lock", "upper case: LOCK"),
            ("BREW", "known are GET, HEAD"),
        ] {
            assert!(Method::parse(text).is_none() && Method::instead(text).contains(says), "{text}");
        }
        for method in Method::ALL {
            assert_eq!(Method::parse(method.as_str()), Some(method));
        }
    }
}
