//! `outcrop chat`: one answer for a prompt or a pipe, else a conversation.

mod lines;
mod screen;
mod talk;

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use canon::{Content, Modality, ModelId, Request};
use server::Failure;
use server::client::Client;

use self::screen::Screen;
use self::talk::{Outcome, Talk};
use crate::args::Chat;
use crate::models::client;

/// What is piped in may be so long; the server has the last word.
const PIPED_BYTES_MAX: u64 = 16 << 20;

/// Answers once, or until the person leaves.
pub(crate) async fn run(dir: &Path, chat: Chat) -> Result<(), Failure> {
    let prompt = prompt(&chat.prompt)?;
    let client = client(dir, chat.whom)?;
    let model = match chat.model {
        Some(id) => ModelId::new(id),
        None => first_model(&client).await?,
    };
    let mut request = Request { stream: true, ..Request::new(model) };
    request.system = chat.system.into_iter().map(Content::Text).collect();
    request.sampling.max_tokens = Some(chat.max_tokens);
    request.sampling.temperature = chat.temperature;
    let mut talk = Talk::new(client, request, Screen::new());
    match prompt {
        Some(prompt) => match talk.say(prompt).await? {
            Outcome::Complete => Ok(()),
            Outcome::Stopped => Err(Failure::interrupted()),
        },
        None => lines::converse(&mut talk).await,
    }
}

async fn first_model(client: &Client) -> Result<ModelId, Failure> {
    let models = client.models().await?;
    let mut writing = models.into_iter().filter(|card| card.output.contains(&Modality::Text));
    writing.next().map(|card| card.id).ok_or_else(|| {
        Failure::unavailable(format!(
            "{} serves no model that writes and that this key may use",
            client.endpoint()
        ))
    })
}

/// What is asked at once: the words of the command line, in which `-` stands for what is piped in, or that alone. `None`
/// asks for a conversation.
///
/// A pipe beside words is read only where they say so: under another program, stdin may be a pipe that nobody closes.
fn prompt(words: &[String]) -> Result<Option<String>, Failure> {
    let terminal = std::io::stdin().is_terminal();
    if words.is_empty() && terminal {
        return Ok(None);
    }
    let alone = ["-".to_owned()];
    let words = if words.is_empty() { &alone } else { words };
    let piped = if words.iter().any(|word| word == "-") { piped()? } else { String::new() };
    match join(words, piped.trim()).trim() {
        "" => Err(Failure::usage("nothing to say: no prompt was given, and nothing was piped in")
            .with_help("outcrop chat \"Why is the sky blue?\"")),
        prompt => Ok(Some(prompt.to_owned())),
    }
}

/// Words are a line, and what is piped in is a paragraph.
fn join(words: &[String], piped: &str) -> String {
    words.iter().fold(String::new(), |mut text, word| {
        if word == "-" {
            text.truncate(text.trim_end().len());
            text.push_str(&format!("\n\n{piped}\n\n"));
            return text;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push(' ');
        }
        text.push_str(word);
        text
    })
}

fn piped() -> Result<String, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(PIPED_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| Failure::io(format!("cannot read stdin: {error}")))?;
    Ok(text)
}
