//! What this process asks of other servers on behalf of the person at the terminal: files of models, and a running
//! Outcrop's answers.

mod outbound;

pub(crate) use outbound::{send_abroad, send_near};
