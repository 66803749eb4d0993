//! `plimsoll simulate --world`: thousands of short histories of a specification's pure world.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::anyhow;
use specs::catalog::Size;
use specs::histories::{Plan, Walked};

use super::spec::{named, sized};

/// Walks histories of a specification's largest world, or of the size that is named, and reports. Fails with 1 if one
/// breaks a property; the shortest of those is told as a scenario that `plimsoll spec replay` takes.
///
/// # Errors
/// If there is no such specification or size.
pub(super) fn execute(world: &str, size: Option<&str>, plan: &Plan) -> anyhow::Result<ExitCode> {
    let listed = named(world)?;
    let size = match size {
        Some(name) => sized(&listed, name)?,
        None => listed
            .sizes
            .last()
            .ok_or_else(|| anyhow!("{world} has no sizes"))?,
    };
    let walked = (listed.world)(size).histories(plan);
    print!("{}", report(world, size, &walked)?);
    let Some((seed, broken)) = walked.shortest() else {
        return Ok(ExitCode::SUCCESS);
    };
    let failed = walked.broken.len();
    println!("FAILED: {failed} of them; the shortest, seed {seed}, is");
    print!(
        "{}",
        broken.telling.scenario(world, size.name, broken.property)
    );
    println!(
        "again: plimsoll simulate --world {world} --size {} --seed {seed}",
        size.name
    );
    Ok(ExitCode::FAILURE)
}

fn report(world: &str, size: &Size, walked: &Walked) -> Result<String, std::fmt::Error> {
    let Walked {
        histories,
        choices,
        seconds,
        ..
    } = walked;
    let mut text = String::new();
    let (name, holds) = (size.name, size.holds);
    writeln!(text, "{world} {name}: {holds}")?;
    writeln!(
        text,
        "{histories} histories, {choices} choices, {seconds:.1} s of processor time; taken:"
    )?;
    for (word, times) in &walked.taken {
        writeln!(text, "{times:>12}  {word}")?;
    }
    Ok(text)
}
