//! Patches: cases as files, and laws that hold for all.

use model::objects::key::GroupResource;
use model::objects::kinds;
use model::rules::patch;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::scenario::{self, Player};

/// `merge` or `strategic RESOURCE`, then the object and the patch, a line each.
struct Patches;

impl Player for Patches {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let mut lines = command.lines();
        let verb = lines.next().unwrap_or_default();
        let mut json = || -> Result<Value, String> {
            serde_json::from_str(lines.next().unwrap_or_default())
                .map_err(|error| error.to_string())
        };
        let (mut object, change) = (json()?, json()?);
        match verb.split_once(' ') {
            None if verb == "merge" => patch::merge(&mut object, &change),
            Some(("strategic", resource)) => {
                let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
                let kind =
                    kinds::find(&GroupResource::new(group, resource)).ok_or("no such resource")?;
                patch::strategic_merge(&patch::definition(kind), &mut object, &change)
                    .map_err(|error| error.to_string())?;
            }
            _ => return Err(format!("what is {verb}?")),
        }
        Ok(object.to_string())
    }
}

#[test]
fn cases() {
    scenario::play_all("patch", || Patches);
}

/// Every definition that the table leads to is one that it has rows for, or one of plain fields; and no row
/// stands twice.
#[test]
fn the_table_is_one_of_fields() {
    let mut seen = std::collections::BTreeSet::new();
    for row in patch::TABLE {
        assert!(
            seen.insert((row.owner, row.name)),
            "{} {} twice",
            row.owner,
            row.name
        );
        assert_eq!(patch::field(row.owner, row.name), Some(row));
    }
    for kind in kinds::KINDS {
        let definition = patch::definition(kind);
        assert!(
            patch::field(&definition, "metadata").is_some(),
            "{definition} has no row for its metadata"
        );
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..4i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn containers() -> impl Strategy<Value = Vec<Value>> {
    let one =
        ("[a-e]", 0..3i64).prop_map(|(name, n)| json!({"name": name, "image": n.to_string()}));
    prop::collection::vec(one, 0..5).prop_map(|mut all| {
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|one| seen.insert(one["name"].to_string()));
        all
    })
}

fn names(list: &Value) -> Vec<String> {
    let elements = list.as_array().cloned().unwrap_or_default();
    elements.iter().map(|one| one["name"].to_string()).collect()
}

proptest! {
    /// RFC 7386: what a merge patch made has no nulls that the patch brought, and the patch says nothing new
    /// to it.
    #[test]
    fn a_merge_patch_applied_twice_is_applied_once(object in json_value(), change in json_value()) {
        let mut once = object;
        patch::merge(&mut once, &change);
        let mut twice = once.clone();
        patch::merge(&mut twice, &change);
        prop_assert_eq!(once, twice);
    }

    /// Strategic merge of a list by key: every element that the patch names is there with what it sets, every
    /// other one is untouched, none is twice, and both keep their order.
    #[test]
    fn lists_merge_by_key(before in containers(), change in containers()) {
        let mut pod = json!({"spec": {"containers": before}});
        let patch = json!({"spec": {"containers": change}});
        patch::strategic_merge("io.k8s.api.core.v1.Pod", &mut pod, &patch).expect("a good patch");
        let merged = &pod["spec"]["containers"];
        let (before, change) = (json!(before), json!(change));
        let (was, named, is) = (names(&before), names(&change), names(merged));
        let in_patch = |name: &&String| named.contains(name);
        prop_assert_eq!(is.iter().filter(in_patch).collect::<Vec<_>>(), named.iter().collect::<Vec<_>>());
        prop_assert_eq!(
            is.iter().filter(|name| !in_patch(name)).collect::<Vec<_>>(),
            was.iter().filter(|name| !in_patch(name)).collect::<Vec<_>>()
        );
        for element in merged.as_array().expect("a list") {
            let find = |list: &Value| {
                list.as_array()?.iter().find(|one| one["name"] == element["name"]).cloned()
            };
            prop_assert_eq!(Some(element.clone()), find(&change).or_else(|| find(&before)));
        }
        let once = pod.clone();
        patch::strategic_merge("io.k8s.api.core.v1.Pod", &mut pod, &patch).expect("a good patch");
        prop_assert_eq!(once, pod);
    }

    /// No patch makes the merge panic, whatever it holds.
    #[test]
    fn any_patch_is_applied_or_refused(object in json_value(), change in json_value()) {
        let mut object = json!({"spec": object, "metadata": {"finalizers": ["a", "b"]}});
        let change = json!({
            "spec": change,
            "metadata": {"$deleteFromPrimitiveList/finalizers": change, "$setElementOrder/finalizers": change},
        });
        let _ = patch::strategic_merge("io.k8s.api.core.v1.Pod", &mut object, &change);
    }
}
