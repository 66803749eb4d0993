//! The process: one thread, one tokio runtime, one actix system.

use std::future::Future;

/// Runs a future to its end on this thread, with actors and local tasks beside it.
///
/// # Errors
/// If the runtime cannot be built, which is when the system is out of file descriptors.
pub fn run<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()?;
    Ok(run_on(runtime, future))
}

/// The same in virtual time: the clock stands still while there is something to do, and then jumps to the next
/// timer. There are no sockets and no other threads, so what happens follows from the future alone.
///
/// # Errors
/// If the runtime cannot be built.
pub fn simulate<F: Future>(future: F) -> std::io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(run_on(runtime, future))
}

fn run_on<F: Future>(runtime: tokio::runtime::Runtime, future: F) -> F::Output {
    let mut runtime = Some(runtime);
    // `with_tokio_rt` takes an `Fn`-like factory and calls it once.
    let system = actix::System::with_tokio_rt(move || {
        runtime.take().expect("actix asks for the runtime once")
    });
    system.block_on(future)
}
