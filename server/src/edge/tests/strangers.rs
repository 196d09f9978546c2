//! Paths that are no operation.

use wire::fault::Surface::{self, Anthropic, Bedrock, Openai};

use super::check_refused;
use crate::testing::{Books, Call, World};

const PATHS: [(&str, &str, Surface); 9] = [
    ("GET", "/", Bedrock),
    ("GET", "/model/acme.tiny-v1:0/converse", Bedrock),
    ("POST", "/model/acme.tiny-v1:0/transverse", Bedrock),
    ("DELETE", "/foundation-models/acme.tiny-v1:0", Bedrock),
    ("POST", "/healthz", Bedrock),
    ("POST", "/v1/images/generations", Openai),
    ("PUT", "/openai/v1/chat/completions", Openai),
    ("GET", "/v1/messages", Anthropic),
    ("POST", "/anthropic/v1/complete", Anthropic),
];

#[tokio::test]
async fn a_path_that_is_none_is_not_found_and_a_stranger_does_not_learn_that() {
    let world = World::start().await;
    for (method, path, surface) in PATHS {
        let case = format!("{method} {path}");
        let (known, unknown) = match surface {
            Bedrock => ((404, "UnknownOperationException"), (403, "MissingAuthenticationTokenException")),
            Openai => ((404, "unknown_url"), (401, "invalid_api_key")),
            Anthropic => ((404, "not_found_error"), (401, "authentication_error")),
        };
        check_refused(&case, surface, &world.send(world.call(method, path)).await, known);
        check_refused(&case, surface, &world.send(Call::new(method, path)).await, unknown);
    }
    assert_eq!(world.books(), Books::default());
}
