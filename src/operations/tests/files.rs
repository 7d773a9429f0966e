//! NanoClaw's files, as the guest forwards them: exactly as its skills write them.

use super::*;

impl House {
    async fn file(&self, name: &str, folder: &str, file: &Value) -> Heard {
        self.ask(name, "POST", &format!("/ipc/{folder}"), "", file.to_string().as_bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_skills_goes_to_the_chat() {
    let house = House::new();
    let door = house.door("family");
    let message = json!({
        "type": "message", "chatJid": "family", "text": "hi", "sender": "Researcher", "groupFolder": "main",
        "timestamp": "2026-11-29T12:00:00.000Z",
    });
    let early = house.file("family", "messages", &message).await;
    assert_eq!(early.status, 403);
    assert!(early.body.contains("nothing is being answered"), "{}", early.body);
    house.run("family", &door);
    assert_eq!(house.file("family", "messages", &message).await.status, 200);
    assert_eq!((&*house.queued()[0].chat, house.queued()[0].text.as_str()), ("family", "hi"));
    // Another chat, whatever author the file claims.
    let other = json!({ "type": "message", "chatJid": "main", "text": "hi", "groupFolder": "main", "isMain": true });
    tokio::select! {
        heard = house.file("family", "messages", &other) => panic!("{}", heard.body),
        () = house.until_asked(1) => {}
    }
}

#[tokio::test]
async fn what_is_no_file_of_theirs_is_told_why() {
    let house = House::new();
    let door = house.door("family");
    house.run("family", &door);
    for (folder, file, status, why) in [
        ("messages", json!({ "type": "message", "text": "hi" }), 400, "chatJid"),
        ("messages", json!({ "type": "other", "chatJid": "family", "text": "hi" }), 400, "unknown variant"),
        ("messages", json!([1]), 400, "not what is read here"),
        ("tasks", json!({ "prompt": "x" }), 400, "no `type`"),
        ("tasks", json!({ "type": "format_disk" }), 403, "no such operation"),
        ("tasks", json!({ "type": "request_access", "host": "a.test", "because": "x" }), 400, "because"),
    ] {
        let heard = house.file("family", folder, &file).await;
        assert_eq!(heard.status, status, "{file}: {}", heard.body);
        assert!(heard.body.contains(why), "{file}: {}", heard.body);
    }
    let nonsense = house.ask("family", "POST", "/ipc/tasks", "", b"{\"type\":").await;
    assert_eq!(nonsense.status, 400);
    assert_eq!(house.queued(), []);
    assert_eq!(house.file("family", "tasks", &json!({ "type": "refresh_groups" })).await.status, 200);
    assert_eq!(house.file("family", "input", &json!({ "type": "message", "text": "x" })).await.status, 404);
}

#[tokio::test]
async fn any_operation_can_be_asked_for_by_a_file() {
    let house = House::new();
    let _door = house.door("family");
    let wish = json!({ "type": "request_access", "host": "a.test", "why": "x", "timestamp": 1, "isMain": false });
    let heard = house.file("family", "tasks", &wish).await;
    assert_eq!(heard.status, 200);
    assert!(heard.body.contains("not allowed yet"), "{}", heard.body);
    assert_eq!(house.store.access_requests().unwrap().len(), 1);
    for _ in 0..pace::AT_MOST {
        house.file("family", "tasks", &wish).await;
    }
    assert_eq!(house.file("family", "tasks", &wish).await.status, 429, "to be tried again");
}

#[tokio::test]
async fn lists_are_told_as_theirs_are() {
    let house = House::new();
    let _doors = [house.door("family"), house.door("main")];
    let list = async |name| -> Value {
        serde_json::from_str(&house.get(name, "/ipc/available_groups.json").await.body).unwrap()
    };
    let (family, main) = (list("family").await, list("main").await);
    assert_eq!((family["groups"].as_array().unwrap().len(), main["groups"].as_array().unwrap().len()), (1, 2));
    assert_eq!((&main["groups"][0]["jid"], &main["groups"][0]["isRegistered"]), (&json!("main"), &json!(true)));
    assert_eq!(house.get("family", "/ipc/current_tasks.json").await.body, "[]\n");
}
