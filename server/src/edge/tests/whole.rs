//! What goes well, and what goes with it.

use super::list::{By, ROWS};
use super::{check_named, good, said, since};
use crate::testing::{Books, Call, Document, PROMPT_TOKENS, Version, World};

#[tokio::test]
async fn each_operation_answers_and_a_call_of_the_model_leaves_one_receipt() {
    let world = World::start().await;
    for version in [Version::Http1, Version::Http2] {
        for row in &ROWS {
            let case = format!("{} over {version:?}", row.name);
            let before = world.books();
            let call = match row.by {
                By::Process => Call::new(row.method, row.path),
                _ => good(&world, row),
            };
            let reply = world.send_as(version, call).await;
            // 202 where what was asked for is under way.
            assert!(matches!(reply.status, 200 | 202), "{case}: {reply:?}");
            assert_eq!(said(&reply, row.says), row.expected, "{case}");
            check_named(&case, &reply);
            assert_eq!(reply.header("x-outcrop-ignored"), "", "{case}");
            // The receipt is on the disk before the last byte of the answer leaves: there is no waiting for it.
            let due = match row.runs() {
                true => Books {
                    completed: 1,
                    usage: canon::Usage::plain(PROMPT_TOKENS, row.output_tokens),
                    ..Books::default()
                },
                false => Books::default(),
            };
            assert_eq!(since(before, world.books()), due, "{case}");
        }
    }
    world.rests().await;
}

#[tokio::test]
async fn a_probe_may_ask_for_the_head_alone() {
    let world = World::start().await;
    for path in ["/healthz", "/readyz", "/behind/a/prefix/readyz"] {
        let reply = world.send(Call::new("HEAD", path)).await;
        assert_eq!((reply.status, reply.body.len()), (200, 0), "{path}");
        check_named(path, &reply);
    }
    world.health.drain();
    assert_eq!(world.send(Call::new("HEAD", "/readyz")).await.status, 503);
}

#[tokio::test]
async fn hints_that_are_ignored_are_listed_and_instructions_are_refused_with_a_receipt() {
    let world = World::start().await;
    let members = r#","performanceConfig":{"latency":"optimized"},"requestMetadata":{"team":"a"},"system":[{"text":"s"},{"cachePoint":{"type":"default"}}]"#;
    for operation in ["converse", "converse-stream"] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]{members}}}"#);
        let path = format!("/model/{}/{operation}", crate::testing::MODEL);
        let reply = world.send(world.call("POST", &path).body(body)).await;
        assert_eq!(
            (reply.status, reply.header("x-outcrop-ignored")),
            (200, "cache-point, latency, metadata")
        );
    }
    let body = r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"additionalModelRequestFields":{"top_k":3}}"#;
    let reply = world.send(world.converse(false, "").body(body)).await;
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, "ValidationException"));
    assert!(reply.document()["message"].as_str().unwrap().contains("top_k"), "{reply:?}");
    let books = world.books();
    assert_eq!((books.completed, books.failed, books.open), (2, 1, 0));
}

#[tokio::test]
async fn a_model_has_many_names() {
    let world = World::start().await;
    for name in [
        "us.acme.tiny-v1:0",
        "acme.tiny-v1%3A0",
        "arn:aws:bedrock:us-east-1::foundation-model/acme.tiny-v1:0",
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Facme.tiny-v1%3A0",
        "arn%3Aaws%3Abedrock%3Aeu-west-1%3A000000000000%3Ainference-profile%2Feu.acme.tiny-v1%3A0",
    ] {
        let call = world.call("POST", &format!("/model/{name}/converse")).body(super::list::CONVERSE);
        assert_eq!(world.send(call).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn fifty_streams_at_once_each_say_what_they_used_and_the_books_say_the_same() {
    let world = World::start().await;
    let one = async |words: u64| {
        let version = if words.is_multiple_of(2) { Version::Http1 } else { Version::Http2 };
        let reply = world.send_as(version, world.converse(true, &words.to_string())).await;
        let documents = reply.documents();
        let names: Vec<&str> = documents.iter().map(|document| document.name.as_str()).collect();
        assert_eq!((names[0], names[names.len() - 1]), ("messageStart", "metadata"));
        let said = documents.iter().filter_map(|document| document.value.pointer("/delta/text"));
        assert_eq!(said.count() as u64, words);
        let Document { value, .. } = &documents[documents.len() - 1];
        assert_eq!(value["usage"]["outputTokens"], words);
        assert_eq!(value["usage"]["inputTokens"], PROMPT_TOKENS);
    };
    futures_util::future::join_all((1..=50).map(one)).await;
    let usage = canon::Usage::plain(50 * PROMPT_TOKENS, (1..=50).sum());
    assert_eq!(world.books(), Books { completed: 50, usage, ..Books::default() });
    world.rests().await;
}
