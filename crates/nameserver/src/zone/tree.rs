//! A persistent map from names to nodes: a changed copy shares everything except the path to the change.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::key::NameKey;
use super::node::Node;

const FANOUT: usize = 64;

/// A tree with 64 branches of 64 leaves each. A leaf is sorted by hash.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    branches: Arc<[Branch; FANOUT]>,
    hasher: RandomState,
    len: usize,
}

type Branch = Arc<[Leaf; FANOUT]>;
type Leaf = Arc<Vec<(u64, Arc<Node>)>>;

impl Tree {
    /// Returns the tree of a zone with only its apex, which always exists.
    pub(super) fn with_apex(apex: &NameKey) -> Self {
        let leaf: Leaf = Arc::default();
        let branch: Branch = Arc::new(std::array::from_fn(|_| leaf.clone()));
        let branches = Arc::new(std::array::from_fn(|_| branch.clone()));
        let mut tree = Self { branches, hasher: RandomState::new(), len: 0 };
        tree.put(Node { name: apex.as_slice().into(), sets: super::node::Sets::default(), children: 0 });
        tree
    }

    /// Returns the number of names.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, name: &[u8]) -> Option<&Node> {
        let hash = self.hasher.hash_one(name);
        let leaf = &self.branches[branch_of(hash)][leaf_of(hash)];
        leaf.get(position(leaf, hash, name).ok()?).map(|(_, node)| &**node)
    }

    /// Adds the node, or replaces the node of the same name.
    pub(super) fn put(&mut self, node: Node) {
        let hash = self.hasher.hash_one(&*node.name);
        let leaf = self.leaf_mut(hash);
        match position(leaf, hash, &node.name) {
            Ok(at) => leaf[at].1 = Arc::new(node),
            Err(at) => {
                leaf.insert(at, (hash, Arc::new(node)));
                self.len += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, name: &[u8]) {
        let hash = self.hasher.hash_one(name);
        let leaf = self.leaf_mut(hash);
        if let Ok(at) = position(leaf, hash, name) {
            leaf.remove(at);
            self.len -= 1;
        }
    }

    /// Returns the leaf for changing. Copies it, and the path to it, if another version shares them.
    fn leaf_mut(&mut self, hash: u64) -> &mut Vec<(u64, Arc<Node>)> {
        let branch = &mut Arc::make_mut(&mut self.branches)[branch_of(hash)];
        Arc::make_mut(&mut Arc::make_mut(branch)[leaf_of(hash)])
    }
}

fn branch_of(hash: u64) -> usize {
    (hash % FANOUT as u64) as usize
}

fn leaf_of(hash: u64) -> usize {
    (hash / FANOUT as u64 % FANOUT as u64) as usize
}

/// Finds the position of a name, or where to insert it. Names with equal hashes are in any order.
fn position(leaf: &[(u64, Arc<Node>)], hash: u64, name: &[u8]) -> Result<usize, usize> {
    let start = leaf.partition_point(|(other, _)| *other < hash);
    let same = leaf[start..].iter().take_while(|(other, _)| *other == hash);
    match same.into_iter().position(|(_, node)| *node.name == *name) {
        Some(at) => Ok(start + at),
        None => Err(start),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize, children: u32) -> Node {
        let name = number.to_string().into_bytes().into();
        Node { name, sets: super::super::node::Sets::default(), children }
    }

    #[test]
    fn old_version_stays_unchanged() {
        let mut tree = Tree::with_apex(&NameKey::of(&"test".parse().unwrap()));
        (0..20_000).for_each(|number| tree.put(node(number, 0)));
        let old = tree.clone();
        (0..20_000).step_by(2).for_each(|number| tree.remove(number.to_string().as_bytes()));
        (1..20_000).step_by(2).for_each(|number| tree.put(node(number, 7)));
        tree.remove(b"never there");
        assert_eq!((old.len(), tree.len()), (20_001, 10_001));
        for number in 0..20_000 {
            let name = number.to_string();
            let children = |tree: &Tree| tree.find(name.as_bytes()).map(|node| node.children);
            assert_eq!(children(&old), Some(0));
            assert_eq!(children(&tree), (number % 2 == 1).then_some(7));
        }
    }
}
