/// The middle one.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios taken round by round, the least and the greatest.
pub(crate) fn ratios(ours: &[f64], theirs: &[f64]) -> [f64; 3] {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(one, other)| one / other).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    [median(&ratios), least, most]
}

/// The same in words, as tables have them.
pub(crate) fn with_spread(ours: &[f64], theirs: &[f64]) -> String {
    let [middle, least, most] = ratios(ours, theirs);
    format!("{middle:.2} ({least:.2}–{most:.2})")
}

/// Prints a table as Markdown has them; the first column is flush left.
pub(crate) fn print(titles: &[&str], rows: &[Vec<String>]) {
    println!("| {} |", titles.join(" | "));
    println!("|---{}|", "|---:".repeat(titles.len().saturating_sub(1)));
    for row in rows {
        println!("| {} |", row.join(" | "));
    }
}

/// "yes" or "no", as a Done-when asks.
pub(crate) fn verdict(met: bool) -> String {
    if met { "yes".to_owned() } else { "**no**".to_owned() }
}
