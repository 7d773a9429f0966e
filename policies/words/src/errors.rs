//! Why a text is no host, no authority and no path, in words.

/// Why a text is not a host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is nothing.
    #[error("the host is empty")]
    Empty,
    /// RFC 1035: 253 characters for a name.
    #[error("the host is longer than 253 characters")]
    TooLong,
    /// RFC 1035: 1 to 63 characters for a label.
    #[error("a label of the host is empty or longer than 63 characters")]
    Label,
    /// A character that canonical host names do not hold.
    #[error("the host holds {0:?}; write names in ASCII (A-labels), without user, port or escapes")]
    Character(char),
    /// `127.1`, `0x7f000001`, `2130706433`: numbers that resolvers turn into addresses.
    #[error("the host looks like an address but is not in canonical form; write it as 192.0.2.1")]
    Number,
    /// Brackets hold IPv6 addresses and nothing else.
    #[error("brackets may only hold an IPv6 address")]
    Brackets,
}

/// Why a text is not an authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The host part.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A required port is missing (CONNECT), or the port is not 1 to 65535.
    #[error("the port is missing or not a number from 1 to 65535")]
    Port,
}

/// Why a text is not a path that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Only origin-form is accepted as a path here.
    #[error("the path does not start with a slash")]
    NotAbsolute,
    /// A byte that must be percent-encoded, or is not allowed at all.
    #[error("the path holds a byte that may not stand there unencoded (0x{0:02x})")]
    Byte(u8),
    /// The same of a query.
    #[error("the query holds a byte that may not stand there unencoded (0x{0:02x}); write it as %{0:02X}")]
    QueryByte(u8),
    /// `%` without two hex digits after it.
    #[error("a percent sign in the path is not followed by two hex digits")]
    Percent,
    /// Escapes that are not UTF-8: overlong forms, or letters of another charset.
    #[error("the path holds escapes that are no UTF-8, which servers read in different ways")]
    NotUtf8,
    /// `.` or `..`, plain, encoded or in disguise.
    #[error("the path holds a dot segment, which servers resolve in different ways")]
    DotSegment,
    /// A segment that some read as empty: `;x`, or one beside a `%2F`. A plain `//` does not count.
    #[error("the path holds a segment that is empty to some servers and not to others")]
    EmptySegment,
    /// `%25` before digits that make it an escape.
    #[error("the path holds an escape within an escape (%25), which servers undo in different ways")]
    SecondEscape,
    /// `/(S(x))/`: a session in the path.
    #[error("the path holds a segment that ASP.NET takes for a session or a ticket and leaves out")]
    Session,
    /// `%5C`, `\`, `%00`: separators in disguise.
    #[error("the path holds a backslash or control character, which servers read in different ways")]
    Ambiguous,
}
