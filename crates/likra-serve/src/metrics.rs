//! What the server counts, as Prometheus reads it.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

type Labels = Vec<(&'static str, String)>;

/// What the server counts.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    tokens: Counter,
    waiting: Gauge,
    places: Gauge,
    batch_tokens: Histogram,
    batch_jobs: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        fn add<M: Metric + Clone>(to: &mut Registry, name: &str, help: &str, metric: M) -> M {
            to.register(name, help, metric.clone());
            metric
        }
        let mut registry = Registry::with_prefix("likra");
        let to = &mut registry;
        let seconds: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 19));
        let seconds = Family::new_with_constructor(seconds);
        let powers = |from, count| Histogram::new(exponential_buckets(from, 2.0, count));
        Self {
            requests: add(to, "requests", "Answered requests", Family::default()),
            seconds: add(to, "request_seconds", "From head to answer", seconds),
            tokens: add(to, "tokens", "Tokens computed", Counter::default()),
            waiting: add(to, "waiting", "Jobs that wait", Gauge::default()),
            places: add(to, "places", "Places taken of the queue", Gauge::default()),
            batch_tokens: add(to, "batch_tokens", "Tokens of a batch", powers(16.0, 14)),
            batch_jobs: add(to, "batch_jobs", "Jobs of a batch", powers(1.0, 9)),
            registry,
        }
    }

    pub(crate) fn answered(&self, route: &str, status: u16, seconds: f64) {
        let route = ("route", route.to_owned());
        let of_route = vec![route.clone()];
        self.seconds.get_or_create(&of_route).observe(seconds);
        let labels = vec![route, ("status", status.to_string())];
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn batch(&self, jobs: usize, tokens: usize) {
        self.tokens.inc_by(tokens as u64);
        self.batch_jobs.observe(jobs as f64);
        self.batch_tokens.observe(tokens as f64);
    }

    /// Counts a job as waiting.
    pub(crate) fn waiting(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// All of it, as text, and how many places are taken.
    pub(crate) fn text(&self, places: usize) -> Result<String, std::fmt::Error> {
        self.places.set(places as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// A job that waits, until this is dropped.
pub(crate) struct Waiting(Gauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
