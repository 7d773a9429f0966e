//! `[credentials.NAME.oauth]`: a credential whose secret is a refresh token with which the gateway fetches access
//! tokens.

use std::sync::Arc;

use ipnet::IpNet;
use policies::{Authority, Facts, GroupName, Method, Path, Policy, Scheme};
use policy_file::Source;

use super::SecretSource;

/// Where access tokens come from, and the client that asks for them.
#[derive(Clone, Debug)]
pub struct OAuth {
    /// The only request to the token endpoint.
    pub endpoint: Facts,
    /// Allows only that request.
    pub policy: Arc<Policy>,
    /// The client's public name.
    pub client_id: String,
    /// The source of its secret, if it has one.
    pub client_secret: Option<SecretSource>,
    /// The variable in which a sandbox finds the refresh token's surrogate.
    pub refresh_env: Option<String>,
    /// Whether the endpoint wants JSON instead of a form.
    pub json: bool,
}

/// Parses `https://oauth2.example.com/token`.
pub(super) fn endpoint(text: &str) -> Result<Facts, String> {
    let wanted = || "a token endpoint is a plain https address: \"https://oauth2.example.com/token\"".to_owned();
    let (authority, path) =
        text.strip_prefix("https://").and_then(|rest| rest.find('/').map(|at| rest.split_at(at))).ok_or_else(wanted)?;
    let authority = Authority::parse(authority, Some(443)).map_err(|_| wanted())?;
    let path = Path::parse(path).map_err(|_| wanted())?;
    if !path.is_plain() || path.as_str().contains(['*', '!', '"', '\\']) {
        return Err(wanted());
    }
    Ok(Facts { scheme: Scheme::Https, authority, method: Method::Post, path, query: None, upgrade: None })
}

/// A network in which the endpoint may be although it is not public.
pub(super) fn private(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| "not a network; write it as \"192.168.1.20/32\"".to_owned())
}

/// The owner's own rule for the endpoint, judged like any other.
pub(super) fn policy(credential: &str, endpoint: &Facts, private: &[IpNet]) -> Result<Policy, String> {
    let Authority { host, port } = &endpoint.authority;
    let mut text = format!("[[allow]]\nhost = \"{host}\"\nports = [{port}]\ndo = [\"POST {}\"]\n", endpoint.path);
    if !private.is_empty() {
        let private: Vec<_> = private.iter().map(|net| format!("\"{net}\"")).collect();
        text.push_str(&format!("private = [{}]\n", private.join(", ")));
    }
    let source = Source { name: format!("doorward.toml [credentials.{credential}.oauth]"), text };
    let group = GroupName::parse("doorward").map_err(|error| error.to_string())?;
    let compiled = policy_file::compile(&group, &source, None);
    compiled.map(|compiled| compiled.policy).map_err(|problems| format!("this endpoint cannot be reached: {problems}"))
}
