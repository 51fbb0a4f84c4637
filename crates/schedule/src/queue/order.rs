//! An ordered set that counts: a weight-balanced binary tree whose nodes are the entries themselves.
//!
//! It knows its first, and the number before any key, in O(log n), and needs no memory of its own but three
//! numbers in each entry. The balance is that of Hirai and Yamamoto ("Balancing weight-balanced trees", 2011):
//! no side weighs more than three times the other, so a million entries are at most 48 deep.

/// No node.
pub(super) const NIL: u32 = u32::MAX;

/// The place of a node in its tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    left: u32,
    right: u32,
    size: u32,
}

impl Links {
    pub(super) const ALONE: Self = Self { left: NIL, right: NIL, size: 1 };
}

/// The nodes of a tree, and by what they are ordered. No two nodes of a tree have the same key.
pub(super) trait Nodes {
    type Key: Ord;
    fn key(&self, node: u32) -> Self::Key;
    fn links(&self, node: u32) -> Links;
    fn set_links(&mut self, node: u32, links: Links);
}

pub(super) fn size<N: Nodes>(nodes: &N, root: u32) -> u32 {
    if root == NIL { 0 } else { nodes.links(root).size }
}

/// The first node; [`NIL`] of an empty tree.
pub(super) fn first<N: Nodes>(nodes: &N, root: u32) -> u32 {
    let mut node = root;
    while node != NIL {
        match nodes.links(node).left {
            NIL => break,
            left => node = left,
        }
    }
    node
}

/// How many nodes have a smaller key.
pub(super) fn count_before<N: Nodes>(nodes: &N, root: u32, key: &N::Key) -> u32 {
    let (mut node, mut count) = (root, 0);
    while node != NIL {
        let links = nodes.links(node);
        if nodes.key(node) < *key {
            count += size(nodes, links.left) + 1;
            node = links.right;
        } else {
            node = links.left;
        }
    }
    count
}

/// Adds a node, and says the new root.
pub(super) fn insert<N: Nodes>(nodes: &mut N, root: u32, node: u32) -> u32 {
    if root == NIL {
        nodes.set_links(node, Links::ALONE);
        return node;
    }
    let mut links = nodes.links(root);
    if nodes.key(node) < nodes.key(root) {
        links.left = insert(nodes, links.left, node);
    } else {
        links.right = insert(nodes, links.right, node);
    }
    balanced(nodes, root, links)
}

/// Takes a node out that is in the tree, and says the new root.
pub(super) fn remove<N: Nodes>(nodes: &mut N, root: u32, node: u32) -> u32 {
    if root == NIL {
        return NIL;
    }
    let mut links = nodes.links(root);
    if root == node {
        return match (links.left, links.right) {
            (NIL, other) | (other, NIL) => other,
            (left, right) => {
                let (successor, right) = take_first(nodes, right);
                balanced(nodes, successor, Links { left, right, size: 0 })
            }
        };
    }
    if nodes.key(node) < nodes.key(root) {
        links.left = remove(nodes, links.left, node);
    } else {
        links.right = remove(nodes, links.right, node);
    }
    balanced(nodes, root, links)
}

fn take_first<N: Nodes>(nodes: &mut N, root: u32) -> (u32, u32) {
    let mut links = nodes.links(root);
    if links.left == NIL {
        return (root, links.right);
    }
    let (first, left) = take_first(nodes, links.left);
    links.left = left;
    (first, balanced(nodes, root, links))
}

/// Writes the links of a root of which one side gained or lost one node, and turns the tree if that side is now
/// too heavy or too light.
fn balanced<N: Nodes>(nodes: &mut N, root: u32, links: Links) -> u32 {
    let (left, right) = (weight(nodes, links.left), weight(nodes, links.right));
    if left * HEAVIER < right {
        let inner = nodes.links(links.right);
        if weight(nodes, inner.left) >= weight(nodes, inner.right) * TWICE {
            let turned = turn_right(nodes, links.right);
            return turn_left_with(nodes, root, Links { right: turned, ..links });
        }
        turn_left_with(nodes, root, links)
    } else if right * HEAVIER < left {
        let inner = nodes.links(links.left);
        if weight(nodes, inner.right) >= weight(nodes, inner.left) * TWICE {
            let turned = turn_left(nodes, links.left);
            return turn_right_with(nodes, root, Links { left: turned, ..links });
        }
        turn_right_with(nodes, root, links)
    } else {
        write(nodes, root, links.left, links.right);
        root
    }
}

