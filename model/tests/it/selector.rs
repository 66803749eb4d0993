//! Selectors: cases as files, and laws that hold for all.

use std::collections::BTreeMap;

use model::rules::names;
use model::rules::selector::{FieldSelector, LabelSelector, Operator, Requirement, Selector};
use proptest::prelude::*;

use crate::scenario::{self, Player};

/// `labels SELECTOR`, `fields SELECTOR` and `object JSON` (a `metav1.LabelSelector`), each followed by the
/// label sets (`a=b c=d`, `-` for none) that are tried.
struct Selectors;

impl Player for Selectors {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut lines = command.lines();
        let first = lines.next().unwrap_or_default();
        let (verb, text) = first.split_once(' ').unwrap_or((first, ""));
        let (shown, matches): (String, Box<dyn Fn(&BTreeMap<String, String>) -> bool>) = match verb
        {
            "labels" => {
                let selector = Selector::parse(text).map_err(|error| error.to_string())?;
                (
                    selector.to_string(),
                    Box::new(move |labels| selector.matches(labels)),
                )
            }
            "object" => {
                let view: LabelSelector =
                    serde_json::from_str(text).map_err(|error| error.to_string())?;
                let selector = view.selector().map_err(|error| error.to_string())?;
                (
                    selector.to_string(),
                    Box::new(move |labels| selector.matches(labels)),
                )
            }
            "fields" => {
                let selector = FieldSelector::parse(text).map_err(|error| error.to_string())?;
                let shown = selector.to_string();
                let matches = move |labels: &BTreeMap<String, String>| {
                    selector.matches(|field| labels.get(field).map_or("", String::as_str))
                };
                (shown, Box::new(matches))
            }
            "name" => return Ok(faults(text)),
            _ => return Err(format!("what is {verb}?")),
        };
        let mut answer = vec![match shown.as_str() {
            "" => "everything".to_owned(),
            _ => shown,
        }];
        for line in lines {
            let labels: BTreeMap<String, String> = line
                .split_whitespace()
                .filter_map(|one| one.split_once('='))
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect();
            answer.push(format!("{line}: {}", matches(&labels)));
        }
        Ok(answer.join("\n"))
    }
}

fn faults(text: &str) -> String {
    let rules: [(&str, fn(&str) -> Vec<String>); 5] = [
        ("label", names::dns_label),
        ("subdomain", names::dns_subdomain),
        ("qualified", names::qualified_name),
        ("value", names::label_value),
        ("segment", names::path_segment),
    ];
    let lines = rules.iter().map(|(rule, check)| {
        let faults = check(text);
        let said = if faults.is_empty() {
            "good".to_owned()
        } else {
            faults.join("; ")
        };
        format!("{rule}: {said}")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn cases() {
    scenario::play_all("selector", || Selectors);
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let values = prop::collection::vec("[a-c0-9]{0,2}", 1..4);
    ("[a-c]", 0..9usize, values, 0..20i64).prop_map(|(key, operator, values, number)| {
        let (operator, values) = match operator {
            0 => (Operator::Equals, values[..1].to_vec()),
            1 => (Operator::DoubleEquals, values[..1].to_vec()),
            2 => (Operator::NotEquals, values[..1].to_vec()),
            3 => (Operator::In, values),
            4 => (Operator::NotIn, values),
            5 => (Operator::Exists, Vec::new()),
            6 => (Operator::DoesNotExist, Vec::new()),
            7 => (Operator::GreaterThan, vec![number.to_string()]),
            _ => (Operator::LessThan, vec![number.to_string()]),
        };
        Requirement::new(&key, operator, values).expect("a good requirement")
    })
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map("[a-c]", "[a-c0-9]{0,2}", 0..4)
}

proptest! {
    #[test]
    fn a_selector_reads_what_it_writes(requirements in prop::collection::vec(requirement(), 0..4)) {
        let selector = Selector::of(requirements);
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    /// Each operator and its opposite divide the objects between them.
    #[test]
    fn opposites_divide_the_objects(one in requirement(), labels in labels()) {
        let opposite = match one.operator() {
            Operator::Equals | Operator::DoubleEquals => Operator::NotEquals,
            Operator::NotEquals => Operator::Equals,
            Operator::In => Operator::NotIn,
            Operator::NotIn => Operator::In,
            Operator::Exists => Operator::DoesNotExist,
            Operator::DoesNotExist => Operator::Exists,
            Operator::GreaterThan | Operator::LessThan => return Ok(()),
        };
        let other = Requirement::new(one.key(), opposite, one.values().to_vec()).expect("a good requirement");
        prop_assert_ne!(one.matches(&labels), other.matches(&labels));
    }

    #[test]
    fn any_text_is_a_selector_or_refused(text in "[ab!=<>,() \\\\inot]{0,16}") {
        if let Ok(selector) = Selector::parse(&text) {
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }
        if let Ok(selector) = FieldSelector::parse(&text) {
            prop_assert_eq!(FieldSelector::parse(&selector.to_string()).map(|one| one.requirements.len()),
                Ok(selector.requirements.len()));
        }
    }
}
