//! Many clients on a few threads, so that the clients are not what is measured.

use std::future::Future;

use anyhow::{Context, anyhow};

/// Threads for clients: more than this only take processor time from the server on the same machine.
const THREADS_MAX: usize = 4;

/// Runs one future on an event loop of its own.
///
/// # Errors
/// Those of the future, or that there can be no event loop.
pub fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no event loop")?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(future))
}

/// Runs `client(number)` for every number below `clients`, spread over threads, and gathers the results.
pub(super) fn spread<T, F>(
    clients: usize,
    client: impl Fn(usize) -> F + Sync,
) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + 'static,
{
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS_MAX)
        .min(clients);
    let client = &client;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    block_on(async {
                        let mine = (thread..clients).step_by(threads);
                        let tasks: Vec<_> = mine
                            .map(|number| tokio::task::spawn_local(client(number)))
                            .collect();
                        let mut results = Vec::with_capacity(tasks.len());
                        for task in tasks {
                            results.push(task.await.context("a client")??);
                        }
                        Ok(results)
                    })
                })
            })
            .collect();
        let mut all = Vec::with_capacity(clients);
        for handle in handles {
            all.extend(
                handle
                    .join()
                    .map_err(|_| anyhow!("a thread of clients panicked"))??,
            );
        }
        Ok(all)
    })
}
