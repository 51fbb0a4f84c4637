//! The storage of entries: numbered slots in blocks.

use crate::Moment;

/// One entry, kept small because there may be a million.
#[derive(Clone, Debug)]
pub(super) struct Slot<K, W, T> {
    pub(super) key: K,
    /// Clamped deadline, its place in the flow.
    pub(super) deadline: Moment,
    pub(super) since: Moment,
    /// End of its hold.
    pub(super) until: Moment,
    pub(super) flow: u32,
    /// Reason of the hold; a held entry is not in its flow.
    pub(super) held: Option<W>,
    pub(super) value: T,
}

/// All entries, in blocks, so that growing copies none and wastes little memory.
#[derive(Clone, Debug)]
pub(super) struct Slots<K, W, T> {
    blocks: Vec<Vec<Option<Slot<K, W, T>>>>,
    free: Vec<u32>,
    used: u32,
}

const BLOCK: usize = 1024;

impl<K, W, T> Slots<K, W, T> {
    pub(super) fn new() -> Self {
        Self { blocks: Vec::new(), free: Vec::new(), used: 0 }
    }

    pub(super) fn add(&mut self, slot: Slot<K, W, T>) -> u32 {
        if let Some(id) = self.free.pop() {
            let (block, place) = split(id);
            self.blocks[block][place] = Some(slot);
            return id;
        }
        let id = self.used;
        let (block, _) = split(id);
        if block == self.blocks.len() {
            self.blocks.push(Vec::with_capacity(BLOCK));
        }
        self.blocks[block].push(Some(slot));
        self.used += 1;
        id
    }

    pub(super) fn take(&mut self, id: u32) -> Option<Slot<K, W, T>> {
        let (block, place) = split(id);
        let slot = self.blocks.get_mut(block)?.get_mut(place)?.take()?;
        self.free.push(id);
        Some(slot)
    }

    pub(super) fn get(&self, id: u32) -> Option<&Slot<K, W, T>> {
        let (block, place) = split(id);
        self.blocks.get(block)?.get(place)?.as_ref()
    }

    pub(super) fn has_key(&self, id: u32, key: K) -> bool
    where
        K: Copy + Eq,
    {
        self.get(id).is_some_and(|slot| slot.key == key)
    }

    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Slot<K, W, T>> {
        let (block, place) = split(id);
        self.blocks.get_mut(block)?.get_mut(place)?.as_mut()
    }
}

/// Returns the block and the place in it.
fn split(id: u32) -> (usize, usize) {
    let id = id as usize;
    (id / BLOCK, id % BLOCK)
}

impl<K, W, T> Slot<K, W, T> {
    pub(super) fn new(key: K, deadline: Moment, since: Moment, flow: u32, value: T) -> Self {
        Self { key, deadline, since, until: Moment::FAR_FUTURE, flow, held: None, value }
    }
}
