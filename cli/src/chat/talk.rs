use std::time::Instant;

use canon::{Answer, Event, Fold, Message, Request, Role};
use server::Failure;
use server::client::{Answering, Client};

use super::screen::Screen;

/// A conversation as far as it has come.
pub(super) struct Talk {
    client: Client,
    request: Request,
    screen: Screen,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Complete,
    /// The person pressed Ctrl-C. Neither their words nor the answer are part of the conversation.
    Stopped,
}

impl Talk {
    pub(super) const fn new(client: Client, request: Request, screen: Screen) -> Self {
        Self { client, request, screen }
    }

    pub(super) fn model(&self) -> &str {
        self.request.model.as_str()
    }

    /// Begins anew; the system prompt stays.
    pub(super) fn clear(&mut self) {
        self.request.messages.clear();
    }

    /// Says `words` and shows the answer as it comes.
    ///
    /// # Errors
    /// What kept the answer away. The conversation is then as if nothing had been said.
    pub(super) async fn say(&mut self, words: String) -> Result<Outcome, Failure> {
        let content = vec![canon::Content::Text(words)];
        self.request.messages.push(Message { role: Role::User, content });
        let answered = tokio::select! {
            answered = self.answer() => answered.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
        };
        self.screen.end()?;
        match answered {
            Ok(Some(answer)) => {
                self.request.messages.push(Message { role: Role::Assistant, content: answer.content });
                Ok(Outcome::Complete)
            }
            Ok(None) => {
                self.request.messages.pop();
                Ok(Outcome::Stopped)
            }
            Err(failure) => {
                self.request.messages.pop();
                Err(failure)
            }
        }
    }

    async fn answer(&mut self) -> Result<Answer, Failure> {
        let started = Instant::now();
        let mut answering = self.client.converse(&self.request).await?;
        let answer = self.read(&mut answering).await?;
        self.screen.usage(answer.finish.usage, started.elapsed())?;
        Ok(answer)
    }

    async fn read(&mut self, answering: &mut Answering) -> Result<Answer, Failure> {
        let mut fold = Fold::default();
        while let Some(event) = answering.next().await? {
            match &event {
                Event::Text { text, .. } => self.screen.text(text)?,
                Event::Reasoning { text, .. } => self.screen.aside(text),
                _ => {}
            }
            if let Some(answer) = fold.push(event)? {
                return Ok(answer);
            }
        }
        Err(Failure::unavailable("the answer broke off").with_help("ask again"))
    }
}
