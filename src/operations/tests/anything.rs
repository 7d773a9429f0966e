//! Whatever is posted to the host, the door answers.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::House;
use crate::gateway::OpenDoor;

/// One house for all cases; its own runtime keeps the doors served.
static SERVED: LazyLock<(tokio::runtime::Runtime, House, OpenDoor)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (house, door) = runtime.block_on(async {
        let house = House::new();
        let door = house.door("family");
        (house, door)
    });
    (runtime, house, door)
});

fn messages() -> impl Strategy<Value = Vec<u8>> {
    let junk = proptest::collection::vec(any::<u8>(), 0..300);
    let names = prop_oneof![
        Just("send_message"),
        Just("request_access"),
        Just("policy"),
        Just("schedule_task"),
        Just("update_task"),
        Just("\u{0}"),
        Just("../x")
    ];
    let value = prop_oneof![
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        proptest::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
    ];
    let keys = prop_oneof![
        Just("text"),
        Just("host"),
        Just("why"),
        Just("path"),
        Just("method"),
        Just("group"),
        Just("task_id"),
        Just("prompt"),
        Just("schedule_type"),
        Just("schedule_value"),
        Just("")
    ];
    let arguments = proptest::collection::btree_map(keys, value, 0..5);
    let methods = prop_oneof![
        Just("tools/call"),
        Just("tools/list"),
        Just("initialize"),
        Just("ping"),
        Just("subscriptions/listen"),
        Just("x")
    ];
    let call = (methods, names, arguments, any::<Option<String>>()).prop_map(|(method, name, arguments, id)| {
        json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": { "name": name, "arguments": arguments } })
            .to_string()
            .into_bytes()
    });
    let deep = (1usize..20_000).prop_map(|depth| "[".repeat(depth).into_bytes());
    prop_oneof![3 => call, 1 => junk, 1 => deep]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Attack N05: whatever is posted, the door answers, and the next request is served.
    #[test]
    fn no_body_breaks_it(body in messages()) {
        let (runtime, house, _) = &*SERVED;
        runtime.block_on(async {
            let headers = "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n";
            let heard = house.ask("family", "POST", "/mcp", headers, &body).await;
            assert!(heard.status < 500, "{} {}", heard.status, heard.body);
            assert_eq!(house.queued(), [], "no run is under way");
        });
    }
}
