use canon::Fault;

/// What the scheduler runs: a prompt, and what to do with the logits that follow it.
///
/// Every method is called by the engine while other sequences wait, so none of them blocks.
pub trait Sequence: Send {
    /// The prompt; at least one token, and each below the vocabulary's size.
    fn prompt(&self) -> &[u32];

    /// At most so many tokens are generated. Prompt and these together fit in the context.
    fn tokens_max(&self) -> usize;

    /// The caller went away; asked before every step.
    fn cancelled(&self) -> bool;

    /// Chooses the token that follows, from one logit for each token of the vocabulary, which it may change.
    /// Called once for each generated position, at most [`Self::tokens_max`] times, after which the sequence is
    /// dropped; dropped too after [`Next::End`] and when cancelled.
    fn next(&mut self, logits: &mut [f32]) -> Next;

    /// The engine cannot go on with it; the sequence is dropped next.
    fn fail(&mut self, fault: Fault);
}

/// What follows a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This token; the sequence goes on.
    Token(u32),
    /// Nothing; the sequence is complete.
    End,
}
