use super::{Config, View};
use crate::gguf::Gguf;
use crate::gguf::sample::{Sample, Value};

/// A file of `layers` layers that says what every file of the architecture says.
fn file(architecture: &str, layers: u32) -> Sample {
    let key = |name: &str| format!("{architecture}.{name}");
    Sample::default()
        .text("general.architecture", architecture)
        .key(key("block_count"), Value::U32(layers))
        .key(key("context_length"), Value::U32(4096))
        .key(key("embedding_length"), Value::U32(64))
        .key(key("feed_forward_length"), Value::U32(96))
        .key(key("attention.head_count"), Value::U32(2))
        .key(key("attention.key_length"), Value::U32(16))
        .key(key("attention.layer_norm_rms_epsilon"), Value::F32(1e-6))
        .f32s("token_embd.weight", &[64, 3], &[0.0; 192])
}

fn config(sample: &Sample) -> Config {
    Config::read(&Gguf::from_bytes(sample.bytes()).unwrap()).unwrap()
}

fn windows(sample: &Sample) -> Vec<Option<usize>> {
    config(sample).views.iter().map(|view| view.window).collect()
}

/// The angles of the first rope at position one, in units of the cosine and the sine.
fn turn(config: &Config) -> Vec<(f32, f32)> {
    config.ropes[0].turns(1).collect()
}

#[test]
fn windows_come_by_the_architecture_the_files_period_or_its_list() {
    let with = |sample: Sample, value| {
        let window = Value::U32(7);
        sample
            .key("llama.attention.sliding_window", window)
            .key("llama.attention.sliding_window_pattern", value)
    };
    let llama = || file("llama", 4);
    assert_eq!(windows(&llama()), [None; 4]);
    assert_eq!(windows(&llama().key("llama.attention.sliding_window", Value::U32(7))), [Some(7); 4]);
    assert_eq!(windows(&llama().key("llama.attention.sliding_window", Value::U32(0))), [None; 4]);
    assert_eq!(windows(&with(llama(), Value::U32(3))), [Some(7), Some(7), None, Some(7)]);
    assert_eq!(windows(&with(llama(), Value::U32(1))), [None; 4]);
    let list = Value::Bools(vec![true, false, false, true]);
    assert_eq!(windows(&with(llama(), list)), [Some(7), None, None, Some(7)]);
    let short = with(llama(), Value::Bools(vec![true]));
    let fault = Config::read(&Gguf::from_bytes(short.bytes()).unwrap()).unwrap_err();
    assert_eq!(fault.message(), "llama.attention.sliding_window_pattern: 1 entries for 4 layers");
    assert_eq!(windows(&file("gemma2", 4)), [Some(4096), None, Some(4096), None]);
    assert_eq!(windows(&file("gemma3", 2)), [None; 2]);
}

#[test]
fn layers_without_rotation_and_with_a_rope_of_their_own_are_told_apart() {
    let still: Vec<bool> = config(&file("smollm3", 8)).views.iter().map(|view| view.rope.is_none()).collect();
    assert_eq!(still, [false, false, false, true, false, false, false, true]);
    let gemma = file("gemma3", 6).key("gemma3.attention.sliding_window", Value::U32(9));
    let views = config(&gemma).views;
    assert_eq!(views[0], View { window: Some(9), rope: Some(1) });
    assert_eq!(views[5], View { window: None, rope: Some(0) });
}

#[test]
fn queries_are_scaled_as_the_largest_gemmas_want_it() {
    // Heads have 16 numbers; width / heads is 32.
    for (architecture, layers, root) in [("gemma2", 42, 16f32), ("gemma2", 46, 32.0), ("gemma3", 62, 32.0)] {
        assert_eq!(config(&file(architecture, layers)).scale, 1.0 / root.sqrt(), "{architecture} {layers}");
    }
    let named = file("gemma3", 62).key("gemma3.attention.scale", Value::F32(0.5));
    assert_eq!(config(&named).scale, 0.5);
}

#[test]
fn caps_are_the_architectures_the_files_or_none() {
    let caps = |sample: &Sample| (config(sample).score_cap, config(sample).logit_cap);
    assert_eq!(caps(&file("llama", 1)), (None, None));
    assert_eq!(caps(&file("gemma2", 1)), (Some(50.0), Some(30.0)));
    assert_eq!(caps(&file("gemma3", 1)), (None, None));
    let named = file("gemma2", 1)
        .key("gemma2.attn_logit_softcapping", Value::F32(0.0))
        .key("gemma2.final_logit_softcapping", Value::F32(20.0));
    assert_eq!(caps(&named), (None, Some(20.0)));
}

#[test]
fn a_factor_without_a_type_stretches_evenly() {
    let plain = turn(&config(&file("llama", 1).key("llama.rope.freq_base", Value::F32(10.0))));
    for (key, kind) in [("scale_linear", None), ("scaling.factor", None), ("scaling.factor", Some("linear"))]
    {
        let mut sample = file("llama", 1)
            .key("llama.rope.freq_base", Value::F32(10.0))
            .key(format!("llama.rope.{key}"), Value::F32(4.0));
        if let Some(kind) = kind {
            sample = sample.text("llama.rope.scaling.type", kind);
        }
        for ((_, stretched), (_, sin)) in turn(&config(&sample)).into_iter().zip(&plain) {
            assert!((stretched.asin() * 4.0 - sin.asin()).abs() < 1e-5, "{key}");
        }
    }
}

#[test]
fn yarn_makes_turned_numbers_grow_as_the_file_says_or_as_the_paper() {
    let yarn = || {
        file("llama", 1)
            .text("llama.rope.scaling.type", "yarn")
            .key("llama.rope.scaling.factor", Value::F32(4.0))
    };
    let size = |sample: &Sample| {
        let (cos, sin) = turn(&config(sample))[0];
        cos.hypot(sin)
    };
    assert!((size(&yarn()) - (0.1 * 4f32.ln() + 1.0)).abs() < 1e-6);
    let named = yarn().key("llama.rope.scaling.yarn_attn_factor", Value::F32(2.0));
    assert!((size(&named) - 2.0).abs() < 1e-6);
    let cancelled = yarn().key("llama.rope.scaling.yarn_log_multiplier", Value::F32(1.0));
    assert!((size(&cancelled) - 1.0).abs() < 1e-6);
}

#[test]
fn a_context_that_stays_short_turns_by_the_short_factors() {
    let sample = file("phi3", 1)
        .key("phi3.rope.scaling.original_context_length", Value::U32(1024))
        .f32s("rope_factors_long.weight", &[8], &[8.0; 8])
        .f32s("rope_factors_short.weight", &[8], &[1.0; 8]);
    let long = config(&sample);
    let first = |config: &Config| turn(config)[0].1;
    assert_eq!(first(&long), 0.125f32.sin());
    assert_eq!(first(&long.clone().within(1025)), 0.125f32.sin());
    let short = long.within(1024);
    assert_eq!((first(&short), short.context_tokens), (1f32.sin(), 1024));
}
