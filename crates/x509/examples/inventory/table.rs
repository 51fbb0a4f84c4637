//! The inventory as a table.

use std::fmt::Write;
use std::time::SystemTime;

use time::OffsetDateTime;

use crate::entry::InventoryEntry;
use crate::inventory::Inventory;
use crate::state::ChainState;

/// Columns: expiry, days, key, chain, names, issuer, file, separated by blanks.
const WIDTHS: [usize; 7] = [10, 7, 8, 12, 23, 14, 20];
const WIDTH: usize = 100;

pub(crate) fn of(inventory: &Inventory, now: SystemTime, warn_days: u32) -> String {
    let mut text = String::new();
    if !inventory.entries().is_empty() {
        row(&mut text, ["EXPIRES", "DAYS", "KEY", "CHAIN", "NAMES", "ISSUER", "FILE"]);
    }
    let mut entries = inventory.entries().iter().collect::<Vec<_>>();
    entries.sort_by_key(|entry| (entry.ends(), entry.file(), entry.position()));
    for entry in entries {
        entry_rows(&mut text, entry, now, warn_days);
    }
    for unreadable in inventory.unreadable() {
        line(&mut text, &format!("unreadable {}: {}", ascii(unreadable.file()), ascii(unreadable.reason())));
    }
    summary(&mut text, inventory, now, warn_days);
    text
}

fn entry_rows(text: &mut String, entry: &InventoryEntry, now: SystemTime, warn_days: u32) {
    let days = entry.days_left(now);
    let mark = if days < i64::from(warn_days) || days < 0 { " !" } else { "" };
    let names = entry.names();
    let more = if names.len() > 1 { format!(" +{}", names.len() - 1) } else { String::new() };
    let first = begin(names.first().map_or("", String::as_str), WIDTHS[4].saturating_sub(more.len()));
    row(
        text,
        [
            &date(entry.ends()),
            &format!("{days}{mark}"),
            &entry.key().to_string(),
            entry.chain().word(),
            &format!("{first}{more}"),
            entry.issuer(),
            &end(&ascii(entry.file()), WIDTHS[6]),
        ],
    );
    // A self-signed root needs no explanation.
    if !entry.chain().can_be_served() && *entry.chain() != ChainState::SelfSigned {
        line(text, &format!("    {}", entry.chain()));
    }
    if entry.ends() < entry.leaf().not_after() {
        line(
            text,
            &format!("    its issuer expires earlier; its own expiry is {}", date(entry.leaf().not_after())),
        );
    }
    if let Some(file) = entry.duplicate_of() {
        line(text, &format!("    the same certificate is in {}", ascii(file)));
    }
}

fn summary(text: &mut String, inventory: &Inventory, now: SystemTime, warn_days: u32) {
    let different = inventory.entries().iter().filter(|entry| entry.duplicate_of().is_none()).count();
    let expired = inventory.ending_within(now, 0).count();
    let soon = inventory.ending_within(now, warn_days).count() - expired;
    let plural = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    line(
        text,
        &format!(
            "{}: {expired} expired, {soon} more end within {}; {} unreadable, {} without a certificate",
            plural(different, "certificate"),
            plural(warn_days as usize, "day"),
            plural(inventory.unreadable().len(), "file"),
            inventory.without_certificate().len(),
        ),
    );
    if inventory.is_cut_off() {
        line(text, "the inventory is full; some files were left out");
    }
}

/// Writes one line of cells, with the days right-aligned.
fn row(text: &mut String, cells: [&str; 7]) {
    let mut line = String::with_capacity(WIDTH);
    for (column, (cell, width)) in cells.iter().zip(WIDTHS).enumerate() {
        let cell = begin(cell, width);
        let _ = match column {
            0 => write!(line, "{cell:width$}"),
            1 => write!(line, " {cell:>width$}"),
            _ => write!(line, " {cell:width$}"),
        };
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

fn line(text: &mut String, line: &str) {
    text.push_str(&begin(line, WIDTH));
    text.push('\n');
}

/// Returns the start of an ASCII text, as much as fits.
fn begin(text: &str, width: usize) -> String {
    match text.get(..width.saturating_sub(2)) {
        Some(part) if text.len() > width => format!("{part}.."),
        _ => text.to_owned(),
    }
}

/// Returns the end of an ASCII text, as much as fits.
fn end(text: &str, width: usize) -> String {
    match text.len().checked_sub(width).and_then(|cut| text.get(cut + 2..)) {
        Some(part) if text.len() > width => format!("..{part}"),
        _ => text.to_owned(),
    }
}

/// Escapes a text from outside, so that it cannot control a terminal.
fn ascii(text: &str) -> String {
    text.chars().flat_map(char::escape_default).collect::<String>().replace("\\\'", "'")
}

/// Returns the day in UTC, as 2026-12-31.
fn date(moment: SystemTime) -> String {
    let seconds = match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    };
    let day = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    day.map_or_else(|| "beyond".to_owned(), |day| day.date().to_string())
}
