//! What models use, read from their answers at the door.

use policies::Code;
use proxy::audit::Tokens;

use crate::support::{Answer, Setup, World, packing};

const HOST: &str = "model.bound.test";

const STREAM: &str = concat!(
    "event: message_start\n",
    r#"data: {"type":"message_start","message":{"model":"model-x","usage":{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":1}}}"#,
    "\n\nevent: content_block_delta\n",
    r#"data: {"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello there, all of you"}}"#,
    "\n\nevent: message_delta\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":7}}"#,
    "\n\n",
);

const WHOLE: &str =
    r#"{"model":"model-x","usage":{"input_tokens":25,"cache_read_input_tokens":100,"output_tokens":7}}"#;

async fn world(limits: &str) -> World {
    let family = format!("[limits]\n{limits}\n\n{}", Setup::default().family);
    World::with(Setup { family, ..Setup::default() }).await
}

async fn ask(world: &World, body: &str) -> Answer {
    let mut client = world.family.tunnel(&format!("{HOST}:443")).await;
    let length = body.len();
    let head = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", world.surrogate());
    client
        .send(format!("POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\n{head}Content-Length: {length}\r\n\r\n{body}"))
        .await;
    let nothing = Answer { status: 0, head: Vec::new(), body: Vec::new(), complete: false };
    client.answer().await.unwrap_or(nothing)
}

