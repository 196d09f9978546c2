use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Limited};
use hyper::body::Incoming;
use serde::Deserialize;

use crate::Failure;

const BODY_BYTES_MAX: usize = 64 << 10;

#[derive(Deserialize)]
struct Body {
    #[serde(alias = "Message")]
    message: String,
}

/// What a server said instead of an answer.
pub(super) async fn refused(answer: Response<Incoming>) -> Failure {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body = body.map(Collected::to_bytes).unwrap_or_default();
    let message = match serde_json::from_slice::<Body>(&body) {
        Ok(Body { message }) => message,
        Err(_) => format!("the server answered {}", head.status),
    };
    let failure = match head.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => {
            Failure::unavailable(message)
        }
        status if status.is_client_error() => Failure::usage(message),
        _ => Failure::unavailable(message),
    };
    match said(&head.headers) {
        Some(said) => failure.with_help(said),
        None => failure,
    }
}

fn said(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let code = text("x-amzn-errortype")?.split(':').next()?;
    let more = format!("for more: outcrop explain {code}");
    Some(match text("x-amzn-requestid") {
        Some(id) => format!("{more}\nthe server's log has the request as {id}"),
        None => more,
    })
}
