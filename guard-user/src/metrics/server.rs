//! The endpoint: a thread that answers `GET /metrics`, and that nothing in the daemon waits for.
//!
//! What strangers can make of it is bounded: [`CONNECTIONS_MAX`] at once, each with one request of
//! [`REQUEST_MAX`] bytes and [`PATIENCE`] for everything.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::TEXT_FORMAT;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::page::Page;
use super::tls::{Files, Tls};

/// Connections at once; more wait in the kernel.
const CONNECTIONS_MAX: usize = 16;
/// Longest head of a request.
const REQUEST_MAX: usize = 16 << 10;
/// How long a head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection may take, handshake and answer included.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause after a failure to listen or to accept.
const RESPITE: Duration = Duration::from_secs(2);
/// How often the flag that ends it is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Serves until it is told to stop. Where it cannot listen, that is told once and tried again.
pub fn serve(listen: SocketAddr, files: Option<&Files>, page: Page, stop: &AtomicBool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("metrics: no runtime: {error}");
            return;
        }
    };
    let page = Rc::new(RefCell::new(page));
    let ended = async {
        while !stop.load(Ordering::Relaxed) {
            sleep(LOOK).await;
        }
    };
    let work = async {
        tokio::select! {
            () = ended => {}
            () = always(listen, files, &page) => {}
        }
    };
    LocalSet::new().block_on(&runtime, work);
}

async fn always(listen: SocketAddr, files: Option<&Files>, page: &Rc<RefCell<Page>>) {
    let mut told = None;
    loop {
        let opened = match files.cloned().map(Tls::read).transpose() {
            Ok(tls) => TcpListener::bind(listen).await.map(|listener| (listener, tls)),
            Err(error) => Err(error),
        };
        match opened {
            Ok((listener, tls)) => {
                let scheme = if tls.is_some() { "https" } else { "http" };
                tracing::info!("metrics: {scheme}://{listen}/metrics");
                accept(&listener, tls, page).await;
            }
            Err(error) => {
                let error = error.to_string();
                if told.as_ref() != Some(&error) {
                    tracing::error!(
                        "metrics: {listen}: {error}; there are none until that is mended, \
                         `ss -ltnp` says who listens; the guard works on"
                    );
                }
                told = Some(error);
            }
        }
        sleep(RESPITE).await;
    }
}

async fn accept(listener: &TcpListener, mut tls: Option<Tls>, page: &Rc<RefCell<Page>>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // Never closed.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let acceptor = tls.as_mut().map(Tls::acceptor);
                spawn_local(attend(stream, acceptor, Rc::clone(page), permit));
            }
            Err(error) => {
                tracing::warn!("metrics: {error}");
                sleep(RESPITE).await;
            }
        }
    }
}

/// One connection, from its handshake to its end. What goes wrong is the asker's business.
async fn attend(
    stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    page: Rc<RefCell<Page>>,
    _permit: OwnedSemaphorePermit,
) {
    let work = async {
        match acceptor {
            None => converse(stream, page).await,
            Some(acceptor) => {
                let stream = acceptor.accept(stream).await.map_err(|error| error.to_string())?;
                converse(stream, page).await
            }
        }
    };
    match timeout(PATIENCE, work).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!("metrics: {error}"),
        Err(_) => tracing::debug!("metrics: a connection took too long"),
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + 'static>(
    stream: S,
    page: Rc<RefCell<Page>>,
) -> Result<(), String> {
    let service = service_fn(move |request| {
        let answer = answer(&request, &page);
        async { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .keep_alive(false)
        .max_buf_size(REQUEST_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(|error| error.to_string())
}

fn answer(request: &Request<Incoming>, page: &RefCell<Page>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "GET alone\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match request.uri().path() {
        "/metrics" => {
            let text = page.borrow_mut().text();
            let mut found = Response::new(Full::new(text));
            found.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
            found
        }
        "/" => plain(StatusCode::OK, "guard: see /metrics\n"),
        _ => plain(StatusCode::NOT_FOUND, "see /metrics\n"),
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}
