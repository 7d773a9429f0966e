//! A skill's `settings.toml`: what its owner decides once, such as the host of their own server. A value replaces
//! `${name}` in the skill's policy, and its kind limits it to one thing: one host, one word, one path, one port.

use std::collections::BTreeMap;
use std::ops::Range;

use desk::toml::{Reader, TableKeys, Vocabulary};
use desk::{Problem, Problems, Text, ValueError, did_you_mean};
use policies::HostPattern;

/// Values by setting name.
pub type Values = BTreeMap<String, String>;

/// One setting of a skill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name in `${…}`.
    pub name: String,
    kind: Kind,
    /// What to enter.
    pub what: String,
    /// A valid example: the skill's own tests run with it.
    pub example: String,
    /// The default value.
    pub default: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Host,
    Word,
    Path,
    Port,
}

const KEYS: [&str; 4] = ["is", "what", "example", "default"];
const HEADER: &str = "[SETTING]";

static TABLES: [TableKeys; 1] = [TableKeys { header: HEADER, keys: &KEYS }];
static OF_SETTINGS: Vocabulary = Vocabulary { top: &[], tables: &TABLES, synonyms: &[], planned: &[] };

type Block<'a, 'i> = desk::toml::Block<'a, 'i, ()>;

impl Setting {
    /// Parses a skill's settings.
    pub(super) fn read_all(name: &str, text: &str) -> Result<Vec<Setting>, Problems> {
        let mut reader = Reader::new(Text::new(name, text), &OF_SETTINGS, ());
        let all = reader.read(settings).unwrap_or_default();
        reader.finish(all)
    }

    fn check(&self, value: &str) -> Result<(), ValueError> {
        self.kind.check(value, &self.example)
    }
}

fn settings(file: &mut Block<'_, '_>) -> Vec<Setting> {
    let entries: Vec<_> = file.entries().collect();
    let mut all = Vec::new();
    for ((span, name), value) in entries {
        if !is_name(&name) {
            let help = Some("name a setting with small letters, digits and _".to_owned());
            file.reader.problem(span, format!("{name:?} is no name of a setting"), help);
            continue;
        }
        let Some(mut block) = file.as_section(value, &name, HEADER) else { continue };
        all.extend(setting(&mut block, name));
    }
    all
}

fn setting(block: &mut Block<'_, '_>, name: String) -> Option<Setting> {
    block.known_keys(HEADER, &KEYS);
    let kind = block.needed("is", HEADER, "host");
    let kind = kind.and_then(|word| block.meaning(word, Kind::parse));
    let what = block.needed("what", HEADER, "the host of your server");
    let example = block.needed("example", HEADER, "cloud.example.org");
    let default = block.string("default");
    let (kind, (_, what), (span, example)) = (kind?, what?, example?);
    let setting =
        Setting { name, kind, what, example: example.clone(), default: default.clone().map(|(_, text)| text) };
    block.meaning((span, example), |text| setting.check(text));
    if let Some(default) = default {
        block.meaning(default, |text| setting.check(text));
    }
    Some(setting)
}

impl Kind {
    fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "host" => Ok(Kind::Host),
            "word" => Ok(Kind::Word),
            "path" => Ok(Kind::Path),
            "port" => Ok(Kind::Port),
            _ => {
                let help = "write is = \"host\", \"word\", \"path\" or \"port\"".to_owned();
                Err(ValueError::new(format!("{text:?} is no kind of setting"), Some(help)))
            }
        }
    }

    /// No valid value can end a TOML string, a path segment or a host name.
    fn check(self, value: &str, example: &str) -> Result<(), ValueError> {
        let (fits, what) = match self {
            Kind::Host => {
                (HostPattern::for_allow(value).is_ok_and(|host| host.is_exact() && is_of(value, b".-[]:")), "one host")
            }
            Kind::Word => (is_word(value), "one word of letters, digits and . _ @ + -"),
            Kind::Path => {
                let words = value.strip_prefix('/').map(|rest| rest.split('/'));
                (words.is_some_and(|mut words| words.all(is_word)) && value.len() <= 200, "a path like /a/b")
            }
            Kind::Port => (value.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == value), "a port"),
        };
        if fits {
            return Ok(());
        }
        Err(ValueError::new(format!("{value:?} is not {what}"), Some(format!("write it like {example:?}"))))
    }
}

fn is_word(value: &str) -> bool {
    (1..=80).contains(&value.len()) && is_of(value, b"._@+-") && !value.starts_with('.')
}

fn is_of(value: &str, signs: &[u8]) -> bool {
    value.bytes().all(|b| b.is_ascii_alphanumeric() || signs.contains(&b))
}

fn is_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// The value of each setting, from its owner or by default; an error if one is missing or invalid.
pub(super) fn chosen(settings: &[Setting], said: &Values) -> Result<Values, String> {
    if let Some(unknown) = said.keys().find(|name| settings.iter().all(|setting| setting.name != **name)) {
        let names: Vec<_> = settings.iter().map(|setting| setting.name.as_str()).collect();
        return Err(match did_you_mean(unknown, names.iter().copied()) {
            Some(meant) => format!("it has no setting {unknown:?}; did you mean {meant}?"),
            None if names.is_empty() => format!("it has no setting {unknown:?}, nor any other"),
            None => format!("it has no setting {unknown:?}; it has {}", names.join(", ")),
        });
    }
    let mut values = Values::new();
    for setting in settings {
        let Some(value) = said.get(&setting.name).or(setting.default.as_ref()) else {
            let Setting { name, what, example, .. } = setting;
            return Err(format!("it wants to know {what}; say it with --set {name}={example}"));
        };
        setting.check(value).map_err(|wrong| {
            let help = wrong.help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}: {}{help}", setting.name, wrong.message)
        })?;
        values.insert(setting.name.clone(), value.clone());
    }
    Ok(values)
}

