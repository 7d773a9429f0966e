use super::*;

/// Attacks L01, L02: nothing a sandbox sends steers a log or a terminal.
#[test]
fn what_was_sent_is_made_visible() {
    assert_eq!(visible(b"/a?b"), "/a?b");
    assert_eq!(visible(b"a\r\n\x1b[2J\x9b\0"), "a\\u000d\\u000a\\u001b[2J\\u009b\\u0000");
    assert_eq!(visible("\u{202e}".as_bytes()), "\\u00e2\\u0080\\u00ae");
    assert_eq!(visible(&[b'a'; EXCERPT]), "a".repeat(EXCERPT));
    let long = visible(&[b'a'; 5000]);
    assert!(long.ends_with("a… (5000 bytes)") && long.len() < EXCERPT + 40, "{long}");
}

#[test]
fn users_and_passwords_are_left_out() {
    assert_eq!(without_user("a.test:443"), "a.test:443");
    assert_eq!(without_user("me:secret@a.test:443"), "…@a.test:443");
    assert_eq!(without_user("http://me:secret@a.test/x@y"), "http://…@a.test/x@y");
    assert_eq!(without_user("http://a.test/me@b"), "http://a.test/me@b");
}

#[test]
fn long_paths_are_cut_and_still_told_apart() {
    let path = |end: &str| shortened(&format!("/{}{end}", "é".repeat(LONGEST)));
    assert!(path("a").starts_with("/éé") && path("a").len() < LONGEST + 80, "{}", path("a"));
    assert_ne!(path("a"), path("b"));
    assert_eq!(shortened(&"a".repeat(LONGEST)), "a".repeat(LONGEST));
}
