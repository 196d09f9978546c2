use std::fmt;
use std::sync::Arc;

/// Which models: a glob over model names, where `*` stands for any text and `?` for any one character.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pattern(Arc<str>);

impl Pattern {
    /// Takes any text; what is neither `*` nor `?` stands for itself.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The pattern that every name matches.
    #[must_use]
    pub fn any() -> Self {
        Self::new("*")
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole of `name` matches. Takes at most the product of both lengths in steps, whatever the pattern.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.as_ref(), name);
        // Where to go on when a guess about the last `*` fails: behind it, with one more character of the name given to it.
        let mut retry: Option<(&str, &str)> = None;
        loop {
            let mut after = pattern.chars();
            let mut ahead = rest.chars();
            match (after.next(), ahead.next()) {
                (Some('*'), _) => {
                    pattern = after.as_str();
                    retry = Some((pattern, rest));
                }
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                    (pattern, rest) = (after.as_str(), ahead.as_str());
                }
                (None, None) => return true,
                _ => {
                    let Some((behind, given)) = retry else { return false };
                    let mut given = given.chars();
                    if given.next().is_none() {
                        return false;
                    }
                    (pattern, rest) = (behind, given.as_str());
                    retry = Some((behind, rest));
                }
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl From<&str> for Pattern {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests;
