//! Small prime factors.

use super::{is_prime, residue};

/// Limit of trial division, as in Boulder: the last prime that is tried is 751.
const LIMIT: u32 = 752;

/// Odd primes below the limit, in groups whose product is one word: one pass over the modulus serves a group.
const GROUPS: [Group; count_groups()] = groups();

#[derive(Clone, Copy)]
struct Group {
    product: u32,
    /// Range of its primes.
    first: u32,
    last: u32,
}

/// Returns the smallest odd prime below 752 that divides `modulus`.
pub(super) fn small_factor(modulus: &[u8]) -> Option<u32> {
    GROUPS.iter().find_map(|group| {
        let residue = residue(modulus, group.product);
        (group.first..=group.last).find(|factor| residue.is_multiple_of(*factor) && is_prime(*factor))
    })
}

/// Returns the group that begins with the first prime from `from` on.
const fn group(from: u32) -> Option<Group> {
    let mut found: Option<Group> = None;
    let mut candidate = from;
    while candidate < LIMIT {
        if is_prime(candidate) {
            found = match found {
                None => Some(Group { product: candidate, first: candidate, last: candidate }),
                Some(group) => match group.product.checked_mul(candidate) {
                    Some(product) => Some(Group { product, last: candidate, ..group }),
                    None => return found,
                },
            };
        }
        candidate += 1;
    }
    found
}

const fn count_groups() -> usize {
    let mut count = 0;
    let mut from = 3;
    while let Some(group) = group(from) {
        from = group.last + 1;
        count += 1;
    }
    count
}

const fn groups() -> [Group; count_groups()] {
    let mut groups = [Group { product: 1, first: 0, last: 0 }; count_groups()];
    let mut from = 3;
    let mut at = 0;
    while let Some(group) = group(from) {
        from = group.last + 1;
        groups[at] = group;
        at += 1;
    }
    groups
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::super::whole_words;
    use super::*;

    /// Returns a Mersenne prime times `factor`, in whole words.
    fn multiple_of(factor: u32) -> Vec<u8> {
        let prime = BigUint::from(2u32).pow(127) - 1u32;
        whole_words(&(prime * factor))
    }

    #[test]
    fn exactly_the_primes_below_752_are_found() {
        for factor in (3..1000).filter(|factor| is_prime(*factor)) {
            let expected = (factor <= 751).then_some(factor);
            assert_eq!(small_factor(&multiple_of(factor)), expected, "{factor}");
        }
        assert_eq!(small_factor(&multiple_of(751 * 3)), Some(3));
        assert_eq!(small_factor(&multiple_of(1)), None);
        assert_eq!(small_factor(&multiple_of(757 * 761)), None);
    }
}
