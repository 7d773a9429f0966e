#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;

use policies::GroupName;
use rusqlite::Connection;

use super::*;
use crate::config::{Access, GroupSettings, Trigger, WHATSAPP};
use crate::store::{Context, MadeBy, TaskState};

/// NanoClaw's schema of February 2026; later additions came as new columns.
const SCHEMA: &str = "
CREATE TABLE chats (jid TEXT PRIMARY KEY, name TEXT, last_message_time TEXT, channel TEXT, is_group INTEGER);
CREATE TABLE messages (id TEXT, chat_jid TEXT, sender TEXT, sender_name TEXT, content TEXT, timestamp TEXT,
  is_from_me INTEGER, is_bot_message INTEGER DEFAULT 0, PRIMARY KEY (id, chat_jid));
CREATE TABLE scheduled_tasks (id TEXT PRIMARY KEY, group_folder TEXT NOT NULL, chat_jid TEXT NOT NULL, prompt TEXT NOT NULL,
  schedule_type TEXT NOT NULL, schedule_value TEXT NOT NULL, context_mode TEXT DEFAULT 'isolated', next_run TEXT,
  last_run TEXT, last_result TEXT, status TEXT DEFAULT 'active', created_at TEXT NOT NULL, script TEXT);
CREATE TABLE task_run_logs (id INTEGER PRIMARY KEY, task_id TEXT, run_at TEXT, duration_ms INTEGER, status TEXT,
  result TEXT, error TEXT);
