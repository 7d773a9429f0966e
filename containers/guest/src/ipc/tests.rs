use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};

use serde_json::{Value, json};
use tokio::task::LocalSet;

use super::*;
use crate::host::tests::{Asked, Door};

/// A watched folder, and a stand-in for the host.
struct Scene {
    door: Door,
    ipc: Ipc,
}

impl Scene {
    fn new(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Self {
        let door = Door::open(answer);
        fs::create_dir(door.dir.path().join("ipc")).unwrap();
        let ipc = Ipc::at(&door.dir.path().join("ipc"), &door.socket());
        Scene { door, ipc }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.door.dir.path().join("ipc").join(name)
    }

    /// Like NanoClaw's skills: written beside, then moved.
    fn write(&self, name: &str, content: &[u8]) {
        let beside = self.at(&format!("{name}.tmp"));
        fs::write(&beside, content).unwrap();
        fs::rename(beside, self.at(name)).unwrap();
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.at(folder)) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn asked(&self, line: &str) -> Vec<String> {
        self.door.asked().into_iter().filter(|asked| asked.line == line).map(|asked| asked.body).collect()
    }

    /// The reasons of the files that were put away, in order.
    fn reasons(&self) -> Vec<String> {
        let names = self.names("errors").into_iter().filter(|name| name.ends_with(".why"));
        names.map(|name| fs::read_to_string(self.at("errors").join(name)).unwrap()).collect()
    }
}

fn done(_: &Asked) -> (u16, String) {
    (200, String::new())
}

/// Waits until the condition holds, while the folder is watched.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("never: {what}"));
}

async fn locally(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}

#[tokio::test]
async fn a_file_that_was_moved_there_is_handed_on_once_and_leaves() {
    locally(async {
        let scene = Scene::new(done);
        assert_eq!(scene.names(""), ["input", "messages", "tasks"], "at once");
        let message = json!({ "type": "message", "chatJid": "1@g.us", "text": "hi" }).to_string();
        scene.write("messages/1764000000000-ab12.json", message.as_bytes());
        until("it has left", || scene.names("messages").is_empty()).await;
        // Written in place, and under a second name.
        fs::write(scene.at("messages/2.json"), b"{}").unwrap();
        fs::write(scene.at("messages/3.part"), b"[3]").unwrap();
        fs::hard_link(scene.at("messages/3.part"), scene.at("messages/3.json")).unwrap();
        until("both have left", || scene.names("messages") == ["3.part"]).await;
        scene.ipc.settled().await;
        assert_eq!(scene.asked("POST /ipc/messages"), [message.as_str(), "{}", "[3]"]);
        assert_eq!(scene.names("errors"), [""; 0]);
    })
    .await;
}

#[tokio::test]
async fn what_is_refused_is_put_away_with_its_reason() {
    locally(async {
        let scene = Scene::new(|asked| match asked.body.as_str() {
            "{}" => (200, String::new()),
            "lost" => (0, String::new()),
            _ => (400, "it is not JSON".to_owned()),
        });
        scene.write("messages/bad.json", b"nonsense");
        scene.write("tasks/lost.json", b"lost");
        scene.ipc.settled().await;
        until("both are put away", || scene.names("errors").len() == 4).await;
        let reasons = scene.reasons();
        assert!(reasons.iter().any(|why| why == "messages/bad.json: it is not JSON\n"), "{reasons:?}");
        assert!(reasons.iter().any(|why| why.contains("may have been done all the same")), "{reasons:?}");
        let kept = scene.names("errors").into_iter().find(|name| name.ends_with("-bad.json")).unwrap();
        assert_eq!(fs::read(scene.at("errors").join(kept)).unwrap(), b"nonsense");
    })
    .await;
}

