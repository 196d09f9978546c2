//! Requests as callers make them, through the engine's own door.

use std::sync::Arc;

use canon::{
    Answer, Backend as _, Content, Event, Fault, Fold, Json, Message, ModelId, OutputFormat, Request, Role,
};
use engine::Engine;
use futures::StreamExt as _;
use futures::executor::block_on;

/// A question of one turn.
pub(crate) fn request(text: &str, tokens_max: u64, seed: u64) -> Request {
    let mut request = Request::new(ModelId::new("bench"));
    let content = vec![Content::Text(text.to_owned())];
    request.messages = vec![Message { role: Role::User, content }];
    request.sampling.max_tokens = Some(tokens_max);
    request.sampling.temperature = Some(1.0);
    request.sampling.seed = Some(seed);
    request
}

/// Holds the answer to a schema.
pub(crate) fn held_to(mut request: Request, schema: &str) -> Request {
    request.output = OutputFormat::JsonSchema {
        name: None,
        description: None,
        schema: Json::from_text(schema.to_owned()),
    };
    request
}

/// Makes a call and reads its answer to the end. `heard` is told of each event and says whether to go on; where it does
/// not, the call is given up, and there is no answer.
pub(crate) fn call(
    engine: &Engine,
    request: Request,
    mut heard: impl FnMut(&Event) -> bool,
) -> Result<Option<Answer>, Fault> {
    block_on(async {
        let mut generation = engine.generate(Arc::new(request)).await?;
        let mut fold = Fold::default();
        while let Some(event) = generation.events.next().await {
            let event = event?;
            if !heard(&event) {
                return Ok(None);
            }
            if let Some(answer) = fold.push(event)? {
                return Ok(Some(answer));
            }
        }
        Err(Fault::internal("the answer does not end"))
    })
}

/// An answer's words.
pub(crate) fn text(answer: &Answer) -> String {
    let words = answer.content.iter().filter_map(|content| match content {
        Content::Text(text) => Some(text.as_str()),
        _ => None,
    });
    words.collect()
}
