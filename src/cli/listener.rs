//! Accepts connections and serves HTTP/1.1 and HTTP/2 (without TLS) on them.
//!
//! Here connections are counted, timed and ended; what a request means is the router's affair,
//! and so is how long a request or its body may take. TLS is for the proxy in front.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout},
};
use tower::Service;

/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;
/// The size of a request's headers, in bytes.
const HEADERS: u32 = 32 * 1024;
/// What is read ahead of one connection, in bytes; a head that does not fit is answered 431.
const READ_BUFFER: usize = 64 * 1024;

/// How connections are treated.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Open connections, at most; further ones wait to be accepted.
    pub connections: usize,
    /// How long a connection may take from its first byte, or from being opened, until a
    /// request's headers are complete.
    pub head: Duration,
    /// How long a connection may stay open without a request. Longer than the minute that
    /// proxies usually keep theirs, so that they close first and no request is lost.
    pub idle: Duration,
    /// How long requests in flight may take to end once the server stops.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            drain: Duration::from_secs(8),
        }
    }
}

/// Serves `router` on `listener` until `stop` turns true (or its sender is gone), then stops
/// accepting, ends idle connections, and waits up to `options.drain` for requests in flight.
///
/// Each request carries the peer's address as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: Options,
    stop: watch::Receiver<bool>,
) {
    let cap = u32::try_from(options.connections.clamp(1, 1 << 24)).unwrap_or(1);
    let places = Arc::new(Semaphore::new(usize::try_from(cap).unwrap_or(1)));
    let protocol = Arc::new(protocol());
    let mut stopped = stop.clone();
    let accepting = async {
        loop {
            let place = place(&places).await;
            let Some((stream, peer)) = accept(&listener).await else { continue };
            let connection = Connection {
                protocol: Arc::clone(&protocol),
                router: router.clone(),
                peer,
                options,
                stop: stop.clone(),
                place,
            };
            start(connection.run(stream));
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
    // Closed at once, so that new connections are refused and not left waiting.
    drop(listener);
    // Every connection ends itself within `drain`; all places free means all have ended.
    let all = timeout(options.drain + Duration::from_secs(1), places.acquire_many(cap)).await;
    if all.is_err() {
        tracing::warn!("connections were cut at the end of the time for stopping");
    }
}

#[expect(clippy::disallowed_methods, reason = "the server starts one task for each connection")]
fn start(connection: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(connection);
}

/// A place for one more connection. The semaphore is never closed, so there is one in the end.
async fn place(places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(places).acquire_owned().await.ok()
}

async fn accept(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and complete; waiting for more to send would only delay them.
            if let Err(fault) = stream.set_nodelay(true) {
                tracing::debug!(%fault, "a connection does not take TCP_NODELAY");
            }
            // On a socket for both families an IPv4 peer looks like ::ffff:192.0.2.1.
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            Some((stream, peer))
        }
        // The peer was gone before we came.
        Err(fault) if fault.kind() == io::ErrorKind::ConnectionAborted => None,
        Err(fault) => {
            // Most likely there are no file descriptors left; trying at once would only spin.
            tracing::error!(%fault, "connections cannot be accepted");
            sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

/// The limits of both protocols. Time is watched by [`Pulse`], for both alike and from the first
/// byte on, which hyper's own header time-out is not.
fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(READ_BUFFER)
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .max_send_buf_size(64 * 1024);
    builder
}

/// One connection and what it needs.
struct Connection {
    protocol: Arc<Builder<TokioExecutor>>,
    router: Router,
    peer: SocketAddr,
    options: Options,
    stop: watch::Receiver<bool>,
    place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let Self { protocol, router, peer, options, mut stop, place } = self;
        let pulse = Pulse::start();
        let requests = Arc::clone(&pulse);
        let service = service_fn(move |mut request: Request<Incoming>| {
            let in_flight = InFlight::begin(&requests);
            request.extensions_mut().insert(ConnectInfo(peer));
            let answer = router.clone().call(request);
            async move {
                let answer = answer.await;
                drop(in_flight);
                answer
            }
        });
        let io = TokioIo::new(Watched { stream, pulse: Arc::clone(&pulse) });
        let mut connection = pin!(protocol.serve_connection(io, service));
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(fault) = ended {
                    tracing::debug!(%fault, "a connection ended in a fault");
                }
                drop(place);
                return;
            }
            late = pulse.late(options) => {
                if late == Late::Head {
                    drop(place);
                    return;
                }
            }
            _ = stop.wait_for(|stop| *stop) => {}
        }
        connection.as_mut().graceful_shutdown();
        // The answer in flight, or what HTTP/2 still has to say; then the line is cut.
        let _ = timeout(options.drain, connection).await;
        drop(place);
    }
}

/// What a connection is waiting for, and since when.
#[derive(Debug)]
struct Pulse(Mutex<State>);

#[derive(Debug, Clone, Copy)]
struct State {
    requests: usize,
    head_begun: bool,
    since: Instant,
}

/// Which limit of time a connection has overstepped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    Head,
    Idle,
}

impl Pulse {
    /// A connection that owes its first request.
    fn start() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { requests: 0, head_begun: true, since: Instant::now() })))
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> State {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state);
        *state
    }

    /// Bytes came. Between requests they are the beginning of a head.
    fn bytes_came(&self) {
        self.change(|state| {
            if state.requests == 0 && !state.head_begun {
                state.head_begun = true;
                state.since = Instant::now();
            }
        });
    }

    /// Returns once the connection has taken too long. It looks ten times in the time for a head
    /// instead of being told of every request, and counts one look as lateness, so that it is
    /// never later than promised.
    async fn late(&self, options: Options) -> Late {
        let look = options.head / 10;
        loop {
            sleep(look).await;
            let state = self.change(|_| {});
            let waited = state.since.elapsed() + look;
            match state {
                State { requests: 0, head_begun: true, .. } if waited >= options.head => {
                    return Late::Head;
                }
                State { requests: 0, head_begun: false, .. } if waited >= options.idle => {
                    return Late::Idle;
                }
                _ => {}
            }
        }
    }
}

/// A request that is being answered. Also ends where its client has gone and it is dropped.
struct InFlight(Arc<Pulse>);

impl InFlight {
    fn begin(pulse: &Arc<Pulse>) -> Self {
        pulse.change(|state| state.requests += 1);
        Self(Arc::clone(pulse))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.requests = state.requests.saturating_sub(1);
            state.head_begun = false;
            state.since = Instant::now();
        });
    }
}

/// A stream that tells a [`Pulse`] of the bytes that come.
struct Watched {
    stream: TcpStream,
    pulse: Arc<Pulse>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() && buffer.filled().len() > before {
            self.pulse.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
