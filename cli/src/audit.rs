//! `outcrop audit`.

use std::path::Path;

use server::Failure;
use server::admin::{self, Verdict};

use crate::args::{Audit, AuditCommand};
use crate::report;

/// Verifies the audit trail.
pub(crate) fn run(dir: &Path, audit: &Audit) -> Result<(), Failure> {
    let AuditCommand::Verify { head } = &audit.what;
    let verdict = admin::verify_audit(dir, head.as_deref())?;
    report::data(&describe(&verdict))?;
    if verdict.is_intact() {
        return Ok(());
    }
    let (count, dir) = (verdict.damage_count, dir.display());
    Err(Failure::damaged(format!("{count} faults in the records of {dir}"))
        .with_help("keep a copy of the folder as it is, and find out who can write to it"))
}

fn describe(verdict: &Verdict) -> String {
    let Verdict { head, receipts, open, damage, damage_count } = verdict;
    let mut text = String::new();
    for found in damage {
        let place = found.line.map_or_else(|| "damage".to_owned(), |line| format!("line {line}"));
        text.push_str(&format!("{place}: {}\n", found.what));
    }
    let unlisted = damage_count.saturating_sub(damage.len() as u64);
    if unlisted > 0 {
        text.push_str(&format!("and {unlisted} more\n"));
    }
    let state = if verdict.is_intact() { "intact" } else { "DAMAGED" };
    text.push_str(&format!(
        "{state}: {} lines, {receipts} receipts, {open} open calls\nhead {head}\n",
        head.line
    ));
    text
}
