//! The watch specification's worlds.

#[test]
#[ignore = "figures"]
fn figures() {
    let size = std::env::var("SIZE").unwrap_or_else(|_| "tiny".to_owned());
    let world = specs::checked::Checked::new(specs::watch::world(&size));
    let report = specs::catalog::Checkable::check(&world);
    println!(
        "{} states, {} with ghosts, {} transitions, depth {}, {:.1} s",
        report.states, report.with_ghosts, report.transitions, report.depth, report.seconds
    );
    for verdict in &report.properties {
        if !verdict.holds {
            println!("FAILS {} {}", verdict.kind, verdict.name);
            if let Some(telling) = &verdict.counterexample {
                println!("{telling}");
            }
        }
    }
    println!("{:?}", report.taken);
    if size == "tiny" {
        for (word, states) in specs::catalog::Checkable::without_each(&world) {
            println!("without {word}: {states}");
        }
    }
}
