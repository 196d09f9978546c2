use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{BlockKind, Citation, Content, Event, Fault, Finish, Json, ReasoningText, ToolUse};

/// An answer that is complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Its blocks, in the order in which they started.
    pub content: Vec<Content>,
    /// The vectors of an [`crate::EmbedRequest`]'s texts, in their order; empty for a call for words.
    pub vectors: Vec<Vec<f32>>,
    /// How it ended, and what it used.
    pub finish: Finish,
}

/// Gathers events into an [`Answer`].
#[derive(Debug, Default)]
pub struct Fold {
    blocks: BTreeMap<u32, Block>,
    vectors: BTreeMap<u32, Vec<f32>>,
}

#[derive(Debug)]
enum Block {
    Text { text: String, citations: Vec<Citation> },
    Reasoning(ReasoningText),
    Redacted(Vec<u8>),
    ToolUse { id: String, name: String, input: String },
}

impl Fold {
    /// Takes the next event, and yields the answer when it was the last.
    ///
    /// # Errors
    /// [`crate::Kind::Internal`] where the events contradict one another: a delta for a block that was not started,
    /// or that is of another kind.
    pub fn push(&mut self, event: Event) -> Result<Option<Answer>, Fault> {
        match event {
            Event::BlockStart { index, kind } => self.start(index, kind)?,
            Event::Text { index, text } => match self.block(index)? {
                Block::Text { text: all, .. } => all.push_str(&text),
                other => return Err(misplaced("text", index, other)),
            },
            Event::Citation { index, citation } => match self.block(index)? {
                Block::Text { citations, .. } => citations.push(citation),
                other => return Err(misplaced("citation", index, other)),
            },
            Event::Reasoning { index, text } => match self.block(index)? {
                Block::Reasoning(all) => all.text.push_str(&text),
                other => return Err(misplaced("reasoning", index, other)),
            },
            Event::Signature { index, signature } => match self.block(index)? {
                Block::Reasoning(all) => all.signature.get_or_insert_default().push_str(&signature),
                other => return Err(misplaced("signature", index, other)),
            },
            Event::Redacted { index, data } => self.redact(index, &data)?,
            Event::ToolInput { index, fragment } => match self.block(index)? {
                Block::ToolUse { input, .. } => input.push_str(&fragment),
                other => return Err(misplaced("tool input", index, other)),
            },
            Event::Vector { index, numbers } => {
                if self.vectors.insert(index, numbers).is_some() {
                    return Err(Fault::internal(format!("text {index} has two vectors")));
                }
            }
            Event::BlockStop { .. } | Event::Verbatim(_) => {}
            Event::Finish(finish) => return Ok(Some(self.finish(finish))),
        }
        Ok(None)
    }

    fn start(&mut self, index: u32, kind: BlockKind) -> Result<(), Fault> {
        let block = match kind {
            BlockKind::Text => Block::Text { text: String::new(), citations: Vec::new() },
            BlockKind::Reasoning => Block::Reasoning(ReasoningText::default()),
            BlockKind::ToolUse { id, name } => Block::ToolUse { id, name, input: String::new() },
        };
        match self.blocks.insert(index, block) {
            None => Ok(()),
            Some(_) => Err(Fault::internal(format!("block {index} was started twice"))),
        }
    }

    fn block(&mut self, index: u32) -> Result<&mut Block, Fault> {
        self.blocks.get_mut(&index).ok_or_else(|| Fault::internal(format!("block {index} was not started")))
    }

    /// A reasoning block turns out to be sealed when its first sealed bytes arrive.
    fn redact(&mut self, index: u32, data: &[u8]) -> Result<(), Fault> {
        let block = self.block(index)?;
        match block {
            Block::Reasoning(ReasoningText { text, signature: None }) if text.is_empty() => {
                *block = Block::Redacted(data.to_vec());
            }
            Block::Redacted(all) => all.extend_from_slice(data),
            other => return Err(misplaced("sealed reasoning", index, other)),
        }
        Ok(())
    }

    fn finish(&mut self, finish: Finish) -> Answer {
        let content =
            std::mem::take(&mut self.blocks).into_values().filter_map(Block::into_content).collect();
        let vectors = std::mem::take(&mut self.vectors).into_values().collect();
        Answer { content, vectors, finish }
    }
}

impl Block {
    /// `None` for a block that was started and never filled.
    fn into_content(self) -> Option<Content> {
        Some(match self {
            Self::Text { text, citations } if citations.is_empty() => {
                if text.is_empty() {
                    return None;
                }
                Content::Text(text)
            }
            Self::Text { text, citations } => Content::Cited { text, citations },
            Self::Reasoning(reasoning) => Content::Reasoning(reasoning),
            Self::Redacted(data) => Content::RedactedReasoning(Bytes::from(data)),
            Self::ToolUse { id, name, input } => {
                // A tool without parameters is called with no fragment at all.
                let input = if input.trim().is_empty() { "{}".to_owned() } else { input };
                Content::ToolUse(ToolUse { id, name, input: Json::from_text(input) })
            }
        })
    }
}

fn misplaced(what: &str, index: u32, block: &Block) -> Fault {
    let kind = match block {
        Block::Text { .. } => "text",
        Block::Reasoning(_) => "reasoning",
        Block::Redacted(_) => "sealed reasoning",
        Block::ToolUse { .. } => "tool use",
    };
    Fault::internal(format!("{what} for block {index}, which is {kind}"))
}

#[cfg(test)]
mod tests;
