//! An order-statistic tree: an ordered set that counts.
//!
//! It is a B+ tree whose branches count the places under each child. The first place, the number of places before any
//! other, insertion and removal are O(log n). With a million places an operation visits four nodes, which matters more
//! than the number of comparisons, because the nodes are scattered in memory.

use crate::Moment;

/// A place: a time, and a number for equal times.
pub(super) type Place = (Moment, u32);

/// A set of places.
#[derive(Clone, Debug)]
pub(super) struct OrderStatisticTree {
    root: Node,
    /// First place, kept here so that reading it visits no node.
    first: Option<Place>,
    len: u32,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Vec<Place>),
    Branch(Vec<Child>),
}

#[derive(Clone, Debug)]
struct Child {
    first: Place,
    /// Number of places under the child.
    len: u32,
    node: Box<Node>,
}

/// Maximum items of a node. A node has at least a quarter of them, unless it is the last of its depth.
const MAX_ITEMS: usize = 64;
const MIN_ITEMS: usize = MAX_ITEMS / 4;

impl OrderStatisticTree {
    pub(super) const fn new() -> Self {
        Self { root: Node::Leaf(Vec::new()), first: None, len: 0 }
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn first(&self) -> Option<Place> {
        self.first
    }

    /// Returns the number of places before a place, which need not be in the set.
    pub(super) fn count_before(&self, place: Place) -> u32 {
        let (mut node, mut count) = (&self.root, 0);
        loop {
            match node {
                Node::Leaf(places) => {
                    let before = places.partition_point(|other| *other < place);
                    return count + u32::try_from(before).unwrap_or(0);
                }
                Node::Branch(children) => {
                    let index = child_of(children, place);
                    let (before, rest) = children.split_at(index);
                    count += before.iter().map(|child| child.len).sum::<u32>();
                    let Some(child) = rest.first() else { return count };
                    node = &child.node;
                }
            }
        }
    }

    /// Adds a place that is not in the set.
    pub(super) fn insert(&mut self, place: Place) {
        if let Some(right) = self.root.insert(place, true) {
            let left = std::mem::replace(&mut self.root, Node::Branch(Vec::with_capacity(2)));
            if let Node::Branch(children) = &mut self.root {
                children.extend([Child::of(left), Child::of(right)]);
            }
        }
        self.first = Some(self.first.map_or(place, |first| first.min(place)));
        self.len += 1;
    }

    /// Removes a place, and returns whether it was in the set.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let was_present = self.root.remove(place);
        if was_present {
            self.len -= 1;
        }
        if let Node::Branch(children) = &mut self.root
            && children.len() <= 1
        {
            self.root = children.pop().map_or(Node::Leaf(Vec::new()), |only| *only.node);
        }
        if self.first == Some(place) {
            self.first = self.root.first();
        }
        was_present
    }
}

/// Returns the child that contains a place, or would.
fn child_of(children: &[Child], place: Place) -> usize {
    children.partition_point(|child| child.first <= place).saturating_sub(1)
}

impl Node {
    /// Adds a place. Returns the new right half if the node was split. `is_last` says that no node is to the right.
    fn insert(&mut self, place: Place, is_last: bool) -> Option<Self> {
        match self {
            Self::Leaf(places) => {
                let index = places.partition_point(|other| *other < place);
                places.insert(index, place);
                split(places, is_last && index == MAX_ITEMS).map(Self::Leaf)
            }
            Self::Branch(children) => {
                let index = child_of(children, place);
                let is_last = is_last && index + 1 == children.len();
                let child = children.get_mut(index)?;
                child.first = child.first.min(place);
                child.len += 1;
                let right = Child::of(child.node.insert(place, is_last)?);
                child.len -= right.len;
                children.insert(index + 1, right);
                split(children, is_last && index + 1 == MAX_ITEMS).map(Self::Branch)
            }
        }
    }

    fn remove(&mut self, place: Place) -> bool {
        match self {
            Self::Leaf(places) => {
                let found = places.binary_search(&place);
                if let Ok(index) = found {
                    places.remove(index);
                }
                found.is_ok()
            }
            Self::Branch(children) => {
                let index = child_of(children, place);
                let Some(child) = children.get_mut(index) else { return false };
                if !child.node.remove(place) {
                    return false;
                }
                child.len -= 1;
                if child.len == 0 {
                    children.remove(index);
                } else if child.node.width() < MIN_ITEMS {
                    // Joins the right neighbour, or the left one if it is the last.
                    join(children, index.min(children.len().saturating_sub(2)));
                } else if child.first == place {
                    child.first = child.node.first().unwrap_or(place);
                }
                true
            }
        }
    }

    fn first(&self) -> Option<Place> {
        match self {
            Self::Leaf(places) => places.first().copied(),
            Self::Branch(children) => children.first().map(|child| child.first),
        }
    }

    fn width(&self) -> usize {
        match self {
            Self::Leaf(places) => places.len(),
            Self::Branch(children) => children.len(),
        }
    }

