//! Weighted shares: the child to serve next, so that in the long run each is served by its weight.

/// Stride scheduling in integers. Each child has a pass. The smallest pass is served, and a service adds a stride, which
/// is smaller for a larger weight.
///
/// For two children that are always ready, services divided by weights differ by less than one service of each. A child
/// that returns continues at the pass that the others have reached, so an absence earns nothing. A new child starts one
/// stride later, so returning as a new child earns nothing either, and a stream of new children does not starve the
/// others. At equal passes the child whose last service is longest ago goes first, so children that return together take
/// turns.
#[derive(Clone, Debug)]
pub(super) struct Shares<I> {
    children: Vec<Child<I>>,
    free: Vec<u32>,
    /// Children that are ready, as a binary heap by pass.
    heap: Vec<u32>,
    reached: u64,
    weight: u64,
    /// Number of services.
    services: u64,
}

#[derive(Clone, Copy, Debug)]
struct Child<I> {
    id: I,
    pass: u64,
    /// Number of its last service; a new child counts as just served.
    last: u64,
    weight: u64,
    /// Place in the heap; [`ASLEEP`] if it is not ready.
    place: u32,
}

const ASLEEP: u32 = u32::MAX;

impl<I> Child<I> {
    fn stride(&self) -> u64 {
        stride(self.weight)
    }
}

fn stride(weight: u64) -> u64 {
    (STRIDE / weight).max(1)
}

/// Stride of weight one, far above any sum of weights, so that rounding does not matter.
const STRIDE: u64 = 1 << 44;
/// Pass from which all passes are reduced, long before they overflow.
const MAX_PASS: u64 = 1 << 62;

impl<I> Default for Shares<I> {
    fn default() -> Self {
        Self { children: Vec::new(), free: Vec::new(), heap: Vec::new(), reached: 0, weight: 0, services: 0 }
    }
}

impl<I: Copy> Shares<I> {
    /// Returns the child to serve next.
    pub(super) fn first(&self) -> Option<I> {
        self.children.get(*self.heap.first()? as usize).map(|child| child.id)
    }

    /// Returns the sum of the weights of all ready children.
    pub(super) fn ready_weight(&self) -> u64 {
        self.weight
    }

    pub(super) fn is_ready(&self, child: u32) -> bool {
        self.children.get(child as usize).is_some_and(|child| child.place != ASLEEP)
    }

    /// Adds a child that is not ready yet, and returns its number.
    pub(super) fn add(&mut self, id: I, weight: u64) -> u32 {
        let weight = weight.max(1);
        let pass = self.reached + stride(weight);
        let child = Child { id, pass, last: self.services, weight, place: ASLEEP };
        if let Some(number) = self.free.pop() {
            self.children[number as usize] = child;
            return number;
        }
        self.children.push(child);
        // There are at most as many children as entries.
        u32::try_from(self.children.len() - 1).unwrap_or(ASLEEP)
    }

    /// Removes a child; its number may be reused.
    pub(super) fn forget(&mut self, child: u32) {
        self.sleep(child);
        self.free.push(child);
    }

    /// Makes a child ready, with this weight from now on.
    pub(super) fn wake(&mut self, number: u32, weight: u64) {
        let place = self.heap.len();
        let Some(child) = self.children.get_mut(number as usize) else { return };
        let before = std::mem::replace(&mut child.weight, weight.max(1));
        self.weight += child.weight;
        if child.place != ASLEEP {
            self.weight -= before;
            return;
        }
        child.pass = child.pass.max(self.reached);
        self.heap.push(number);
        self.rise(place);
    }

