//! Sources of secrets.

use super::*;

#[test]
fn secrets_are_read_without_their_line_break() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    let source = SecretSource::File(path.clone());
    let error = source.read().unwrap_err().to_string();
    assert!(error.contains("token") && error.contains("cannot be read"), "{error}");
    std::fs::write(&path, "s3cret\r\n").unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = source.read().unwrap_err();
    assert!(matches!(error, SecretUnreadable::Exposed(_)) && !error.to_string().contains("s3cret"), "{error}");
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(source.read().unwrap().expose_secret(), "s3cret");
    for unfit in ["", "\n", "two\nlines", "a\u{1b}b"] {
        std::fs::write(&path, unfit).unwrap();
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("empty") && !error.contains("lines"), "{error}");
    }
    // Reading these would never end.
    let pipe = dir.path().join("pipe");
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, kind, mode, 0).unwrap();
    for endless in [pipe, "/dev/zero".into(), dir.path().to_owned()] {
        let error = SecretSource::File(endless).read().unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }
    let unset = SecretSource::Env("DOORWARD_TEST_SURELY_UNSET".into()).read().unwrap_err().to_string();
    assert!(unset.contains("DOORWARD_TEST_SURELY_UNSET is not set"), "{unset}");
}

#[test]
fn the_output_of_a_program_is_a_secret_for_a_while() {
    let credential = |lines: &str| {
        let text =
            format!("[credentials.a]\n{lines}\nhosts = [\"a.example\"]\nplace = [\"basic:username\", \"query:key\"]\n");
        Config::parse("doorward.toml", &text, Path::new("/etc/door")).map(|config| config.credentials["a"].clone())
    };
    let a = credential("secret = \"command:printf '%s\\n' s3cret-s3cret\"\nlifetime = \"1h\"").unwrap();
    let SecretSource::Command { lifetime, .. } = &a.source else { panic!("a command") };
    assert_eq!(*lifetime, Duration::from_secs(3600));
    assert_eq!(a.source.read().unwrap().expose_secret(), "s3cret-s3cret");
    assert_eq!(a.source.to_string(), "command:printf", "its arguments are not shown");
    assert_eq!(a.place.iter().map(ToString::to_string).collect::<Vec<_>>(), ["basic:username", "query:key"]);
    let usual = credential("secret = \"command:pass show x\"").unwrap().source;
    assert!(matches!(usual, SecretSource::Command { lifetime, .. } if lifetime == Duration::from_secs(600)));
    let too_long = credential("secret = \"command:head -c 20000 /dev/zero\"").unwrap().source.read();
    assert!(matches!(too_long, Err(SecretUnreadable::Unfit(_))));
    credential("secret = \"env:A\"\nlifetime = \"1h\"").unwrap_err();
}
