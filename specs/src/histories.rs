//! Many short histories of a world, each walked at random from a seed of its own: the fast half of simulation.
//!
//! A history reaches further than an exploration can (larger worlds, more faults in a row) and promises less: it saw
//! what it saw. First anything may happen, faults included; then faults and favours stop and what is bound to happen
//! does, until the world has converged.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::checked::Checked;
use crate::counterexample::Telling;
use crate::random::SplitMix;
use crate::world::{Happens, Kind, Property, Violation, World};

/// The property of a history that does not converge after its last fault.
pub const CONVERGES: &str = "converges after the last fault";

/// Which histories are walked, and how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The seed of the first; the next has the next.
    pub first: u64,
    /// How many.
    pub histories: u64,
    /// Choices of each while everything may happen.
    pub steps: usize,
    /// Choices after which one that has not converged never will.
    pub patience: usize,
}

impl Plan {
    /// So many histories from a seed on, each as long as most worlds need to run dry.
    pub fn new(first: u64, histories: u64) -> Self {
        Plan {
            first,
            histories,
            steps: 200,
            patience: 20_000,
        }
    }
}

/// What many histories saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// How many were walked to their end.
    pub histories: u64,
    /// Choices that were taken.
    pub choices: u64,
    /// How long it took, in all threads together.
    pub seconds: f64,
    /// How often each word was taken.
    pub taken: BTreeMap<&'static str, u64>,
    /// Those that broke a property, by seed.
    pub broken: BTreeMap<u64, Broken>,
}

/// A history that broke a property.
#[derive(Clone, Debug, PartialEq)]
pub struct Broken {
    /// The property.
    pub property: &'static str,
    /// How it came to that.
    pub telling: Telling,
}

