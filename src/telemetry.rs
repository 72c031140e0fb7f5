//! What the server lets be seen of itself: logs, traces and metrics.
//!
//! What is logged is decided where it happens; here it is decided where it goes. Two rules hold
//! whatever the operator sets: nothing that other crates say below `info` is written, because
//! database and HTTP crates print parameters and headers there, and only our own spans are
//! traced. The listener that serves the metrics is started in `cli::serve`.

use std::{future::poll_fn, io::IsTerminal, pin::pin, time::Duration};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::{KeyValue, trace::TracerProvider};
use opentelemetry_otlp::{WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use tokio::runtime::Handle;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};
use url::Url;

use crate::{
    config::{LogConfig, LogFormat},
    error::{Context, Result},
};

/// How long the collector may take for one batch of spans.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The bounds of histograms of seconds, from a cached look-up to a hash behind a full queue.
const SECONDS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The traces under way. To be given back to [`Traces::finish`] at the end.
#[derive(Debug)]
#[must_use]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Sends what has not been sent, for `limit` at most. Blocks its thread.
    pub fn finish(self, limit: Duration) {
        if let Some(provider) = self.0
            && let Err(fault) = provider.shutdown_with_timeout(limit)
        {
            tracing::warn!(%fault, "the last traces were not delivered");
        }
    }
}

/// Starts logging to standard error and, with an `endpoint`, tracing (OTLP over HTTP, protobuf).
/// To be called once, inside the runtime.
///
/// # Errors
/// A second call, an unusable filter, or an exporter that cannot be built.
pub fn start(log: &LogConfig, endpoint: Option<&Url>) -> Result<Traces> {
    let provider = endpoint.map(tracer).transpose()?;
    let traces = provider.as_ref().map(|provider| {
        tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("countersign"))
            .with_location(false)
            .with_threads(false)
            .with_filter(filter_fn(|metadata| {
                is_ours(metadata) && *metadata.level() <= Level::INFO
            }))
    });
    let filter = EnvFilter::try_new(&log.filter).doing("reading the log filter")?;
    tracing_subscriber::registry()
        .with(lines(log.format, filter, std::io::stderr))
        .with(traces)
        .try_init()
        .doing("starting the log")?;
    Ok(Traces(provider))
}

/// The layer that writes log lines.
fn lines<S, W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> fmt::MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = filter.and(filter_fn(|it| is_ours(it) || *it.level() <= Level::INFO));
    let lines = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Human => {
            lines.with_ansi(std::io::stderr().is_terminal()).with_filter(filter).boxed()
        }
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_filter(filter)
            .boxed(),
    }
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some(env!("CARGO_CRATE_NAME"))
}

fn tracer(endpoint: &Url) -> Result<SdkTracerProvider> {
    let client = reqwest::Client::builder().timeout(EXPORT_TIMEOUT).no_proxy();
    // Without TLS no root certificates are needed, and a small container may have none.
    let client = match endpoint.scheme() {
        "http" => client.tls_certs_only([]),
        _ => client,
    };
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client.build().doing("building the client for traces")?)
        .with_endpoint(endpoint.as_str())
        .with_timeout(EXPORT_TIMEOUT)
        .build()
        .doing("building the exporter for traces")?;
    let resource = Resource::builder()
        .with_service_name("countersign")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_batch_exporter(OnRuntime {
            exporter,
            runtime: Handle::current(),
            query: endpoint.query().map(str::to_owned),
        })
        .build())
}

/// An exporter whose requests run on our runtime. The batches come from a thread of the SDK,
/// which has no runtime of its own, and the HTTP client needs one.
#[derive(Debug)]
struct OnRuntime<E> {
    exporter: E,
    runtime: Handle,
    /// What stands behind the endpoint's `?`: perhaps a token, and so not for the log.
    query: Option<String>,
}

impl<E: SpanExporter> SpanExporter for OnRuntime<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut export = pin!(self.exporter.export(batch));
        let sent = poll_fn(|cx| {
            let _entered = self.runtime.enter();
            export.as_mut().poll(cx)
        })
        .await;
        if let Err(fault) = &sent {
            let fault = match self.query.as_deref() {
                Some(query) if !query.is_empty() => fault.to_string().replace(query, "***"),
                _ => fault.to_string(),
            };
            tracing::warn!(fault, "traces were not delivered");
        }
        sent
    }

    fn shutdown_with_timeout(&self, limit: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(limit)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

/// Starts counting. Until this is called, every count is dropped at no cost; to be called once.
///
/// Histograms whose names end in `_seconds` get buckets.
///
/// # Errors
/// A second call.
pub fn metrics() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .doing("setting the buckets of the metrics")?
        .install_recorder()
        .doing("starting the metrics")?;
    metrics::gauge!("countersign_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(handle)
}

/// The metrics as Prometheus reads them, those of the process among them.
#[must_use]
pub fn render(handle: &PrometheusHandle) -> String {
    if let Some(bytes) = resident_memory() {
        metrics::gauge!("process_resident_memory_bytes").set(bytes);
    }
    if let Some(files) = open_files() {
        metrics::gauge!("process_open_fds").set(files);
    }
    handle.render()
}

/// Resident memory in bytes. `status` says it in kB, where `statm` would want the page size.
fn resident_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kib) * 1024.0)
}

fn open_files() -> Option<f64> {
    let files = std::fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(files).ok().map(f64::from)
}

#[cfg(test)]
mod tests;
