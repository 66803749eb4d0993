//! Readers: everything, page by page at one revision; now the newest, now an older one.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use conformance::suite::store::observed::{Past, Read};
use model::machines::relay::CallError;
use model::messages::store::{
    KeyRange, RangeRequest, RangeResponse, StoreError, StoreRequest, StoreResponse,
};
use model::objects::bytes::Bytes;

use super::client::Client;
use super::session::Shared;
use super::unexpected;
use super::writers::state;
use crate::suite::random::Random;

/// So few keys a page that there are several.
const PAGE: u32 = 3;

/// Reads until writing is over, and once more.
pub(super) async fn read<C: Client>(shared: Rc<Shared<C>>, client: u32) -> anyhow::Result<()> {
    let mut random = Random::of(shared.plan.seed, client);
    loop {
        let over = shared.last().is_some();
        let back = match random.below(4) {
            0 => Some(shared.newest().saturating_sub(random.below(40)).max(1)),
            _ => None,
        };
        everything(&shared, client, back).await?;
        if over {
            return Ok(());
        }
        shared.pause(Duration::from_millis(random.below(30))).await;
    }
}

/// Reads everything, at the newest revision or an older one; the revision, if it was answered.
pub(super) async fn everything<C: Client>(
    shared: &Shared<C>,
    client: u32,
    at: Option<u64>,
) -> anyhow::Result<Option<u64>> {
    let began_us = shared.clock.now_us();
    let mut request = RangeRequest {
        revision: at,
        limit: PAGE,
        ..RangeRequest::now(KeyRange::prefix("/"))
    };
    let mut items = BTreeMap::new();
    let mut ended_us = None;
    loop {
        let answer = shared.store.ask(StoreRequest::Range(request.clone())).await;
        let page = match answered(answer)? {
            Some(Page::Items(page)) => page,
            Some(Page::Compacted) => {
                if let (Some(revision), None) = (at, ended_us) {
                    note(shared, began_us, revision, false);
                }
                return Ok(None);
            }
            None => return Ok(None),
        };
        let ended_us = *ended_us.get_or_insert_with(|| shared.clock.now_us());
        let Some(last) = page.items.last().map(|item| item.key.clone()) else {
            if page.items.is_empty() && page.more {
                return unexpected("a page", page);
            }
            break finish(
                shared,
                client,
                (began_us, ended_us),
                at,
                page.revision,
                items,
            );
        };
        for item in &page.items {
            items.insert(item.key.to_string(), state(item)?);
        }
        if !page.more {
            break finish(
                shared,
                client,
                (began_us, ended_us),
                at,
                page.revision,
                items,
            );
        }
        request.revision = Some(page.revision);
        request.range = request.range.after(&last);
    }
}

fn finish<C: Client>(
    shared: &Shared<C>,
    client: u32,
    (began_us, ended_us): (u64, u64),
    at: Option<u64>,
    revision: u64,
    items: BTreeMap<String, conformance::suite::store::observed::State>,
) -> anyhow::Result<Option<u64>> {
    if let Some(asked) = at {
        note(shared, began_us, asked, true);
    }
    shared.told(revision);
    shared.observed.borrow_mut().reads.push(Read {
        client,
        began_us,
        ended_us,
        past: at.is_some(),
        revision,
        items,
    });
    Ok(Some(revision))
}

fn note<C: Client>(shared: &Shared<C>, began_us: u64, revision: u64, served: bool) {
    shared.observed.borrow_mut().pasts.push(Past {
        began_us,
        ended_us: shared.clock.now_us(),
        watch: false,
        revision,
        served,
    });
}

enum Page {
    Items(RangeResponse<Bytes>),
    Compacted,
}

/// A page; none if the store did not answer, which nobody promises.
fn answered(answer: Result<StoreResponse<Bytes>, CallError>) -> anyhow::Result<Option<Page>> {
    match answer {
        Ok(StoreResponse::Range(page)) => Ok(Some(Page::Items(page))),
        Ok(StoreResponse::Failed(StoreError::Compacted { .. })) => Ok(Some(Page::Compacted)),
        Ok(StoreResponse::Failed(StoreError::Unavailable { .. } | StoreError::Busy)) | Err(_) => {
            Ok(None)
        }
        other => unexpected("a range", other),
    }
}