/// Walks every history of a plan, in as many threads as there are processors. What one seed gives depends on nothing
/// else.
pub fn walked<W>(world: &Checked<W>, plan: &Plan) -> Walked
where
    W: World + Sync,
{
    let next = AtomicU64::new(0);
    let work = || {
        let (began, mut seen) = (Instant::now(), Walked::default());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= plan.histories {
                seen.seconds = began.elapsed().as_secs_f64();
                return seen;
            }
            let seed = plan.first.wrapping_add(number);
            let mut taken = BTreeMap::new();
            let broken = history(world, seed, plan, &mut taken).err();
            seen.add(seed, taken, broken.map(broken_of::<W>));
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let mut all = Walked::default();
        for worker in workers {
            match worker.join() {
                Ok(seen) => all.join(seen),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

fn broken_of<W: World>(violation: Violation<W::Choice>) -> Broken {
    Broken {
        property: violation.property,
        telling: Telling::of::<W>(&violation.choices),
    }
}

impl Walked {
    /// The shortest history that broke a property, with its seed.
    pub fn shortest(&self) -> Option<(u64, &Broken)> {
        let all = self.broken.iter();
        all.min_by_key(|(_, broken)| broken.telling.steps.len())
            .map(|(seed, broken)| (*seed, broken))
    }

    fn add(&mut self, seed: u64, taken: BTreeMap<&'static str, u64>, broken: Option<Broken>) {
        self.histories += 1;
        for (word, times) in taken {
            self.choices += times;
            *self.taken.entry(word).or_default() += times;
        }
        self.broken.extend(broken.map(|broken| (seed, broken)));
    }

    fn join(&mut self, other: Walked) {
        self.histories += other.histories;
        self.choices += other.choices;
        self.seconds += other.seconds;
        for (word, times) in other.taken {
            *self.taken.entry(word).or_default() += times;
        }
        self.broken.extend(other.broken);
    }
}

/// One history of a world. Counts the words it takes.
///
/// # Errors
/// The first property that it breaks, with the choices that lead there.
pub fn history<W: World>(
    world: &Checked<W>,
    seed: u64,
    plan: &Plan,
    taken: &mut BTreeMap<&'static str, u64>,
) -> Result<(), Violation<W::Choice>> {
    let mut walk = Walk::begin(world, seed, W::properties());
    let sure: Vec<&str> = W::words()
        .iter()
        .filter(|word| word.kind == Happens::Surely)
        .map(|word| word.name)
        .collect();
    for _ in 0..plan.steps {
        let Some(word) = walk.any()? else {
            break;
        };
        *taken.entry(word).or_default() += 1;
    }
    for _ in 0..plan.patience {
        if world.world.converged(&walk.state) {
            return Ok(());
        }
        let Some(word) = walk.step(|word| sure.contains(&word))? else {
            break;
        };
        *taken.entry(word).or_default() += 1;
    }
    match world.world.converged(&walk.state) {
        true => Ok(()),
        false => Err(walk.broken(CONVERGES)),
    }
}

/// Whether a history of at most so many choices, of the kind that [`history`] begins with, comes to a state that is
/// looked for. What the world promises is not looked at.
pub fn comes_to<W: World>(
    world: &Checked<W>,
    seed: u64,
    steps: usize,
    found: impl Fn(&W::State) -> bool,
) -> bool {
    let mut walk = Walk::begin(world, seed, Vec::new());
    for _ in 0..steps {
        if found(&walk.state) {
            return true;
        }
        match walk.any() {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return false,
        }
    }
    found(&walk.state)
}

struct Walk<'a, W: World> {
    world: &'a Checked<W>,
    properties: Vec<Property<W>>,
    random: SplitMix,
    /// Words that this history leaves out while anything may happen.
    muted: Vec<&'static str>,
    state: W::State,
    choices: Vec<W::Choice>,
}

impl<'a, W: World> Walk<'a, W> {
    fn begin(world: &'a Checked<W>, seed: u64, properties: Vec<Property<W>>) -> Self {
        let mut random = SplitMix::new(seed);
        // Swarm testing (Groce et al., 2012): what may happen and need not is left out of half of the histories, word
        // for word, because much of it keeps rarer things from happening.
        let muted = W::words()
            .iter()
            .filter(|word| word.kind != Happens::Surely && random.below(2) == 0)
            .map(|word| word.name)
            .collect();
        Walk {
            world,
            properties,
            random,
            muted,
            state: world.world.begin(),
            choices: Vec::new(),
        }
    }

    /// Takes one of all that may happen in this history.
    fn any(&mut self) -> Result<Option<&'static str>, Violation<W::Choice>> {
        let muted = std::mem::take(&mut self.muted);
        let taken = self.step(|word| !muted.contains(&word));
        self.muted = muted;
        taken
    }

    /// Takes one of the possible choices: first a word is drawn, then one of its choices, so that a rare word has its
    /// turn among many instances of a common one. `None` if nothing is possible.
    fn step(
        &mut self,
        may: impl Fn(&'static str) -> bool,
    ) -> Result<Option<&'static str>, Violation<W::Choice>> {
        let mut words: BTreeMap<&'static str, Vec<W::Choice>> = BTreeMap::new();
        for choice in self.world.choices(&self.state) {
            let word = W::word(&choice);
            if may(word) {
                words.entry(word).or_default().push(choice);
            }
        }
        if words.is_empty() {
            return Ok(None);
        }
        let drawn = self.random.below(words.len());
        let Some((word, mut choices)) = words.into_iter().nth(drawn) else {
            return Ok(None);
        };
        let choice = choices.swap_remove(self.random.below(choices.len()));
        self.world.world.take(&mut self.state, &choice);
        self.choices.push(choice);
        let broken = self
            .properties
            .iter()
            .find(|one| one.kind == Kind::Always && !(one.holds)(self.world, &self.state))
            .map(|property| property.name);
        match broken {
            Some(name) => Err(self.broken(name)),
            None => Ok(Some(word)),
        }
    }

    fn broken(&mut self, property: &'static str) -> Violation<W::Choice> {
        Violation {
            property,
            choices: std::mem::take(&mut self.choices),
        }
    }
}
