//! What a process prints: read as it comes, kept within bounds, and waited upon.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Deadline;

/// The lines that are kept; the oldest go first.
const KEPT_LINES: usize = 50_000;
/// The longest line that is kept whole; Pebble prints whole certificates into one.
const LONGEST_LINE: u64 = 64 * 1024;

/// The output of one process, standard output and standard error apart or together.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LinesState {
    lines: VecDeque<String>,
    /// Lines that were dropped from the front.
    dropped: usize,
    /// Streams that can still bring lines.
    open: usize,
}

/// How a wait for a line ended.
#[derive(Debug)]
pub(crate) enum Waited<T> {
    Found(T),
    /// The streams ended, so the process did.
    Ended,
    /// The deadline passed first.
    TooLate,
}

impl Lines {
    /// Reads `stream` in a thread of its own until it ends.
    pub(crate) fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        self.locked().open += 1;
        let lines = Arc::clone(self);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            while let Some(line) = next_line(&mut reader) {
                lines.push(line);
            }
            lines.locked().open -= 1;
            lines.changed.notify_all();
        });
    }

    /// Waits until `wanted` says yes to a line, the streams end, or the deadline passes.
    pub(crate) fn wait_for<T>(
        &self,
        deadline: Deadline,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Waited<T> {
        let mut state = self.locked();
        let mut seen = 0;
        loop {
            if let Some(found) =
                state.lines.iter().skip(seen - state.dropped.min(seen)).find_map(|line| wanted(line))
            {
                return Waited::Found(found);
            }
            seen = state.dropped + state.lines.len();
            if state.open == 0 {
                return Waited::Ended;
            }
            if deadline.has_passed() {
                return Waited::TooLate;
            }
            state = self
                .changed
                .wait_timeout(state, deadline.remaining())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Whether a stream can still bring lines.
    pub(crate) fn is_open(&self) -> bool {
        self.locked().open > 0
    }

    /// All lines that are kept.
    pub(crate) fn all(&self) -> Vec<String> {
        self.locked().lines.iter().cloned().collect()
    }

    /// The last `count` lines as one text.
    pub(crate) fn tail(&self, count: usize) -> String {
        let state = self.locked();
        let skipped = state.lines.len().saturating_sub(count);
        state.lines.iter().skip(skipped).map(|line| format!("    {line}\n")).collect()
    }

    fn push(&self, line: String) {
        let mut state = self.locked();
        if state.lines.len() == KEPT_LINES {
            state.lines.pop_front();
            state.dropped += 1;
        }
        state.lines.push_back(line);
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, LinesState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The next line, at most [`LONGEST_LINE`] bytes of it; the rest of a longer one comes as the next.
fn next_line(reader: &mut impl BufRead) -> Option<String> {
    let mut bytes = Vec::new();
    match reader.take(LONGEST_LINE).read_until(b'\n', &mut bytes) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&bytes).trim_end_matches(['\n', '\r']).to_owned()),
    }
}
