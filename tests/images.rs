//! Images of the owner's on the real engine: what they need is fetched through a door, and they are built without network.

use std::fs;

use crate::support::{Home, Named, Response, Upstream, docker};

const TOOL: &str = "#!/bin/sh\necho a tool says hello\n";

const RULE: &str = "[[allow]]\nhost = \"files.example\"\ndo = [\"GET /tool\"]\nprivate = [\"127.0.0.1/32\"]\n";

fn files() -> Upstream {
    Upstream::start(&["files.example"], |request| match request.path() {
        "/tool" => Response::ok(TOOL),
        _ => Response::not_found(),
    })
}

fn home(server: &Upstream) -> Home {
    Home::new().host("files.example", server).group("family")
}

/// From nothing to a group that uses it: refused first, with the command that allows it; judged and logged under its own name.
#[test]
fn what_an_image_needs_is_fetched_through_a_door_of_its_own() {
    let (server, image) = (files(), Named::new("tools"));
    let home = home(&server);
    let _daemon = home.up();
    home.run(&["image", "new", &image.name]).ok().prints("image build");
    image.write(&home, "fetch", "curl -fsSLO https://files.example/tool\nchmod 755 tool\nls -la ~ . > seen\n");
    let steps = "COPY files/tool /usr/local/bin/tool\nRUN test \"$(ls /sys/class/net)\" = lo && tool\nUSER root\n";
    image.write(&home, "Dockerfile.add", steps);

    let refused = image.build(&home);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let command = format!("doorward policy allow {} GET https://files.example/tool", image.policy());
    let sentence = format!("no rule of group {} names files.example", image.policy());
    assert!(refused.err.contains(&sentence) && refused.err.contains(&command), "{refused:?}");
    let command: Vec<&str> = command.split(' ').skip(1).collect();
    home.run(&command).ok().prints("may do GET https://files.example/tool");
    home.write_policy(&image.policy(), RULE);

    image.build(&home).ok().prints("was built");
    image.build(&home).ok().prints("is there already");
    let audit = home.audit();
    let asked: Vec<_> = audit.with("host", "files.example");
    assert!(asked.iter().all(|record| record["group"] == *image.policy()), "{asked:#?}");
    assert_eq!(asked.iter().filter(|record| record["verdict"] == "allow").count(), 1, "{asked:#?}");
    assert_eq!(home.containers().len(), 0, "no sandbox is left");
    assert_eq!(fs::read_dir(home.at("data/run")).unwrap().flatten().filter(is_staging).count(), 0);

    home.run(&["group", "set", "family", "image", &image.name]).ok();
    home.exec("family", "tool; id -u; ls /workspace/group").ok().prints("a tool says hello").never_says("\n0\n");
    let tag = docker::tags(&format!("doorward/{}", image.name)).pop().unwrap();
    let listed = home.run(&["image", "list"]).ok().out;
    assert!(listed.lines().any(|line| line.contains(&tag) && line.contains("current")), "{listed}");

    // As where what it begins with has been built anew since.
    docker::build(&format!("FROM {tag}\nLABEL doorward.built-on=sha256:0\n"), &tag);
    home.run(&["doctor"]).prints("was built anew since").prints(&format!("doorward image build {}", image.name));
    let checked = home.run(&["image", "check"]);
    assert!(checked.out.contains("outdated"), "{checked:?}");
    let before = docker::id(&tag);
    image.build(&home).ok().prints("was built");
    assert!(!docker::is_there(&before), "the one before is not left without a name");

    // What is written down has changed: the image that is there is another's.
    image.write(&home, "Dockerfile.add", "COPY files/tool /usr/local/bin/other\n");
    let told = home.exec("family", "true");
    assert!(told.err.contains(&format!("doorward image build {}", image.name)), "{told:?}");
}

fn is_staging(entry: &fs::DirEntry) -> bool {
    entry.file_name().to_string_lossy().starts_with(".tmp")
}

/// What comes out of the sandbox is whoever's was fetched from, and what is built of it runs on nobody's network.
#[test]
fn what_was_fetched_can_be_nothing_but_plain_files_and_a_build_reaches_nobody() {
    let (server, image) = (files(), Named::new("hostile"));
    let home = home(&server);
    let _daemon = home.up();
    home.run(&["image", "new", &image.name]).ok();
    home.write_policy(&image.policy(), RULE);
    image.write(&home, "Dockerfile.add", "COPY files/ /opt/files/\n");
    for (fetch, wanted) in [
        ("ln -s /etc/shadow passwd", "left the link passwd"),
        ("mkdir d; ln -s / d/root", "left the link d/root"),
        ("mkfifo pipe", "left pipe, which is neither a file nor a folder"),
        ("touch \"$(printf 'a\\nFROM b')\"", "a\\nFROM b, whose name"),
        ("touch 'a\\b'", "whose name"),
        ("curl -fsSLO https://files.example/none", "ended with exit code 22"),
        ("exit 7", "ended with exit code 7"),
        ("false; touch later", "ended with exit code 1"),
    ] {
        image.write(&home, "fetch", &format!("{fetch}\n"));
        let refused = image.build(&home);
        assert!(refused.code == Some(1) && refused.err.contains(wanted), "{fetch}: {refused:?}");
    }
    // One fetch leaves nothing for the next, and gets nothing of anybody's.
    image.write(&home, "fetch", "touch here ~/here; exit 1\n");
    image.build(&home);
    let nothing = "test -z \"$(ls -A)\"; test ! -e ~/here; test ! -e /workspace/global; test ! -e /workspace/inbox\n";
    image.write(&home, "fetch", nothing);
    image.write(&home, "Dockerfile.add", "RUN curl -sS https://files.example/tool\n");
    let failed = image.build(&home);
    assert!(failed.code == Some(1) && failed.err.contains("has no network"), "{failed:?}");
    assert!(failed.err.contains("Could not resolve host"), "{failed:?}");
    image.write(&home, "Dockerfile.add", "RUN true\nADD https://files.example/tool /tool\n");
    let refused = image.build(&home);
    assert!(refused.err.contains("Dockerfile.add:2: ADD can fetch"), "{refused:?}");
    assert_eq!(docker::tags(&format!("doorward/{}", image.name)).len(), 0, "nothing was built");
    let asked = server.requests();
    assert!(asked.iter().all(|request| request.path() == "/none"), "{asked:?}");
}
