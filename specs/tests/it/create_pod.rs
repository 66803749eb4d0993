//! The path of a pod, abstract.

use specs::catalog::Checkable;
use specs::checked::Checked;
use specs::create_pod::world::{CreatePodWorld, Faults, Planned};

/// W="plan nodes room schedulers deletable removable crashS crashK lost fail ends losses"; plan as in a+a-b+
#[test]
#[ignore]
fn try_it() {
    if let Ok(sizes) = std::env::var("SIZES") {
        for name in sizes.split(',') {
            let (which, size) = name.split_once(':').unwrap();
            let listed = if which == "m" {
                specs::create_pod::machines::listed()
            } else {
                specs::create_pod::listed()
            };
            let size = listed.size(size).unwrap();
            let report = (listed.world)(size).check();
            println!(
                "== {name}: states {} ghosts {} transitions {} depth {} seconds {}",
                report.states, report.with_ghosts, report.transitions, report.depth, report.seconds
            );
            for verdict in report.properties.iter().filter(|it| !it.holds) {
                println!("{} {}", verdict.kind, verdict.name);
                if let Some(it) = &verdict.counterexample {
                    println!("{it}");
                }
            }
            println!(
                "{:?}",
                report
                    .taken
                    .iter()
                    .filter(|it| *it.1 == 0)
                    .collect::<Vec<_>>()
            );
            if std::env::var("EACH").is_ok() {
                println!("{:?}", (listed.world)(size).without_each());
            }
        }
        return;
    }
    for spec in std::env::var("W").unwrap().split(';') {
        let words: Vec<&str> = spec.split_whitespace().collect();
        let n = |i: usize| words[i].parse::<u8>().unwrap();
        let mut plan = Vec::new();
        let mut it = words[0].chars();
        while let (Some(name), Some(sign)) = (it.next(), it.next()) {
            plan.push(Planned {
                name: if name == 'a' { "a" } else { "b" },
                restarts: sign == '+',
            });
        }
        let world = CreatePodWorld {
            plan,
            nodes: n(1) as usize,
            room: n(2) as usize,
            schedulers: n(3) as usize,
            deletable: n(4) as usize,
            removable_nodes: n(5) == 1,
            faults: Faults {
                scheduler_crashes: n(6),
                kubelet_crashes: n(7),
                lost_answers: n(8),
                failed_starts: n(9),
                ends: n(10),
                losses: n(11),
                any: n(12),
            },
        };
        let world: Box<dyn Checkable> = if std::env::var("M").is_ok() {
            Box::new(Checked::new(specs::create_pod::machines::MachinesWorld {
                machines: specs::create_pod::machines::Shipped,
                plan: world.plan,
                nodes: world.nodes,
                room: world.room as u32,
                schedulers: world.schedulers,
                deletable: world.deletable,
                removable_nodes: world.removable_nodes,
                cache_lags: n(13) == 1,
                faults: world.faults,
            }))
        } else {
            Box::new(Checked::new(world))
        };
        if std::env::var("EACH").is_ok() {
            println!("{:?}", world.without_each());
        }
        let report = world.check();
        println!(
            "== {spec}: states {} ghosts {} transitions {} depth {} seconds {}",
            report.states, report.with_ghosts, report.transitions, report.depth, report.seconds
        );
        for verdict in &report.properties {
            if !verdict.holds {
                println!("{} {} {}", verdict.kind, verdict.name, verdict.holds);
            }
            if let Some(it) = &verdict.counterexample {
                println!("{it}");
            }
        }
        println!(
            "{:?}",
            report
                .taken
                .iter()
                .filter(|it| *it.1 == 0)
                .collect::<Vec<_>>()
        );
    }
}
