//! Connections: who is let in, how long each may take, and the end by a signal.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout};

use super::limits::{ANSWER_TIME, CONNECTIONS, GRACE, HEAD_TIME, PATIENCE};
use super::routes::{Shared, respond};
use crate::interrupt::INTERRUPTED;

/// Most bytes of a request's head.
const HEAD_BYTES: usize = 64 << 10;

/// Serves connections until a signal comes, and then those under way.
///
/// # Errors
/// The listener cannot be watched.
pub(super) fn serve(listener: TcpListener, shared: Shared) -> std::io::Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_io().enable_time().build()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accept(listener, Arc::new(shared)).await;
        Ok(())
    })
}

async fn accept(listener: tokio::net::TcpListener, shared: Arc<Shared>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let next = || async {
        let place = places.clone().acquire_owned().await;
        (place, listener.accept().await)
    };
    loop {
        let (place, stream) = tokio::select! {
            next = next() => next,
            () = interrupted() => break,
        };
        match stream {
            Ok((stream, _)) => {
                let shared = shared.clone();
                tokio::spawn(async move {
                    connection(stream, shared).await;
                    drop(place);
                });
            }
            // as where the process has no more files: those that are open end some time
            Err(error) => {
                eprintln!("warning: a connection could not be taken: {error}");
                sleep(PATIENCE).await;
            }
        }
    }
    drop(listener);
    let all = places.acquire_many(CONNECTIONS as u32);
    if timeout(GRACE, all).await.is_err() {
        eprintln!("warning: requests were under way for longer than {GRACE:?} and are left");
    }
}

/// Returns soon after the signal.
async fn interrupted() {
    while !INTERRUPTED.load(Ordering::SeqCst) {
        sleep(PATIENCE).await;
    }
}

/// Serves the one request of a connection. Every wait for the client ends: its head after [`HEAD_TIME`], its body after
/// [`super::limits::BODY_TIME`], its taking the answer after [`ANSWER_TIME`].
async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    let (begun, answered) = (AtomicBool::new(false), Notify::new());
    let (shared, once, done) = (&shared, &begun, &answered);
    let service = service_fn(move |request| async move {
        once.store(true, Ordering::SeqCst);
        let response = respond(shared, request).await;
        done.notify_one();
        Ok::<_, Infallible>(response)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES)
        .keep_alive(false);
    let not_taken = async {
        answered.notified().await;
        sleep(ANSWER_TIME).await;
    };
    let not_begun = async {
        interrupted().await;
        if begun.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // a client that hangs up, or speaks something else, harms itself alone
        _ = http.serve_connection(TokioIo::new(stream), service) => {}
        () = not_taken => {}
        () = not_begun => {}
    }
}
