//! Weighted shares: who is served next, so that in the long run each gets by its weight.

use std::collections::{BTreeMap, BTreeSet};

/// Stride scheduling in integers. Each child has a pass, the smallest pass is served, and a service moves it on by
/// a stride that is smaller the greater the weight.
///
/// Of two that are both ready all the time, the services divided by the weights differ by less than one service
/// of each. Who was away comes back at the pass that the others have reached, so an absence earns nothing; who is
/// new starts one stride behind it, so going away and coming back as somebody new earns nothing either, and no
/// stream of new ones, however long, keeps others from being served.
#[derive(Clone, Debug)]
pub(super) struct Shares<I> {
    children: BTreeMap<I, Child>,
    ready: BTreeSet<(u128, I)>,
    reached: u128,
    weight: u64,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    pass: u128,
    weight: u64,
    ready: bool,
}

impl Child {
    fn stride(self) -> u128 {
        STRIDE / u128::from(self.weight)
    }
}

/// Above any sum of weights, so that no stride is zero. A pass has room for more services than can happen.
const STRIDE: u128 = 1 << 64;

impl<I> Default for Shares<I> {
    fn default() -> Self {
        Self { children: BTreeMap::new(), ready: BTreeSet::new(), reached: 0, weight: 0 }
    }
}

impl<I: Copy + Ord> Shares<I> {
    /// Who is to be served.
    pub(super) fn first(&self) -> Option<I> {
        self.ready.first().map(|(_, child)| *child)
    }

    /// The weights of all that are ready, together.
    pub(super) fn ready_weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn is_ready(&self, child: I) -> bool {
        self.children.get(&child).is_some_and(|child| child.ready)
    }

    /// Lets a child take part, with this weight from now on.
    pub(super) fn wake(&mut self, id: I, weight: u64) {
        let weight = weight.max(1);
        let reached = self.reached;
        let new = Child { pass: reached + STRIDE / u128::from(weight), weight, ready: false };
        let child = self.children.entry(id).or_insert(new);
        if child.ready {
            self.weight -= child.weight;
        } else {
            child.ready = true;
            child.pass = child.pass.max(reached);
            self.ready.insert((child.pass, id));
        }
        child.weight = weight;
        self.weight = self.weight.saturating_add(weight);
    }

    /// Lets a child take no part for a while.
    pub(super) fn sleep(&mut self, id: I) {
        if let Some(child) = self.children.get_mut(&id).filter(|child| child.ready) {
            child.ready = false;
            self.weight -= child.weight;
            self.ready.remove(&(child.pass, id));
        }
    }

    /// Forgets a child.
    pub(super) fn forget(&mut self, id: I) {
        self.sleep(id);
        self.children.remove(&id);
    }

    /// Counts one service.
    pub(super) fn serve(&mut self, id: I) {
        let Some(child) = self.children.get_mut(&id) else { return };
        let before = child.pass;
        child.pass += child.stride();
        if child.ready {
            self.ready.remove(&(before, id));
            self.ready.insert((child.pass, id));
            self.reached = self.reached.max(before);
        }
    }

    /// How often each of the others would be served before this one is for the `nth` time (counted from one), if
    /// nothing changes and none of them runs empty.
    pub(super) fn served_before(&self, id: I, nth: u64) -> impl Iterator<Item = (I, u64)> {
        let until = self.children.get(&id).map_or(self.reached, |child| {
            child.pass.max(self.reached) + u128::from(nth.saturating_sub(1)) * child.stride()
        });
        self.ready.iter().filter(move |(_, other)| *other != id).filter_map(move |(pass, other)| {
            let gap = until.checked_sub(*pass)?;
            let stride = self.children.get(other)?.stride();
            // The one at the very pass of ours goes first if its id is smaller.
            let times = if *other < id { gap / stride + 1 } else { gap.div_ceil(stride) };
            Some((*other, u64::try_from(times).unwrap_or(u64::MAX)))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn two_that_are_ready_get_by_their_weights(
            weights in prop::collection::vec(1u64..50, 2..8),
            services in 1usize..2000,
        ) {
            let mut shares = Shares::default();
            for (id, weight) in weights.iter().enumerate() {
                shares.wake(id, *weight);
            }
            let mut served = vec![0u64; weights.len()];
            for _ in 0..services {
                let first = shares.first().unwrap();
                served[first] += 1;
                shares.serve(first);
            }
            for (one, other) in (0..weights.len()).flat_map(|one| (0..weights.len()).map(move |o| (one, o))) {
                // In services times both weights, so that no fraction is needed; one more for the rounded stride.
                let (a, b) = (served[one] * weights[other], served[other] * weights[one]);
                prop_assert!(a.abs_diff(b) <= weights[one] + weights[other] + 1, "{served:?} of {weights:?}");
            }
        }

        #[test]
        fn what_is_said_to_come_before_comes_before(
            weights in prop::collection::vec(1u64..20, 2..8),
            warm_up in 0usize..50,
            which in any::<prop::sample::Index>(),
            nth in 1u64..30,
        ) {
            let mut shares = Shares::default();
            for (id, weight) in weights.iter().enumerate() {
                shares.wake(id, *weight);
                for _ in 0..warm_up {
                    shares.serve(shares.first().unwrap());
                }
            }
            let id = which.index(weights.len());
            let mut said: Vec<_> = shares.served_before(id, nth).filter(|(_, times)| *times > 0).collect();
            said.sort_unstable();
            let (mut served, mut turns) = (BTreeMap::new(), 0);
            while turns < nth {
                let first = shares.first().unwrap();
                if first == id { turns += 1 } else { *served.entry(first).or_insert(0) += 1 }
                shares.serve(first);
            }
            prop_assert_eq!(said, served.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn absence_earns_nothing() {
        let mut shares = Shares::default();
        shares.wake(1, 1);
        shares.wake(2, 1);
        shares.sleep(2);
        for _ in 0..1000 {
            shares.serve(1);
        }
        shares.wake(2, 1);
        let served: Vec<_> = (0..6)
            .map(|_| {
                let first = shares.first().unwrap();
                shares.serve(first);
                first
            })
            .collect();
        assert_eq!(served.iter().filter(|id| **id == 1).count(), 3, "{served:?}");
    }

    #[test]
    fn an_endless_stream_of_new_ones_keeps_nobody_out() {
        let mut shares = Shares::default();
        shares.wake(u32::MAX, 1);
        shares.wake(0, 100);
        let mut served = 0;
        for new in 1..1000 {
            let first = shares.first().unwrap();
            shares.serve(first);
            if first == u32::MAX {
                served += 1;
            } else {
                shares.forget(first);
                shares.wake(new, 100);
            }
        }
        // One in a hundred is its share.
        assert!((9..=10).contains(&served), "{served}");
    }

    #[test]
    fn who_leaves_and_comes_back_gets_no_more_than_its_weight() {
        let mut shares = Shares::default();
        shares.wake(1, 10);
        shares.wake(2, 1);
        let mut served = 0;
        for _ in 0..1100 {
            let first = shares.first().unwrap();
            shares.serve(first);
            if first == 2 {
                served += 1;
                shares.forget(2);
                shares.wake(2, 1);
            }
        }
        assert!((99..=101).contains(&served), "{served}");
    }
}
