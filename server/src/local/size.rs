//! Sizes of memory, as people write and read them.

/// The suffixes that are known, with what they stand for.
const UNITS: [(&str, u64); 10] = [
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("g", 1 << 30),
    ("m", 1 << 20),
];

/// Reads a size such as `512MiB`, `6.5GB` or `8G`. A number alone is in bytes; `G` and `M` are binary, as for `docker`.
///
/// # Errors
/// What is wrong, and how a size is written.
pub fn parse(text: &str) -> Result<u64, String> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, unit) = UNITS
        .iter()
        .find_map(|(suffix, unit)| Some((lower.strip_suffix(suffix)?, *unit)))
        .unwrap_or((lower.trim_end_matches('b'), 1));
    let number = number.trim();
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| plain).map(|number| number * unit as f64);
    match bytes {
        Some(bytes) if bytes >= 1.0 && bytes < u64::MAX as f64 => Ok(bytes as u64),
        _ => Err("write a size such as 512MiB, 6.5GB or 8G".to_owned()),
    }
}

/// A size to three digits, such as `1.42 GiB`.
#[must_use]
pub fn show(bytes: u64) -> String {
    let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let Some((unit, name)) = units.into_iter().find(|(unit, _)| bytes >= *unit) else {
        return format!("{bytes} B");
    };
    let number = bytes as f64 / unit as f64;
    match number {
        number if number < 9.995 => format!("{number:.2} {name}"),
        number if number < 99.95 => format!("{number:.1} {name}"),
        number => format!("{number:.0} {name}"),
    }
}

#[cfg(test)]
mod tests;
