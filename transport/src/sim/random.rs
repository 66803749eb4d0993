//! A seeded generator of random numbers.

use std::io;
use std::sync::{Mutex, PoisonError};

use crate::environment::Random;

/// A seeded generator: SplitMix64 (Steele, Lea, Flood 2014). For simulations only.
#[derive(Debug)]
pub struct SeededRandom(Mutex<u64>);

impl SeededRandom {
    /// The generator of that seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }

    /// A generator for one purpose: its numbers are the same whatever is drawn for other purposes of that seed.
    pub fn stream(seed: u64, purpose: &str) -> Self {
        let generator = Self::new(seed);
        let start = generator.number();
        let label = purpose.bytes().fold(super::FNV_OFFSET, super::fnv);
        Self::new(start ^ label)
    }

    /// The next number, all values equally likely.
    pub fn number(&self) -> u64 {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, or 0.
    pub fn below(&self, bound: u64) -> u64 {
        match bound {
            0 => 0,
            bound => self.number() % bound,
        }
    }

    /// A number between the two, both included.
    pub fn between(&self, least: u64, most: u64) -> u64 {
        least + self.below(most.saturating_sub(least).saturating_add(1))
    }

    /// True once in so many times.
    pub fn once_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them; `None` if there are none.
    pub fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        let index = self.below(all.len() as u64);
        all.get(index as usize)
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) -> io::Result<()> {
        for chunk in bytes.chunks_mut(8) {
            let word = self.number().to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}
