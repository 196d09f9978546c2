use std::io::Write as _;

use server::Failure;
use tokio::sync::mpsc;

use super::talk::Talk;
use crate::report;

const HELP: &str = "\
/clear   begin a new conversation
/exit    leave (so does Ctrl-D)
Ctrl-C   stop an answer
A line that ends with \\ goes on in the next.
";

/// What the person typed.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Empty,
    Help,
    Clear,
    Exit,
    /// It looks like a command and is none.
    Unknown(String),
    Words(String),
}

/// Holds a conversation until the person leaves.
pub(super) async fn converse(talk: &mut Talk) -> Result<(), Failure> {
    let mut lines = typed();
    report::note(&format!("Talking to {}. /help says what else can be typed.\n", talk.model()));
    loop {
        report::note("> ");
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = tokio::signal::ctrl_c() => {
                report::note("\n(/exit or Ctrl-D leaves)\n");
                continue;
            }
        };
        match line.map(|line| read(&line)) {
            None | Some(Line::Exit) => return Ok(()),
            Some(Line::Empty) => {}
            Some(Line::Help) => report::note(HELP),
            Some(Line::Clear) => {
                talk.clear();
                report::note("a new conversation\n");
            }
            Some(Line::Unknown(command)) => report::note(&format!("{command} is no command; see /help\n")),
            Some(Line::Words(words)) => {
                // One answer that fails does not end the conversation.
                if let Err(failure) = talk.say(words).await {
                    report::failure(&failure);
                }
            }
        }
    }
}

fn read(line: &str) -> Line {
    match line.trim() {
        "" => Line::Empty,
        "/help" | "/?" => Line::Help,
        "/clear" => Line::Clear,
        "/exit" | "/quit" | "/bye" => Line::Exit,
        command
            if command.starts_with('/') && !command.contains(char::is_whitespace) && command.len() < 16 =>
        {
            Line::Unknown(command.to_owned())
        }
        words => Line::Words(words.to_owned()),
    }
}

/// Lines as they are typed, with those joined that a backslash ends. A thread of its own reads them, because a read
/// of a terminal cannot be given up; it ends with the process.
fn typed() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut whole = String::new();
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if let Some(part) = line.strip_suffix('\\') {
                whole.push_str(part);
                whole.push('\n');
                drop(std::io::stderr().write_all(b"  "));
                continue;
            }
            whole.push_str(&line);
            if sender.blocking_send(std::mem::take(&mut whole)).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests;
