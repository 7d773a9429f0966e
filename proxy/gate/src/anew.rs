//! Headers whose values a client changes with every request: for tracing and retries, by standards and by vendors'
//! documents. A host does the same whatever their values, and they authenticate nobody.

const NAMES: [&str; 36] = [
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "apns-id",
    "b3",
    "baggage",
    "client-request-id",
    "correlation-id",
    "elastic-apm-traceparent",
    "i-twilio-idempotency-token",
    "idempotency-key", // of a second sending: a host that knows it does nothing
    "kubectl-session",
    "ms-cv",
    "newrelic",
    "npm-session",
    "paypal-request-id",
    "request-id",
    "sentry-trace",
    "traceparent",
    "tracestate",
    "uber-trace-id",
    "x-amz-date",
    "x-amzn-trace-id",
    "x-client-request-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-goog-api-client", // programs and versions, and which call of theirs it is
    "x-goog-gcs-idempotency-token",
    "x-idempotency-key",
    "x-ms-client-request-id",
    "x-ms-date",
    "x-opaque-id",
    "x-ot-span-context",
    "x-request-id",
    "x-stripe-client-telemetry", // how long the request before took
    "x-trace-id",
    "zotero-write-token",
];

const BEGINNINGS: [&str; 2] = ["x-b3-", "x-datadog-"];

const ENDINGS: [&str; 5] = ["-idempotency-key", "-request-id", "-correlation-id", "-trace-id", "-span-id"];

/// Other headers that a yes does not bind: who the client says it is, which attempt this is, and
/// what follows from the body, which the yes binds by itself.
const LEFT_OUT: [&str; 9] = [
    "accept-encoding",
    "content-digest",
    "content-length",
    "content-md5",
    "date",
    "digest",
    "host",
    "user-agent",
    "x-stainless-retry-count",
];

/// Whether a yes leaves out a header of this name. An unknown header may change what a host does, so a yes binds it.
pub(crate) fn is_left_out(name: &str) -> bool {
    LEFT_OUT.contains(&name) || is_sent_anew(name) || is_sent_anew_by_its_kind(name)
}

/// Whether a header of this name (lower case) is known to change with every request.
pub fn is_sent_anew(name: &str) -> bool {
    NAMES.binary_search(&name).is_ok()
}

/// Whether the beginning or end of its name says so.
pub fn is_sent_anew_by_its_kind(name: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(NAMES.is_sorted());
    }
}
