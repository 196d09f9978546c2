//! The body of CountTokens, which holds that part of Converse's body which makes the prompt, or a whole body of
//! `InvokeModel`.

use bytes::Bytes;
use canon::{Fault, Request};

use super::extra::Extra;
use super::request;
use super::shape::content::SystemBlock;
use super::shape::request::{ConverseRequest, Message, ToolConfig};
use super::shape::scalar::{ANY, Base64, List};
use crate::json;

/// What CountTokens counts.
pub(crate) enum Counted {
    /// A call of Converse.
    Converse(Box<Request>),
    /// The body of `InvokeModel`.
    Invoke(Bytes),
}

shape! {
    struct Body<'a> {
        input: Input<'a>,
    }
}

union! {
    enum Input<'a> {
        "converse" => Converse(Box<ConverseTokens<'a>>),
        "invokeModel" => Invoke(InvokeTokens),
    }
}

shape! {
    struct ConverseTokens<'a> {
        ? messages: List<Message<'a>, 1, ANY>,
        ? system: Vec<SystemBlock<'a>>,
        ? tool_config: ToolConfig<'a>,
        ? additional_model_request_fields: Extra<'a>,
    }
}

shape! {
    struct InvokeTokens {
        body: Base64,
    }
}

pub(crate) fn decode(model: &str, body: &[u8]) -> Result<Counted, Fault> {
    let body: Body<'_> = json::decode(body)?;
    match body.input {
        Input::Invoke(tokens) => Ok(Counted::Invoke(tokens.body.0)),
        Input::Converse(tokens) => {
            let shape = ConverseRequest {
                messages: tokens.messages,
                system: tokens.system,
                tool_config: tokens.tool_config,
                additional_model_request_fields: tokens.additional_model_request_fields,
                ..ConverseRequest::default()
            };
            let request =
                request::from_shape(model, shape).map_err(|fault| json::within("input.converse", fault));
            Ok(Counted::Converse(Box::new(request?)))
        }
    }
}
