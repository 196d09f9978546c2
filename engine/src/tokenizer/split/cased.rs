use canon::Fault;

use super::Table;

/// Words in which no upper-case letter follows a lower-case one. Letters without case, and marks, are both.
pub(super) struct Cased {
    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`
    upper: Table,
    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`
    lower: Table,
}

impl Cased {
    pub(super) fn new() -> Result<Self, Fault> {
        Ok(Self {
            upper: Table::new(r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]")?,
            lower: Table::new(r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]")?,
        })
    }

    /// Bytes of the word that `text` begins with, whose first character may be no letter where it `joins` a word. A
    /// backtracking matcher tries `upper* lower+` before `upper+ lower*`, and each with such a character before it without.
    pub(super) fn word(&self, text: &str, joins: bool) -> Option<usize> {
        let joined = text.chars().next().filter(|_| joins).map(char::len_utf8);
        let from = |find: &dyn Fn(&str) -> Option<usize>| {
            let mut starts = joined.into_iter().chain([0]);
            starts.find_map(|start| Some(start + find(text.get(start..)?)?))
        };
        let upper = |text: &str| Some(run(&self.upper, text)).filter(|end| *end > 0);
        from(&|text| self.ends_lower(text)).or_else(|| from(&upper))
    }

    /// `upper* lower+`: where nothing lower follows, the last that is both has to serve as such.
    fn ends_lower(&self, text: &str) -> Option<usize> {
        let upper = run(&self.upper, text);
        let lower = run(&self.lower, text.get(upper..)?);
        if lower > 0 {
            return Some(upper + lower);
        }
        let mut both = text.get(..upper)?.char_indices().rev();
        both.find(|(_, c)| self.lower.has(*c)).map(|(at, c)| at + c.len_utf8())
    }
}

/// Bytes of the run of a class that `text` begins with.
fn run(table: &Table, text: &str) -> usize {
    text.char_indices().find(|(_, c)| !table.has(*c)).map_or(text.len(), |(at, _)| at)
}
