//! The inventory as JSON.

use std::time::SystemTime;

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::entry::InventoryEntry;
use crate::inventory::Inventory;

/// Returns the inventory as one JSON object, with times as in RFC 3339 and octets in hex.
pub(crate) fn of(inventory: &Inventory, now: SystemTime) -> Value {
    let unreadable = inventory.unreadable().iter();
    json!({
        "now": text(now),
        "certificates": inventory.entries().iter().map(|entry| certificate(entry, now)).collect::<Vec<_>>(),
        "unreadable": unreadable
            .map(|one| json!({ "file": one.file(), "reason": one.reason() }))
            .collect::<Vec<_>>(),
        "without_certificate": inventory.without_certificate(),
        "cut_off": inventory.is_cut_off(),
    })
}

fn certificate(entry: &InventoryEntry, now: SystemTime) -> Value {
    let leaf = entry.leaf();
    json!({
        "file": entry.file(),
        "position": entry.position(),
        "names": entry.names(),
        "subject": entry.subject(),
        "issuer": entry.issuer(),
        "not_before": text(leaf.not_before()),
        "not_after": text(leaf.not_after()),
        "ends": text(entry.ends()),
        "days_left": entry.days_left(now),
        "renewal_point": text(leaf.renewal_point()),
        "key": entry.key().to_string(),
        "serial": HEXLOWER.encode(leaf.serial()),
        "authority_key_id": leaf.authority_key_id().map(|id| HEXLOWER.encode(id)),
        "certificate_id": leaf.certificate_id().ok().map(|id| id.to_string()),
        "sha256": HEXLOWER.encode(entry.sha256()),
        "authority": leaf.is_authority(),
        "chain": { "state": entry.chain().word(), "detail": entry.chain().to_string() },
        "duplicate_of": entry.duplicate_of(),
    })
}

/// Formats a time; `null` beyond the year 9999.
fn text(moment: SystemTime) -> Value {
    let seconds = match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        Err(before) => i64::try_from(before.duration().as_secs()).ok().map(|seconds| -seconds),
    };
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.and_then(|time| time.format(&Rfc3339).ok()).map_or(Value::Null, Value::String)
}