/// The examples, with which the skill's own tests run.
pub(super) fn examples(settings: &[Setting]) -> Values {
    settings.iter().map(|setting| (setting.name.clone(), setting.example.clone())).collect()
}

/// A text with its placeholders filled in.
pub(super) fn filled(name: &str, text: &str, values: &Values) -> Result<String, Problems> {
    let (mut out, mut rest, mut problems) = (String::new(), 0, Vec::new());
    for (span, place) in places(text) {
        out += &text[rest..span.start];
        match values.get(place) {
            Some(value) => out += value,
            None => {
                let help = Some(format!("describe it in settings.toml as [{place}], or write the value itself"));
                problems.push(Problem::new(
                    &Text::new(name, text),
                    span.clone(),
                    format!("there is no setting {place:?}"),
                    help,
                ));
            }
        }
        rest = span.end;
    }
    out += &text[rest..];
    if problems.is_empty() { Ok(out) } else { Err(Problems::sorted(problems)) }
}

/// Each `${name}` with its position.
pub(super) fn places(text: &str) -> Vec<(Range<usize>, &str)> {
    let begins = text.match_indices("${").map(|(at, _)| at);
    begins.filter_map(|at| text[at..].find('}').map(|end| (at..at + end + 1, &text[at + 2..at + end]))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const TEXT: &str = "[server]\nis = \"host\"\nwhat = \"the host of your server\"\nexample = \"cloud.example.org\"\n\n\
                        [user]\nis = \"word\"\nwhat = \"your name there\"\nexample = \"me@example.org\"\n\n\
                        [path]\nis = \"path\"\nwhat = \"where it is\"\nexample = \"/a/b\"\ndefault = \"/a/b\"\n\n\
                        [port]\nis = \"port\"\nwhat = \"its port\"\nexample = \"8443\"\ndefault = \"443\"\n";

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_said_is_checked_and_the_rest_has_its_default() {
        let settings = Setting::read_all("settings.toml", TEXT).unwrap();
        let said = values(&[("server", "cal.test"), ("user", "me")]);
        let chosen = chosen(&settings, &said).unwrap();
        assert_eq!(chosen, values(&[("server", "cal.test"), ("user", "me"), ("path", "/a/b"), ("port", "443")]));
        let text = "host = \"${server}\"\nports = [${port}]\ndo = [\"GET /u/${user}/**\"]";
        assert_eq!(filled("p", text, &chosen).unwrap(), "host = \"cal.test\"\nports = [443]\ndo = [\"GET /u/me/**\"]");
        let missing = filled("p", "a\nhost = \"${sever}\"", &chosen).unwrap_err().to_string();
        assert!(missing.contains("p:2:9: there is no setting \"sever\""), "{missing}");
    }

    /// A value is one thing, and ends nothing around it.
    #[test]
    fn no_value_is_more_than_it_says() {
        let settings = Setting::read_all("settings.toml", TEXT).unwrap();
        let wrong = |name: &str, value: &str| {
            let mut said = values(&[("server", "cal.test"), ("user", "me")]);
            said.insert(name.to_owned(), value.to_owned());
            chosen(&settings, &said).is_err()
        };
        for host in
            ["", "*.test", "**.x.test", "a.test/x", "a.test\"\naccess = \"read", "a b", "a.test,b.test", "${user}"]
        {
            assert!(wrong("server", host), "{host}");
        }
        for word in ["", "*", "**", "a/b", "..", "%2F", "a\"", "a b", "a\nb", "{1}", "${server}", &"x".repeat(81)] {
            assert!(wrong("user", word), "{word}");
        }
        for path in ["", "a", "/", "/a/", "//a", "/a/../b", "/.a", "/a/*", "/a b", "/a?b", "/%2e", "/a\"", "/**"] {
            assert!(wrong("path", path), "{path}");
        }
        assert!(["0", "65536", "443, 80", "+443", "0443"].into_iter().all(|port| wrong("port", port)));
        assert!(wrong("sever", "a.test"));
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told() {
        for (text, want) in [
            ("[Server]\nis = \"host\"", "is no name of a setting"),
            ("[server]\nis = \"url\"\nwhat = \"x\"\nexample = \"y\"", "is no kind of setting"),
            ("[server]\nis = \"host\"\nwhat = \"x\"", "has no `example`"),
            ("[server]\nis = \"host\"\nwhat = \"x\"\nexample = \"*.y\"", "is not one host"),
            ("[server]\nis = \"host\"\nwat = \"x\"", "wat"),
            ("server = 1", "must be a table"),
        ] {
            let problems = Setting::read_all("settings.toml", text).unwrap_err().to_string();
            assert!(problems.contains(want), "{problems}");
        }
    }
}
