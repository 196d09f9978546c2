//! Tables in plain text, readable in any terminal and by `awk`.

/// A column's title, and on which side its cells are flush.
pub(crate) enum Column {
    /// Words.
    Left(&'static str),
    /// Numbers.
    Right(&'static str),
}

impl Column {
    const fn title(&self) -> &'static str {
        match self {
            Self::Left(title) | Self::Right(title) => title,
        }
    }
}

/// Lays out `rows` under the titles of `columns`, one line each.
pub(crate) fn render<const N: usize>(columns: &[Column; N], rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|at| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.chain([columns[at].title().chars().count()]).max().unwrap_or(0)
    });
    let titles: [String; N] = std::array::from_fn(|at| columns[at].title().to_owned());
    [&titles].into_iter().chain(rows).fold(String::new(), |mut text, row| {
        let mut line = String::new();
        for ((cell, column), width) in row.iter().zip(columns).zip(widths) {
            let padded = match column {
                Column::Left(_) => format!("{cell:<width$}  "),
                Column::Right(_) => format!("{cell:>width$}  "),
            };
            line.push_str(&padded);
        }
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

#[cfg(test)]
mod tests;
