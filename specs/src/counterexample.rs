//! A way through a world in the words of its specification: as numbered steps, as a sequence diagram, and as a
//! scenario that can be taken again.

use std::fmt::{self, Write as _};

use crate::checked::Checked;
use crate::world::{Kind, World};

/// A way through a world, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telling {
    /// The choices in order.
    pub steps: Vec<Told>,
}

/// One choice, told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its line.
    pub line: String,
    /// Who does it.
    pub from: String,
    /// To whom.
    pub to: String,
}

impl Telling {
    /// Tells choices.
    pub fn of<W: World>(choices: &[W::Choice]) -> Self {
        let told = |choice: &W::Choice| {
            let (from, to) = W::parties(choice);
            Told {
                line: choice.to_string(),
                from,
                to,
            }
        };
        Telling {
            steps: choices.iter().map(told).collect(),
        }
    }

    /// A mermaid sequence diagram.
    pub fn mermaid(&self) -> String {
        let mut text = String::from("sequenceDiagram\n");
        for step in &self.steps {
            let (from, to) = (&step.from, &step.to);
            // A semicolon would end the statement.
            let line = step.line.replace(';', ",");
            writeln!(text, "    {from}->>{to}: {line}").expect("a string takes what is written");
        }
        text
    }

    /// A scenario: a head of `name: value` lines, then a step a line.
    pub fn scenario(&self, specification: &str, size: &str, property: &str) -> String {
        let mut text =
            format!("specification: {specification}\nsize: {size}\nproperty: {property}\n");
        for step in &self.steps {
            writeln!(text, "- {}", step.line).expect("a string takes what is written");
        }
        text
    }
}

impl fmt::Display for Telling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "{number:>4}. {}", step.line)?;
        }
        Ok(())
    }
}

/// A scenario file of a world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Which specification.
    pub specification: String,
    /// Which of its sizes.
    pub size: String,
    /// The property that it is about.
    pub property: String,
    /// The choices, as they read.
    pub steps: Vec<String>,
}

/// Why a scenario cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// It does not read as a scenario.
    #[error("line {line}: {why}")]
    Malformed {
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A step is not possible where it stands.
    #[error("step {step}: \"{line}\" cannot happen here; what can:\n{}", possible.join("\n"))]
    Impossible {
        /// Which step, from 1.
        step: usize,
        /// The step.
        line: String,
        /// What can happen instead.
        possible: Vec<String>,
    },
}

impl std::str::FromStr for Scenario {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let mut scenario = Scenario {
            specification: String::new(),
            size: String::new(),
            property: String::new(),
            steps: Vec::new(),
        };
        for (number, line) in (1..).zip(text.lines()) {
            let malformed = |why: &str| ScenarioError::Malformed {
                line: number,
                why: why.to_owned(),
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(step) = line.strip_prefix("- ") {
                scenario.steps.push(step.to_owned());
                continue;
            }
            let (name, value) = line
                .split_once(": ")
                .ok_or_else(|| malformed("neither `name: value` nor `- step`"))?;
            match name {
                "specification" => scenario.specification = value.to_owned(),
                "size" => scenario.size = value.to_owned(),
                "property" => scenario.property = value.to_owned(),
                _ => return Err(malformed("the head has specification, size and property")),
            }
        }
        Ok(scenario)
    }
}

/// What became of a scenario that was taken again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// The steps, told.
    pub telling: Telling,
    /// After which step, from 1, which property was first broken; 0 is the beginning.
    pub broken: Option<(usize, &'static str)>,
    /// The state at the end, for people to read.
    pub end: String,
}

/// Takes a scenario's steps again.
///
/// # Errors
/// If a step is not possible where it stands.
pub fn replay<W: World>(
    world: &Checked<W>,
    scenario: &Scenario,
) -> Result<Replayed, ScenarioError> {
    let properties = W::properties();
    let broken_in = |state: &W::State| {
        properties
            .iter()
            .find(|property| property.kind == Kind::Always && !(property.holds)(world, state))
            .map(|property| property.name)
    };
    let mut state = world.world.begin();
    let mut broken = broken_in(&state).map(|name| (0, name));
    let mut taken = Vec::new();
    for (number, line) in (1..).zip(&scenario.steps) {
        let choices = world.choices(&state);
        let Some(choice) = choices.iter().find(|choice| choice.to_string() == *line) else {
            return Err(ScenarioError::Impossible {
                step: number,
                line: line.clone(),
                possible: choices.iter().map(|choice| format!("- {choice}")).collect(),
            });
        };
        world.world.take(&mut state, choice);
        broken = broken.or_else(|| broken_in(&state).map(|name| (number, name)));
        taken.push(choice.clone());
    }
    Ok(Replayed {
        telling: Telling::of::<W>(&taken),
        broken,
        end: format!("{state:#?}"),
    })
}
