//! ROCA: keys of one vendor's chips, whose primes are powers of 65537 modulo the product of the first primes.
//!
//! Nemec and others, "The Return of Coppersmith's Attack", CCS 2017; CVE-2017-15361. Such a modulus is itself a power
//! of 65537 modulo each of the small primes. For the primes up to 167, one good key in some hundred million is too.

use super::{is_prime, residue};

const GENERATOR: u32 = 65_537;
/// Last prime used for the smallest of these keys (512 bits); larger keys use more.
const LAST_PRIME: u32 = 167;

/// Returns whether `modulus` is a power of 65537 modulo each prime from 3 to 167.
pub(super) fn has_fingerprint(modulus: &[u8]) -> bool {
    (3..=LAST_PRIME)
        .filter(|prime| is_prime(*prime))
        .all(|prime| POWERS[prime as usize].contains(residue(modulus, prime)))
}

/// Powers of 65537 modulo each prime.
static POWERS: [Residues; LAST_PRIME as usize + 1] = {
    let mut table = [Residues([0; 3]); LAST_PRIME as usize + 1];
    let mut prime = 3;
    while prime <= LAST_PRIME {
        if is_prime(prime) {
            table[prime as usize] = powers(prime);
        }
        prime += 1;
    }
    table
};

/// A set of numbers below 192.
#[derive(Clone, Copy)]
struct Residues([u64; 3]);

impl Residues {
    const fn contains(self, residue: u32) -> bool {
        self.0[residue as usize / 64] >> (residue % 64) & 1 == 1
    }
}

const fn powers(prime: u32) -> Residues {
    let mut set = Residues([0; 3]);
    let mut power = 1;
    while !set.contains(power) {
        set.0[power as usize / 64] |= 1 << (power % 64);
        power = power * (GENERATOR % prime) % prime;
    }
    set
}

#[cfg(test)]
mod tests {
    use num_bigint::BigUint;

    use super::super::whole_words;
    use super::*;

    fn product_of_primes(last: u32) -> BigUint {
        (2..=last).filter(|prime| is_prime(*prime)).map(BigUint::from).product()
    }

    /// The primes whose subgroup excludes residues, as the authors list them with their detector.
    #[test]
    fn only_some_primes_exclude_residues() {
        let telling = (3..=LAST_PRIME)
            .filter(|prime| is_prime(*prime))
            .filter(|prime| (1..*prime).any(|residue| !POWERS[*prime as usize].contains(residue)))
            .collect::<Vec<_>>();
        assert_eq!(telling, [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157]);
    }

    #[test]
    fn moduli_made_like_those_of_the_chips_have_the_fingerprint() {
        let product = product_of_primes(701);
        for (power, times) in [(1u32, 1u32), (2, 77), (123_456, 1_000_003)] {
            let one = BigUint::from(GENERATOR).modpow(&power.into(), &product) + &product * times;
            let other =
                BigUint::from(GENERATOR).modpow(&(power + 9).into(), &product) + &product * (times + 2);
            let modulus = one * other;
            assert!(has_fingerprint(&whole_words(&modulus)));
            assert!(!has_fingerprint(&whole_words(&(modulus + 2u32))));
        }
    }

    #[test]
    fn each_prime_with_excluded_residues_is_checked() {
        let product = product_of_primes(LAST_PRIME);
        for prime in [11u32, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157] {
            // 1 modulo all the others, and modulo this one a residue that is not a power of 65537.
            let rest = &product / prime;
            let wrong = (1..prime).find(|residue| !POWERS[prime as usize].contains(*residue)).unwrap();
            let number = (1..prime)
                .map(|times| &rest * times + 1u32)
                .find(|number| number % prime == BigUint::from(wrong))
                .unwrap();
            assert!(!has_fingerprint(&whole_words(&number)), "{prime}");
        }
        assert!(has_fingerprint(&whole_words(&(product + 1u32))));
    }
}
