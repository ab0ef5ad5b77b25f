//! The status in the text format of OpenMetrics, which Prometheus reads.
//!
//! It is made anew for each scrape, so there is no second place where anything is counted.

use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::status::Status;

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter>;

/// # Errors
/// If a metric cannot be written, which none of ours can.
pub fn encode(status: &Status) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("tributary");
    let process = &status.process;
    let ready = u8::from(status.unready.is_none());
    for (name, help, value) in [
        ("process_start_seconds", "When the server was started, since 1970", seconds(process.started)),
        ("ready", "Whether runs are started at their times", f64::from(ready)),
        ("broken_files", "Files that cannot be read as pipelines", number(status.problems.len())),
    ] {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    }
    for (name, help, value) in [
        ("reload_errors", "Files found broken after an edit or at the start", process.reload_errors),
        ("alerts", "Alerts sent", process.alerts),
        ("alerts_untold", "Alerts that did not reach someone", process.alerts_untold),
    ] {
        let counter = <Counter>::default();
        counter.inc_by(value);
        registry.register(name, help, counter);
    }

    let mut gauge = |name: &str, help: &str| {
        let family = Gauges::default();
        registry.register(name, help, family.clone());
        family
    };
    let last_success = gauge("pipeline_last_success_seconds", "When the last run that succeeded ended, since 1970");
    let last_duration = gauge("pipeline_last_duration_seconds", "How long the last run took");
    let next_slot = gauge("pipeline_next_slot_seconds", "When the next slot is due, since 1970");
    let running = gauge("pipeline_running", "Runs that are going");
    let queued = gauge("pipeline_queued", "Runs that are queued");
    let failing = gauge("pipeline_failing", "Whether the last run that counts has failed");
    let mut counter = |name: &str, help: &str| {
        let family = Counters::default();
        registry.register(name, help, family.clone());
        family
    };
    let runs = counter("pipeline_runs", "Ended runs, by how they ended");
    let slots = counter("pipeline_slots", "Slots that a run was queued for");
    let missed = counter("pipeline_slots_missed", "Slots that went by while the server was not there");
    let skipped = counter("pipeline_slots_skipped", "Slots left out as the run before was still going");

    for job in &status.jobs {
        let labels = || vec![("pipeline", job.name.clone())];
        let times = [(&last_success, job.last_success), (&next_slot, job.next_slot)];
        for (family, time) in times {
            if let Some(time) = time {
                set(family, labels(), seconds(time));
            }
        }
        if let Some(milliseconds) = job.last_milliseconds {
            // Exact for 285,000 years.
            #[expect(clippy::cast_precision_loss)]
            set(&last_duration, labels(), milliseconds as f64 / 1000.0);
        }
        set(&running, labels(), number(usize::from(job.running.is_some())));
        set(&queued, labels(), number(job.queued.len()));
        set(&failing, labels(), f64::from(u8::from(job.failing)));
        add(&slots, labels(), job.counts.slots);
        add(&missed, labels(), job.counts.missed);
        add(&skipped, labels(), job.counts.skipped);
        for (end, count) in &job.counts.runs {
            let outcome = format!("{end:?}").to_lowercase();
            add(&runs, vec![("pipeline", job.name.clone()), ("outcome", outcome)], *count);
        }
    }

    let mut body = String::new();
    text::encode(&mut body, &registry)?;
    Ok(body)
}

fn set(family: &Gauges, labels: Labels, value: f64) {
    family.get_or_create(&labels).set(value);
}

fn add(family: &Counters, labels: Labels, value: u64) {
    family.get_or_create(&labels).inc_by(value);
}

#[expect(clippy::cast_precision_loss)]
fn seconds(time: DateTime<Utc>) -> f64 {
    time.timestamp_millis() as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss)]
fn number(count: usize) -> f64 {
    count as f64
}
