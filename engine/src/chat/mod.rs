//! From a request to a prompt, and from what the model writes to events.

mod form;
mod points;
mod reader;
mod transcript;

use canon::{Fault, OutputFormat, Request, Role};
use serde_json::Value;

pub(crate) use self::form::{Form, Reading};
pub(crate) use self::points::keep;
pub(crate) use self::reader::Reader;
use self::transcript::{Scribe, texts};
use crate::grammar::CALL_OPEN;
use crate::template::{Conversation, Template};
use crate::tokenizer::{Seal, Tokenizer};

/// The tokens of a request's prompt, up to where the model begins to answer.
///
/// Where the last message is the assistant's, the model goes on with it.
///
/// # Errors
/// [`canon::Kind::Malformed`] or [`canon::Kind::Unsupported`], naming the member that the model cannot take.
pub(crate) fn prompt(
    tokenizer: &Tokenizer,
    template: &Template,
    request: &Request,
    form: &Form<'_>,
) -> Result<Vec<u32>, Fault> {
    let texts = texts(request);
    let seal = Seal::for_texts(texts.into_iter())
        .ok_or_else(|| Fault::malformed("messages", "the text uses every one of Unicode's noncharacters"))?;
    let native = template.describes_tools();
    let scribe = Scribe { tokenizer, seal, native };
    let mut messages: Vec<_> = scribe.system(request, form.tools())?.into_iter().collect();
    let begun = request.messages.split_last().filter(|(last, _)| last.role == Role::Assistant);
    let whole = begun.map_or(&*request.messages, |(_, before)| before);
    for (at, message) in whole.iter().enumerate() {
        messages.extend(scribe.turns(message, &format!("messages[{at}]"))?);
    }
    if !template.takes_system() {
        join_system(&mut messages);
    }
    let tools = if native { scribe.tools(form.tools())? } else { Vec::new() };
    let mut rendered = template.render(&Conversation { messages, tools })?;
    if let Some((last, _)) = begun {
        let path = format!("messages[{}]", whole.len());
        if form.reading() == Reading::Call || form.has_schema() {
            return Err(Fault::unsupported(
                path,
                "an answer that is held to a tool or a schema cannot go on with one that has begun; end with the user's message",
            ));
        }
        rendered.push_str(&scribe.text(last, &path)?);
    }
    if form.reading() == Reading::Call {
        // A forced call needs no decision, so the model is set on its way.
        rendered.push_str(CALL_OPEN);
        rendered.push('\n');
    }
    Ok(tokenizer.encode_rendered(&rendered, seal))
}

/// Makes the system's turn, if the conversation begins with one, the beginning of the user's: as Gemma 3's own template does.
fn join_system(messages: &mut Vec<Value>) {
    if messages.first().is_none_or(|first| first["role"] != "system") {
        return;
    }
    let mut system = messages.remove(0);
    match messages.first_mut() {
        Some(user) if user["role"] == "user" => {
            let text = |turn: &Value| turn["content"].as_str().unwrap_or_default().to_owned();
            user["content"] = Value::from(format!("{}\n\n{}", text(&system), text(user)));
        }
        _ => {
            system["role"] = Value::from("user");
            messages.insert(0, system);
        }
    }
}

/// Bytes of the text that comes into a request's prompt.
pub(crate) fn text_bytes(request: &Request) -> usize {
    texts(request).into_iter().map(str::len).sum()
}

/// Whether a request asks for an answer of a certain shape.
pub(crate) fn has_shape(request: &Request) -> bool {
    !request.tools.list.is_empty() || request.output != OutputFormat::Text
}

#[cfg(test)]
mod tests;