    fn len(&self) -> u32 {
        match self {
            Self::Leaf(places) => u32::try_from(places.len()).unwrap_or(0),
            Self::Branch(children) => children.iter().map(|child| child.len).sum(),
        }
    }
}

impl Child {
    fn of(node: Node) -> Self {
        let first = node.first().unwrap_or((Moment::FAR_FUTURE, u32::MAX));
        Self { first, len: node.len(), node: Box::new(node) }
    }
}

/// Splits a node with too many items. An item added behind all others goes into the new node alone, so that appending
/// leaves full nodes.
fn split<T>(items: &mut Vec<T>, is_appended: bool) -> Option<Vec<T>> {
    (items.len() > MAX_ITEMS).then(|| {
        let mut right = Vec::with_capacity(MAX_ITEMS);
        right.extend(items.drain(if is_appended { MAX_ITEMS } else { MAX_ITEMS / 2 }..));
        right
    })
}

/// Joins two neighbours, or makes them equally wide if one node would be too wide.
fn join(children: &mut Vec<Child>, index: usize) {
    if index + 1 >= children.len() {
        return;
    }
    let (left, right) = (*children.remove(index).node, *children.remove(index).node);
    let (left, right) = match (left, right) {
        (Node::Leaf(left), Node::Leaf(right)) => {
            let (left, right) = even(left, right);
            (Node::Leaf(left), right.map(Node::Leaf))
        }
        (Node::Branch(left), Node::Branch(right)) => {
            let (left, right) = even(left, right);
            (Node::Branch(left), right.map(Node::Branch))
        }
        // All leaves are at the same depth.
        (left, right) => (left, Some(right)),
    };
    if let Some(right) = right {
        children.insert(index, Child::of(right));
    }
    children.insert(index, Child::of(left));
}

fn even<T>(mut left: Vec<T>, mut right: Vec<T>) -> (Vec<T>, Option<Vec<T>>) {
    left.append(&mut right);
    if left.len() <= MAX_ITEMS {
        return (left, None);
    }
    right.extend(left.drain(left.len() / 2..));
    (left, Some(right))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;

    fn place(number: u32) -> Place {
        // Four at each time, and not in the order of their numbers.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(number.wrapping_mul(7919) % 997));
        (Moment::of(time), number)
    }

    /// The places in order, having checked what the branches say; also the depth.
    fn walk(node: &Node, is_last: bool, places: &mut Vec<Place>) -> usize {
        assert!(node.width() <= MAX_ITEMS && (is_last || node.width() >= MIN_ITEMS), "{} wide", node.width());
        match node {
            Node::Leaf(own) => {
                places.extend(own);
                1
            }
            Node::Branch(children) => {
                let depths: BTreeSet<usize> = (1..)
                    .zip(children)
                    .map(|(number, child)| {
                        let before = places.len();
                        let depth = walk(&child.node, is_last && number == children.len(), places);
                        assert!(places.len() > before, "an empty node");
                        assert_eq!(places.len() - before, child.len as usize);
                        assert_eq!(places.get(before), Some(&child.first));
                        depth
                    })
                    .collect();
                assert_eq!(depths.len(), 1, "all leaves are at the same depth");
                depths.first().unwrap() + 1
            }
        }
    }

    proptest! {
        #[test]
        fn tree_equals_an_ordered_set(steps in prop::collection::vec((0u8..100, 0u32..3000), 1..3000), bias in 10u8..90) {
            let (mut order, mut model) = (OrderStatisticTree::new(), BTreeSet::new());
            for (add, number) in steps {
                let place = place(number);
                if add < bias {
                    if model.insert(place) {
                        order.insert(place);
                    }
                } else {
                    // Rather one that is there.
                    let place = model.range(place..).next().copied().unwrap_or(place);
                    prop_assert_eq!(order.remove(place), model.remove(&place));
                }
                prop_assert_eq!(order.first(), model.first().copied());
                prop_assert_eq!(order.len() as usize, model.len());
            }
            let mut places = Vec::new();
            walk(&order.root, true, &mut places);
            prop_assert!(places.iter().eq(&model));
            for number in (0..3000).step_by(37) {
                let place = place(number);
                prop_assert_eq!(order.count_before(place) as usize, model.range(..place).count());
            }
        }
    }

    #[test]
    fn tree_of_many_places_is_three_deep_in_any_order() {
        let of_number = |number: u32| (Moment::of(SystemTime::UNIX_EPOCH), number);
        let came_in_order = (0..100_000u32).fold(OrderStatisticTree::new(), |mut order, number| {
            order.insert(of_number(number));
            order
        });
        let came_mixed = (0..100_000u32).fold(OrderStatisticTree::new(), |mut order, number| {
            order.insert(of_number(number.wrapping_mul(7_368_787)));
            order
        });
        for mut order in [came_in_order, came_mixed] {
            let mut places = Vec::new();
            assert!(walk(&order.root, true, &mut places) <= 3);
            assert_eq!(places.len(), 100_000);
            for place in places {
                assert_eq!(order.first(), Some(place));
                assert!(order.remove(place));
            }
            assert!(order.len() == 0 && matches!(order.root, Node::Leaf(_)));
        }
    }
}
