//! Raw prompts, as Llama's and Mistral's bodies have them, and what Titan's shares with those.
//!
//! In Bedrock such a prompt is the model's input to the letter, with the vendor's markers around the turns. Here the
//! model behind it may be another, whose markers differ, so the turns are read back out of the prompt and the model's
//! own template is put around them. Three templates are known, each by how the prompt begins:
//!
//! - Llama 3, `<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n…<|eot_id|>`, and Llama 4, where the
//!   markers are `<|header_start|>`, `<|header_end|>` and `<|eot|>`;
//! - Llama 2 and Mistral, `<s>[INST] … [/INST] …</s>`, with `<<SYS>>…<</SYS>>` or `[SYSTEM_PROMPT]…[/SYSTEM_PROMPT]`.
//!
//! Any other prompt is one message of the user's, to the letter. What follows the last marker, where the model is to
//! speak, is the beginning of its answer, and becomes a last turn of the assistant's.

use canon::{Answer, Content, Fault, Message, ModelId, Request, Role};

/// The markers of a template that puts a header before each turn.
struct Headed {
    begin: &'static str,
    open: &'static str,
    close: &'static str,
    end: &'static str,
}

const HEADED: [Headed; 2] = [
    Headed {
        begin: "<|begin_of_text|>",
        open: "<|start_header_id|>",
        close: "<|end_header_id|>",
        end: "<|eot_id|>",
    },
    Headed { begin: "<|begin_of_text|>", open: "<|header_start|>", close: "<|header_end|>", end: "<|eot|>" },
];

/// A request that says what `prompt` says.
pub(super) fn request(model: &str, prompt: &str) -> Result<Request, Fault> {
    of_turns(model, "prompt", turns(prompt)?)
}

/// A request that says `turns`, which stood in `member` of the body.
pub(super) fn of_turns(model: &str, member: &str, turns: Vec<(Role, &str)>) -> Result<Request, Fault> {
    let mut request = Request::new(ModelId::new(model));
    for (role, text) in turns {
        let content = Content::Text(text.to_owned());
        match role {
            Role::System => request.system.push(content),
            role => request.messages.push(Message { role, content: vec![content] }),
        }
    }
    if request.messages.is_empty() {
        return Err(Fault::malformed(member, "must say something in the user's name"));
    }
    Ok(request)
}

fn turns(prompt: &str) -> Result<Vec<(Role, &str)>, Fault> {
    let start = prompt.trim_start();
    for template in &HEADED {
        if start.strip_prefix(template.begin).unwrap_or(start).trim_start().starts_with(template.open) {
            return headed(start, template);
        }
    }
    let bare = start.strip_prefix("<s>").unwrap_or(start).trim_start();
    let marked = start.starts_with("<s>");
    if bare.starts_with("[INST]") || bare.starts_with("[SYSTEM_PROMPT]") || marked && bare.contains("[INST]")
    {
        return Ok(bracketed(bare));
    }
    Ok(to_the_letter(if marked { bare } else { prompt }))
}

/// One message of the user's, if it says anything.
pub(super) fn to_the_letter(text: &str) -> Vec<(Role, &str)> {
    if text.trim().is_empty() { Vec::new() } else { vec![(Role::User, text)] }
}

fn headed<'a>(prompt: &'a str, template: &Headed) -> Result<Vec<(Role, &'a str)>, Fault> {
    let mut turns = Vec::new();
    for turn in prompt.split(template.open).skip(1) {
        let (role, text) = turn.split_once(template.close).ok_or_else(|| {
            Fault::malformed("prompt", format_args!("a {} without its {}", template.open, template.close))
        })?;
        let role = match role.trim() {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let problem =
                    format_args!("turns of {other} are not supported; send a tool's results by Converse");
                return Err(Fault::unsupported("prompt", problem));
            }
        };
        let text = text.split(template.end).next().unwrap_or(text).trim();
        if !text.is_empty() {
            turns.push((role, text));
        }
    }
    Ok(turns)
}

fn bracketed(prompt: &str) -> Vec<(Role, &str)> {
    let mut turns = Vec::new();
    let mut rest = prompt;
    if let Some((system, after)) = between(rest, "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]") {
        turns.push((Role::System, system));
        rest = after;
    }
    let mut parts = rest.split("[INST]");
    // What stands before the first instruction instructs all of them.
    turns.extend(parts.next().map(|text| (Role::System, text)));
    for part in parts {
        let (said, answer) = part.split_once("[/INST]").unwrap_or((part, ""));
        match between(said, "<<SYS>>", "<</SYS>>") {
            Some((system, after)) => turns.extend([(Role::System, system), (Role::User, after)]),
            None => turns.push((Role::User, said)),
        }
        turns.push((Role::Assistant, answer));
    }
    turns
        .into_iter()
        .map(|(role, text)| {
            (role, text.trim().trim_end_matches("<s>").trim_end().trim_end_matches("</s>").trim())
        })
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

/// What stands between two markers at the beginning of a text, and what follows.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.trim_start().strip_prefix(open)?.split_once(close)
}

/// The words of an answer, all blocks together.
pub(super) fn text_of(answer: &Answer) -> String {
    let words = answer.content.iter().filter_map(|content| match content {
        Content::Text(text) | Content::Cited { text, .. } => Some(text.as_str()),
        _ => None,
    });
    words.collect()
}

pub(super) fn positive(name: &str, number: Option<u64>) -> Result<Option<u64>, Fault> {
    if number == Some(0) {
        return Err(Fault::malformed(name, "must be at least 1"));
    }
    Ok(number)
}

pub(super) fn fraction(name: &str, number: Option<f32>) -> Result<Option<f32>, Fault> {
    if number.is_some_and(|number| !(0.0..=1.0).contains(&number)) {
        return Err(Fault::malformed(name, "must be between 0 and 1"));
    }
    Ok(number)
}
