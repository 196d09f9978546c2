//! Takes a TOML table apart, member by member, until nothing is left of it.

use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{Complaint, EstateFault, Sheet};

/// So many letters may be wrong in a key for it to be taken for another.
const MISTAKES_MAX: usize = 2;

/// A table of the file, and what of it was not taken yet.
pub(super) struct Table<'s, 't> {
    sheet: &'s Sheet<'t>,
    /// Its name in faults, such as `provider`; empty for the whole file.
    path: String,
    span: Range<usize>,
    left: Vec<(Spanned<String>, Spanned<DeValue<'t>>)>,
    asked: Vec<&'static str>,
}

impl<'s, 't> Table<'s, 't> {
    pub(super) fn new(sheet: &'s Sheet<'t>, path: String, table: Spanned<DeTable<'t>>) -> Self {
        let span = table.span();
        let own =
            |(key, value): (Spanned<_>, _)| (Spanned::new(key.span(), String::from(key.into_inner())), value);
        let left = table.into_inner().into_iter().map(own).collect();
        Self { sheet, path, span, left, asked: Vec::new() }
    }

    /// The text under `key`, without space around it.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<Spanned<String>>, EstateFault> {
        self.take(key)
            .map(|value| match value.get_ref() {
                DeValue::String(text) if !text.trim().is_empty() => {
                    Ok(Spanned::new(value.span(), text.trim().to_owned()))
                }
                DeValue::String(_) => {
                    Err(self.wrong(key, value.span(), "is empty", "Fill it in, or remove the line."))
                }
                other => Err(self.misfit(key, &value, other, "a text in quotes")),
            })
            .transpose()
    }

    /// The text under `key`, which must be there. `example` shows how it looks.
    pub(super) fn need(&mut self, key: &'static str, example: &str) -> Result<Spanned<String>, EstateFault> {
        if let Some(text) = self.text(key)? {
            return Ok(text);
        }
        // A key that is there and spelled almost so says more than one that is not there.
        if let Some((near, _)) =
            self.left.iter().find(|(left, _)| mistakes(left.get_ref(), key) <= MISTAKES_MAX)
        {
            return Err(self.stranger(near, format!("Did you mean {key}?")));
        }
        let remedy = format!("Add a line such as: {key} = \"{example}\"");
        Err(self.wrong(key, self.span.clone(), "is missing", &remedy))
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        allowed: RangeInclusive<u64>,
    ) -> Result<Option<u64>, EstateFault> {
        let (least, most) = (*allowed.start(), *allowed.end());
        self.take(key)
            .map(|value| match value.get_ref() {
                DeValue::Integer(digits) => {
                    let number = u64::from_str_radix(digits.as_str(), digits.radix()).ok();
                    number.filter(|number| allowed.contains(number)).ok_or_else(|| {
                        let remedy = format!("Choose a number from {least} to {most}.");
                        self.wrong(key, value.span(), "is out of range", &remedy)
                    })
                }
                other => Err(self.misfit(key, &value, other, "a whole number")),
            })
            .transpose()
    }

    pub(super) fn truth(&mut self, key: &'static str) -> Result<Option<bool>, EstateFault> {
        self.take(key)
            .map(|value| match value.get_ref() {
                DeValue::Boolean(truth) => Ok(*truth),
                other => Err(self.misfit(key, &value, other, "true or false")),
            })
            .transpose()
    }

    /// The table under `key`. `example` shows how it looks.
    pub(super) fn table(&mut self, key: &'static str, example: &str) -> Result<Option<Self>, EstateFault> {
        let remedy = format!("Write a table, such as: {key} = {example}");
        self.take(key).map(|value| self.table_of(key, value, &remedy)).transpose()
    }

    /// The tables that are written `[[key]]`.
    pub(super) fn tables(&mut self, key: &'static str, most: usize) -> Result<Vec<Self>, EstateFault> {
        let Some(value) = self.take(key) else { return Ok(Vec::new()) };
        let remedy = format!("Write each with two brackets on either side: [[{key}]]");
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            return Err(self.wrong(key, span, "is not a list of tables", &remedy));
        };
        if items.len() > most {
            return Err(self.wrong(
                key,
                span,
                &format!("{} of them", items.len()),
                &format!("At most {most}."),
            ));
        }
        items.into_iter().map(|item| self.table_of(key, item, &remedy)).collect()
    }

    /// A fault of the table as a whole.
    pub(super) fn complain(&self, complaint: Complaint) -> EstateFault {
        self.sheet.fault(self.span.clone(), self.path.clone(), complaint)
    }

    /// Nothing may be left: what Outcrop does not know, it does not ignore.
    pub(super) fn end(self) -> Result<Range<usize>, EstateFault> {
        let Some((key, _)) = self.left.iter().min_by_key(|(key, _)| key.span().start) else {
            return Ok(self.span);
        };
        let near = self.asked.iter().filter(|known| mistakes(key.get_ref(), known) <= MISTAKES_MAX);
        let remedy = match near.min_by_key(|known| mistakes(key.get_ref(), known)) {
            Some(known) => format!("Did you mean {known}?"),
            None => format!("Known here: {}.", self.asked.join(", ")),
        };
        Err(self.stranger(key, remedy))
    }

    fn stranger(&self, key: &Spanned<String>, remedy: String) -> EstateFault {
        let complaint = Complaint::new("is not a key that Outcrop knows", remedy);
        self.sheet.fault(key.span(), self.path_of(key.get_ref()), complaint)
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.asked.push(key);
        let at = self.left.iter().position(|(name, _)| name.get_ref() == key)?;
        Some(self.left.swap_remove(at).1)
    }

    fn table_of(&self, key: &str, value: Spanned<DeValue<'t>>, remedy: &str) -> Result<Self, EstateFault> {
        let span = value.span();
        if let DeValue::Table(_) = value.get_ref()
            && let DeValue::Table(table) = value.into_inner()
        {
            return Ok(Self::new(self.sheet, self.path_of(key), Spanned::new(span, table)));
        }
        Err(self.wrong(key, span, "is not a table", remedy))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn misfit(
        &self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        found: &DeValue<'_>,
        wanted: &str,
    ) -> EstateFault {
        let message = format!("is {}", kind(found));
        self.wrong(key, value.span(), &message, &format!("It takes {wanted}."))
    }

    fn wrong(&self, key: &str, span: Range<usize>, message: &str, remedy: &str) -> EstateFault {
        self.sheet.fault(span, self.path_of(key), Complaint::new(message, remedy))
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// How many letters must be put in, left out or replaced to make one word of the other (Levenshtein).
fn mistakes(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], above + 1);
        for (at, against) in other.chars().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}
