//! `/livez`, `/readyz`, `/healthz`, with `?verbose`, `?exclude=` and a path for each check.

use http::Response;

use super::body::AnswerBody;
use super::query::Query;
use super::status::text_answer;
use crate::api::Api;

/// The answer to a path of health; `None` if it is none.
pub(super) fn answer(api: &Api, path: &str, query: &Query) -> Option<Response<AnswerBody>> {
    let mut segments = path.trim_matches('/').split('/');
    let root = segments.next()?;
    let checks: &[&str] = match root {
        "livez" => &["ping"],
        "readyz" => &["ping", "storage"],
        "healthz" => &["ping", "storage"],
        _ => return None,
    };
    let single = segments.next();
    if segments.next().is_some() {
        return None;
    }
    if let Some(single) = single {
        if !checks.contains(&single) {
            return None;
        }
        return Some(match check(api, single) {
            Ok(()) => text_answer(200, "ok"),
            Err(why) => text_answer(500, format!("internal server error: {why}\n")),
        });
    }
    let (mut lines, mut failed) = (String::new(), false);
    for name in checks {
        if query.all("exclude").any(|excluded| excluded == *name) {
            lines.push_str(&format!("[+]{name} excluded: ok\n"));
            continue;
        }
        match check(api, name) {
            Ok(()) => lines.push_str(&format!("[+]{name} ok\n")),
            Err(why) => {
                failed = true;
                lines.push_str(&format!("[-]{name} failed: {why}\n"));
            }
        }
    }
    Some(if failed {
        text_answer(500, format!("{lines}{root} check failed\n"))
    } else if query.yes("verbose") {
        text_answer(200, format!("{lines}{root} check passed\n"))
    } else {
        text_answer(200, "ok")
    })
}

fn check(api: &Api, name: &str) -> Result<(), String> {
    match name {
        "storage" => api.backend.ready(),
        _ => Ok(()),
    }
}
