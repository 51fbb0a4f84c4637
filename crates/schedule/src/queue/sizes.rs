//! Sampling of members by size.

/// Numbered members in classes by size.
///
/// Members of similar size form a class, so that a sample represents it: sizes below 16, and above that within a factor of
/// four. Large members are few, and each is visited.
///
/// An empty one is small, because a queue has one for each lane of each pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes(Option<Box<Classes>>);

#[derive(Clone, Debug, Default)]
struct Classes {
    /// Members of each class, as many classes as were needed so far: most pools have one flow, and there may be many.
    members: Vec<Vec<u32>>,
    /// Class and place in it, by number.
    seats: Vec<Seat>,
}

#[derive(Clone, Copy, Debug)]
struct Seat {
    class: u8,
    place: u32,
}

/// Number of classes, for all sizes of 32 bits.
const CLASSES: usize = 15;
const NONE: Seat = Seat { class: u8::MAX, place: 0 };

/// Number of members that are visited for one sum.
pub(super) const SAMPLE_SIZE: usize = 512;
/// Minimum sample of a class.
const MIN_SAMPLE: u128 = 8;

impl Sizes {
    /// Records that a member grew or shrank by one, to the size `now`.
    pub(super) fn step(&mut self, number: u32, more: bool, now: u64) {
        let before = if more { now.saturating_sub(1) } else { now.saturating_add(1) };
        // Rarely; otherwise no memory is read.
        if class_of(before) != class_of(now) {
            self.set(number, now);
        }
    }

    /// Records the size of a member; with zero it is removed.
    pub(super) fn set(&mut self, number: u32, size: u64) {
        self.0.get_or_insert_default().put(number, class_of(size));
    }

    /// Returns the sum of `give` over the members: exact up to [`SAMPLE_SIZE`] of them. Above, an evenly spread sample of
    /// each class represents it, with larger samples for larger classes.
    pub(super) fn sum(&self, give: impl Fn(u32) -> u64) -> u64 {
        self.0.as_ref().map_or(0, |classes| classes.sum(give))
    }
}

impl Classes {
    fn put(&mut self, number: u32, class: u8) {
        let index = number as usize;
        if index >= self.seats.len() {
            self.seats.resize(index + 1, NONE);
        }
        let Seat { class: before, place } = self.seats[index];
        if class == before {
            return;
        }
        if let Some(members) = self.members.get_mut(usize::from(before)) {
            members.swap_remove(place as usize);
            if let Some(moved) = members.get(place as usize) {
                self.seats[*moved as usize].place = place;
            }
        }
        if class == NONE.class {
            self.seats[index] = NONE;
            return;
        }
        if self.members.len() <= usize::from(class) {
            self.members.resize_with(usize::from(class) + 1, Vec::new);
        }
        let members = &mut self.members[usize::from(class)];
        // There are at most as many members as numbers.
        self.seats[index] = Seat { class, place: u32::try_from(members.len()).unwrap_or(u32::MAX) };
        members.push(number);
    }

    fn sum(&self, give: impl Fn(u32) -> u64) -> u64 {
        let volume = |class: usize| (self.members[class].len() as u128) << (2 * class);
        let mut volumes: u128 = (0..self.members.len()).map(volume).sum();
        let mut looks = SAMPLE_SIZE as u128;
        let mut sum = 0u128;
        for class in (0..self.members.len()).rev().filter(|class| volume(*class) > 0) {
            let members = &self.members[class];
            // If all members fit, each class is visited completely.
            let share = (looks * volume(class) / volumes).max(MIN_SAMPLE);
            let count = usize::try_from(share).unwrap_or(usize::MAX).min(members.len());
            let given: u128 =
                (0..count).map(|look| u128::from(give(members[look * members.len() / count]))).sum();
            sum += given * members.len() as u128 / count as u128;
            volumes -= volume(class);
            looks = looks.saturating_sub(count as u128);
        }
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

fn class_of(size: u64) -> u8 {
    match size.checked_ilog2() {
        Some(log) => u8::try_from(log / 2).unwrap_or(u8::MAX).clamp(1, CLASSES as u8) - 1,
        None => NONE.class,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn steps_equal_setting_the_size_at_once() {
        let mut all = Sizes::default();
        for (more, sizes) in [(true, 1..=300), (false, 7..=299)] {
            for step in sizes {
                all.step(3, more, if more { step } else { 306 - step });
            }
        }
        assert_eq!(all.sum(u64::from), 3);
        let mut at_once = Sizes::default();
        at_once.set(3, 7);
        let members = |sizes: &Sizes| sizes.0.as_ref().unwrap().members.concat();
        assert_eq!((members(&all), members(&at_once)), (vec![3], vec![3]));
        (0..7).rev().for_each(|now| all.step(3, false, now));
        assert_eq!(all.sum(u64::from), 0);
    }

    fn of(sizes: &[u64]) -> Sizes {
        let mut all = Sizes::default();
        for (number, size) in (0..).zip(sizes) {
            all.set(number, *size);
        }
        all
    }

    proptest! {
        #[test]
        fn each_member_is_visited_once_up_to_the_sample_size(
            changes in prop::collection::vec((0u32..SAMPLE_SIZE as u32, 0u32..40), 1..2000),
        ) {
            let (mut all, mut model) = (Sizes::default(), BTreeMap::new());
            for (number, log) in changes {
                let size = if log == 0 { 0 } else { (1 << (log - 1)) + u64::from(number) };
                all.set(number, size);
                model.insert(number, size);
            }
            let looked_at = RefCell::new(BTreeSet::new());
            let sum = all.sum(|number| {
                assert!(looked_at.borrow_mut().insert(number), "once");
                model[&number]
            });
            model.retain(|_, size| *size > 0);
            prop_assert_eq!(sum, model.values().sum::<u64>());
            prop_assert_eq!(looked_at.into_inner(), model.into_keys().collect());
        }

        /// However many there are, and however unlike, no more are looked at, and the sum is near.
        #[test]
        fn sample_of_many_members_estimates_the_sum(logs in prop::collection::vec(0u32..30, 10), many in 600usize..20_000) {
            let sizes: Vec<u64> = (0..many)
                .map(|number| {
                    let log = logs[number * number % 7919 % logs.len()];
                    (1 << log) + (number as u64 * 7919) % (1 << log)
                })
                .collect();
            let looks = RefCell::new(0);
            let sum = of(&sizes).sum(|number| {
                *looks.borrow_mut() += 1;
                sizes[number as usize]
            });
            prop_assert!(looks.into_inner() <= SAMPLE_SIZE + CLASSES * MIN_SAMPLE as usize);
            let all: u64 = sizes.iter().sum();
            prop_assert!(sum.abs_diff(all) <= all / 5, "{sum} instead of {all}");
        }
    }

    #[test]
    fn every_large_member_is_visited() {
        let mut sizes = vec![1; 100_000];
        for large in [1, 50_001, 99_998] {
            sizes[large] = 50_000;
        }
        let sum = of(&sizes).sum(|number| sizes[number as usize]);
        assert_eq!(sum, sizes.iter().sum::<u64>());
    }

    #[test]
    fn removed_member_is_not_visited() {
        let mut all = of(&vec![1; 100_000]);
        for number in 0..99_900 {
            all.set(number, 0);
        }
        assert_eq!(all.sum(u64::from), (99_900..100_000).sum::<u64>());
        assert_eq!(Sizes::default().sum(|_| 1), 0);
    }
}
