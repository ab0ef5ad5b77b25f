//! How this program's runs do HTTP: what they share with other processes of the user, how long they stay for a wait, and
//! that a wait is told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tributary_connector::http::{Clock, Folder, Policy, Settings, SystemClock};
use tributary_pipeline::observe::{Note, Observer};

/// Shorter waits are not worth a word.
const TOLD: Duration = Duration::from_secs(1);

/// For commands that only look.
pub fn settings() -> Settings {
    // Who has no home shares nothing.
    Settings { folder: Folder::of_user().ok(), ..Settings::default() }
}

/// For a run; with `wait` it stays however long a source wants to be left alone.
pub fn of_run(observer: Arc<dyn Observer>, wait: bool) -> Settings {
    let mut settings = Settings { clock: Arc::new(Telling(observer)), ..settings() };
    if wait {
        settings.policy = Policy { park_after: Duration::MAX, total: Duration::MAX, ..settings.policy };
    }
    settings
}

/// The machine's clock; who sleeps on it is seen to wait.
struct Telling(Arc<dyn Observer>);

#[async_trait]
impl Clock for Telling {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now()
    }

    async fn sleep(&self, duration: Duration) {
        if duration >= TOLD {
            let until = self.now() + chrono::TimeDelta::from_std(duration).unwrap_or_default();
            let what = format!("the source until {}", until.format("%H:%M:%S UTC"));
            self.0.note(Note::Waiting { what: &what });
        }
        SystemClock.sleep(duration).await;
    }
}
