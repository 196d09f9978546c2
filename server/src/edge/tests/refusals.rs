//! Each operation in each case in which it is refused.

use canon::{Event, Fault, Kind};
use wire::fault::Surface;

use super::list::{By, Malformed, ROWS, Row, Says};
use super::{NO_MODEL, check_refused, good, said, shape, since};
use crate::testing::{Books, Call, EMBEDDER, MODEL, PROMPT_TOKENS, World, new_key, text};

/// Status and code of a refusal, as each surface says it. Written down once more, so that a slip in the tables of
/// `wire` is seen.
struct Refusal {
    bedrock: (u16, &'static str),
    openai: (u16, &'static str),
    anthropic: (u16, &'static str),
}

const NO_KEY: Refusal = Refusal {
    bedrock: (403, "MissingAuthenticationTokenException"),
    openai: (401, "invalid_api_key"),
    anthropic: (401, "authentication_error"),
};
const WRONG_KEY: Refusal = Refusal { bedrock: (403, "UnrecognizedClientException"), ..NO_KEY };
const FORBIDDEN: Refusal = Refusal {
    bedrock: (403, "AccessDeniedException"),
    openai: (403, "insufficient_permissions"),
    anthropic: (403, "permission_error"),
};
const MALFORMED: Refusal = Refusal {
    bedrock: (400, "ValidationException"),
    openai: (400, "invalid_value"),
    anthropic: (400, "invalid_request_error"),
};
const UNSUPPORTED: Refusal = Refusal { openai: (400, "unsupported_parameter"), ..MALFORMED };
const TOO_LARGE: Refusal = Refusal {
    bedrock: (400, "ValidationException"),
    openai: (413, "request_too_large"),
    anthropic: (413, "request_too_large"),
};
const UNKNOWN_MODEL: Refusal = Refusal {
    bedrock: (400, "ValidationException"),
    openai: (404, "model_not_found"),
    anthropic: (404, "not_found_error"),
};
const UPSTREAM: Refusal = Refusal {
    bedrock: (424, "ModelErrorException"),
    openai: (502, "upstream_error"),
    anthropic: (500, "api_error"),
};
const UPSTREAM_STREAM: Refusal = Refusal { bedrock: (424, "ModelStreamErrorException"), ..UPSTREAM };
const DRAINING: Refusal = Refusal {
    bedrock: (503, "ServiceUnavailableException"),
    openai: (503, "unavailable"),
    anthropic: (529, "overloaded_error"),
};

impl Refusal {
    fn on(&self, surface: Surface) -> (u16, &'static str) {
        match surface {
            Surface::Bedrock => self.bedrock,
            Surface::Openai => self.openai,
            Surface::Anthropic => self.anthropic,
        }
    }
}

/// Calls each operation wrongly, where `wrong` can, and checks the refusal and that it left `due` on the books.
async fn check(
    world: &World,
    refusal: &Refusal,
    due: Books,
    wrong: impl Fn(&World, &'static Row) -> Option<Call>,
) -> usize {
    let mut checked = 0;
    for row in ROWS.iter().filter(|row| row.by != By::Process) {
        let before = world.books();
        let Some(call) = wrong(world, row) else { continue };
        let reply = world.send(call).await;
        check_refused(row.name, row.surface, &reply, refusal.on(row.surface));
        assert_eq!(since(before, world.books()), due, "{}", row.name);
        checked += 1;
    }
    world.rests().await;
    checked
}

#[tokio::test]
async fn who_shows_no_key_is_refused_before_the_body_is_looked_at() {
    let world = World::start().await;
    // Nothing else about these is right either.
    let stranger = |row: &Row| {
        let call = Call::new(row.method, &row.path.replace("{model}", NO_MODEL));
        shape(row, call, NO_MODEL).body("{")
    };
    let n = check(&world, &NO_KEY, Books::default(), |_, row| Some(stranger(row))).await;
    assert_eq!(n, ROWS.len() - 2);
    let good =
        |row: &Row| shape(row, Call::new(row.method, &row.path.replace("{model}", row.model)), row.model);
    check(&world, &NO_KEY, Books::default(), |_, row| Some(good(row))).await;
}

#[tokio::test]
async fn a_wrong_key_is_refused_in_either_header() {
    let world = World::start().await;
    let wrong = format!("{}x", world.api_key);
    let call =
        |row: &Row| shape(row, Call::new(row.method, &row.path.replace("{model}", row.model)), row.model);
    check(&world, &WRONG_KEY, Books::default(), |_, row| Some(call(row).key(&wrong))).await;
    check(&world, &WRONG_KEY, Books::default(), |_, row| Some(call(row).header("x-api-key", wrong.clone())))
        .await;
}

#[tokio::test]
async fn a_key_for_other_models_is_refused_and_does_not_see_this_one() {
    let world = World::start().await;
    let key = new_key(world.store.records(), "other", "other.*");
    world.directory.set_keys(world.store.records().keyring().unwrap());
    let call = |row: &Row| {
        let path = row.path.replace("{model}", row.model);
        shape(row, Call::new(row.method, &path).key(&key), row.model)
    };
    let n = check(&world, &FORBIDDEN, Books::default(), |_, row| row.names_model().then(|| call(row))).await;
    assert_eq!(n, ROWS.len() - 6);
    for row in ROWS.iter().filter(|row| row.by == By::Knowledge && !row.names_model()) {
        let reply = world.send(call(row)).await;
        assert_eq!(reply.status, 200, "{}", row.name);
        assert!(!String::from_utf8_lossy(&reply.body).contains(MODEL), "{}", row.name);
    }
}

#[tokio::test]
async fn what_is_malformed_is_refused() {
    let world = World::start().await;
    for body in ["", "{", "[]", r#"{"messages":7,"input":7,"max_tokens":9,"model":"{model}"}"#] {
        let n = check(&world, &MALFORMED, Books::default(), |world, row| match row.malformed {
            Malformed::Body => Some(good(world, row).body(body.replace("{model}", row.model))),
            Malformed::Query(query) => Some(world.call(row.method, &format!("{}?{query}", row.path))),
            Malformed::Never => None,
        })
        .await;
        assert!(n >= 15, "{n}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_read_so_that_its_refusal_is_too() {
    let world = World::start().await;
    let large = bytes::Bytes::from(vec![b' '; 25_000_001]);
    let n = check(&world, &TOO_LARGE, Books::default(), |world, row| {
        (row.method == "POST").then(|| good(world, row).body(large.clone()))
    })
    .await;
    assert_eq!(n, ROWS.iter().filter(|row| row.method == "POST").count());
}

#[tokio::test]
async fn a_model_that_is_not_there_is_refused() {
    let world = World::start().await;
    let n = check(&world, &UNKNOWN_MODEL, Books::default(), |world, row| {
        let call = world.call(row.method, &row.path.replace("{model}", NO_MODEL));
        row.names_model().then(|| shape(row, call, NO_MODEL))
    })
    .await;
    assert_eq!(n, ROWS.len() - 6);
    // The text is Bedrock's own; clients match it.
    let call = world.call("POST", &format!("/model/{NO_MODEL}/converse")).body(super::list::CONVERSE);
    let reply = world.send(call).await;
    assert_eq!(reply.document()["message"], "The provided model identifier is invalid.");
}

#[tokio::test]
async fn a_fault_before_the_first_event_is_an_answer_of_its_own() {
    let world = World::start().await;
    // The backend had read the prompt by then, and says so.
    let usage = canon::Usage::plain(PROMPT_TOKENS, 0);
    let due = Books { failed: 1, usage, ..Books::default() };
    check(&world, &UPSTREAM, due, |world, row| {
        row.runs().then(|| {
            world.model.play([Err(Fault::new(Kind::Upstream { status: Some(500) }, "It failed. Retry."))]);
            good(world, row)
        })
    })
    .await;
}

#[tokio::test]
async fn what_only_a_relay_could_pass_on_is_refused_by_name_before_anything_runs() {
    let world = World::start().await;
    for (more, param) in [(r#""min_p":0.1"#, "min_p"), (r#""logprobs":true"#, "logprobs")] {
        let before = world.books();
        let body = format!(r#"{{"model":"{MODEL}","messages":[{{"role":"user","content":"hi"}}],{more}}}"#);
        let reply = world.send(world.call("POST", "/openai/v1/chat/completions").body(body)).await;
        check_refused(param, Surface::Openai, &reply, (400, "unsupported_parameter"));
        assert_eq!(reply.document()["error"]["param"], param);
        assert_eq!(since(before, world.books()), Books { failed: 1, ..Books::default() }, "{param}");
    }
    world.rests().await;
}

/// An answer that breaks off after a word.
fn broken(world: &World) {
    let fault = Fault::new(Kind::UpstreamStream, "It broke off. Retry.").with_detail("a private cause");
    let items: Vec<Result<Event, Fault>> = text(&["hello"]).into_iter().chain([Err(fault)]).collect();
    world.model.play(items);
}

/// A prompt, and the one word that was said.
fn one_word(books: Books) -> Books {
    Books { usage: canon::Usage::plain(PROMPT_TOKENS, 1), ..books }
}

#[tokio::test]
async fn a_fault_within_a_whole_answer_is_an_answer_of_its_own_and_is_settled() {
    let world = World::start().await;
    let due = one_word(Books { failed: 1, ..Books::default() });
    check(&world, &UPSTREAM_STREAM, due, |world, row| {
        (row.by == By::Model).then(|| {
            broken(world);
            good(world, row)
        })
    })
    .await;
}

#[tokio::test]
async fn a_fault_within_a_stream_ends_it_in_the_manner_of_the_surface_and_is_settled() {
    let world = World::start().await;
    for row in &ROWS {
        let By::Stream { fault, code } = row.by else { continue };
        let before = world.books();
        broken(&world);
        let reply = world.send(good(&world, row)).await;
        assert_eq!((reply.status, said(&reply, row.says).as_str()), (200, "hello"), "{}", row.name);
        let documents = reply.documents();
        let last = documents.last().unwrap();
        match fault {
            Says::Plain => assert_eq!(last.name, code, "{}: {last:?}", row.name),
            Says::At(pointer) => assert_eq!(last.value.pointer(pointer).unwrap(), code, "{}", row.name),
        }
        let shown = last.value.to_string();
        assert!(
            shown.contains("It broke off. Retry.") && !shown.contains("private"),
            "{}: {shown}",
            row.name
        );
        let due = one_word(Books { failed: 1, ..Books::default() });
        assert_eq!(since(before, world.books()), due, "{}", row.name);
    }
    world.rests().await;
}

#[tokio::test]
async fn a_server_that_ends_takes_no_call_and_says_when_to_come_back() {
    let world = World::start().await;
    world.health.drain();
    check(&world, &DRAINING, Books::default(), |world, row| Some(good(world, row))).await;
    let reply = world.send(world.converse(false, "hi")).await;
    assert_eq!(reply.header("retry-after"), "2");
    assert_eq!(world.send(Call::new("GET", "/healthz")).await.status, 200);
    let ready = world.send(Call::new("GET", "/readyz")).await;
    assert_eq!((ready.status, &ready.body[..]), (503, b"draining\n".as_slice()));
}

#[tokio::test]
async fn a_model_of_the_other_kind_is_refused_with_what_to_call_instead_and_nothing_is_recorded() {
    let world = World::start().await;
    for row in ROWS.iter().filter(|row| row.runs()) {
        let (other, remedy) = match row.model {
            EMBEDDER if row.body.contains("inputText") => continue,
            EMBEDDER => (MODEL, "makes no embeddings; name a model whose output is EMBEDDING"),
            _ => (EMBEDDER, "makes embeddings and writes no text"),
        };
        let before = world.books();
        let call = world.call(row.method, &row.path.replace("{model}", other));
        let reply = world.send(shape(row, call, other)).await;
        let code = UNSUPPORTED.on(row.surface);
        check_refused(row.name, row.surface, &reply, code);
        assert!(String::from_utf8_lossy(&reply.body).contains(remedy), "{}: {reply:?}", row.name);
        assert_eq!(since(before, world.books()), Books::default(), "{}", row.name);
    }
    world.rests().await;
}

#[tokio::test]
async fn vectors_of_another_length_are_refused_by_name_and_recorded() {
    let world = World::start().await;
    for (path, body, code) in [
        (
            format!("/model/{EMBEDDER}/invoke"),
            r#"{"inputText":"hi","dimensions":256}"#.to_owned(),
            "ValidationException",
        ),
        (
            "/v1/embeddings".to_owned(),
            format!(r#"{{"model":"{EMBEDDER}","input":"hi","dimensions":256}}"#),
            "unsupported_parameter",
        ),
    ] {
        let before = world.books();
        let reply = world.send(world.call("POST", &path).body(body)).await;
        let surface = if path.starts_with("/v1") { Surface::Openai } else { Surface::Bedrock };
        check_refused(&path, surface, &reply, (400, code));
        assert!(
            String::from_utf8_lossy(&reply.body).contains("dimensions: this model's vectors have 3 numbers"),
            "{reply:?}"
        );
        assert_eq!(since(before, world.books()), Books { failed: 1, ..Books::default() });
    }
    world.rests().await;
}
