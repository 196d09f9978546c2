use canon::Fault;

use super::architecture::Architecture;
use super::keys::Keys;
use super::rope::Rope;
use crate::gguf::Gguf;
use crate::hub::HALVES;
use crate::kernels::{Geometry, HEAD_LEN_MAX, KvType, Turning};

const EPSILON: &str = "attention.layer_norm_rms_epsilon";

/// A model's sizes, and what its architecture has it compute.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) architecture: &'static Architecture,
    pub(crate) layers: usize,
    /// Numbers in a token's hidden state.
    pub(crate) width: usize,
    /// Heads of queries.
    pub(crate) heads: usize,
    /// Heads of keys and values; each serves the same number of query heads.
    pub(crate) kv_heads: usize,
    pub(crate) head_len: usize,
    /// Numbers inside a feed-forward block.
    pub(crate) inner: usize,
    pub(crate) vocabulary: usize,
    /// The longest sequence that the model was made for.
    pub(crate) context_tokens: usize,
    /// Added to the mean square before its root is taken.
    pub(crate) epsilon: f32,
    /// What queries are multiplied by.
    pub(super) scale: f32,
    /// `cap * tanh(score / cap)` is taken for a score of attention.
    pub(super) score_cap: Option<f32>,
    /// The same of logits.
    pub(super) logit_cap: Option<f32>,
    /// Which numbers of a head turn together.
    pub(super) turning: Turning,
    /// The turns that layers choose from.
    pub(super) ropes: Vec<Rope>,
    /// Of each layer.
    pub(super) views: Vec<View>,
}

/// Where a layer looks, and how it tells places apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// How many positions it sees at most, its own included.
    pub(super) window: Option<usize>,
    /// Which of the model's ropes turns its heads.
    pub(super) rope: Option<usize>,
}

impl Config {
    /// Reads the sizes and refuses what this engine would compute wrongly.
    pub(crate) fn read(gguf: &Gguf) -> Result<Self, Fault> {
        let keys = Keys::read(gguf)?;
        let architecture = keys.architecture;
        refuse_variants(&keys)?;
        let width = keys.size("embedding_length")?;
        let heads = keys.size("attention.head_count")?;
        let kv_heads = keys.optional_size("attention.head_count_kv")?.unwrap_or(heads);
        let head_len = keys.optional_size("attention.key_length")?.unwrap_or(width / heads);
        check_heads(&keys, (heads, kv_heads), head_len)?;
        let layers = keys.size("block_count")?;
        let context_tokens = keys.size("context_length")?;
        let (ropes, views) = views(&keys, layers, head_len)?;
        let cap = |key, default| -> Result<_, Fault> {
            // A cap of zero stands for none.
            Ok(keys.f32(key)?.or(default).filter(|cap| *cap > 0.0))
        };
        let turns_halves = gguf.metadata().bool(HALVES)?.unwrap_or(false);
        let scale_of = if architecture.odd_scale_layers == Some(layers) { width / heads } else { head_len };
        let scale = keys.f32("attention.scale")?.filter(|scale| *scale != 0.0);
        Ok(Self {
            architecture,
            layers,
            width,
            heads,
            kv_heads,
            head_len,
            inner: keys.size("feed_forward_length")?,
            vocabulary: keys.tensor("token_embd.weight")?.rows(),
            context_tokens,
            epsilon: keys.f32(EPSILON)?.ok_or_else(|| keys.missing(EPSILON))?,
            scale: scale.unwrap_or_else(|| 1.0 / (scale_of as f32).sqrt()),
            score_cap: cap("attn_logit_softcapping", architecture.caps.0)?,
            logit_cap: cap("final_logit_softcapping", architecture.caps.1)?,
            turning: if turns_halves { Turning::Halves } else { architecture.turning },
            ropes,
            views,
        }
        .within(context_tokens))
    }

