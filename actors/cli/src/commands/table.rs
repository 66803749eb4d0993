//! Tables as kubectl prints them: no borders, three spaces between columns.

use serde_json::Value;

/// Prints rows under a header, each column as wide as its longest cell. Rows that come later (of a watch) keep the
/// widths and overflow where they must, as kubectl's do.
#[derive(Debug, Default)]
pub struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// Lines for these rows, the first being the header.
    pub fn lines(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                let width = cell.chars().count();
                match self.widths.get_mut(at) {
                    Some(known) => *known = (*known).max(width),
                    None => self.widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for row in rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&self.widths) {
                line.push_str(&format!("{cell:width$}   "));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

/// The header and rows of a `meta.k8s.io/v1` Table.
pub fn rows_of(table: &Value, wide: bool, with_namespace: bool) -> (Vec<String>, Vec<Vec<String>>) {
    let empty = Vec::new();
    let columns = table["columnDefinitions"].as_array().unwrap_or(&empty);
    let shown: Vec<usize> = (0..columns.len())
        .filter(|at| wide || columns[*at]["priority"].as_i64().unwrap_or(0) == 0)
        .collect();
    let mut header: Vec<String> = shown
        .iter()
        .map(|at| {
            columns[*at]["name"]
                .as_str()
                .unwrap_or_default()
                .to_uppercase()
        })
        .collect();
    if with_namespace {
        header.insert(0, "NAMESPACE".to_owned());
    }
    let rows = table["rows"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .map(|row| {
            let mut cells: Vec<String> = shown.iter().map(|at| cell(&row["cells"][*at])).collect();
            if with_namespace {
                cells.insert(0, cell(&row["object"]["metadata"]["namespace"]));
            }
            cells
        });
    (header, rows.collect())
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<none>".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_align_and_wide_ones_wait_to_be_asked_for() {
        let table = json!({
            "columnDefinitions": [{"name": "Name"}, {"name": "Ready"}, {"name": "Node", "priority": 1}],
            "rows": [
                {"cells": ["a-long-name", "1/1", "node-1"], "object": {"metadata": {"namespace": "d"}}},
                {"cells": ["b", 0, null], "object": {"metadata": {"namespace": "default"}}},
            ],
        });
        let text = |wide, namespaces| {
            let (header, mut rows) = rows_of(&table, wide, namespaces);
            rows.insert(0, header);
            Columns::default().lines(&rows)
        };
        assert_eq!(
            text(false, false),
            "NAME          READY\na-long-name   1/1\nb             0\n"
        );
        let wide = "NAMESPACE   NAME          READY   NODE\n\
                    d           a-long-name   1/1     node-1\n\
                    default     b             0       <none>\n";
        assert_eq!(text(true, true), wide);
    }
}
