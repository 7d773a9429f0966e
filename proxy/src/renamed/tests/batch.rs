//! Requests in parts of a body.

use super::*;

/// Some vendors' libraries repeat it in each part.
#[test]
fn a_part_that_is_a_request_says_authorization() {
    let says = |kind: &str, body: &str, piece: usize| {
        let mut watch = FieldWatch::of(&headers(kind), BODY, vec![authenticating()]).unwrap().unwrap();
        body.as_bytes().chunks(piece).for_each(|piece| watch.look(piece, false).unwrap());
        watch.says_authorization()
    };
    let part = |kind: &str, line: &str| format!("--b\r\nContent-Type: {kind}\r\n\r\nGET /x HTTP/1.1\r\n{line}\r\n\r\n");
    let bearer = "authorization : Bearer x";
    for piece in [1, 2, 3, 7, 1000] {
        assert!(says(MIXED, &part("application/http", bearer), piece));
        assert!(says(MIXED, &(part("application/http", "Accept: a") + &part("application/http", bearer)), piece));
        for body in [
            part("text/plain", bearer),
            part("application/http", "X-Authorization: x"),
            part("application/http", "Accept: authorization: x"),
            part("application/http", "Authorizations: x"),
        ] {
            assert!(!says(MIXED, &body, piece), "{body}");
        }
        assert!(!says(PARTS, &part("application/http", bearer), piece));
    }
}
