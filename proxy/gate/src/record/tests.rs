use super::*;

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
