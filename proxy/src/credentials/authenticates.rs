//! Account pinning: anything else that could authenticate a request (attacks K01 to K03, K08).
//!
//! A host that has a credential accepts this sandbox's surrogate and nothing else: with a key of
//! its own, an agent could leave data in an account of its choosing. Values in a place of the
//! host's credentials are dealt with before (`place.rs`). Of the rest, names that say that they
//! authenticate (`names.rs`) are refused. An unknown header may have any name, so it passes only if
//! its value cannot be a key: a header that is not known to be harmless must be short or plain.
//! Nothing is removed instead: a refund without `Stripe-Account` is one on another account.
//!
//! It is an alarm if the value could be a key (`values.rs`), and a plain refusal otherwise.

use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL};
use policies::{Code, Refusal, letters_of, normal_name, undo_escapes};

use super::handed_out::Brought;
use super::harmless;
use super::names::{self, header_authenticates, name_is_hidden, parameter_authenticates};
use super::place::BasicPart;
use super::subprotocols;
use super::values::{self, could_be_a_key};
use super::{Found, Head, Place};

/// Something beside the surrogate, or in its place, and how it is reported.
pub(super) struct Foreign<'a> {
    what: What<'a>,
    value: String,
}

/// Its kind. For a parameter, the name as it was written.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    Header(&'a str),
    Parameter(&'a str),
    InPath(&'a str),
    Field(&'a str),
    /// In the list of a WebSocket's subprotocols.
    Subprotocol,
    /// In the path, where the surrogate has its place.
    Segment,
    /// In a JSON body, likewise.
    Json,
    /// In Basic credentials, beside the surrogate.
    Half(BasicPart),
}

/// The longest name that is written out.
const LONGEST_NAME: usize = 64;

/// Names that are never harmless, even if the owner says so.
const NEVER: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "sec-websocket-protocol"];
const NEVER_ENDINGS: [&str; 4] = ["api-key", "apikey", "auth-token", "access-token"];

/// Refuses everything that authenticates by its name, outside of the one place.
pub(super) fn refuse_others(
    head: Head<'_>,
    found: Option<&Found<'_>>,
    own: &[Place],
    brought: Brought<'_>,
) -> Result<(), Refusal> {
    let place = found.and_then(|found| found.place.header());
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().filter(|(name, value)| {
        let passes = Some(*name) == place.as_ref() || is_own(name, own);
        let tells = || header_authenticates(name.as_str());
        !passes && tells() && !harmless::is_known_pair(name.as_str(), value.as_bytes())
    });
    let headers = headers.map(|(name, value)| Foreign::new(What::Header(name.as_str()), text(value)));
    let lists = head.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().map(text);
    let lists = lists.filter(|list| !subprotocols::are_names(list));
    let subprotocols = lists.map(|list| Foreign::new(What::Subprotocol, subprotocols::beside_names(&list)));
    let query = head.query_beside(found);
    let own_parameter = |one: &str| {
        let name = undo_escapes(name_of(one));
        own.iter().any(|own| own.parameter() == Some(&*name)) && !name_is_hidden(name_of(one))
    };
    let parameters = query.split(['&', ';']).filter(|one| !own_parameter(one) && parameter_authenticates(one));
    let parameters = parameters.map(|one| Foreign::parameter(What::Parameter(name_of(one)), one));
    // `/v1/x;api_key=…`: some servers take parameters there too.
    let in_path = head.path().split('/').flat_map(|segment| segment.split(';').skip(1));
    let in_path = in_path.filter(|one| parameter_authenticates(one));
    let in_path = in_path.map(|one| Foreign::parameter(What::InPath(name_of(one)), one));
    let all: Vec<_> = headers.chain(subprotocols).chain(parameters).chain(in_path).collect();
    // The worst is reported.
    let worst = all.iter().find(|one| could_be_a_key(&one.value)).or(all.first());
    worst.map_or(Ok(()), |one| Err(one.refusal(brought)))
}

/// Refuses headers that are not known to be harmless and could hold a key.
pub(super) fn refuse_unknown(head: Head<'_>, found: Option<&Found<'_>>, own: &[Place]) -> Result<(), Refusal> {
    let place = found.and_then(|found| found.place.header());
    let passes = |name: &HeaderName| {
        Some(name) == place.as_ref()
            || harmless::is_known(name.as_str())
            || harmless::is_of_a_kind(name.as_str())
            || harmless::is_of_paging_in_a_header(&letters_of(&normal_name(name.as_str())))
            || is_own(name, own)
    };
    let mut unknown = head.headers.iter().filter(|(name, value)| !passes(name) && !values::is_plain(value.as_bytes()));
    let Some((name, value)) = unknown.next() else { return Ok(()) };
    let told = told(What::Header(name.as_str()));
    if values::is_of_a_vendor(&String::from_utf8_lossy(value.as_bytes())) {
        let why = format!("{told} holds a key, and {ONLY}");
        return Err(Refusal::new(Code::CredentialNotSurrogate, why));
    }
    let why = format!(
        "{told} is not known here and its value could be a key, so it is not sent to a host with a credential, nor the \
         request without it{}",
        line(What::Header(name.as_str()))
    );
    Err(Refusal::new(Code::NotHarmless, why))
}

/// A host may take a token as a user name or as a password, so what looks like a key is not sent as
/// the other half (attack K03), unless the owner calls it harmless. A vendor's key never is.
pub(super) fn refuse_other_half(found: Option<&Found<'_>>, own: &[Place]) -> Result<(), Refusal> {
    let Some((half, text)) = found.and_then(Found::other_half) else { return Ok(()) };
    let what = What::Half(half);
    if values::is_of_a_vendor(text) {
        return Err(Refusal::new(Code::CredentialNotSurrogate, format!("{} holds a key, and {ONLY}", told(what))));
    }
    if own.contains(&Place::Basic(half)) || !values::holds_a_key(text, values::SHORTEST) {
        return Ok(());
    }
    let why = format!("{} looks like a key, and a host could take it for one{}", told(what), line(what));
    Err(Refusal::new(Code::NotHarmless, why))
}

/// The refusal for anything that is not this sandbox's surrogate.
pub(crate) fn not_the_surrogate() -> Refusal {
    Refusal::new(Code::CredentialNotSurrogate, ONLY)
}

/// The refusal for a form field. A value that is incomplete could be a key.
pub(super) fn foreign_field(name: &str, value: Option<&str>, brought: Brought<'_>) -> Refusal {
    let what = What::Field(name);
    let Some(value) = value else {
        let why = format!("{} could authenticate, and {ONLY}{}", told(what), line(what));
        return Refusal::new(Code::CredentialNotSurrogate, why);
    };
    Foreign::new(what, undo_escapes(&value.replace('+', " "))).refusal(brought)
}

const ONLY: &str = "this host has a credential, so it takes this sandbox's surrogate and no other key, cookie or token";

impl<'a> Foreign<'a> {
    pub(super) fn new(what: What<'a>, value: String) -> Self {
        Foreign { what, value }
    }

    /// A parameter as it was written: its name may contain a value too.
    pub(super) fn parameter(what: What<'a>, one: &'a str) -> Self {
        let value = one.split_once('=').map_or(one, |(_, value)| value);
        Foreign { what, value: undo_escapes(value) }
    }

    /// Beside the surrogate, or without one.
    fn refusal(&self, brought: Brought<'_>) -> Refusal {
        if could_be_a_key(&self.value) {
            return self.key(brought, &line(self.what));
        }
        let why = format!("{} could authenticate by its name, and {ONLY}{}", told(self.what), line(self.what));
        Refusal::new(Code::NotHarmless, why)
    }

    /// In another spelling of such a place.
    pub(super) fn disguised(&self) -> Refusal {
        let told = told(self.what);
        let why =
            format!("{told} is to some servers the place where the surrogate belongs, in another spelling; {ONLY}");
        let code = if could_be_a_key(&self.value) { Code::CredentialNotSurrogate } else { Code::SurrogateMissing };
        Refusal::new(code, why)
    }

    /// In the place of the host's credential.
    pub(super) fn in_place(&self, brought: Brought<'_>) -> Refusal {
        if could_be_a_key(&self.value) {
            return self.key(brought, "");
        }
        let why = format!("{} holds neither this sandbox's surrogate nor a key, and {ONLY}", told(self.what));
        Refusal::new(Code::SurrogateMissing, why)
    }

    fn key(&self, brought: Brought<'_>, line: &str) -> Refusal {
        let told = told(self.what);
        if !values::is_of_a_vendor(&self.value) && brought.holds(&self.value) {
            return Refusal::new(Code::NotMinted, format!("{told} holds {}", self.handed_out(line)));
        }
        Refusal::new(Code::CredentialNotSurrogate, format!("{told} is foreign: {ONLY}{line}"))
    }

    /// A value that a host gave out may be a key, or a cursor of a list. Keeping it at the door
    /// does not help where a surrogate has no place.
    fn handed_out(&self, line: &str) -> String {
        let hint = match self.what {
            What::Header(name) | What::Parameter(name) | What::Field(name) => names::of_a_list_or_a_form(name),
            _ => None,
        };
        match (line, hint) {
            ("", _) => format!(
                "a key that an answer of this host brought, and {ONLY}; the owner can have such keys kept at the door: \
                 `mints` of the credential in doorward.toml names the requests that bring them"
            ),
            (line, None) => format!("what an answer of this host brought and may be a key, and {ONLY}{line}"),
            (line, Some(hint)) => format!(
                "what an answer of this host brought, and {ONLY}; by its name it {hint}, and what does authenticates \
                 nobody{line}"
            ),
        }
    }
}

/// Names it, never by its value.
fn told(what: What<'_>) -> String {
    match what {
        What::Header(name) => format!("the header {}", shown(name)),
        What::Parameter(name) => format!("the parameter {}", shown(&undo_escapes(name))),
        What::InPath(name) => format!("the parameter {} in the path", shown(&undo_escapes(name))),
        What::Field("") => "a field of the form whose name cannot be read".to_owned(),
        What::Field(name) => format!("the field {} of the form", shown(name)),
        What::Subprotocol => "a subprotocol in the header sec-websocket-protocol".to_owned(),
        What::Segment => "the segment of the path where the surrogate belongs".to_owned(),
        What::Json => "the field of the body where the surrogate belongs".to_owned(),
        What::Half(BasicPart::Username) => "the user name beside the surrogate".to_owned(),
        What::Half(BasicPart::Password) => "the password beside the surrogate".to_owned(),
    }
}

/// The line that would allow it, if there is one.
fn line(what: What<'_>) -> String {
    let (kind, name) = match what {
        What::Header(name) if NEVER.contains(&name) || NEVER_ENDINGS.iter().any(|end| name.ends_with(end)) => {
            return String::new();
        }
        What::Header(name) => ("header", name.to_owned()),
        What::Parameter(name) if name_is_hidden(name) => {
            return "; send its name with letters and digits as they are".to_owned();
        }
        What::Parameter(name) => ("query", undo_escapes(name)),
        What::Field(name) => ("query", name.to_owned()),
        What::Half(BasicPart::Username) => ("basic", "username".to_owned()),
        What::Subprotocol => {
            return "; offer names of protocols alone, of words and versions (v1.chat.json)".to_owned();
        }
        What::InPath(_) | What::Segment | What::Json | What::Half(BasicPart::Password) => return String::new(),
    };
    if name.is_empty() || name.len() > LONGEST_NAME {
        return String::new();
    }
    format!(
        "; if it authenticates nobody there, the owner can say so beside the host's credential in doorward.toml: \
         harmless = [\"{kind}:{}\"]",
        shown(&name)
    )
}

/// A name in readable form that can also be written in TOML between quotes.
fn shown(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars().take(LONGEST_NAME) {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            ' '..='~' => text.push(c),
            _ if c.is_alphanumeric() => text.push(c),
            _ => text.push_str(&format!("\\u{:04x}", u32::from(c).min(0xffff))),
        }
    }
    if name.chars().nth(LONGEST_NAME).is_some() {
        text.push('…');
    }
    text
}

fn name_of(parameter: &str) -> &str {
    parameter.split('=').next().unwrap_or_default()
}

fn is_own(name: &HeaderName, own: &[Place]) -> bool {
    own.iter().any(|own| matches!(own, Place::Header(header) if header == name))
}

#[cfg(test)]
mod tests;
