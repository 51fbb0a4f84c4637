//! The inventory program: its files, its folders and its JSON.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]
#![cfg(unix)]

#[path = "../../examples/inventory/entry.rs"]
mod entry;
#[path = "../../examples/inventory/inventory.rs"]
mod inventory;
#[path = "../../examples/inventory/json.rs"]
mod json;
#[path = "../../examples/inventory/links.rs"]
mod links;
#[path = "../../examples/inventory/state.rs"]
mod state;
#[path = "../../examples/inventory/table.rs"]
mod table;
#[path = "../../examples/inventory/walk.rs"]
mod walk;

mod files;
mod folders;
