//! The variables of a sandbox that have tools use its door. A program in it may set them differently, and gains nothing.

use crate::spec::{CA_BUNDLE, HOME};

/// The environment that makes everyday tools use the door and trust its CA. Both this and the
/// mounted bundle are needed: each reaches tools that the other misses. `AWS_CA_BUNDLE` is left
/// out: with it, AWS's library for Go refuses programs that bring their own client (rclone), and
/// everything that reads it reads others of these too.
pub fn door_environment() -> Vec<(String, String)> {
    const PROXY: &str = "http://127.0.0.1:3128";
    const LOCAL: &str = "localhost,127.0.0.1,::1";
    const CA: [&str; 8] = [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "PIP_CERT",
        "CARGO_HTTP_CAINFO",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
        // Google's library for Python brings its own list of certificates.
        "HTTPLIB2_CA_CERTS",
    ];
    let proxies = ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy"];
    let others = [
        ("NO_PROXY", LOCAL),
        ("no_proxy", LOCAL),
        ("NODE_EXTRA_CA_CERTS", CA_BUNDLE),
        // Node reads the proxy variables only with this (from 22.21 and 24.0 on).
        ("NODE_USE_ENV_PROXY", "1"),
        // Otherwise uv trusts its own list; newer versions use the second name.
        ("UV_NATIVE_TLS", "1"),
        ("UV_SYSTEM_CERTS", "1"),
        ("JAVA_TOOL_OPTIONS", JAVA),
        ("HOME", HOME),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
    ];
    let proxies = proxies.iter().map(|name| (*name, PROXY));
    let trust = CA.iter().map(|name| (*name, CA_BUNDLE));
    proxies.chain(trust).chain(others).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Java reads neither proxy variables nor a PEM bundle.
const JAVA: &str = "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=3128 -Dhttps.proxyHost=127.0.0.1 \
                    -Dhttps.proxyPort=3128 -Dhttp.nonProxyHosts=localhost|127.*|[::1] \
                    -Djavax.net.ssl.trustStore=/etc/ssl/certs/doorward.jks";
