//! What a sandbox may write: so much, and never so much that the disk is full, which
//! would shut the doors of all others (invariant 15).

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Chat, Door, Home, Response, Upstream, until};

fn limited(home: &Home, group: &str, limits: &str) {
    std::fs::write(home.at("groups").join(format!("{group}.toml")), format!("[limits]\n{limits}\n")).unwrap();
}

/// All that a chat was told until a message was answered or failed for good.
fn told(chat: &mut Chat, id: &str, text: &str) -> String {
    chat.send(id, text);
    chat.until_done(id).into_iter().map(|(kind, text, _)| format!("{kind}: {text}\n")).collect()
}

#[test]
fn a_group_that_keeps_more_than_it_may_is_ended_and_told_and_nobody_else() {
    let home = Home::new().group("one").group("two");
    limited(&home, "one", "disk = \"20 MB\"");
    let daemon = home.up();
    let (mut one, mut two) = (Chat::open(&home, "one"), Chat::open(&home, "two"));
    assert!(told(&mut two, "a", "echo here").contains("here"));
    let fill =
        "touch began; for i in 1 2 3 4; do head -c 10000000 /dev/urandom > ~/part-$i; done; sleep 100; echo never";
    let said = told(&mut one, "1", fill);
    assert!(
        said.contains("hold more than they may, at most 20.0 MB in 1000000 files") && !said.contains("never"),
        "{said}"
    );
    assert!(!said.contains(home.path().to_str().unwrap()), "a path of this machine: {said}");
    assert!(home.group_folder("one").join("began").exists(), "the sandbox could write until then");
    // It stays so until somebody makes room.
    assert!(told(&mut one, "2", "echo never").contains("hold more than they may"));
    assert!(told(&mut two, "b", "echo still here").contains("still here"));
    remove_parts(&home.at("data/agents/one"));
    assert!(told(&mut one, "3", "echo again").contains("again"));
    let log = daemon.stop().ok().err;
    assert!(log.contains("A sandbox was ended because of the disk"), "{log}");
}

#[test]
fn so_many_files_and_no_more() {
    let home = Home::new().group("one");
    limited(&home, "one", "files = 500\ndisk = \"100 MB\"");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "one");
    // Each takes a block of the disk, so that it shows in what is free.
    let said = told(&mut chat, "1", "mkdir d; for i in $(seq 5000); do echo x > d/$i; done; sleep 100; echo never");
    assert!(said.contains("at most 100.0 MB in 500 files") && !said.contains("never"), "{said}");
}

#[test]
fn the_owner_hears_why_a_command_was_ended() {
    let home = Home::new().group("one");
    limited(&home, "one", "disk = \"20 MB\"");
    let _daemon = home.up();
    let fill = "for i in 1 2 3; do head -c 15000000 /dev/urandom > part-$i; done; sleep 100; echo never";
    home.exec("one", fill).code(1).says("it keeps more than it may").never_says("never\n");
    home.exec("one", "echo never").code(1).says("hold more than they may");
}

/// At once, where the look at the folders comes a moment later.
#[test]
fn no_single_file_is_larger_than_all_may_be() {
    let home = Home::new().group("one");
    limited(&home, "one", "disk = \"20 MB\"");
    let _daemon = home.up();
    let ran = home.exec("one", "truncate -s 21000000 hole; echo $?; truncate -s 19000000 hole && echo fits");
    ran.ok().prints("153\n").prints("fits");
}

/// A file without a name is in no folder, and takes room all the same.
#[test]
fn what_was_removed_and_is_held_open_counts() {
    let home = Home::new().group("one");
    limited(&home, "one", "disk = \"20 MB\"");
    let daemon = home.up();
    let mut chat = Chat::open(&home, "one");
    let hold = "exec 8> a 9> b; rm a b; head -c 15000000 /dev/urandom >&8; head -c 15000000 /dev/urandom >&9; sleep 100; echo never";
    let said = told(&mut chat, "1", hold);
    assert!(said.contains("hold more than they may") && !said.contains("never"), "{said}");
    drop(daemon);
}

/// What lies there would have no bound.
#[test]
fn a_folder_too_deep_to_be_measured_ends_its_sandbox() {
    let home = Home::new().group("one");
    limited(&home, "one", "disk = \"20 MB\"");
    let _daemon = home.up();
    let mut chat = Chat::open(&home, "one");
    let deep = "i=0; while [ $i -lt 201 ]; do i=$((i+1)); mkdir deep; cd deep; done; \
                head -c 10000000 /dev/urandom > part; sleep 100; echo never";
    let said = told(&mut chat, "1", deep);
    assert!(said.contains("`deep` has folders more than 200 deep") && !said.contains("never"), "{said}");
    assert!(told(&mut chat, "2", "echo never").contains("cannot be measured"));
    std::fs::remove_dir_all(home.group_folder("one").join("deep")).unwrap();
    assert!(told(&mut chat, "3", "echo again").contains("again"));
}

