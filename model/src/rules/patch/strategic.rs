//! Strategic merge patch: lists merged by key, and directives.
//!
//! Source: "Strategic Merge Patch" in `kubernetes/community`
//! (`contributors/devel/sig-api-machinery/strategic-merge-patch.md`) and
//! `k8s.io/apimachinery/pkg/util/strategicpatch`.

use serde_json::{Map, Value};

use super::order::{Identity, arrange};
use super::table::{self, ListType};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_PRIMITIVES: &str = "$deleteFromPrimitiveList/";

/// Why a patch cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// A patch or an object is no JSON object.
    #[error("invalid JSON document")]
    NotAnObject,
    /// An unknown value of `$patch`.
    #[error("unknown patch type: {0}")]
    UnknownDirective(String),
    /// `$patch: merge` on a list.
    #[error("merging lists cannot yet be specified in the patch")]
    MergeOfList,
    /// An element without the field by which its list is merged.
    #[error("map: {element} does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The element.
        element: String,
        /// The field.
        key: &'static str,
    },
    /// `$deleteFromPrimitiveList` that is no list, or for a list of objects.
    #[error("invalid patch format of primitive list")]
    PrimitiveList,
    /// `$retainKeys` that is no list of names, or that leaves out a field which the patch sets.
    #[error("invalid patch format of retainKeys list")]
    RetainKeys,
    /// `$setElementOrder` that is no list, or that leaves out an element which the patch names.
    #[error("invalid patch format of setElementOrder list")]
    SetElementOrder,
}

/// Changes an object of a [definition](table::definition) as `patch` says. On an error the object is left
/// half changed, so a caller that goes on with it keeps a copy.
///
/// # Errors
/// A [`PatchError`]; all of them are faults of the patch.
pub fn strategic_merge(
    definition: &str,
    target: &mut Value,
    patch: &Value,
) -> Result<(), PatchError> {
    let (Value::Object(target), Value::Object(patch)) = (target, patch) else {
        return Err(PatchError::NotAnObject);
    };
    merge_object(definition, target, patch)
}

fn merge_object(
    definition: &str,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    match patch.get(PATCH) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            *target = plain_object(patch);
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "delete" => {
            target.clear();
            return Ok(());
        }
        Some(Value::String(directive)) if directive == "merge" => {}
        Some(other) => return Err(PatchError::UnknownDirective(text(other))),
    }
    retain_keys(target, patch)?;
    for (name, value) in patch {
        if let Some(list) = name.strip_prefix(DELETE_PRIMITIVES) {
            delete_primitives(target, list, value)?;
        }
    }
    for (name, value) in patch {
        if !is_directive(name) {
            merge_field(definition, target, patch, name, value)?;
        }
    }
    // An order for a list that the patch does not otherwise change.
    for (name, order) in patch {
        if let Some(list) = name.strip_prefix(SET_ORDER)
            && !patch.contains_key(list)
            && let Some(Value::Array(elements)) = target.get_mut(list)
        {
            let order = order.as_array().ok_or(PatchError::SetElementOrder)?;
            let before = elements.clone();
            *elements = arrange(
                std::mem::take(elements),
                order,
                &before,
                identity(definition, list),
            );
        }
    }
    Ok(())
}

fn merge_field(
    definition: &str,
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    name: &str,
    value: &Value,
) -> Result<(), PatchError> {
    if value.is_null() {
        target.remove(name);
        return Ok(());
    }
    let row = table::field(definition, name);
    let below = row.map_or("", |row| row.target);
    let list = row.map_or(ListType::Whole, |row| row.list);
    match (target.get_mut(name), value) {
        (Some(Value::Object(present)), Value::Object(change)) => {
            return merge_object(below, present, change);
        }
        (Some(Value::Array(present)), Value::Array(change)) if list != ListType::Whole => {
            let order = match patch.get(&format!("{SET_ORDER}{name}")) {
                None => None,
                Some(order) => Some(order.as_array().ok_or(PatchError::SetElementOrder)?),
            };
            let before = std::mem::take(present);
            *present = merge_list(below, list, before, change, order.map(Vec::as_slice))?;
            return Ok(());
        }
        _ => {}
    }
    target.insert(name.to_owned(), plain(value));
    Ok(())
}