fn answered(kind: &str, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{more}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn tokens(input: u64, cache_read: u64, output: u64) -> Tokens {
    Tokens { model: Some("model-x".to_owned()), input, cache_read, output, ..Tokens::default() }
}

#[tokio::test]
async fn an_answer_says_what_it_came_to_in_every_form() {
    let world = World::new().await;
    for (answer, complete) in [
        (answered("application/json", "", WHOLE.as_bytes()), true),
        (answered("application/json", "Content-Encoding: gzip\r\n", &packing::gzip(WHOLE.as_bytes())), true),
        (answered("text/event-stream", "", STREAM.as_bytes()), true),
    ] {
        world.upstream(HOST).answers(answer);
        assert_eq!(ask(&world, r#"{"model":"model-y","max_tokens":50}"#).await.complete, complete);
        world.settled().await;
        let rows = world.log.rows();
        let outcome = rows.last().unwrap().outcome();
        assert_eq!(outcome.tokens, Some(tokens(25, 100, 7)));
    }
    assert!(world.wallet.settled().iter().all(|settled| *settled == Some(tokens(25, 100, 7))));
    assert_eq!(world.wallet.settled().len(), 3);
}

/// A gateway answers with the name of the model behind it. A limit on money applies by the name that has a price.
#[tokio::test]
async fn what_answers_under_a_name_without_a_price_is_counted_by_the_one_that_was_asked() {
    let world = world("tokens_per_day = 10000").await;
    let told = WHOLE.replace("model-x", "of-the-host-alone");
    for (asked, counted) in [(r#"{"model":"model-y"}"#, "model-y"), ("{}", "of-the-host-alone")] {
        for (kind, body) in
            [("application/json", &told), ("text/event-stream", &STREAM.replace("model-x", "of-the-host-alone"))]
        {
            world.upstream(HOST).answers(answered(kind, "", body.as_bytes()));
            assert!(ask(&world, asked).await.complete);
            world.settled().await;
            let tokens = Tokens { model: Some(counted.to_owned()), ..tokens(25, 100, 7) };
            assert_eq!(world.log.rows().last().unwrap().outcome().tokens, Some(tokens), "{asked} {kind}");
        }
    }
}

/// In pieces of every size, as a network splits it.
#[tokio::test]
async fn it_does_not_matter_how_an_answer_is_cut() {
    let world = World::new().await;
    for size in [1, 2, 7, 61] {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\n\r\n", STREAM.len());
        let pieces = STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec);
        world.upstream(HOST).answers_in_pieces(std::iter::once(head.into_bytes()).chain(pieces).collect());
        assert!(ask(&world, "{}").await.complete);
        world.settled().await;
        assert_eq!(world.log.rows().last().unwrap().outcome().tokens, Some(tokens(25, 100, 7)), "by {size}");
    }
}

#[tokio::test]
async fn a_failure_and_another_host_cost_nothing() {
    let world = World::new().await;
    let body = WHOLE.as_bytes();
    world
        .upstream(HOST)
        .answers(String::from_utf8(answered("application/json", "", body)).unwrap().replace("200 OK", "529 Busy"));
    ask(&world, r#"{"max_tokens":50}"#).await;
    world.upstream("cdn.allowed.test").answers(answered("application/json", "", body));
    world.family.get("cdn.allowed.test", "/").await;
    world.settled().await;
    assert!(world.log.rows().iter().all(|row| row.outcome().tokens.is_none()));
    assert_eq!(world.wallet.settled(), [None], "what was held is given back");
}

#[tokio::test]
async fn what_is_reserved_stands_in_the_log_before_it_is_sent() {
    let world = world("tokens_per_day = 100").await;
    world.upstream(HOST).answers(answered("application/json", "", WHOLE.as_bytes()));
    assert_eq!(ask(&world, r#"{"model":"model-y","max_tokens":90}"#).await.status, 200);
    world.settled().await;
    let rows = world.log.rows();
    let reserves = rows[0].decision.reserves.clone().unwrap();
    assert_eq!((reserves.model.as_deref(), reserves.output, reserves.estimated), (Some("model-y"), 90, true));
}

#[tokio::test]
async fn a_request_that_may_take_too_much_is_not_sent() {
    let world = world("tokens_per_day = 100").await;
    let answer = ask(&world, r#"{"model":"model-x","max_tokens":101}"#).await;
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("the tokens of the day are used up"), "{}", answer.text());
    for unreadable in [r#"{"max_tokens":1,"max_tokens":900}"#, "max_tokens=5", "[]"] {
        let answer = ask(&world, unreadable).await;
        assert_eq!(answer.status, 403, "{unreadable}");
        assert!(answer.text().contains("body_unreadable"), "{}", answer.text());
    }
    world.settled().await;
    assert!(world.upstream(HOST).received().is_empty());
    assert!(world.log.rows().iter().all(|row| row.decision.reserves.is_none()));
}

#[tokio::test]
async fn a_stream_ends_where_nothing_is_left() {
    let world = world("tokens_per_day = 128").await;
    // It would go on for ever.
    world.upstream(HOST).on(|exchange| {
        Box::pin(async {
            exchange.body().await?;
            let end = STREAM.find("event: message_delta").unwrap();
            let long = STREAM[..end].replace("Hello there", &"Hello there ".repeat(500));
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
            exchange.send(format!("{head}{:x}\r\n{long}\r\n", long.len())).await?;
            std::future::pending().await
        })
    });
    let answer = ask(&world, "{}").await;
    assert!(!answer.complete, "it is broken off");
    world.settled().await;
    let rows = world.log.rows();
    let row = rows.last().unwrap();
    assert_eq!((row.code(), row.alarm()), (Some(Code::UsedUp), false));
    assert!(row.outcome().tokens.as_ref().is_some_and(|tokens| tokens.estimated && tokens.sum() > 128));
    // A request within the limit passes.
    let world = self::world("tokens_per_day = 132").await;
    world.upstream(HOST).answers(answered("text/event-stream", "", STREAM.as_bytes()));
    assert!(ask(&world, "{}").await.complete);
}

/// Its host has read the prompt, and charges for it.
#[tokio::test]
async fn what_is_given_up_before_it_says_anything_costs_its_prompt() {
    let body = format!(r#"{{"model":"model-y","max_tokens":50,"prompt":"{}"}}"#, "word ".repeat(400));
    let prompt =
        Tokens { model: Some("model-y".to_owned()), estimated: true, ..tokens(body.len().div_ceil(4) as u64, 0, 0) };
    for head in ["", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"] {
        let world = world("tokens_per_day = 100000").await;
        let (came, has_come) = tokio::sync::mpsc::unbounded_channel();
        let mut has_come = has_come;
        world.upstream(HOST).on(move |exchange| {
            let came = came.clone();
            Box::pin(async move {
                exchange.body().await?;
                exchange.send(head.to_owned()).await?;
                came.send(()).unwrap();
                std::future::pending().await
            })
        });
        let mut client = world.family.tunnel(&format!("{HOST}:443")).await;
        let surrogate = world.surrogate();
        let length = body.len();
        client
            .send(format!(
                "POST /v1/messages HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {surrogate}\r\nContent-Type: \
                 application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            ))
            .await;
        has_come.recv().await.unwrap();
        drop(client);
        world.settled().await;
        assert_eq!(world.log.rows().last().unwrap().outcome().tokens.as_ref(), Some(&prompt), "{head}");
        assert_eq!(world.wallet.settled(), [Some(prompt.clone())], "{head}");
    }
}

/// A key that the host returns as its model's name does not get into the log.
#[tokio::test]
async fn a_name_that_holds_a_secret_is_not_written_down() {
    let world = World::new().await;
    let echo = WHOLE.replace("model-x", world.real());
    world.upstream(HOST).answers(answered("application/json", "", echo.as_bytes()));
    ask(&world, &format!(r#"{{"model":"{}","max_tokens":1}}"#, world.surrogate())).await;
    world.settled().await;
    let rows = format!(
        "{:?}",
        world.log.rows().iter().map(|row| (&row.decision.reserves, row.outcome().tokens.clone())).collect::<Vec<_>>()
    );
    assert!(!rows.contains(world.real()) && !rows.contains(world.surrogate()), "{rows}");
}
