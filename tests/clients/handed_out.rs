//! Programs that get a key from one answer and use it in the next request: it stays outside of the sandbox.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::*;

const REAL: &str = "site-1f3c5e7a9b2d4f6081a3c5e7f9b1d3f5";
const MADE: &str = "made-9b2d4f6081a3c5e7f9b1d3f51f3c5e7a";

/// A home whose group has a credential for `site.example`, which makes new ones as `mints` says.
fn with_keys(
    rule: &str,
    mints: &str,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> (Home, Upstream, Daemon) {
    let site = Upstream::start(&["site.example"], answer);
    let policy =
        format!("[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\ncredential = \"site\"\n{rule}\n");
    let more = format!(
        "hosts = [\"site.example\"]\nenv = \"SITE_TOKEN\"\nplace = [\"basic:password\", \"header:authorization\"]\n\
         [[credentials.site.mints]]\n{mints}\n"
    );
    let home = with_clients().credential("site", REAL, &more);
    let home = home.host("site.example", &site).group("family").policy("family", &policy);
    let daemon = home.up();
    (home, site, daemon)
}

fn is(request: &Request, header: &str) -> bool {
    request.header("authorization") == Some(header)
}

fn basic(password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("me:{password}")))
}

/// A registry as the distribution specification has it: a token is fetched with a password, and
/// everything else with the token.
#[test]
fn skopeo_copies_an_image() {
    let layer = b"milk\n".to_vec();
    let digest = |bytes: &[u8]| {
        format!("sha256:{}", Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        digest(&layer)
    );
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","size":{},"digest":"{}"}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":{},"digest":"{}"}}]}}"#,
        config.len(),
        digest(config.as_bytes()),
        layer.len(),
        digest(&layer)
    );
    let (rule, mints) = ("access = \"read\"", "do = [\"GET /token\"]\nfields = [\"token\"]");
    let blobs = [(digest(config.as_bytes()), config.into_bytes()), (digest(&layer), layer)];
    let (home, site, _daemon) = with_keys(rule, mints, move |request| {
        if request.path() == "/token" {
            let told = if is(request, &basic(REAL)) { format!(r#"{{"token":"{MADE}"}}"#) } else { "{}".into() };
            return Response::ok(told).header("content-type", "application/json");
        }
        if !is(request, &format!("Bearer {MADE}")) {
            let how = "Bearer realm=\"https://site.example/token\",service=\"site.example\"";
            return Response { status: 401, ..Response::ok("{}") }.header("www-authenticate", how);
        }
        if request.path().ends_with("/manifests/1") {
            return Response::ok(manifest.clone()).header("content-type", "application/vnd.oci.image.manifest.v1+json");
        }
        let blob = blobs.iter().find(|(digest, _)| request.path().ends_with(digest));
        blob.map_or_else(Response::not_found, |(_, bytes)| Response::ok(bytes.clone()))
    });
    let copy = "skopeo copy -q --insecure-policy --src-creds me:$SITE_TOKEN docker://site.example/me/x:1 dir:/tmp/image && \
                grep -c milk /tmp/image/*";
    let ran = home.exec("family", copy);
    assert!(ran.out.contains(":1"), "{ran:#?}\n{:?}", site.lines());
    assert!(site.requests().iter().any(|request| is(request, &format!("Bearer {MADE}"))), "{:?}", site.requests());
    let audit = home.audit();
    assert!(audit.with("verdict", "deny").is_empty(), "{audit:#?}");
}

/// The answer to `batch` hands out a header for the transfer: in a list, and behind a scheme.
#[test]
fn git_lfs_fetches_what_it_was_handed_a_key_for() {
    let large = "milk and eggs\n".repeat(1000);
    let id = Sha256::digest(&large).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{id}\nsize {}\n", large.len());
    let git = GitServer::with("notes", &pointer, "notes filter=lfs diff=lfs merge=lfs -text\n");
    let rule = "do = [\"GET /notes.git/info/refs\", \"POST /notes.git/git-upload-pack\", \
                \"POST /notes.git/info/lfs/objects/batch\", \"GET /objects/*\"]";
    let mints =
        "do = [\"POST /notes.git/info/lfs/objects/batch\"]\nfields = [\"objects[*].actions.*.header.Authorization\"]";
    let size = large.len();
    let (home, site, _daemon) = with_keys(rule, mints, move |request| {
        let path = request.path();
        if path.starts_with("/objects/") {
            let may = is(request, &format!("RemoteAuth {MADE}"));
            return if may { Response::ok(large.clone()) } else { Response::not_found() };
        }
        if !is(request, &basic(REAL)) {
            return Response { status: 401, ..Response::ok("") }.header("www-authenticate", "Basic realm=\"notes\"");
        }
        if !path.ends_with("/objects/batch") {
            return git.answer(request);
        }
        let told = format!(
            r#"{{"transfer":"basic","objects":[{{"oid":"{id}","size":{size},"actions":{{"download":{{"href":"https://site.example/objects/{id}","header":{{"Authorization":"RemoteAuth {MADE}"}}}}}}}}]}}"#
        );
        Response::ok(told).header("content-type", "application/vnd.git-lfs+json")
    });
    let clone = "git lfs install --skip-repo && git config --global credential.helper \
                 '!f() { echo username=me; echo password=$SITE_TOKEN; }; f' && \
                 git clone -q https://site.example/notes.git /tmp/n; wc -c < /tmp/n/notes";
    let ran = home.exec("family", clone);
    assert!(ran.out.lines().any(|line| line == size.to_string()), "{ran:#?}\n{:?}", site.lines());
    let records = home.audit();
    assert!(records.0.iter().all(|record| record["alarm"] != true), "{records:#?}");
}