    /// Makes a child not ready.
    pub(super) fn sleep(&mut self, number: u32) {
        let Some(child) = self.children.get_mut(number as usize) else { return };
        let place = std::mem::replace(&mut child.place, ASLEEP);
        if place == ASLEEP {
            return;
        }
        self.weight -= child.weight;
        let place = place as usize;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.rise(place);
            self.sink(self.children[self.heap[place] as usize].place as usize);
        }
    }

    /// Counts one service. A child that is served before its turn owes the others at most one service.
    pub(super) fn serve(&mut self, number: u32) {
        if let Some(first) = self.heap.first() {
            self.reached = self.reached.max(self.children[*first as usize].pass);
        }
        let Some(child) = self.children.get_mut(number as usize) else { return };
        self.services += 1;
        child.last = self.services;
        let most = child.pass.max(self.reached + 2 * child.stride());
        child.pass = most.min(child.pass + child.stride());
        let place = child.place;
        if place != ASLEEP {
            self.sink(place as usize);
        }
        if self.reached > MAX_PASS {
            self.reduce_passes();
        }
    }

    fn reduce_passes(&mut self) {
        let ready = self.children.iter().filter(|child| child.place != ASLEEP).map(|child| child.pass);
        let gone = ready.fold(self.reached, u64::min);
        self.reached -= gone;
        for child in &mut self.children {
            child.pass = child.pass.saturating_sub(gone);
        }
    }

    /// Returns how many services of others come before this child is served for the `nth` time (counted from one), if
    /// nothing changes and each other child has `size` services.
    pub(super) fn served_before(&self, number: u32, nth: u64, size: impl Fn(I) -> u64) -> u64 {
        let times = self.times_before(number, nth);
        self.heap.iter().fold(0, |served, other| {
            let Some(child) = self.children.get(*other as usize) else { return served };
            served.saturating_add(times(*other).min(size(child.id)))
        })
    }

    /// Returns a function that gives how often another child is served before this one is served for the `nth` time, if
    /// it does not run empty.
    pub(super) fn times_before(&self, number: u32, nth: u64) -> impl Fn(u32) -> u64 {
        let own = self.children.get(number as usize);
        let turns = nth.saturating_sub(1);
        let until = own.map_or(self.reached, |own| {
            own.pass.max(self.reached).saturating_add(own.stride().saturating_mul(turns))
        });
        move |other| {
            let (Some(own), Some(child)) = (own, self.children.get(other as usize)) else { return 0 };
            if other == number || child.place == ASLEEP {
                return 0;
            }
            let Some(gap) = until.checked_sub(child.pass) else { return 0 };
            let times = gap.div_ceil(child.stride());
            let meets = gap == times.saturating_mul(child.stride());
            let now_first = (child.last, other) < (own.last, number);
            let first = if meets { goes_first(child, times, own, turns, now_first) } else { false };
            times.saturating_add(u64::from(first))
        }
    }

    /// Returns the child with this number.
    pub(super) fn id(&self, number: u32) -> Option<I> {
        self.children.get(number as usize).map(|child| child.id)
    }

    fn key(&self, place: usize) -> (u64, u64, u32) {
        let number = self.heap[place];
        let child = &self.children[number as usize];
        (child.pass, child.last, number)
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 && self.key(place) < self.key((place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            self.seat(place);
            place = (place - 1) / 2;
        }
        self.seat(place);
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let below = [2 * place + 1, 2 * place + 2].into_iter().filter(|below| *below < self.heap.len());
            match below.min_by_key(|below| self.key(*below)) {
                Some(below) if self.key(below) < self.key(place) => {
                    self.heap.swap(place, below);
                    self.seat(place);
                    place = below;
                }
                _ => break,
            }
        }
        self.seat(place);
    }

    /// Records the place of the child at this place.
    fn seat(&mut self, place: usize) {
        let number = self.heap[place];
        self.children[number as usize].place = u32::try_from(place).unwrap_or(ASLEEP);
    }
}

