//! Names that authenticate in every spelling, and names that only look like it.

use super::*;

#[test]
fn headers_tell_by_their_names() {
    for name in [
        "authorization",
        "x-api-key",
        "x.api.key",
        "cookie",
        "x-goog-api-key",
        "private-token",
        "x-auth",
        "apikey",
        "fastly-key",
        "accesskey",
        "x-master-key",
        "x-write-key!",
        "dpop",
        "x-hmac-sha256",
        "grpc-metadata-authorization",
        "content-secret",
        "x-api-key-version",
        "sec-ch-token",
        "x-project-key",
        "x-amz-security-x",
    ] {
        assert!(header_authenticates(name), "{name}");
    }
    for name in [
        "accept",
        "anthropic-version",
        "content-type",
        "idempotency-key",
        "user-agent",
        "x-request-id",
        "mcp-session-id",
        "x-claude-code-session-id",
        "sec-websocket-key",
        "x-author",
        "x-sort-key",
        "x-monkey",
    ] {
        assert!(!header_authenticates(name), "{name}");
    }
}

#[test]
fn parameters_tell_by_name_or_value() {
    for parameter in [
        "key=x",
        "access_token=x",
        "X-Amz-Signature=x",
        "to%6ben=x",
        "sig",
        "GoogleAccessId=x",
        "AWSAccessKeyId=x",
        "Key-Pair-Id=x",
        "pwd=x",
        "$httpHeaders=Authorization%3ABearer%20x",
        "%24httpheaders=x",
        "q=ghp_0123456789abcdef0123",
        "q=%67hp_0123456789abcdef0123",
        "q=Bearer+ghp_0123456789abcdef0123",
        "code=a1b2c3d4e5f6a7b8c9d0e1==",
        "code=AbCdEfGhIjKlMnOpQrStUvWx",
        "author_token=x",
        "project_key=a1b2c3d4e5f6a7b8c9d0",
        "authorization=x",
        "authorised=x",
        "authorToken=x",
        "coauthor_session=x",
        "requestToken=x",
        "nextAccessToken=x",
        "pageSessionToken=x",
        "token=x",
        "idtoken=x",
        "session_count=a1b2c3d4e5f6a7b8c9d0",
        "password_typed=x",
        "%74oken=x",
        "%70age=2",
        "%2524top=5",
        "%u0070age=2",
        "q=eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmF0dXJlMTIzNDU2",
    ] {
        assert!(parameter_authenticates(parameter), "{parameter}");
    }
}

/// `…key` in every form that docs/credentials.md promises.
#[test]
fn a_key_of_something_is_a_key_in_every_spelling() {
    let of = "api write consumer application license user account client subscription signing sentry functions app \
              master server private publishable developer partner admin encryption backend service device";
    for of in of.split_whitespace() {
        let title = format!("{}{}", of[..1].to_uppercase(), &of[1..]);
        for name in [
            format!("{of}_key"),
            format!("{of}-key"),
            format!("{of}.key"),
            format!("{of}+key"),
            format!("{of}%20key"),
            format!("{of}%5Fkey"),
            format!("{of}[key"),
            format!("{of}key"),
            format!("{of}Key"),
            format!("{title}Key"),
            format!("+{of}_key"),
            format!("{of}_key[]"),
            format!("[{of}_key]"),
            format!("?{of}_key"),
            format!("{of}_key%00x"),
            format!("x-{of}-key"),
            format!("X_{}_KEY", of.to_uppercase()),
        ] {
            assert!(parameter_authenticates(&format!("{name}=short")), "{name}");
        }
    }
}

