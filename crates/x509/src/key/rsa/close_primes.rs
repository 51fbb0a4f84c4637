//! Fermat's method: two factors that are close to each other are close to the square root.

use num_bigint::BigUint;

/// Rounds, as in Boulder.
const ROUNDS: u32 = 110;

/// Returns whether [`ROUNDS`] rounds of Fermat's method factor `number`, which is odd.
///
/// The method looks for the `a`, from the square root upwards, for which `a`² − `number` is itself a square `b`²: then
/// the number is (`a` + `b`)(`a` − `b`).
pub(super) fn are_close(number: &BigUint) -> bool {
    let mut a = number.sqrt() + 1u32;
    let mut difference = &a * &a - number;
    for _ in 0..ROUNDS {
        if is_square(&difference) {
            return true;
        }
        // (a + 1)² = a² + 2a + 1
        difference += &a;
        a += 1u32;
        difference += &a;
    }
    false
}

/// Only the last step is expensive; one number in a hundred reaches it.
fn is_square(number: &BigUint) -> bool {
    /// 9 · 5 · 7 · 11 · 13
    const MODULUS: u32 = 45_045;

    let low = number.iter_u64_digits().next().unwrap_or(0);
    if SQUARES_MODULO_64 >> (low % 64) & 1 == 0 {
        return false;
    }
    let residue = (number % MODULUS).iter_u32_digits().next().unwrap_or(0);
    if ![9, 5, 7, 11, 13].iter().all(|modulus| squares(*modulus) >> (residue % modulus) & 1 == 1) {
        return false;
    }
    let root = number.sqrt();
    &root * &root == *number
}

const SQUARES_MODULO_64: u64 = squares(64);

/// Returns a bit for each residue that a square may have modulo `modulus`, which is at most 64.
const fn squares(modulus: u32) -> u64 {
    let mut set = 0;
    let mut root = 0;
    while root < modulus {
        set |= 1 << (root * root % modulus);
        root += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns an `n` of some 2048 bits that Fermat's method factors in exactly this round, counted from one.
    ///
    /// (a + b)(a − b) with b chosen so that the square root of n is `round` below a.
    fn factored_in(round: u32) -> BigUint {
        let a = BigUint::from(3u32).pow(646) * 2u32;
        // a² − (a − round)² = 2·a·round − round²: b² must be just below it, and above the same for round − 1.
        let b = (&a * (2 * round) - round * round).sqrt();
        let b = if b.bit(0) { b } else { b - 1u32 };
        (&a + &b) * (&a - &b)
    }

    #[test]
    fn factors_are_found_up_to_the_last_round() {
        for round in [1, 2, 42, ROUNDS] {
            let number = factored_in(round);
            assert!(number.bit(0));
            assert!(are_close(&number), "round {round}");
        }
        assert!(!are_close(&factored_in(ROUNDS + 1)));
    }

    #[test]
    fn distant_factors_are_not_found() {
        let one = BigUint::from(2u32).pow(521) - 1u32;
        let other = BigUint::from(2u32).pow(607) - 1u32;
        assert!(!are_close(&(one * other)));
    }

    #[test]
    fn squares_are_recognised() {
        let roots = (0u32..3000).map(BigUint::from).chain([BigUint::from(7u32).pow(500)]);
        for root in roots {
            let square = &root * &root;
            assert!(is_square(&square));
            assert!(!is_square(&(square + 2u32)), "{root}");
        }
        // A square modulo each of the small numbers that is not a square.
        assert!(!is_square(&BigUint::from(64u32 * 45_045 + 1)));
        assert_eq!(squares(64).count_ones(), 12);
    }
}
