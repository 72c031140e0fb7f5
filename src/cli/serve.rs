//! `countersign serve`: from settings to a running server, and from a signal to exit code 0.
//!
//! The order of starting: log, port, database, jobs, listener. The port is taken before the
//! database is opened, so that a second server started by mistake changes nothing, but nobody is
//! heard until everything stands. The order of stopping is the other way round, and is bounded:
//! it takes ten seconds at most.

use std::{
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use tokio::{
    net::{TcpListener, TcpSocket},
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    demo::{self, Fate},
    listener::{self, Options},
};
use crate::{
    app::App,
    config::{
        LimitsConfig, Mode,
        load::{Loaded, Origin},
    },
    entropy::Entropy,
    error::{Context, Error, Result},
    flows::notes,
    http, jobs, telemetry,
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// How long everything behind the listener may take to stop. With [`Options::drain`] and the
/// last traces this stays under ten seconds.
const STOP: Duration = Duration::from_millis(8_500);
const LAST_TRACES: Duration = Duration::from_millis(700);
/// How often counted values are gathered where nobody reads the metrics.
const UPKEEP: Duration = Duration::from_secs(10);

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps it from starting, and jobs that end by themselves.
pub async fn run(mut loaded: Loaded) -> Result<()> {
    let traces = telemetry::start(&loaded.config.log, loaded.config.traces_endpoint.as_ref())?;
    let ran = serve(&mut loaded).await;
    traces.finish(LAST_TRACES);
    ran
}

async fn serve(loaded: &mut Loaded) -> Result<()> {
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    // Before anything is opened: as the first process of a container we get no signal that we
    // have not asked for.
    let mut signals = Signals::listen()?;
    let is_demo = loaded.config.mode == Mode::Demo;
    let has_no_folder = is_demo && loaded.origin("data_dir") == Origin::Default;
    let _folder = if has_no_folder { Some(TemporaryFolder::make(loaded)?) } else { None };
    let socket = bind(loaded.config.listen)?;
    loaded.listens_on(socket.local_addr().doing("reading the port")?);
    let metrics = loaded.config.metrics_listen.map(bind).transpose()?;
    let config = loaded.config.clone();

    let app = App::open(loaded.config.clone()).await?;
    let demo = if is_demo { Some(demo::prepare(&app).await?) } else { None };
    let (stop, stopping) = watch::channel(false);
    let metrics = metrics.map(|socket| start_metrics(socket, &stopping)).transpose()?;
    let mut jobs = start(jobs::run(Arc::clone(&app), stopping.clone()));
    let listener = socket.listen(BACKLOG).doing("listening")?;
    let options = options(&config.limits);
    let router = http::router(Arc::clone(&app));
    let server = start(listener::serve(listener, router, options, stopping));
    tracing::info!(address = %config.listen, public_url = %config.public_url, "listening");
    if let Some(demo) = &demo {
        demo::tell(&app, demo, if has_no_folder { Fate::Temporary } else { Fate::Kept })?;
    }

    let ended = tokio::select! {
        signal = signals.any() => {
            tracing::info!(signal, "stopping");
            Ok(())
        }
        ended = &mut jobs => Err(Error::internal("running the jobs", match ended {
            Ok(()) => "they ended".to_owned(),
            Err(fault) => fault.to_string(),
        })),
    };
    stop.send_replace(true);
    let all = async {
        let _ = server.await;
        if ended.is_ok() {
            let _ = jobs.await;
        }
        if let Some(metrics) = metrics {
            let _ = metrics.await;
        }
        if let Err(error) = notes::write_all(&app).await {
            tracing::warn!(?error, "what waited to be noted is lost");
        }
        app.close().await;
    };
    if timeout(STOP, all).await.is_ok() {
        tracing::info!("stopped");
    } else {
        tracing::warn!("stopped, with work left behind");
    }
    ended
}

#[expect(clippy::disallowed_methods, reason = "the server starts its parts here")]
fn start(part: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(part)
}

/// Takes the port without listening on it yet.
fn bind(address: SocketAddr) -> Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.doing("opening a socket")?;
    // A server that is started again must not wait for the old one's connections to be forgotten.
    socket.set_reuseaddr(true).doing("opening a socket")?;
    match socket.bind(address) {
        Ok(()) => Ok(socket),
        Err(fault) => Err(Error::internal("listening", format!("{address}: {fault}"))),
    }
}

fn options(limits: &LimitsConfig) -> Options {
    let connections = if limits.enabled { limits.connections } else { usize::MAX };
    Options { connections, ..Options::default() }
}

/// Serves `/metrics` on a listener of its own, where no proxy leads.
fn start_metrics(socket: TcpSocket, stopping: &watch::Receiver<bool>) -> Result<JoinHandle<()>> {
    let handle = telemetry::metrics()?;
    let address = socket.local_addr().doing("reading the port of the metrics")?;
    let listener: TcpListener = socket.listen(BACKLOG).doing("listening for the metrics")?;
    let counted = handle.clone();
    let page = async move || {
        ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], telemetry::render(&handle))
    };
    let router = Router::new().route("/metrics", get(page));
    let options = Options { connections: 32, drain: Duration::from_secs(1), ..Options::default() };
    tracing::info!(%address, "metrics");
    let server = listener::serve(listener, router, options, stopping.clone());
    Ok(start(async move {
        // What is counted is gathered when it is read. If nobody reads, it must not pile up.
        let upkeep = async {
            loop {
                sleep(UPKEEP).await;
                counted.run_upkeep();
            }
        };
        tokio::select! {
            () = server => {}
            () = upkeep => {}
        }
    }))
}

/// The signals that end the server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).doing("asking for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).doing("asking for SIGINT")?,
        })
    }

    async fn any(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The demo's data, removed at the end.
struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes a folder that only we can enter, and moves the data there.
    fn make(loaded: &mut Loaded) -> Result<Self> {
        let name = u128::from_be_bytes(Entropy::Os.bytes()?);
        let path = std::env::temp_dir().join(format!("countersign-demo-{name:032x}"));
        // Not recursive: a folder that exists already is somebody else's.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .doing("making the demo's temporary folder")?;
        loaded.move_data(path.clone());
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(fault) = std::fs::remove_dir_all(self.path()) {
            tracing::warn!(folder = %self.path().display(), %fault, "the demo's folder remains");
        }
    }
}

#[cfg(test)]
mod tests;
