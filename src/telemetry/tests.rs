use std::{
    io::Write,
    sync::{Arc, Mutex},
};

use super::*;

/// A place to write that can be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Paper {
    fn written(&self, format: LogFormat, filter: &str, say: impl FnOnce()) -> String {
        let paper = self.clone();
        let layer = lines(format, EnvFilter::try_new(filter).unwrap(), move || paper.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

#[test]
fn what_other_crates_say_below_info_is_not_written_whatever_is_set() {
    let written = Paper::default().written(LogFormat::Human, "trace", || {
        tracing::debug!("ours");
        tracing::debug!(target: "tokio_postgres::query", "their parameters");
        tracing::debug!(target: "countersignature", "not ours by its name");
        tracing::info!(target: "rustls", "their news");
    });
    assert!(written.contains("ours") && written.contains("their news"), "{written}");
    assert!(!written.contains("parameters") && !written.contains("by its name"), "{written}");
}

#[test]
fn a_line_of_json_holds_the_message_and_the_request_it_belongs_to() {
    let written = Paper::default().written(LogFormat::Json, "info", || {
        let _request = tracing::info_span!("request", request_id = "req_1").entered();
        tracing::info!(code = "not_found", "refused");
        tracing::debug!("not asked for");
    });
    let line: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!((&line["message"], &line["code"]), (&"refused".into(), &"not_found".into()));
    assert_eq!(line["span"]["request_id"], "req_1");
}

#[test]
fn seconds_have_buckets_and_the_process_shows_its_memory() {
    let handle = metrics().unwrap();
    metrics::histogram!("countersign_test_seconds").record(0.004);
    let text = render(&handle);
    assert!(text.contains("countersign_test_seconds_bucket{le=\"0.0025\"} 0"), "{text}");
    assert!(text.contains("countersign_test_seconds_bucket{le=\"0.005\"} 1"), "{text}");
    assert!(text.contains("countersign_build_info{version="), "{text}");
    let memory = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
    assert!(memory.unwrap().parse::<f64>().unwrap() > 1e6, "{text}");
    assert!(metrics().is_err());
}

/// The exporter's HTTP client lives on the runtime, its batches on a thread of the SDK: that
/// the two meet is shown by a collector that receives something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spans_reach_a_collector_by_the_end() {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let provider = tracer(&Url::parse(&format!("http://{address}/v1/traces")).unwrap()).unwrap();
    provider.tracer("countersign").in_span("a span to be found", |_| {});
    let collect = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !String::from_utf8_lossy(&got).contains("a span to be found") {
            assert_ne!(stream.read_buf(&mut got).await.unwrap(), 0, "it ended early");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8_lossy(&got).into_owned()
    };
    let traces = Traces(Some(provider));
    let finish = std::thread::spawn(move || traces.finish(Duration::from_secs(10)));
    let got = tokio::time::timeout(Duration::from_secs(20), collect).await.unwrap();
    finish.join().unwrap();
    assert!(got.starts_with("POST /v1/traces HTTP/1.1"), "{got}");
    assert!(got.contains("service.name") && got.contains("countersign"), "{got}");
}
