//! What a request asks for besides what its method says: then only a rule that allows every method allows it.

use words::{parameter_asks, parameter_writes};

use crate::{Facts, Query};

/// What a request asks for besides what its method says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Nothing: it means what its method says.
    Nothing,
    /// Another method, by a parameter.
    OtherMethod,
    /// A GraphQL mutation, although its method only reads.
    Mutation,
    /// Another method, by a field of its body.
    OtherMethodInBody,
}

impl Asks {
    pub(crate) fn of(facts: &Facts) -> Self {
        let (path, query) = (facts.path.as_str(), facts.query.as_ref().map(Query::as_str).unwrap_or_default());
        let asks = |pair: &str| parameter_asks(pair, facts.method);
        // `/x;_method=DELETE`: some servers take parameters there too.
        let undone = facts.path.undone();
        let pieces = || path.split('/').chain(undone.split('/'));
        let in_path = || pieces().flat_map(|segment| segment.split(';').skip(1)).any(asks);
        if (path.contains(';') && in_path()) || query.split(['&', ';']).any(asks) {
            return Asks::OtherMethod;
        }
        // A `;` may be part of a value for servers that split at `&` only.
        let writes = || query.split('&').chain(query.split(['&', ';'])).any(parameter_writes);
        if facts.method.is_read() && writes() {
            return Asks::Mutation;
        }
        Asks::Nothing
    }
}