    /// The same model, for sequences of at most so many tokens: some turn otherwise where they are short.
    ///
    /// All sequences turn alike, whatever their own length, so that what is kept of one serves another.
    pub(crate) fn within(mut self, context_tokens: usize) -> Self {
        self.context_tokens = self.context_tokens.min(context_tokens);
        self.ropes.iter_mut().for_each(|rope| rope.fit(self.context_tokens));
        self
    }

    /// What is kept for each token.
    pub(crate) const fn geometry(&self, kv: KvType) -> Geometry {
        Geometry { layers: self.layers, heads: self.kv_heads, head_len: self.head_len, kv }
    }

    /// What a token's embedding is multiplied by.
    pub(super) fn embedding_scale(&self) -> f32 {
        if self.architecture.scales_embedding { (self.width as f32).sqrt() } else { 1.0 }
    }
}

fn check_heads(keys: &Keys<'_>, (heads, kv_heads): (usize, usize), head_len: usize) -> Result<(), Fault> {
    if keys.optional_size("attention.value_length")?.is_some_and(|len| len != head_len) {
        return Err(keys.unsupported("attention.value_length", "only values as long as keys are computed"));
    }
    if head_len > HEAD_LEN_MAX || !head_len.is_multiple_of(16) || head_len == 0 {
        let remedy =
            format!("heads of {head_len} are not computed; multiples of 16 up to {HEAD_LEN_MAX} are");
        return Err(keys.unsupported("attention.key_length", remedy));
    }
    if !heads.is_multiple_of(kv_heads) {
        let problem = format!("{heads} heads do not share {kv_heads} heads of keys evenly");
        return Err(keys.malformed("attention.head_count_kv", problem));
    }
    Ok(())
}

/// The turns, and of each layer its window and its turn.
fn views(keys: &Keys<'_>, layers: usize, head_len: usize) -> Result<(Vec<Rope>, Vec<View>), Fault> {
    let architecture = keys.architecture;
    let window = match keys.u32("attention.sliding_window")? {
        Some(0) => None,
        Some(window) => Some(window as usize),
        None => architecture.window,
    };
    let has_window = windows(keys, layers)?;
    let mut ropes = vec![Rope::read(keys, head_len)?];
    let base = keys.f32("rope.freq_base_swa")?.or(architecture.window_base);
    if let Some(base) = base.filter(|_| window.is_some()) {
        ropes.push(Rope::plain(keys, base, head_len)?);
    }
    let view = |(layer, has_window): (usize, bool)| {
        let is_still = architecture.still_every.is_some_and(|every| (layer + 1).is_multiple_of(every));
        let window = window.filter(|_| has_window);
        let rope = if window.is_some() { ropes.len() - 1 } else { 0 };
        View { window, rope: (!is_still).then_some(rope) }
    };
    let views = has_window.into_iter().enumerate().map(view).collect();
    Ok((ropes, views))
}

/// Which layers have the window: by a list, or all but one in so many.
fn windows(keys: &Keys<'_>, layers: usize) -> Result<Vec<bool>, Fault> {
    let key = "attention.sliding_window_pattern";
    if let Some(list) = keys.bools(key)? {
        if list.len() != layers {
            return Err(keys.malformed(key, format!("{} entries for {layers} layers", list.len())));
        }
        return Ok(list);
    }
    let every = keys.u32(key)?.map_or(keys.architecture.full_every, |every| every as usize);
    Ok((0..layers).map(|layer| every == 0 || layer % every + 1 < every).collect())
}

/// Kinds of models whose tensors look alike, but whose arithmetic differs.
fn refuse_variants(keys: &Keys<'_>) -> Result<(), Fault> {
    const REMEDY: &str = "models of this kind are not computed here";
    if keys.u32("expert_count")?.is_some_and(|count| count > 0) {
        return Err(keys.unsupported("expert_count", REMEDY));
    }
    for (key, usual) in [("attention.causal", true), ("use_parallel_residual", false)] {
        if keys.bool(key)?.is_some_and(|is| is != usual) {
            return Err(keys.unsupported(key, REMEDY));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