/// A false alarm is a fault too: everyday parameters of agents.
#[test]
fn benign_names_say_nothing() {
    for parameter in [
        "page=2",
        "pageToken=x",
        "$skiptoken=a1b2c3d4e5f6a7b8c9d0e1f2",
        "resumptionToken=x",
        "max_tokens=5",
        "max_output_tokens=5",
        "author=me",
        "author_id=7",
        "authorId=7",
        "corresponding_author_ids=7",
        "authorship=first",
        "nextPageToken=CAEQ0abc9XYZ",
        "pagination_token=7140dibdnow9c7btw3z2vwioavpvutgz",
        "starting_token=eyJNYXJrZXIiOiBudWxs",
        "requestSyncToken=true",
        "page[token]=x",
        "%24skiptoken=a1b2c3d4e5f6a7b8c9d0e1f2",
        "reasoning_tokens=5",
        "tokenizer=standard",
        "possession=home",
        "secretary=me",
        "session_type=practice",
        "tokenCount=5",
        "password_changed=true",
        "signature_version=4",
        "cursor=eyJvIjoibmljZV9pZCIsInYiOiJhUUVBQUFBQUFBQUEifQ==",
        "caf%C3%A9=x",
        "a%20b=1",
        "x%7Ey=1",
        "100%25=1",
        "author.name=me",
        "authors[]=me",
        "authority=x",
        "",
        "q=token",
        "q=key",
        "code=200",
        "code=internationalisierungen",
        "code=INTERNATIONALISIERUNGEN",
        "cursor=Y3Vyc29yOjEyMzQ1Njc4OQ==",
        "sha=0123456789abcdef0123456789abcdef01234567",
        "q=sk-learn",
        "monkey=1",
        "type=monkey&donkey=2",
        "turkey=1",
        "hockey=1",
        "hotkey=ctrl",
        "keyword=x",
        "keywords[]=x",
        "keyboard=de",
        "key_type=rsa",
        "key-marker=photos/2026/",
        "keyId=7",
        "keys=[1,2]",
        "sort_key=name",
        "sortKey=name",
        "sort-key=a1b2c3d4e5f6a7b8c9d0e1f2",
        "order_key=name",
        "group_key=name",
        "start_key=%22a%22",
        "startkey=%22a%22",
        "endkey=%22z%22",
        "exclusive_start_key=a1b2c3d4e5f6a7b8c9d0e1f2",
        "ExclusiveStartKey=a1b2c3d4e5f6a7b8c9d0e1f2",
        "lastEvaluatedKey=a1b2c3d4e5f6a7b8c9d0e1f2",
        "next_key=a1b2c3d4e5f6a7b8c9d0e1f2",
        "partition_key=42",
        "primaryKey=id",
        "foreign_key=user_id",
        "cache_key=v2",
        "idempotency_key=0f8fad5b-d9cb-469f-a165-70867728950e",
        "issueKey=NOTES-12",
        "project_key=NOTES",
        "projectKeys=NOTES",
        "spaceKey=DOCS",
        "object_key=photos/2026/11/29/img_0001.jpg",
        "translation_key=home.title",
        "filter%5Bname%5D=x",
        "page%5Bsize%5D=10",
        "fields[articles]=title",
        "theme=bureau_theme",
        "bypass_warnings=1",
        "compass=1",
        "assign=me",
        "design=1",
        "path=x",
        "signed=1",
        "last_signed_in=1",
    ] {
        assert!(!parameter.split('&').any(parameter_authenticates), "{parameter}");
    }
}

#[test]
fn a_place_has_one_name_in_many_spellings() {
    for name in
        ["api_key", "api.key", "API+KEY", "apiKey", "api[key", "api_key[]", "api%5Fkey", "?api_key", "api_key%00"]
    {
        assert!(is_named(&format!("{name}=x"), "api_key"), "{name}");
    }
    for name in ["api_key_id", "my_api_key", "api", "key", ""] {
        assert!(!is_named(&format!("{name}=x"), "api_key"), "{name}");
    }
    let places = ["appid".to_owned()];
    for field in ["access_token", "api.key", "token", "app_id", "appid"] {
        assert!(field_authenticates(&normal_name(field), &places), "{field}");
    }
    for field in ["max_tokens", "push_token", "key", "password", "text"] {
        assert!(!field_authenticates(&normal_name(field), &places), "{field}");
    }
}
