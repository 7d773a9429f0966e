//! Programs that bring their own ideas of a proxy and of whom to trust: the variables of a sandbox are
//! all that they get.

use super::*;

/// Google's own client without a word about certificates.
#[test]
fn grpc_trusts_the_door_by_itself() {
    let live = Live::grpc("live.example");
    let (home, _daemon) = with_live(with_clients(), &live, "do = [\"POST /test.Echo/*\"]");
    let script = "import grpc; channel = grpc.secure_channel('live.example:443', grpc.ssl_channel_credentials()); \
                  print(channel.unary_unary('/test.Echo/Say')(b'milk', timeout=100).decode())";
    home.exec("family", &format!("python3 -c \"{script}\"")).ok().prints("milk");
}

/// A site for the image with more clients, in all that `rule` says.
fn with_site_and_clients(
    rule: &str,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> (Home, Upstream, Daemon) {
    let site = Upstream::start(&["site.example"], answer);
    let policy = format!("[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\n{rule}\n");
    let home = with_clients().host("site.example", &site).group("family").policy("family", &policy);
    let daemon = home.up();
    (home, site, daemon)
}

/// Java's own client, as ant fetches with it.
#[test]
fn java_trusts_the_door_by_itself() {
    let (home, site, _daemon) = with_site_and_clients("do = [\"GET /page\"]", |_| Response::ok("hello from the site"));
    let build = "<project><get src=\"https://site.example/page\" dest=\"page\"/></project>";
    std::fs::write(home.group_folder("family").join("build.xml"), build).unwrap();
    home.exec("family", "ant -q 2> err; cat page || cat err").prints("hello from the site");
    assert_eq!(site.lines(), ["GET /page"]);
}

/// What programs in other languages ask with, each without a word about a proxy or a certificate but what its own
/// documents say.
#[test]
fn each_language_finds_the_door_and_trusts_it() {
    let (home, site, _daemon) = with_site_and_clients("do = [\"GET /page\"]", |_| Response::ok("hello from the site"));
    let asking = [
        ("wget", "wget -qO- https://site.example/page"),
        ("ruby", "ruby -ropen-uri -e 'print URI.open(\"https://site.example/page\").read'"),
        ("ruby-net", "ruby -rnet/http -e 'print Net::HTTP.get(URI(\"https://site.example/page\"))'"),
        (
            "perl",
            "perl -MLWP::UserAgent -e 'print LWP::UserAgent->new(env_proxy => 1)->get(\"https://site.example/page\")->content'",
        ),
        ("php", "php -r '$c = curl_init(\"https://site.example/page\"); curl_exec($c) || print curl_error($c);'"),
        (
            "urllib3",
            "python3 -c 'import os, urllib3; print(urllib3.ProxyManager(os.environ[\"HTTPS_PROXY\"], ca_certs=os.environ[\"SSL_CERT_FILE\"]).request(\"GET\", \"https://site.example/page\").data.decode())'",
        ),
        (
            "aiohttp",
            "python3 -c 'import asyncio, aiohttp\nasync def ask():\n  async with aiohttp.ClientSession(trust_env=True) as s:\n    async with s.get(\"https://site.example/page\") as r: print(await r.text())\nasyncio.run(ask())'",
        ),
        (
            "httplib2",
            "PYTHONPATH=/opt/clients/python python3 -c 'import httplib2; print(httplib2.Http().request(\"https://site.example/page\")[1].decode())'",
        ),
    ];
    let script: Vec<_> = asking.iter().map(|(name, line)| format!("echo \"{name}: $({line} 2>&1)\"")).collect();
    let ran = home.exec("family", &script.join("\n"));
    for (name, _) in asking {
        assert!(ran.out.contains(&format!("{name}: hello from the site")), "{name}: {ran:#?}");
    }
    assert_eq!(site.lines(), ["GET /page"; 8]);
}

#[test]
fn uv_installs_from_an_index() {
    let (home, site, _daemon) = with_site_and_clients("access = \"read\"", |request| match request.path() {
        "/simple/hello/" => Response::ok("<a href=\"/hello-1.0-py3-none-any.whl\">hello-1.0-py3-none-any.whl</a>")
            .header("content-type", "text/html"),
        "/hello-1.0-py3-none-any.whl" => Response::ok(crate::support::wheel()),
        _ => Response::not_found(),
    });
    let install = "uv=/opt/clients/python/bin/uv; $uv venv -q /tmp/v && VIRTUAL_ENV=/tmp/v $uv pip install -q --index-url \
                   https://site.example/simple/ hello && /tmp/v/bin/python -c 'import hello; print(hello.word)'";
    home.exec("family", install).ok().prints("milk");
    assert!(site.lines().contains(&"GET /hello-1.0-py3-none-any.whl".to_owned()), "{:?}", site.lines());
}

/// Node's own `fetch`, undici, and curl when it is told to open a tunnel for everything.
#[test]
fn plain_http_and_the_host_itself_are_reached_through_a_tunnel() {
    let site = Upstream::plain(|_| Response::ok("in the clear"));
    let policy =
        "[[allow]]\nhost = \"plain.example\"\nscheme = \"http\"\ndo = [\"GET /page\"]\nprivate = [\"127.0.0.1/32\"]\n";
    let home = with_clients().host("plain.example", &site).group("family").policy("family", policy);
    let _daemon = home.up();
    std::fs::write(home.group_folder("family").join("tunnels.mjs"), include_str!("tunnels.mjs")).unwrap();
    let script = "cp -r /opt/clients/node_modules /tmp && cp tunnels.mjs /tmp && /opt/clients/node /tmp/tunnels.mjs; \
                  curl -sSp http://plain.example/page";
    let ran = home.exec("family", script).ok();
    for line in [
        "fetch 200 in the clear",
        "fetch 403 path_denied",
        "undici 200 in the clear",
        "policy 200",
        "tools send_message",
        "in the clear",
    ] {
        assert!(ran.out.lines().any(|said| said == line), "{line:?}: {ran:#?}");
    }
    assert_eq!(site.lines(), ["GET /page"; 3]);
}
