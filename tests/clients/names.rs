//! Programs that write names in their own way: of packages in paths, of parameters in queries.

use super::*;

/// npm writes the slash of a package with a scope as `%2f`: one segment, which a rule spells.
#[test]
fn npm_asks_for_a_package_with_a_scope() {
    let told = r#"{"name":"@scope/hello","dist-tags":{"latest":"1.0.0"},"versions":{"1.0.0":{"name":"@scope/hello","version":"1.0.0","dist":{"tarball":"https://site.example/t.tgz"}}}}"#;
    let (home, site, _daemon) = with_site("do = [\"GET /@scope%2Fhello\"]", move |_| {
        Response::ok(told).header("content-type", "application/json")
    });
    home.exec("family", "npm view --registry https://site.example/ @scope/hello version").ok().prints("1.0.0");
    // The letters of an escape may be large or small.
    assert_eq!(site.lines().join("\n").to_ascii_lowercase(), "get /@scope%2fhello");
    // Another package of the scope, and the same without the escape, are named by no rule.
    let others =
        "npm view --registry https://site.example/ @scope/other version; curl -sS https://site.example/@scope/hello";
    home.exec("family", others);
    assert_eq!(site.lines().len(), 1, "{:?}", site.lines());
}

/// Libraries escape `$`, `[` and `]` in names: nothing is hidden there, also from a host with a credential.
#[test]
fn parameters_as_libraries_write_them() {
    let site = Upstream::start(&["site.example"], |request| Response::ok(request.target.clone()));
    let policy =
        "[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\ndo = [\"GET /v1\"]\ncredential = \"site\"\n";
    let home = with_clients().credential(
        "site",
        "site-1f3c5e7a9b2d4f6081a3c5e7f9b1d3f5",
        "hosts = [\"site.example\"]\nenv = \"SITE_TOKEN\"\n",
    );
    let home = home.host("site.example", &site).group("family").policy("family", policy);
    let _daemon = home.up();
    let script = r#"
import os, httpx, requests
headers = {"Authorization": "Bearer " + os.environ["SITE_TOKEN"]}
good = [{"$top": 5, "$select": "subject,from"}, {"page[size]": 10, "filter[name]": "x"}, {"nextPageToken": "abc", "author_id": 5}]
bad = [{"filter[access_token]": "k7Jq2mX9vB4nT6wR1zL8"}, {"$api-key": "k7Jq2mX9vB4nT6wR1zL8"}]
for client in (requests, httpx):
    print(client.__name__, [client.get("https://site.example/v1", params=p, headers=headers).status_code for p in good + bad])
"#;
    std::fs::write(home.group_folder("family").join("ask.py"), script).unwrap();
    let ran = home.exec("family", "python3 ask.py").ok();
    ran.prints("requests [200, 200, 200, 403, 403]\nhttpx [200, 200, 200, 403, 403]");
    assert_eq!(site.lines().len(), 6, "{:?}", site.lines());
    let alarms = home.audit().with("verdict", "allow").iter().filter(|record| record["alarm"] == true).count();
    assert_eq!(alarms, 0);
}
