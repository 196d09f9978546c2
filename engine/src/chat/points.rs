//! Where a request's cache points lie in its prompt.

use canon::{Content, Message, Request, Role};

use super::{Form, prompt};
use crate::scheduler::Keep;
use crate::template::Template;
use crate::tokenizer::Tokenizer;

/// So many points are looked at, from the last: as many as Anthropic's API and Bedrock's take.
const POINTS_MAX: usize = 4;

/// How much of `prompt`, which is the request's, its cache points cover.
///
/// The conversation is written once more up to each point; the point covers what this has in common with the whole
/// prompt, token by token, so that it is always a prefix of it. A point whose beginning the model's template does not
/// take by itself covers nothing.
pub(crate) fn keep(
    tokenizer: &Tokenizer,
    template: &Template,
    request: &Request,
    form: &Form<'_>,
    whole: &[u32],
) -> Keep {
    let mut keep = Keep::default();
    for (beginning, long) in beginnings(request).into_iter().rev().take(POINTS_MAX) {
        let reach = if long { &mut keep.hour } else { &mut keep.five_minutes };
        let tokens = prompt(tokenizer, template, &beginning, form)
            .or_else(|_| prompt(tokenizer, template, &asking(beginning), form));
        let same = tokens.map(|tokens| tokens.iter().zip(whole).take_while(|(a, b)| a == b).count());
        *reach = (*reach).max(same.unwrap_or(0));
    }
    keep
}

/// The request up to each of its cache points, the shortest first, and whether it is to be kept for long.
fn beginnings(request: &Request) -> Vec<(Request, bool)> {
    let mut all = Vec::new();
    let begin = |system: &[Content], messages: &[Message]| Request {
        system: system.to_vec(),
        messages: messages.to_vec(),
        tools: request.tools.clone(),
        output: request.output.clone(),
        ..Request::new(request.model.clone())
    };
    for (at, content) in request.system.iter().enumerate() {
        if let Content::CachePoint { long } = content {
            all.push((begin(&request.system[..at], &[]), *long));
        }
    }
    // Tools are written after the system's words, or before them; both are there.
    if request.hints.cache_tools && !request.tools.list.is_empty() {
        all.push((begin(&request.system, &[]), false));
    }
    for (turn, message) in request.messages.iter().enumerate() {
        for (at, content) in message.content.iter().enumerate() {
            if let Content::CachePoint { long } = content {
                let mut messages = request.messages[..turn].to_vec();
                let content = message.content[..at].to_vec();
                if !content.is_empty() {
                    messages.push(Message { role: message.role, content });
                }
                all.push((begin(&request.system, &messages), *long));
            }
        }
    }
    all
}

/// The beginning with a question behind it, for templates that take none without.
fn asking(mut beginning: Request) -> Request {
    let content = vec![Content::Text("\u{b6}".to_owned())];
    beginning.messages.push(Message { role: Role::User, content });
    beginning
}