/// Merges a list, and puts it in the order of the patch (or of `$setElementOrder`) and of what was there.
fn merge_list(
    definition: &str,
    list: ListType,
    before: Vec<Value>,
    patch: &[Value],
    order: Option<&[Value]>,
) -> Result<Vec<Value>, PatchError> {
    let Some(key) = list.merge_key() else {
        let mut merged = before.clone();
        for value in patch {
            if !merged.contains(value) {
                merged.push(value.clone());
            }
        }
        check_order(order, patch, Identity::Itself)?;
        return Ok(arrange(
            merged,
            order.unwrap_or(patch),
            &before,
            Identity::Itself,
        ));
    };
    let identity = Identity::Key(key);
    let (changes, directives): (Vec<&Value>, Vec<&Value>) = patch
        .iter()
        .partition(|element| element.get(PATCH).is_none());
    let mut merged = before.clone();
    let mut replace = false;
    let mut named: Vec<Value> = Vec::new();
    for element in directives {
        match element.get(PATCH).and_then(Value::as_str) {
            Some("delete") => {
                let wanted = keyed(element, key)?;
                merged.retain(|one| one.get(key) != Some(wanted));
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(PatchError::MergeOfList),
            _ => return Err(PatchError::UnknownDirective(text(&element[PATCH]))),
        }
    }
    if replace {
        return Ok(changes.into_iter().map(plain).collect());
    }
    for element in changes {
        keyed(element, key)?;
        match identity
            .position(&merged, element)
            .map(|at| &mut merged[at])
        {
            Some(Value::Object(present)) => {
                let change = element.as_object().ok_or(PatchError::NotAnObject)?;
                merge_object(definition, present, change)?;
            }
            _ => merged.push(plain(element)),
        }
        named.push(element.clone());
    }
    check_order(order, &named, identity)?;
    Ok(arrange(merged, order.unwrap_or(&named), &before, identity))
}

/// What is in the patch must be in the order that the patch gives.
fn check_order(
    order: Option<&[Value]>,
    named: &[Value],
    identity: Identity<'_>,
) -> Result<(), PatchError> {
    let Some(order) = order else {
        return Ok(());
    };
    let all = named
        .iter()
        .all(|one| identity.position(order, one).is_some());
    all.then_some(()).ok_or(PatchError::SetElementOrder)
}

fn keyed<'a>(element: &'a Value, key: &'static str) -> Result<&'a Value, PatchError> {
    element.get(key).ok_or_else(|| PatchError::NoMergeKey {
        element: text(element),
        key,
    })
}

fn identity(definition: &str, list: &str) -> Identity<'static> {
    let row = table::field(definition, list);
    match row.and_then(|row| row.list.merge_key()) {
        Some(key) => Identity::Key(key),
        None => Identity::Itself,
    }
}

/// `$retainKeys`: fields that are not listed go. Whatever the patch sets must be listed.
fn retain_keys(
    target: &mut Map<String, Value>,
    patch: &Map<String, Value>,
) -> Result<(), PatchError> {
    let Some(list) = patch.get(RETAIN_KEYS) else {
        return Ok(());
    };
    let kept = list.as_array().ok_or(PatchError::RetainKeys)?;
    let listed = |name: &str| kept.iter().any(|one| one.as_str() == Some(name));
    let strings = kept.iter().all(Value::is_string);
    let complete = patch
        .iter()
        .all(|(name, value)| is_directive(name) || value.is_null() || listed(name));
    if !strings || !complete {
        return Err(PatchError::RetainKeys);
    }
    target.retain(|name, _| listed(name));
    Ok(())
}

/// `$deleteFromPrimitiveList/NAME`: plain values that go from a list.
fn delete_primitives(
    target: &mut Map<String, Value>,
    list: &str,
    gone: &Value,
) -> Result<(), PatchError> {
    let gone = gone.as_array().ok_or(PatchError::PrimitiveList)?;
    if let Some(Value::Array(present)) = target.get_mut(list) {
        if present.iter().any(Value::is_object) {
            return Err(PatchError::PrimitiveList);
        }
        present.retain(|one| !gone.contains(one));
    }
    Ok(())
}

/// What a patch sets where nothing was: without directives and without fields that it removes.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(plain_object(fields)),
        Value::Array(elements) => elements
            .iter()
            .filter(|one| one.get(PATCH).is_none())
            .map(plain)
            .collect(),
        other => other.clone(),
    }
}

fn plain_object(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(name, value)| !value.is_null() && !is_directive(name))
        .map(|(name, value)| (name.clone(), plain(value)))
        .collect()
}

fn is_directive(name: &str) -> bool {
    name == PATCH
        || name == RETAIN_KEYS
        || name.starts_with(SET_ORDER)
        || name.starts_with(DELETE_PRIMITIVES)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
