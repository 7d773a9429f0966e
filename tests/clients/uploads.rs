//! Programs that are still sending when the door says no hear what it says.

use super::*;

const PYTHON: &str = include_str!("uploads.py");
const NODE: &str = include_str!("uploads.mjs");

#[test]
fn a_refusal_reaches_programs_that_are_still_sending() {
    let site = Upstream::start(&["site.example"], |request| Response::ok(request.body.len().to_string()));
    // Refused by its head, by what stands in the middle, by how much it is; and nothing wrong.
    let policy = "[limits]\nupload_per_request = \"4 MiB\"\n[[allow]]\nhost = \"site.example\"\n\
                  private = [\"127.0.0.1/32\"]\ndo = [\"PUT /kept\"]\n\
                  [[allow]]\nhost = \"bank.example\"\ndo = [\"GET /**\"]\ncredential = \"bank\"\n";
    let home = with_clients().credential("bank", BANK, "hosts = [\"bank.example\"]\nenv = \"BANK_TOKEN\"\n");
    let home = home.host("site.example", &site).group("family").policy("family", policy);
    let _daemon = home.up();
    let folder = home.group_folder("family");
    std::fs::write(folder.join("uploads.py"), PYTHON).unwrap();
    std::fs::write(folder.join("uploads.mjs"), NODE).unwrap();
    let each = |upload: &str, path: &str, answer: &str| {
        let curl = format!(
            "curl -sS --http1.1 -o answer -w 'curl {path} %{{http_code}} ' -T upload https://site.example{path}"
        );
        let code = "grep -o '\"code\": \"[a-z_]*' answer | cut -d '\"' -f 4; echo";
        let script =
            format!("{upload}; {curl}; {code}; python3 uploads.py {path}; /opt/clients/node uploads.mjs {path}");
        let ran = home.exec("family", &script);
        for client in ["curl", "http.client", "requests", "httpx", "fetch", "https", "http2"] {
            let wanted = format!("{client} {path} {answer}");
            assert!(ran.out.lines().any(|line| line.trim_end() == wanted), "{wanted:?}: {ran:#?}");
        }
    };
    each("head -c 3000000 /dev/zero > upload", "/kept", "200");
    let much = "head -c 40000000 /dev/zero >> upload";
    each(much, "/denied", "403 path_denied");
    each(
        &format!("head -c 3000000 /dev/zero > upload; echo $BANK_TOKEN >> upload; {much}"),
        "/kept",
        "403 surrogate_unbound",
    );
    each(&format!("rm upload; {much}"), "/kept", "429 limit_exceeded");
    assert!(site.lines().iter().all(|line| line == "PUT /kept") && site.lines().len() == 7, "{:?}", site.lines());
}

/// AWS' own client sends frames unless it is told not to: they arrive as it wrote them, and what they hold is
/// looked at all the same.
#[test]
fn s3_uploads_in_frames() {
    let site = Upstream::start(&["site.example"], |_| Response::ok("").header("etag", "\"x\""));
    let policy = "[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\ndo = [\"PUT /bucket/*\"]\n\
                  [[allow]]\nhost = \"bank.example\"\ndo = [\"GET /**\"]\ncredential = \"bank\"\n";
    let home = with_clients().credential("bank", BANK, "hosts = [\"bank.example\"]\nenv = \"BANK_TOKEN\"\n");
    let home = home.host("site.example", &site).group("family").policy("family", policy);
    let _daemon = home.up();
    let script = r#"
import boto3, gzip, io, os
from botocore.config import Config
s3 = boto3.client("s3", endpoint_url="https://site.example", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="x",
                  region_name="us-east-1", config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}))
s3.put_object(Bucket="bucket", Key="bytes", Body=b"hello")
s3.upload_fileobj(io.BytesIO(bytes(3 << 20)), "bucket", "stream")
for key, body in [("plain", b"."), ("packed", b"x")]:
    body = body * (1 << 20) + os.environ["BANK_TOKEN"].encode() + body * 1000
    try:
        s3.put_object(Bucket="bucket", Key=key, Body=gzip.compress(body) if key == "packed" else body)
        print("sent", key)
    except Exception as error:
        print("refused", key)
print("done")
"#;
    std::fs::write(home.group_folder("family").join("put.py"), script).unwrap();
    let ran = home.exec("family", "PYTHONPATH=/opt/clients/python python3 put.py").ok();
    ran.prints("refused plain\nrefused packed\ndone");
    assert_eq!(site.lines(), ["PUT /bucket/bytes", "PUT /bucket/stream"]);
    let requests = site.requests();
    assert_eq!(requests[0].header("content-encoding"), Some("aws-chunked"), "{requests:?}");
    assert!(requests[0].body.starts_with(b"5\r\nhello\r\n0\r\nx-amz-checksum-"), "{:?}", requests[0].body);
    let audit = home.audit();
    for path in ["/bucket/plain", "/bucket/packed"] {
        assert_eq!(audit.only("path", path)["outcome"]["code"], "surrogate_unbound", "{path}");
    }
}

const BANK: &str = "bank-1f3c5e7a9b2d4f6081a3c5e7f9b1d3f5";
