//! Python's random numbers, so that what a Python program drew can be drawn again.
//!
//! The algorithms are those of `CPython` 3.11 (`Modules/_randommodule.c`, `Lib/random.py`), and the tests
//! compare with what it drew.

use std::collections::HashSet;

use rand_mt::Mt;

/// Python's `random.Random(seed)` for an integer seed.
///
/// Draws the same values as `CPython`, call by call: MT19937 seeded by `init_by_array`, and on top of
/// it the methods that Python programs use for sampling.
///
/// ```
/// let mut rng = likra_data::PythonRandom::new(42);
/// assert_eq!(rng.sample(1119, 3), [228, 51, 563]);
/// ```
#[derive(Debug, Clone)]
pub struct PythonRandom {
    words: Mt,
}

impl PythonRandom {
    /// `random.Random(seed)`: the key is the seed's 32-bit words, lowest first.
    pub fn new(seed: u64) -> Self {
        let (low, high) = (seed as u32, (seed >> 32) as u32);
        let key = [low, high];
        let words = if high == 0 { 1 } else { 2 };
        Self {
            words: Mt::new_with_key(key.into_iter().take(words)),
        }
    }

    /// `getrandbits(bits)`: a number of at most `bits` bits.
    ///
    /// # Panics
    ///
    /// If `bits` exceeds 64.
    pub fn getrandbits(&mut self, bits: u32) -> u64 {
        assert!(bits <= 64, "{bits} bits do not fit in 64");
        match bits {
            0 => 0,
            1..=32 => u64::from(self.words.next_u32() >> (32 - bits)),
            _ => self.getrandbits(32) | self.getrandbits(bits - 32) << 32,
        }
    }

    /// `random()`: a number in `[0, 1)` with 53 random bits.
    pub fn random(&mut self) -> f64 {
        let high = self.words.next_u32() >> 5;
        let low = self.words.next_u32() >> 6;
        (f64::from(high) * f64::from(1 << 26) + f64::from(low)) / (1_u64 << 53) as f64
    }

    /// `randrange(n)`: a number in `0..n`, by drawing `n`'s count of bits until they are below `n`.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn randbelow(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number is below 0");
        let bits = usize::BITS - n.leading_zeros();
        loop {
            let drawn = self.getrandbits(bits) as usize;
            if drawn < n {
                return drawn;
            }
        }
    }

    /// `choice(items)`, or nothing if there are none.
    pub fn choice<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        (!items.is_empty()).then(|| &items[self.randbelow(items.len())])
    }

    /// `shuffle(items)`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.randbelow(last + 1));
        }
    }

    /// `sample(range(n), k)`: `k` different numbers in `0..n`, in the order drawn.
    ///
    /// # Panics
    ///
    /// If `k` exceeds `n`.
    pub fn sample(&mut self, n: usize, k: usize) -> Vec<usize> {
        assert!(k <= n, "{k} different numbers cannot be drawn from {n}");
        if n <= set_size(k) {
            // Taken out of a pool, each gap filled with the pool's last number.
            let mut pool: Vec<usize> = (0..n).collect();
            let mut take = || pool.swap_remove(self.randbelow(pool.len()));
            return (0..k).map(|_| take()).collect();
        }
        // What has been drawn before is drawn again.
        let mut seen = HashSet::with_capacity(k);
        let drawn = std::iter::repeat_with(|| self.randbelow(n));
        let fresh = drawn.filter(|place| seen.insert(*place));
        fresh.take(k).collect()
    }
}

/// The population up to which Python's `sample` copies it rather than keep a set of what it drew:
/// `21 + 4 ** ceil(log(3 * k, 4))`, where 21 alone does for `k` up to 5.
fn set_size(k: usize) -> usize {
    let mut powers = (1..).map(|exponent| 4_usize.saturating_pow(exponent));
    let large = powers.find(|power| *power >= k.saturating_mul(3));
    let large = large.filter(|_| k > 5).unwrap_or_default();
    large.saturating_add(21)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        draws: Vec<Draws>,
    }

    #[derive(Deserialize)]
    struct Draws {
        seed: u64,
        getrandbits: Vec<(u32, u64)>,
        randbelow: Vec<(usize, usize)>,
        random_53: Vec<u64>,
        choice: Vec<usize>,
        sample: Vec<(usize, usize, Vec<usize>)>,
        shuffle: Vec<usize>,
        word_3000: u64,
    }

    fn golden() -> Vec<Draws> {
        let text = include_str!("../../../fixtures/data/python_random.json");
        serde_json::from_str::<Golden>(text).unwrap().draws
    }

    #[test]
    fn bits_and_floats_are_cpythons() {
        for golden in golden() {
            let mut rng = PythonRandom::new(golden.seed);
            for (bits, expected) in golden.getrandbits {
                assert_eq!(
                    rng.getrandbits(bits),
                    expected,
                    "seed {}, {bits} bits",
                    golden.seed
                );
            }
            let mut rng = PythonRandom::new(golden.seed);
            for expected in golden.random_53 {
                assert_eq!(
                    rng.random(),
                    expected as f64 / 2_f64.powi(53),
                    "seed {}",
                    golden.seed
                );
            }
            let mut rng = PythonRandom::new(golden.seed);
            (0..3000).for_each(|_| _ = rng.getrandbits(32));
            assert_eq!(
                rng.getrandbits(32),
                golden.word_3000,
                "seed {}",
                golden.seed
            );
        }
    }

    #[test]
    fn draws_below_a_bound_and_choices_are_cpythons() {
        for golden in golden() {
            let mut rng = PythonRandom::new(golden.seed);
            for (n, expected) in golden.randbelow {
                assert_eq!(
                    rng.randbelow(n),
                    expected,
                    "seed {}, below {n}",
                    golden.seed
                );
            }
            let mut rng = PythonRandom::new(golden.seed);
            for (n, expected) in (1..).zip(golden.choice) {
                let items: Vec<usize> = (0..n).collect();
                assert_eq!(
                    rng.choice(&items),
                    Some(&expected),
                    "seed {}, of {n}",
                    golden.seed
                );
            }
        }
        assert_eq!(PythonRandom::new(0).choice::<u8>(&[]), None);
    }

    #[test]
    fn samples_and_shuffles_are_cpythons() {
        for golden in golden() {
            let mut rng = PythonRandom::new(golden.seed);
            for (n, k, expected) in golden.sample {
                assert_eq!(
                    rng.sample(n, k),
                    expected,
                    "seed {}, {k} of {n}",
                    golden.seed
                );
            }
            let mut items: Vec<usize> = (0..golden.shuffle.len()).collect();
            PythonRandom::new(golden.seed).shuffle(&mut items);
            assert_eq!(items, golden.shuffle, "seed {}", golden.seed);
        }
    }

    #[test]
    fn the_set_size_follows_pythons_rule_up_to_the_largest_k() {
        assert_eq!(
            [0, 5, 6, 21, 22, 25, 85, 86].map(set_size),
            [21, 21, 85, 85, 277, 277, 277, 1045]
        );
        assert_eq!(set_size(usize::MAX), usize::MAX);
    }

    proptest! {
        #[test]
        fn samples_are_distinct_and_in_range(seed: u64, n in 0_usize..2000, part in 0.0..=1.0) {
            let k = (n as f64 * part) as usize;
            let drawn = PythonRandom::new(seed).sample(n, k);
            prop_assert_eq!(drawn.len(), k);
            prop_assert!(drawn.iter().all(|&place| place < n));
            prop_assert_eq!(drawn.into_iter().collect::<HashSet<_>>().len(), k);
        }
    }
}