/// Returns whether `one`, after `its` services, goes before `other`, after `others` services, when both meet at the same
/// pass: the one whose last service is longer ago.
fn goes_first<I>(one: &Child<I>, its: u64, other: &Child<I>, others: u64, now_first: bool) -> bool {
    match (its, others) {
        (0, 0) => now_first,
        (0, _) => true,
        (_, 0) => false,
        // The longer stride to this pass began earlier.
        _ if one.stride() != other.stride() => one.stride() > other.stride(),
        // They met at each pass before, until one of them had not been served yet.
        _ if its != others => its < others,
        _ => now_first,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::queue::sizes::Sizes;

    /// A new child that is ready; in these tests its id is its number.
    fn join(shares: &mut Shares<usize>, id: usize, weight: u64) {
        assert_eq!(shares.add(id, weight) as usize, id);
        shares.wake(id as u32, weight);
    }

    fn serve(shares: &mut Shares<usize>) -> usize {
        let first = shares.first().unwrap();
        shares.serve(first as u32);
        first
    }

    /// Returns how often each other child is served before, as computed.
    fn said_before(shares: &Shares<usize>, id: usize, nth: u64) -> Vec<(usize, u64)> {
        let times = shares.times_before(id as u32, nth);
        let all = (0..shares.children.len()).map(|other| (other, times(other as u32)));
        all.filter(|(_, times)| *times > 0).collect()
    }

    proptest! {
        #[test]
        fn services_follow_the_weights(
            weights in prop::collection::vec(1u64..50, 2..8),
            services in 1usize..2000,
        ) {
            let mut shares = Shares::default();
            for (id, weight) in weights.iter().enumerate() {
                join(&mut shares, id, *weight);
            }
            let mut served = vec![0u64; weights.len()];
            for _ in 0..services {
                served[serve(&mut shares)] += 1;
            }
            for (one, other) in (0..weights.len()).flat_map(|one| (0..weights.len()).map(move |o| (one, o))) {
                // In services times both weights, so that no fraction is needed; one more for the rounded stride.
                let (a, b) = (served[one] * weights[other], served[other] * weights[one]);
                prop_assert!(a.abs_diff(b) <= weights[one] + weights[other] + 1, "{served:?} of {weights:?}");
            }
        }

        #[test]
        fn served_before_equals_what_is_served(
            weights in prop::collection::vec(1u64..20, 2..8),
            warm_up in 0usize..50,
            which in any::<prop::sample::Index>(),
            nth in 1u64..30,
        ) {
            let mut shares = Shares::default();
            for (id, weight) in weights.iter().enumerate() {
                join(&mut shares, id, *weight);
                for _ in 0..warm_up {
                    serve(&mut shares);
                }
            }
            let id = which.index(weights.len());
            let said = said_before(&shares, id, nth);
            let (mut served, mut turns) = (BTreeMap::new(), 0);
            while turns < nth {
                let first = serve(&mut shares);
                if first == id { turns += 1 } else { *served.entry(first).or_insert(0) += 1 }
            }
            prop_assert_eq!(said, served.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn sample_of_many_children_estimates_served_before() {
        const MANY: usize = 5000;
        for seed in 1..40u64 {
            let mut random = seed;
            let mut below = |bound: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % bound
            };
            let (heaviest, longest, nth) = (1 + below(30), 1 + below(200), 1 + below(100));
            let (mut shares, mut sizes) = (Shares::default(), Sizes::default());
            let waiting: Vec<u64> = (0..MANY).map(|_| 1 + below(longest)).collect();
            for (id, size) in waiting.iter().enumerate() {
                join(&mut shares, id, 1 + below(heaviest));
                sizes.set(id as u32, *size);
            }
            (0..MANY).for_each(|_| {
                serve(&mut shares);
            });
            let id = u32::try_from(below(MANY as u64)).unwrap();
            let all = shares.served_before(id, nth, |id| waiting[id]);
            let times = shares.times_before(id, nth);
            let said = sizes.sum(|other| times(other).min(waiting[other as usize]));
            // An eighth, and one service of one in ten: what most of them have when the place is near.
            let off = said.abs_diff(all);
            assert!(off <= all / 8 + MANY as u64 / 10, "{said} instead of {all}");
        }
    }

    #[test]
    fn child_that_returns_gets_no_more_than_before() {
        let mut shares = Shares::default();
        join(&mut shares, 0, 1);
        join(&mut shares, 1, 1);
        shares.sleep(1);
        for _ in 0..1000 {
            assert_eq!(serve(&mut shares), 0);
        }
        shares.wake(1, 1);
        let served: Vec<_> = (0..6).map(|_| serve(&mut shares)).collect();
        assert_eq!(served.iter().filter(|id| **id == 1).count(), 3, "{served:?}");
    }

    #[test]
    fn stream_of_new_children_starves_no_other() {
        let mut shares = Shares::default();
        join(&mut shares, 0, 1);
        join(&mut shares, 1, 100);
        let mut served = 0;
        for _ in 1..1000 {
            if serve(&mut shares) == 0 {
                served += 1;
            } else {
                shares.forget(1);
                join(&mut shares, 1, 100);
            }
        }
        // One in a hundred is its share.
        assert!((9..=10).contains(&served), "{served}");
    }

    #[test]
    fn leaving_and_returning_gives_no_more_than_the_weight() {
        let mut shares = Shares::default();
        join(&mut shares, 0, 10);
        join(&mut shares, 1, 1);
        let mut served = 0;
        for _ in 0..1100 {
            if serve(&mut shares) == 1 {
                served += 1;
                shares.forget(1);
                join(&mut shares, 1, 1);
            }
        }
        assert!((99..=101).contains(&served), "{served}");
    }

    #[test]
    fn children_that_return_together_take_turns() {
        let mut shares = Shares::default();
        for id in 0..4 {
            join(&mut shares, id, 1);
        }
        let mut served = [0; 4];
        for _ in 0..30 {
            // Another goes on meanwhile, and passes them by far.
            (1..4).for_each(|number| shares.sleep(number));
            for _ in 0..10 {
                assert_eq!(serve(&mut shares), 0);
            }
            (1..4).for_each(|number| shares.wake(number, 1));
            shares.sleep(0);
            served[serve(&mut shares)] += 1;
            shares.wake(0, 1);
        }
        assert_eq!(served, [0, 10, 10, 10]);
    }

    #[test]
    fn reducing_passes_changes_no_decision() {
        let (mut near, mut far) =
            (Shares::default(), Shares { reached: MAX_PASS - 5 * STRIDE, ..Shares::default() });
        for shares in [&mut near, &mut far] {
            for (id, weight) in [1, 3, 2].into_iter().enumerate() {
                join(shares, id, weight);
            }
            shares.sleep(2);
        }
        for turn in 0..100 {
            assert_eq!(serve(&mut near), serve(&mut far), "{turn}");
            if turn == 50 {
                near.wake(2, 2);
                far.wake(2, 2);
            }
        }
        assert!(far.reached < MAX_PASS / 2);
    }

    proptest! {
        #[test]
        fn smallest_pass_is_first_after_any_operations(
            steps in prop::collection::vec((0u8..5, 0usize..20, 1u64..9), 1..300),
        ) {
            let mut shares = Shares::default();
            for id in 0..20 {
                shares.add(id, 1);
            }
            for (what, id, weight) in steps {
                let number = id as u32;
                match what {
                    0 | 1 => shares.wake(number, weight),
                    2 => shares.sleep(number),
                    _ => shares.serve(number),
                }
                let ready = || shares.children.iter().filter(|child| child.place != ASLEEP);
                let first = ready().min_by_key(|child| (child.pass, child.last, child.id)).map(|child| child.id);
                prop_assert_eq!(shares.first(), first);
                prop_assert_eq!(shares.ready_weight(), ready().map(|child| child.weight).sum::<u64>());
            }
        }
    }
}
