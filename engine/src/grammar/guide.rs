//! One answer, held to its grammar.

use std::collections::VecDeque;
use std::sync::Arc;

use canon::Fault;
use llguidance::Matcher;

use super::Grammars;
use crate::sampler::Sampler;
use crate::tokenizer::{Tokenizer, index};

/// Holds one answer to its grammar, and sees to it that it ends in time.
pub(crate) struct Guide {
    matcher: Matcher,
    grammars: Arc<Grammars>,
    tokenizer: Arc<Tokenizer>,
    way: Way,
    bound: bool,
}

/// The shortest way to an end that is known.
enum Way {
    /// From where the answer stands.
    Known(VecDeque<u32>),
    /// It was so far that looking can wait for this many tokens.
    Far { wait: usize },
    /// None was found that fits; the answer may be cut.
    Lost,
}

impl Guide {
    pub(super) fn new(
        matcher: Matcher,
        grammars: Arc<Grammars>,
        tokenizer: Arc<Tokenizer>,
        tokens_max: usize,
    ) -> Self {
        let way = grammars.landing.way(&matcher, &tokenizer, tokens_max);
        let way = way.map_or(Way::Lost, |way| Way::Known(way.into()));
        // Free text may end where it has not begun.
        let bound = !matches!(&way, Way::Known(way) if way.is_empty());
        Self { matcher, grammars, tokenizer, way, bound }
    }

    /// Chooses a token, of which there may be `left` more, itself included. `None` where the answer is complete.
    ///
    /// # Errors
    /// [`canon::Kind::Internal`] where the grammar's limits are spent.
    pub(crate) fn choose(
        &mut self,
        sampler: &mut Sampler,
        logits: &mut [f32],
        left: usize,
    ) -> Result<Option<u32>, Fault> {
        // Mostly the grammar permits what the model says. Asking is far cheaper than a mask of the vocabulary.
        let token = match sampler.choose(logits) {
            Some(token) if self.permits(token)? => token,
            _ => {
                self.mask(logits)?;
                match sampler.choose(logits) {
                    Some(token) => token,
                    None if self.may_end()? => return Ok(None),
                    None => {
                        return Err(Fault::internal("the grammar permits none of the vocabulary's tokens"));
                    }
                }
            }
        };
        if self.is_end(token) {
            return Ok(Some(token));
        }
        let token = self.steer(token, left);
        self.matcher.consume_token(token).map_err(Fault::internal)?;
        Ok(Some(token))
    }

    /// Whether nothing more can come.
    pub(crate) fn is_complete(&self) -> bool {
        self.matcher.is_stopped()
    }

    /// Whether the answer has a shape that it can be complete in, as free text has not.
    pub(crate) const fn is_bound(&self) -> bool {
        self.bound
    }

    /// Whether the answer could end here.
    pub(crate) fn may_end(&mut self) -> Result<bool, Fault> {
        Ok(self.matcher.is_stopped() || self.matcher.is_accepting().map_err(Fault::internal)?)
    }

    fn is_end(&self, token: u32) -> bool {
        self.tokenizer.ends().contains(&token)
    }

    fn permits(&mut self, token: u32) -> Result<bool, Fault> {
        if self.is_end(token) {
            return self.may_end();
        }
        Ok(self.matcher.validate_tokens(&[token]).map_err(Fault::internal)? == 1)
    }

    fn mask(&mut self, logits: &mut [f32]) -> Result<(), Fault> {
        let mask = self.matcher.compute_mask_or_eos().map_err(Fault::internal)?;
        let ends = self.may_end()?;
        let words = mask.as_slice();
        for (at, logit) in logits.iter_mut().enumerate() {
            let allowed = words.get(at / 32).is_some_and(|word| word >> (at % 32) & 1 == 1);
            if !allowed {
                *logit = if ends && self.tokenizer.ends().iter().any(|&end| index(end) == at) {
                    *logit
                } else {
                    f32::NEG_INFINITY
                };
            }
        }
        Ok(())
    }

    /// `token`, or the first step of the way to an end where after `token` none would fit in what is left.
    fn steer(&mut self, token: u32, left: usize) -> u32 {
        match &mut self.way {
            Way::Lost => return token,
            Way::Far { wait } if *wait > 0 => {
                *wait -= 1;
                return token;
            }
            Way::Known(way) if way.front() == Some(&token) => {
                way.pop_front();
                return token;
            }
            Way::Known(_) | Way::Far { .. } => {}
        }
        let after = left.saturating_sub(1);
        let mut ahead = self.matcher.clone();
        let onward = match ahead.consume_token(token) {
            Ok(()) => self.grammars.landing.way(&ahead, &self.tokenizer, after),
            Err(_) => None,
        };
        if let Some(way) = onward {
            // A token lengthens the way by a few others at most, unless it opens what holds many required members.
            let slack = after - way.len();
            self.way = match slack / 8 {
                wait if wait > way.len() + 8 => Way::Far { wait },
                _ => Way::Known(way.into()),
            };
            return token;
        }
        if matches!(self.way, Way::Far { .. }) {
            let here = self.grammars.landing.way(&self.matcher, &self.tokenizer, left);
            self.way = here.map_or(Way::Lost, |way| Way::Known(way.into()));
        }
        match &mut self.way {
            Way::Known(way) => way.pop_front().unwrap_or(token),
            Way::Far { .. } | Way::Lost => token,
        }
    }
}