const HEAVIER: u64 = 3;
const TWICE: u64 = 2;

fn weight<N: Nodes>(nodes: &N, root: u32) -> u64 {
    u64::from(size(nodes, root)) + 1
}

fn turn_left<N: Nodes>(nodes: &mut N, root: u32) -> u32 {
    let links = nodes.links(root);
    turn_left_with(nodes, root, links)
}

fn turn_left_with<N: Nodes>(nodes: &mut N, root: u32, links: Links) -> u32 {
    let up = links.right;
    let inner = nodes.links(up);
    write(nodes, root, links.left, inner.left);
    write(nodes, up, root, inner.right);
    up
}

fn turn_right<N: Nodes>(nodes: &mut N, root: u32) -> u32 {
    let links = nodes.links(root);
    turn_right_with(nodes, root, links)
}

fn turn_right_with<N: Nodes>(nodes: &mut N, root: u32, links: Links) -> u32 {
    let up = links.left;
    let inner = nodes.links(up);
    write(nodes, root, inner.right, links.right);
    write(nodes, up, inner.left, root);
    up
}

fn write<N: Nodes>(nodes: &mut N, root: u32, left: u32, right: u32) {
    let size = size(nodes, left) + size(nodes, right) + 1;
    nodes.set_links(root, Links { left, right, size });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    struct Plain(Vec<(u16, Links)>);

    impl Nodes for Plain {
        type Key = (u16, u32);

        fn key(&self, node: u32) -> (u16, u32) {
            (self.0[node as usize].0, node)
        }

        fn links(&self, node: u32) -> Links {
            self.0[node as usize].1
        }

        fn set_links(&mut self, node: u32, links: Links) {
            self.0[node as usize].1 = links;
        }
    }

    /// The keys in order, having checked sizes and balance; also the depth.
    fn walk(nodes: &Plain, root: u32, keys: &mut Vec<(u16, u32)>) -> u32 {
        if root == NIL {
            return 0;
        }
        let links = nodes.links(root);
        let (left, right) = (weight(nodes, links.left), weight(nodes, links.right));
        assert!(left <= HEAVIER * right && right <= HEAVIER * left, "{left} beside {right}");
        assert_eq!(u64::from(links.size), left + right - 1);
        let one = walk(nodes, links.left, keys);
        keys.push(nodes.key(root));
        one.max(walk(nodes, links.right, keys)) + 1
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_set_that_stays_balanced(
            values in prop::collection::vec(0u16..300, 1..200),
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 1..400),
        ) {
            let mut nodes = Plain(values.iter().map(|value| (*value, Links::ALONE)).collect());
            let (mut root, mut model) = (NIL, BTreeSet::new());
            for (add, which) in steps {
                let node = which.index(values.len()) as u32;
                let key = nodes.key(node);
                if add && model.insert(key) {
                    root = insert(&mut nodes, root, node);
                } else if !add && model.remove(&key) {
                    root = remove(&mut nodes, root, node);
                }
                prop_assert_eq!(size(&nodes, root) as usize, model.len());
                let first = first(&nodes, root);
                prop_assert_eq!((first != NIL).then(|| nodes.key(first)), model.first().copied());
                let before = count_before(&nodes, root, &key) as usize;
                prop_assert_eq!(before, model.range(..key).count());
            }
            let mut keys = Vec::new();
            walk(&nodes, root, &mut keys);
            prop_assert!(keys.into_iter().eq(model));
        }
    }

    #[test]
    fn a_sorted_hundred_thousand_stays_flat() {
        let mut nodes = Plain((0..100_000u32).map(|node| ((node >> 2) as u16, Links::ALONE)).collect());
        let root = (0..100_000).fold(NIL, |root, node| insert(&mut nodes, root, node));
        let mut keys = Vec::new();
        assert!(walk(&nodes, root, &mut keys) <= 40);
        assert_eq!(keys.len(), 100_000);
    }
}
