//! What the pages in `docs/errors` promise the caller.

use crate::call::Surface;

/// A row of a page: the status, and the words that the answer must hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Promise {
    pub(crate) status: u16,
    pub(crate) words: Vec<String>,
}

/// What the page of `code` says of `surface`, before the first byte or in a stream. In a stream, the clients of Chat
/// Completions and of Anthropic get the error object that they would have got before it.
pub(crate) fn promise(code: &str, surface: Surface, in_stream: bool) -> Promise {
    let path = xtask::root().join(format!("docs/errors/{code}.md"));
    let page = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let row = |name: &str| {
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        let row = page.lines().map(cells).find(|cells| cells.get(1).is_some_and(|cell| cell == name));
        let row = row.unwrap_or_else(|| panic!("{code} has no row for {name:?}"));
        Promise { status: row[2].parse().expect("a status"), words: quoted(&row[3]) }
    };
    let (name, name_in_stream) = match surface {
        Surface::Converse => ("Bedrock", "Bedrock, in a stream"),
        Surface::Chat => ("OpenAI", "OpenAI chat, in a stream"),
        Surface::Responses => ("OpenAI", "OpenAI responses, in a stream"),
        Surface::Messages => ("Anthropic", "Anthropic, in a stream"),
    };
    let first = row(name);
    if !in_stream {
        return first;
    }
    let mut then = row(name_in_stream);
    if matches!(surface, Surface::Chat | Surface::Messages) {
        then.words.extend(first.words);
    }
    then
}

/// The words in backticks, but for those in parentheses.
fn quoted(cell: &str) -> Vec<String> {
    let said = cell.split_once(" (").map_or(cell, |(said, _)| said);
    said.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}