/// Under its own bound, on a disk that has less than that.
#[test]
fn before_the_disk_is_full_the_sandbox_that_fills_it_is_ended() {
    let home = Home::new();
    let disk = Disk::of_mb(100, &home.at("data"));
    let home = home.group("quiet").group("filling");
    let _daemon = home.up();
    let (mut quiet, mut filling) = (Chat::open(&home, "quiet"), Chat::open(&home, "filling"));
    assert!(told(&mut quiet, "a", "head -c 1000000 /dev/urandom > some; echo here").contains("here"));
    let fill = "i=0; while :; do i=$((i+1)); head -c 1000000 /dev/urandom > part-$i; sleep 0.1; done";
    let said = told(&mut filling, "1", fill);
    assert!(said.contains("the disk of this machine is almost full"), "{said}");
    assert!(disk.free() > 1_000_000, "it came too late: {} bytes are left", disk.free());
    // The log can be written, and so the other's door is open.
    quiet.send("b", "echo still here");
    assert!(quiet.until_done("b").iter().any(|(_, text, _)| text.contains("still here")));
    // No sandbox of the one that filled it until there is room.
    assert!(told(&mut filling, "2", "echo never").contains("almost full"));
    remove_parts(&home.group_folder("filling"));
    assert!(told(&mut filling, "3", "echo again").contains("again"));
}

/// The first thing that a sandbox does, and done at once: the disk is full before anybody has looked.
#[test]
fn a_disk_that_is_full_at_once_shuts_no_other_door() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
    let policy = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new().host("news.example", &news);
    let _disk = Disk::of_mb(400, &home.at("data"));
    let home = home.group("quiet").group("filling").policy("quiet", policy);
    let _daemon = home.up();
    let (mut filling, door) = (Chat::open(&home, "filling"), Door::open(&home, "quiet"));
    let fill =
        "fallocate -l 360000000 part; while :; do i=$((i+1)); head -c 5000000 /dev/zero > part-$i; done 2>/dev/null";
    let (said, answers) = std::thread::scope(|scope| {
        let chat = scope.spawn(|| told(&mut filling, "1", fill));
        let asked = std::iter::from_fn(|| (!chat.is_finished()).then(|| door.get("news.example", "/", "").status));
        let answers: Vec<u16> = asked.collect();
        (chat.join().unwrap(), answers)
    });
    assert!(said.contains("the disk of this machine is almost full"), "{said}");
    assert!(answers.iter().all(|status| *status == 200), "{answers:?}");
    assert_eq!(door.get("news.example", "/", "").status, 200);
    // The store has room again as well, though nobody has removed anything.
    let mut quiet = Chat::open(&home, "quiet");
    let mut asked = 0;
    until("the store to have room again", || {
        asked += 1;
        told(&mut quiet, &format!("a{asked}"), "echo still here").contains("still here")
    });
}

/// Makes room, as an owner would.
fn remove_parts(folder: &Path) {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let parts: Vec<_> = entries.filter(|entry| entry.file_name().to_str().unwrap().starts_with("part-")).collect();
    assert!(!parts.is_empty());
    parts.iter().for_each(|part| std::fs::remove_file(part.path()).unwrap());
}

/// A small disk of its own, in memory.
struct Disk(PathBuf);

impl Disk {
    fn of_mb(megabytes: u32, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let options = ["-t", "tmpfs", "-o", &format!("size={megabytes}m,mode=0700"), "none"];
        assert!(Command::new("mount").args(options).arg(at).status().unwrap().success(), "`make test` runs as root");
        Disk(at.to_owned())
    }

    fn free(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        disk.f_bavail * disk.f_frsize
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Long paths make long records, of which none of the last day is ever removed.
#[test]
fn a_group_fills_its_share_of_the_log_and_no_other_group_is_refused_for_it() {
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
    let policy = "[[allow]]\nhost = \"news.example\"\naccess = \"read\"\nprivate = [\"127.0.0.1/32\"]\n";
    let home = Home::new().config("[audit]\nkeep_size = \"10 MB\"").host("news.example", &news);
    let home = home.group("one").group("two").policy("one", policy).policy("two", policy);
    let _daemon = home.up();
    let (one, two) = (Door::open(&home, "one"), Door::open(&home, "two"));
    let long = format!("/{}", "long-path/".repeat(190));
    let mut passed = 0;
    let refused = loop {
        let answer = one.get("news.example", &long, "");
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
        assert!(passed < 5000, "nothing bounds what a group's records take");
    };
    assert_eq!(refused.status, 429, "{refused:?}");
    assert!(refused.body.contains("limit_exceeded") && refused.body.contains("share of the audit log"), "{refused:?}");
    assert!(passed > 1000, "{passed} requests are no flood");
    assert_eq!(two.get("news.example", &long, "").status, 200, "the other group has its own");
    for number in 0..500 {
        assert_eq!(one.get("news.example", &format!("{long}{number}"), "").status, 429);
    }
    let written = home.audit_with(&["--limit", "10000"]).with("code", "limit_exceeded").len();
    assert!((1..5).contains(&written), "what is refused fills it all the same: {written} records");
}
