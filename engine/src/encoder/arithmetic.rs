//! What an encoder computes besides products: norms, the activation and the length of a vector.

use super::weights::Norm;

/// The error function, to 1.5e-7. Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26.
fn erf(x: f32) -> f32 {
    const P: f32 = 0.327_591_1;
    const SERIES: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_8, -0.284_496_72, 0.254_829_6];
    let t = 1.0 / (1.0 + P * x.abs());
    let sum = SERIES.iter().fold(0.0, |sum, factor| (sum + factor) * t);
    (1.0 - sum * (-x * x).exp()).copysign(x)
}

/// Multiplies each number by the share of a normal distribution that lies below it.
pub(super) fn gelu(numbers: &mut [f32]) {
    for x in numbers {
        *x *= 0.5 * (1.0 + erf(*x * std::f32::consts::FRAC_1_SQRT_2));
    }
}

/// Brings a row to a mean of zero and a variance of one, and then to the norm's own.
pub(super) fn normalise(row: &mut [f32], norm: &Norm, epsilon: f32) {
    let len = row.len() as f64;
    let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / len;
    let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / len;
    let scale = 1.0 / (variance + f64::from(epsilon)).sqrt();
    let (mean, scale) = (mean as f32, scale as f32);
    for ((x, weight), bias) in row.iter_mut().zip(&norm.weights).zip(&norm.bias) {
        *x = (*x - mean) * scale * weight + bias;
    }
}

/// Brings a vector to a length of one, unless it has none.
pub(super) fn to_unit_length(vector: &mut [f32]) {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if length > 1e-12 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}
