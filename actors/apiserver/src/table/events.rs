//! Events.

use model::machine::Now;
use serde_json::Value;

use super::{CellsError, Columns, age, number, text};

/// Events.
pub const EVENTS: Columns = Columns {
    definitions: &[
        text(
            "Last Seen",
            0,
            "The time at which the most recent occurrence of this event was recorded.",
        ),
        text(
            "Type",
            0,
            "Type of this event (Normal, Warning), new types could be added in the future",
        ),
        text(
            "Reason",
            0,
            "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
        ),
        text("Object", 0, "The object that this event is about."),
        text(
            "Subobject",
            1,
            "If referring to a piece of an object instead of an entire object, this should contain a valid JSON/Go field access statement.",
        ),
        text(
            "Source",
            1,
            "The component reporting this event. Should be a short machine understandable string.",
        ),
        text(
            "Message",
            0,
            "A human-readable description of the status of this operation.",
        ),
        text(
            "First Seen",
            1,
            "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        ),
        number("Count", 1, "The number of times this event has occurred."),
        super::Column {
            priority: 1,
            ..super::NAME
        },
    ],
    cells,
};

fn cells(body: &[u8], now: Now) -> Result<Vec<Value>, CellsError> {
    let event: Value = serde_json::from_slice(body)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |value: &Value| {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let first = time(&event["firstTimestamp"]).or(time(&event["eventTime"]));
    let series = &event["series"];
    let (last, count) = if series.is_object() {
        (
            time(&series["lastObservedTime"]),
            series["count"].as_i64().unwrap_or_default(),
        )
    } else {
        let count = event["count"]
            .as_i64()
            .filter(|count| *count != 0)
            .unwrap_or(1);
        (time(&event["lastTimestamp"]).or(first.clone()), count)
    };
    let involved = &event["involvedObject"];
    let (kind, name) = (
        text(&involved["kind"]).to_lowercase(),
        text(&involved["name"]),
    );
    let object = if name.is_empty() {
        kind
    } else {
        format!("{kind}/{name}")
    };
    Ok(vec![
        age::since(last.as_deref(), now).into(),
        text(&event["type"]).into(),
        text(&event["reason"]).into(),
        object.into(),
        text(&involved["fieldPath"]).into(),
        source(&event).into(),
        text(&event["message"]).trim().into(),
        age::since(first.as_deref(), now).into(),
        count.into(),
        text(&event["metadata"]["name"]).into(),
    ])
}

/// Component and host, or the newer names of both.
fn source(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let either = |old: String, new: String| if old.is_empty() { new } else { old };
    let component = either(
        text(&event["source"]["component"]),
        text(&event["reportingComponent"]),
    );
    let host = either(
        text(&event["source"]["host"]),
        text(&event["reportingInstance"]),
    );
    if host.is_empty() {
        component
    } else {
        format!("{component}, {host}")
    }
}