CREATE TABLE router_state (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE sessions (group_folder TEXT PRIMARY KEY, session_id TEXT NOT NULL);
CREATE TABLE registered_groups (jid TEXT PRIMARY KEY, name TEXT NOT NULL, folder TEXT NOT NULL UNIQUE,
  trigger_pattern TEXT NOT NULL, added_at TEXT NOT NULL, container_config TEXT, requires_trigger INTEGER DEFAULT 1);
INSERT INTO chats VALUES ('4917@s.whatsapp.net', 'Me', '2026-02-01T10:00:00.000Z', 'whatsapp', 0),
  ('111@g.us', 'Family', '2026-02-01T10:00:00.000Z', 'whatsapp', 1), ('999@g.us', 'Strangers', '2026-02-01', 'whatsapp', 1);
INSERT INTO registered_groups VALUES
  ('4917@s.whatsapp.net', 'Me', 'main', '@Andy', '2026-02-01', NULL, 0),
  ('111@g.us', 'Family', 'Family Chat', '@Andy', '2026-02-01',
   '{\"additionalMounts\": [{\"hostPath\": \"/srv/photos\", \"containerPath\": \"pictures\", \"readonly\": false},
     {\"hostPath\": \"../odd\"}], \"timeout\": 1}', NULL),
  ('222@g.us', 'Club', 'club', '@Andy', '2026-02-01', NULL, 0),
  ('333@g.us', 'Lab', 'lab', '@Bob', '2026-02-01', NULL, 1),
  ('444@g.us', 'Odd', 'odd', '!bot', '2026-02-01', NULL, 1),
  ('tg:77', 'Work', 'work', '@Andy', '2026-02-01', NULL, 1);
INSERT INTO messages VALUES
  ('a1', '111@g.us', '49170@s.whatsapp.net', 'Ann', 'who brings cake?', '2026-02-01T10:00:00.000Z', 0, 0),
  ('a2', '111@g.us', '49171@s.whatsapp.net', 'Ben', '@Andy remember the cake', '2026-02-01T10:00:00.000Z', 0, 0),
  ('a3', '111@g.us', 'me', 'Andy', 'Andy: done', '2026-02-01T10:00:01.000Z', 1, 1),
  ('a4', '111@g.us', '49171@s.whatsapp.net', 'Ben', 'odd', 'yesterday', 0, 0),
  ('s1', '999@g.us', '49172@s.whatsapp.net', 'Eve', 'of strangers', '2026-02-01T10:00:00.000Z', 0, 0);
INSERT INTO scheduled_tasks VALUES
  ('t1', 'main', '4917@s.whatsapp.net', 'What is on today?', 'cron', '0 7 * * *', 'group', NULL, NULL, NULL, 'active', '1', NULL),
  ('t2', 'Family Chat', '111@g.us', 'Water', 'interval', '3600000', 'isolated', NULL, NULL, NULL, 'paused', '2', ''),
  ('t3', 'main', 'x', 'over', 'once', '2026-01-01T10:00:00', 'group', NULL, NULL, NULL, 'completed', '3', NULL),
  ('t4', 'main', '111@g.us', 'Elsewhere', 'interval', '7200000', 'group', NULL, NULL, NULL, 'active', '4', NULL),
  ('t5', 'main', '4917@s.whatsapp.net', 'With a script', 'interval', '7200000', 'group', NULL, NULL, NULL, 'active', '5', 'test -e x'),
  ('t6', 'Family Chat', '111@g.us', 'sixfold', 'cron', '0 0 7 * * *', 'group', NULL, NULL, NULL, 'active', '6', NULL),
  ('t7', 'main', '4917@s.whatsapp.net', 'once, long ago', 'once', '2026-01-01T10:00:00', 'group', NULL, NULL, NULL, 'active', '7', NULL);
";

struct Scene {
    folder: tempfile::TempDir,
    home: Home,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("door")).unwrap();
        let scene = Scene { folder, home };
        let dir = scene.dir();
        for path in
            ["store", "groups/main/notes", "groups/main/logs", "groups/Family Chat", "groups/global", "data/sessions"]
        {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        Connection::open(dir.join("store/messages.db")).unwrap().execute_batch(SCHEMA).unwrap();
        fs::write(dir.join(".env"), "ASSISTANT_NAME=\"Zoë\"\nANTHROPIC_API_KEY=sk-ant-s3cret\n").unwrap();
        fs::write(dir.join("groups/main/CLAUDE.md"), "I like tea.").unwrap();
        fs::write(dir.join("groups/main/notes/a.md"), "a").unwrap();
        fs::write(dir.join("groups/main/logs/container-1.log"), "prompt").unwrap();
        fs::write(dir.join("groups/main/key"), "ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6").unwrap();
        symlink("/etc/passwd", dir.join("groups/main/link")).unwrap();
        fs::write(dir.join("groups/global/CLAUDE.md"), "For all.").unwrap();
        fs::write(dir.join("list.json"), "{\"allowedRoots\": []}").unwrap();
        scene
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("claw")
    }

    fn import(&self, dry_run: bool) -> [String; 3] {
        let list = self.dir().join("list.json");
        nanoclaw(&self.home, &self.dir(), Some(&list), dry_run).unwrap().all()
    }

    fn store(&self) -> Store {
        Store::open(&self.home.main_db()).unwrap()
    }
}

fn name(text: &str) -> GroupName {
    GroupName::parse(text).unwrap()
}

#[test]
fn groups_messages_memories_and_mounts_come_along() {
    let scene = Scene::new();
    fs::create_dir_all(scene.home.config_dir()).unwrap();
    fs::write(scene.home.config_file(), "[assistant]\ntime_zone = \"Europe/Berlin\"\n").unwrap();
    let [taken, there, left] = scene.import(false);
    assert_eq!(there, "");
    for line in [
        "name people call it @Zoë",
        "group main, the chat Me",
        "the main group; answers always",
        "group family-chat",
        "group club",
        "group lab, the chat Lab (333@g.us); answers when it is called, @Bob as well",
        "messages 2 of family-chat",
        "memory of main: 2 files",
        "mount /srv/photos for family-chat",
        "mounts the list",
        "task of main, each day at 07:00 (Europe/Berlin): \u{201c}What is on today?\u{201d}\n",
        "task of family-chat, every 1 h (Europe/Berlin): \u{201c}Water\u{201d}; paused, as it was\n",
        "task of main, every 2 h (Europe/Berlin): \u{201c}Elsewhere\u{201d}; paused: its answers went to the chat 111@g.us, and come to the \
         group's own here\n",
        "task of main, every 2 h (Europe/Berlin): \u{201c}With a script\u{201d}; paused: its script is its gate here",
    ] {
        assert!(taken.contains(line), "{line} in {taken}");
    }
    for line in [
        "Work (tg:77)",
        "Doorward has no channel for it",
        "groups/main/key (it holds a GitHub token)",
        "groups/main/link",
        "the mount ../odd",
        "1 messages of family-chat",
        "the trigger of odd, \"!bot\"",
        "a task of family-chat, \u{201c}sixfold\u{201d}: ",
        "the keys in .env",
    ] {
        assert!(left.contains(line), "{line} in {left}");
    }
    let all = format!("{taken}{left}");
    assert!(!all.contains("s3cret") && !all.contains("Strangers") && !all.contains("over"), "{all}");

    let tasks = scene.store().tasks(None, true).unwrap();
    let made: Vec<_> = tasks.iter().map(|task| (task.what.group.as_str(), task.state, task.what.context)).collect();
    assert_eq!(
        made,
        [
            ("main", TaskState::Active, Context::Group),
            ("family-chat", TaskState::Paused, Context::Isolated),
            ("main", TaskState::Paused, Context::Group),
            ("main", TaskState::Paused, Context::Group),
        ]
    );
    assert_eq!((tasks[3].what.gate.as_deref(), tasks[0].what.made_by), (Some("test -e x"), MadeBy::Owner));

    let groups = scene.store().groups().unwrap();
    let told: Vec<_> = groups.iter().map(|one| (one.name.as_str(), &*one.chat, one.is_main)).collect();
    assert_eq!(
        told,
        [
            ("main", "4917@s.whatsapp.net", true),
            ("club", "222@g.us", false),
            ("family-chat", "111@g.us", false),
            ("lab", "333@g.us", false),
            ("odd", "444@g.us", false),
        ]
    );
    assert!(groups.iter().all(|one| one.channel == WHATSAPP));
    let settings = |group: &str| GroupSettings::load(&scene.home, &name(group)).unwrap();
    for (group, trigger) in
        [("family-chat", Trigger::Name), ("lab", Trigger::Called("Bob".to_owned())), ("odd", Trigger::Name)]
    {
        assert_eq!(settings(group).trigger, Some(trigger), "{group}");
    }
    assert_eq!((settings("main").trigger, settings("club").trigger), (Some(Trigger::Always), Some(Trigger::Always)));
    let [mount] = &settings("family-chat").mounts[..] else { panic!() };
    assert_eq!((mount.path.to_str(), &*mount.name, mount.access), (Some("/srv/photos"), "pictures", Access::Write));
    let folder = scene.home.group_dir(&name("main"));
    assert_eq!(fs::read_to_string(folder.join("CLAUDE.md")).unwrap(), "I like tea.");
    assert_eq!(fs::read_to_string(folder.join("AGENTS.md")).unwrap(), "I like tea.");
    assert_eq!(fs::read_to_string(folder.join("notes/a.md")).unwrap(), "a");
    for path in ["logs", "key", "link"] {
        assert!(folder.join(path).symlink_metadata().is_err(), "{path}");
    }
    assert_eq!(fs::read_to_string(scene.home.global_dir().join("CLAUDE.md")).unwrap(), "For all.");
    assert_eq!(Config::load(&scene.home).unwrap().assistant.name, "Zoë");
}

/// A network redelivers what an agent has had, and a reply names its message.
#[test]
fn what_was_said_is_known_and_asks_nobody() {
    let scene = Scene::new();
    scene.import(false);
    let (store, family) = (scene.store(), name("family-chat"));
    assert_eq!(store.pending_messages(&family).unwrap(), []);
    assert_eq!(store.groups_waiting().unwrap(), []);
    let quoted = store.quoted(&family, "a2").unwrap();
    assert_eq!(quoted, Some((Some("Ben".to_owned()), "@Andy remember the cake".to_owned())));
    assert_eq!(store.quoted(&family, "a3").unwrap(), None, "the assistant's own");
}

#[test]
fn again_takes_what_came_since_and_nothing_twice() {
    let scene = Scene::new();
    scene.import(false);
    let folder = scene.home.group_dir(&name("main"));
    fs::write(folder.join("CLAUDE.md"), "I like coffee by now.").unwrap();
    let database = Connection::open(scene.dir().join("store/messages.db")).unwrap();
    database
        .execute(
            "INSERT INTO messages VALUES ('a5', '111@g.us', 'x', 'Ann', 'new', '2026-02-02T10:00:00.000Z', 0, 0)",
            [],
        )
        .unwrap();
    let [taken, there, _] = scene.import(false);
    assert_eq!(taken, "messages 1 of family-chat\n");
    for line in ["group main", "group family-chat", "memory the one for all groups", "mounts"] {
        assert!(there.contains(line), "{line} in {there}");
    }
    assert_eq!(fs::read_to_string(folder.join("CLAUDE.md")).unwrap(), "I like coffee by now.");
    assert_eq!(GroupSettings::load(&scene.home, &name("family-chat")).unwrap().mounts.len(), 1);
    let [_, there, _] = scene.import(false);
    assert!(there.contains("messages all 3 of family-chat"), "{there}");
}

#[test]
fn a_dry_run_says_the_same_and_writes_nothing() {
    let scene = Scene::new();
    let dry = scene.import(true);
    assert!(!scene.home.main_db().exists() && !scene.home.group_dir(&name("main")).exists());
    assert!(!scene.home.config_file().exists() && !scene.home.group_file(&name("family-chat")).exists());
    assert_eq!(dry, scene.import(false));
}

#[test]
fn a_folder_with_a_name_that_no_group_can_have_gets_another() {
    let scene = Scene::new();
    let database = Connection::open(scene.dir().join("store/messages.db")).unwrap();
    let groups = "INSERT INTO registered_groups VALUES ('5@g.us', 'Us', 'All', '@Andy', '2026-02-01', NULL, 1),
                  ('6@g.us', 'Base', 'base', '@Andy', '2026-02-01', NULL, 1)";
    database.execute_batch(groups).unwrap();
    let [taken, _, left] = scene.import(false);
    assert!(taken.contains("group all-2, the chat Us") && taken.contains("group base-2"), "{taken}{left}");
}

#[test]
fn a_chat_that_waits_is_not_overtaken() {
    let scene = Scene::new();
    scene.import(false);
    let (store, family) = (scene.store(), name("family-chat"));
    let sender = channel_protocol::Sender { id: "x".into(), name: "Ann".into() };
    let new = crate::store::NewMessage {
        group: &family,
        id: "here",
        sender: &sender,
        text: "@Zoë?",
        at: 1,
        means: crate::store::Means::Call,
        quote: None,
    };
    store.insert_message(&new).unwrap();
    let [_, _, left] = scene.import(false);
    assert!(left.contains("the messages of family-chat: some wait for an answer here"), "{left}");
    assert_eq!(store.pending_messages(&family).unwrap().len(), 1);
}

#[test]
fn what_is_no_nanoclaw_is_told() {
    let scene = Scene::new();
    let told = |dir: &Path| format!("{:?}", nanoclaw(&scene.home, dir, None, true).unwrap_err());
    assert!(told(Path::new("/nowhere")).contains("has no store/messages.db"));
    let two = scene.folder.path().join("two");
    fs::create_dir_all(two.join("data")).unwrap();
    fs::write(two.join("data/v2.db"), "").unwrap();
    assert!(told(&two).contains("NanoClaw 2"));
    fs::create_dir_all(two.join("store")).unwrap();
    fs::write(two.join("store/messages.db"), "no database at all, but long enough to be taken for one").unwrap();
    assert!(told(&two).contains("damaged or no database"));
}

/// Before February three columns were missing, and the assistant's rows were recognised by its name.
#[test]
fn an_older_database_is_read_as_well() {
    let scene = Scene::new();
    let path = scene.dir().join("store/messages.db");
    fs::remove_file(&path).unwrap();
    let older =
        SCHEMA.replace(", is_bot_message INTEGER DEFAULT 0", "").replace(", requires_trigger INTEGER DEFAULT 1", "");
    let rows = |end: &str| end.replace(", 0, 0)", ", 0)").replace(", 1, 1)", ", 1)");
    let (tables, inserts) = older.split_at(older.find("INSERT INTO registered_groups").unwrap());
    let (groups, messages) = inserts.split_at(inserts.find("INSERT INTO messages").unwrap());
    let groups = groups.replace(", NULL, 0)", ", NULL)").replace("}', NULL)", "}')").replace(", NULL, 1)", ", NULL)");
    let all = format!("{tables}{groups}{}", rows(messages)).replace("Andy: done", "Zoë: done");
    Connection::open(&path).unwrap().execute_batch(&all).unwrap();
    let [taken, ..] = scene.import(false);
    assert!(taken.contains("messages 2 of family-chat"), "{taken}");
}