/// Links, special files, names of every kind, and files that are too large.
#[tokio::test]
async fn what_is_no_plain_file_is_refused_and_nothing_hangs() {
    locally(async {
        let scene = Scene::new(done);
        let secret = scene.at("elsewhere");
        fs::write(&secret, b"{\"secret\":1}").unwrap();
        symlink(&secret, scene.at("messages/link.json")).unwrap();
        symlink("/proc/self/environ", scene.at("messages/environ.json")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, scene.at("messages/pipe.json"), rustix::fs::FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        fs::create_dir(scene.at("messages/folder.json")).unwrap();
        scene.write("messages/large.json", &vec![b' '; (128 << 10) + 1]);
        scene.write("messages/a\nb\u{1b}[2J; rm -rf ~.json", &[b'x'; 129 << 10]);
        scene.ipc.settled().await;
        until("all are put away", || scene.names("messages").is_empty()).await;
        assert_eq!(scene.door.asked(), [], "nothing of it was handed on");
        let reasons = scene.reasons().concat();
        for why in ["links are not followed", "no regular file", "larger than 128 KiB", "a\u{fffd}b\u{fffd}[2J"] {
            assert!(reasons.contains(why), "{why}: {reasons}");
        }
        assert!(scene.names("errors").iter().any(|name| name.ends_with("-a_b__2J__rm_-rf__.json")));
        assert_eq!(fs::read(&secret).unwrap(), b"{\"secret\":1}");
        let kind = |name: &str| {
            let put = scene.names("errors").into_iter().find(|put| put.ends_with(name)).unwrap();
            fs::symlink_metadata(scene.at("errors").join(put)).unwrap().file_type()
        };
        assert!(kind("-pipe.json").is_fifo() && kind("-link.json").is_symlink() && kind("-folder.json").is_dir());
    })
    .await;
}

/// A script in a loop fills nothing, and each of its files is retried until there is room for it.
#[tokio::test(start_paused = true)]
async fn a_flood_is_handed_on_at_the_hosts_pace_and_errors_stay_few() {
    locally(async {
        let busy = std::sync::atomic::AtomicUsize::new(3);
        let scene = Scene::new(move |asked| {
            let waits = asked.body == "0" && busy.load(std::sync::atomic::Ordering::SeqCst) > 0;
            if waits {
                busy.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                return (429, "slower".to_owned());
            }
            if asked.body == "0" { (200, String::new()) } else { (403, "no".to_owned()) }
        });
        for number in 0..300 {
            scene.write(&format!("messages/{number:04}.json"), number.to_string().as_bytes());
        }
        while !scene.names("messages").is_empty() {
            scene.ipc.settled().await;
        }
        assert_eq!(scene.asked("POST /ipc/messages").iter().filter(|body| *body == "0").count(), 4);
        let kept = scene.names("errors");
        assert_eq!(kept.len(), 200, "the newest hundred, each with its reason");
        assert!(
            kept.iter().any(|name| name.ends_with("0299.json")) && !kept.iter().any(|name| name.ends_with("0001.json"))
        );
    })
    .await;
}

#[tokio::test]
async fn a_folder_that_was_removed_or_replaced_is_made_again() {
    locally(async {
        let scene = Scene::new(done);
        fs::remove_dir(scene.at("messages")).unwrap();
        until("it is there again", || scene.at("messages").is_dir()).await;
        scene.write("messages/1.json", b"1");
        until("it has left", || scene.names("messages").is_empty()).await;
        // Other folders are ignored.
        let elsewhere = scene.door.dir.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("x.json"), b"x").unwrap();
        fs::rename(scene.at("messages"), scene.at("old")).unwrap();
        symlink(&elsewhere, scene.at("messages")).unwrap();
        scene.write("tasks/2.json", b"2");
        until("the other folder goes on", || scene.names("tasks").is_empty()).await;
        fs::remove_file(scene.at("messages")).unwrap();
        until("it is a folder again", || scene.at("messages").is_dir()).await;
        scene.write("messages/3.json", b"3");
        until("it has left", || scene.names("messages").is_empty()).await;
        assert_eq!(scene.asked("POST /ipc/messages"), ["1", "3"]);
        assert_eq!(scene.names("../elsewhere"), ["x.json"]);
    })
    .await;
}

#[tokio::test]
async fn what_the_host_tells_stands_in_files() {
    locally(async {
        let scene = Scene::new(|asked| match asked.line.as_str() {
            "GET /ipc/current_tasks.json" => (200, "[{\"id\":7}]".to_owned()),
            "GET /ipc/available_groups.json" => (403, "no".to_owned()),
            _ => (200, String::new()),
        });
        scene.write("tasks/1.json", b"{\"type\":\"refresh_groups\"}");
        until("it is told", || scene.at("current_tasks.json").is_file()).await;
        let told: Value = serde_json::from_slice(&fs::read(scene.at("current_tasks.json")).unwrap()).unwrap();
        assert_eq!(told, json!([{ "id": 7 }]));
        assert!(!scene.at("available_groups.json").exists());
        scene.ipc.settled().await;
    })
    .await;
}

#[tokio::test]
async fn without_the_folder_nothing_is_watched() {
    locally(async {
        let dir = tempfile::tempdir().unwrap();
        Ipc::at(&dir.path().join("ipc"), &dir.path().join("door.sock")).settled().await;
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    })
    .await;
}
