//! What an agent learns when something fails on the host: that it did, but no places, and no names of anything that is
//! not its group's.

use super::*;

/// What an agent reads through each interface, for each operation.
async fn everything(house: &House, text: &str) -> Vec<String> {
    let mut heard = Vec::new();
    for (tool, arguments) in [
        ("policy", json!({})),
        ("send_message", json!({ "text": text })),
        ("request_access", json!({ "host": "news.test", "why": text })),
        ("no_such_tool", json!({})),
        ("send_message", json!({ "chat": text })),
    ] {
        let params = json!({ "name": tool, "arguments": arguments });
        let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        heard.push(house.mcp("family", &call).await.body);
    }
    for path in ["/", "/policy", "/nothing"] {
        heard.push(house.get("family", path).await.body);
    }
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_hears_nothing_of_the_host_whatever_fails() {
    let house = House::new();
    let door = house.door("family");
    house.run("family", &door);
    let mut heard = everything(&house, &format!("the key is {SECRET}")).await;
    let withheld = heard.iter().filter(|text| text.contains("it held something that must not leave")).count();
    assert_eq!(withheld, 2, "{heard:#?}");
    let whys: Vec<_> = house.operations().iter().filter_map(|entry| Some(entry.why()?.to_owned())).collect();
    assert!(whys.iter().any(|why| why.contains("secret of credential bank")), "the owner hears of it: {whys:?}");
    // The store, then the log: as when a disk fails.
    for database in [house.home.main_db(), house.home.audit_log()] {
        std::fs::rename(&database, database.with_extension("away")).unwrap();
        heard.extend(everything(&house, "hello").await);
    }
    assert!(heard.iter().any(|text| text.contains("audit_unavailable")), "{heard:#?}");
    let folder = house.folder.path().to_str().unwrap();
    for text in &heard {
        assert!(!text.contains(folder) && !text.contains(".db") && !text.contains("bank"), "{text}");
    }
}

/// What a rule allows at another time is not allowed now.
#[tokio::test]
async fn a_wish_goes_by_the_clock() {
    let house = House::new();
    let today = crate::clock::OwnersClock::new(jiff::tz::TimeZone::system()).now().weekday();
    // Days away, whatever the clock does meanwhile.
    let other = today.yesterday().yesterday().yesterday();
    let rule = |host: &str, hours: &str| format!("[[allow]]\nhost = \"{host}\"\naccess = \"read\"\n{hours}\n");
    let policy = rule("a.test", &format!("days = [\"{other}\"]")) + &rule("b.test", "");
    std::fs::write(house.home.policy_file(&group("family")), policy).unwrap();
    let _door = house.door("family");
    let wish = |host: &str| json!({ "host": host, "why": "because" });
    let closed = house.call("family", "request_access", wish("a.test")).await.unwrap();
    assert!(closed.contains("not allowed yet"), "{closed}");
    assert!(house.call("family", "request_access", wish("b.test")).await.unwrap().contains("is allowed already"));
    assert_eq!(house.store.access_requests().unwrap().len(), 1);
    let text = house.ask("family", "GET", "/policy", "Accept: text/plain\r\n", b"").await.body;
    assert!(text.contains(&format!("only on {other}, by the owner's clock")), "{text}");
}
