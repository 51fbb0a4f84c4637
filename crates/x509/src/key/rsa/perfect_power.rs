//! Perfect powers: a modulus that is another number to a power of two or more.

use num_bigint::BigUint;

use super::{is_prime, residue};

/// A number without a factor below 752 is at least 2^9.55 to the power, so no exponent exceeds a ninth of its bits.
const BITS_OF_SMALLEST_ROOT: u64 = 9;
/// Primes that must agree before a root is computed. The next is only tried if all earlier ones agreed.
const WITNESSES: usize = 16;

/// Returns the smallest prime exponent of which `number` is a power; `modulus` is the same number.
pub(super) fn exponent(modulus: &[u8], number: &BigUint) -> Option<u32> {
    let most = u32::try_from(number.bits() / BITS_OF_SMALLEST_ROOT).unwrap_or(u32::MAX);
    (2..=most).filter(|exponent| is_prime(*exponent)).find(|exponent| {
        may_be_power(modulus, *exponent) && &number.nth_root(*exponent).pow(*exponent) == number
    })
}

/// Returns whether no witness excludes a power. Of numbers that are not a power, one in `exponent` passes each
/// witness.
///
/// Modulo a prime `q` = 1 + m·`exponent`, the powers are those numbers whose m-th power is 1 (Euler's criterion).
fn may_be_power(modulus: &[u8], exponent: u32) -> bool {
    let witnesses = (1u32..).map(|m| (m, m * exponent + 1)).filter(|(_, q)| is_prime(*q));
    witnesses.take(WITNESSES).all(|(m, q)| matches!(power(residue(modulus, q), m, q), 0 | 1))
}

/// Returns `base` to the power of `exponent`, modulo `modulus`.
fn power(base: u32, mut exponent: u32, modulus: u32) -> u32 {
    let modulus = u64::from(modulus);
    let (mut base, mut result) = (u64::from(base), 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    result as u32
}

#[cfg(test)]
mod tests {
    use super::super::whole_words;
    use super::*;

    fn exponent_of(number: &BigUint) -> Option<u32> {
        exponent(&whole_words(number), number)
    }

    #[test]
    fn powers_are_found_with_their_smallest_prime_exponent() {
        for (root, exponent) in
            [(65_537u32, 2), (65_537, 3), (757, 5), (757, 31), (757, 211), (1009, 409), (757, 35)]
        {
            let number = BigUint::from(root).pow(exponent);
            let smallest = (2..=exponent).find(|candidate| exponent % candidate == 0);
            assert_eq!(exponent_of(&number), smallest, "{root}^{exponent}");
            assert_eq!(exponent_of(&(number + 2u32)), None, "{root}^{exponent} + 2");
        }
        let root = BigUint::from(3u32).pow(600) + 2u32;
        assert_eq!(exponent_of(&root.pow(2)), Some(2));
        assert_eq!(exponent_of(&(root.pow(2) * &root)), Some(3));
        assert_eq!(exponent_of(&(root.pow(2) * 757u32)), None);
    }

    /// Without a cheap witness, the exact root decides.
    #[test]
    fn witnesses_never_exclude_a_power() {
        for exponent in (2..60).filter(|exponent| is_prime(*exponent)) {
            for root in [2u32, 3, 757, 1_000_003] {
                let octets = whole_words(&BigUint::from(root).pow(exponent));
                assert!(may_be_power(&octets, exponent), "{root}^{exponent}");
            }
        }
        assert_eq!(power(3, 4, 7), 4);
        assert_eq!(power(3, 0, 7), 1);
        assert_eq!(power(u32::MAX - 1, 3, u32::MAX), u32::MAX - 1);
    }
}
