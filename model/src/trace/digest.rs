//! A hash that is the same in every process and build, for what two runs of a machine are compared by.

use std::hash::{Hash, Hasher};

use crate::machine::{Machine, Out, Request};

/// 64 bits of what was written to it. The hasher of the standard library may change from version to version.
#[derive(Clone, Copy, Debug)]
pub struct Digest {
    state: u64,
    bytes: u64,
}

const START: u64 = 0x9e37_79b9_7f4a_7c15;
const FACTOR: u128 = 0xd6e8_feb8_6659_fd93_a076_1d64_78bd_642f;

impl Digest {
    /// Of nothing.
    pub fn new() -> Self {
        Digest {
            state: START,
            bytes: 0,
        }
    }

    /// How much was written, in bytes: what it cost.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn absorb(&mut self, word: u64) {
        let product = u128::from(self.state ^ word).wrapping_mul(FACTOR);
        self.state = (product as u64) ^ ((product >> 64) as u64).rotate_left(23);
        self.bytes += 8;
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher for Digest {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.absorb(u64::from_le_bytes(*word));
        }
        // The length keeps an end apart from the zeros that fill it.
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        self.absorb(u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56));
    }

    fn write_u8(&mut self, value: u8) {
        self.absorb(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.absorb(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.absorb(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.absorb(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.absorb(value as u64);
    }
}

/// The digest of what a step asks of its driver.
pub fn of_requests<M: Machine>(out: &Out<M>) -> u64 {
    let mut digest = Digest::new();
    for request in out.requests() {
        match request {
            Request::Output(output) => (0_u8, output).hash(&mut digest),
            Request::Timer(timer, after_ms) => (1_u8, timer, after_ms).hash(&mut digest),
            Request::Cancel(timer) => (2_u8, timer).hash(&mut digest),
        }
    }
    digest.finish()
}
