//! Looking for the nearest state in which one property is broken.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use specs::checked::Checked;
use specs::histories::{Plan, history};
use specs::world::{Happens, Kind, World};

/// What a hunt found.
#[derive(Debug)]
pub struct Caught<C> {
    /// The shortest way to a state in which the property is broken.
    pub way: Vec<C>,
    /// How many states were looked at.
    pub states: usize,
}

/// Searches breadth first until a property is broken. `None` if `most` states do not break it.
pub fn hunt<W: World>(world: W, property: &str, most: usize) -> Option<Caught<W::Choice>> {
    let properties = W::properties();
    let holds = properties
        .iter()
        .find(|one| one.name == property)
        .unwrap_or_else(|| panic!("no property {property}"))
        .holds;
    let world = Checked::new(world);
    let mut seen: HashSet<u64> = HashSet::new();
    let mut reached: HashMap<usize, (usize, W::Choice)> = HashMap::new();
    let mut frontier = VecDeque::from([(0, world.world.begin())]);
    let mut states = 1;
    while let Some((number, state)) = frontier.pop_front() {
        for choice in world.choices(&state) {
            let mut next = state.clone();
            if !world.world.take(&mut next, &choice) || !seen.insert(hash(&next)) {
                continue;
            }
            reached.insert(states, (number, choice));
            if !holds(&world, &next) {
                let mut way = Vec::new();
                let mut at = states;
                while let Some((from, choice)) = reached.get(&at) {
                    way.push(choice.clone());
                    at = *from;
                }
                way.reverse();
                return Some(Caught { way, states });
            }
            frontier.push_back((states, next));
            states += 1;
            if states >= most {
                return None;
            }
        }
    }
    None
}

/// Of how many histories walked at random one breaks a property, as the median of several tries, to the power of two
/// above; `None` if more than half of the tries give up after so many. Exact numbers would change with every word.
pub fn histories_to_kill<W: World>(world: W) -> Option<u64> {
    const TRIES: u64 = 3;
    const MOST: u64 = 131_072;
    let world = Checked::new(world);
    let mut tries: Vec<u64> = (0..TRIES)
        .map(|one| {
            let plan = Plan::new(one << 32, MOST);
            let survives = |seed: &u64| {
                history(&world, plan.first + seed, &plan, &mut BTreeMap::new()).is_ok()
            };
            let survivors = (0..MOST).take_while(survives).count() as u64;
            (survivors + 1).next_power_of_two()
        })
        .collect();
    tries.sort_unstable();
    let median = tries.get(tries.len() / 2).copied();
    median.filter(|median| *median <= MOST)
}

/// A run in which nothing goes wrong: everything that is bound to happen does, then the next write. Answers with the
/// property that it breaks.
pub fn calm<W: World>(world: W) -> Result<usize, &'static str> {
    let properties = W::properties();
    let world = Checked::new(world);
    let mut state = world.world.begin();
    let sure = |choice: &W::Choice| {
        let word = W::word(choice);
        let word = W::words().iter().find(|known| known.name == word);
        word.is_some_and(|word| word.kind == Happens::Surely)
    };
    for steps in 0..500 {
        let choices = world.choices(&state);
        let write = |choice: &&W::Choice| W::word(choice) == "write";
        let Some(choice) = choices
            .iter()
            .find(|choice| sure(choice))
            .or_else(|| choices.iter().find(write))
        else {
            return Ok(steps);
        };
        world.world.take(&mut state, choice);
        let broken = properties
            .iter()
            .find(|one| one.kind == Kind::Always && !(one.holds)(&world, &state));
        if let Some(broken) = broken {
            return Err(broken.name);
        }
    }
    Err("comes to rest")
}

fn hash(state: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    state.hash(&mut hasher);
    hasher.finish()
}
