//! What an organisation may spend: credits in any 24 hours, requests at a time, downloads of exports in a minute.
//!
//! All three answer the same 429 without a hint when to come back, as the vendor does. What a bulk job costs is documented for a sister
//! product only (50). Which requests are heavy is not documented in full; taken are queries, bulk jobs and writes.

use std::collections::VecDeque;

use super::Crm;
use super::refusal::Refusal;
use crate::clock::DAY;
use crate::http::Request;

/// The users that the organisation pays for.
const USERS: u64 = 5;

/// What the organisation pays for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// 5,000 credits, 5 requests at a time.
    Free,
    /// 50,000 and 250 per user; 10.
    Standard,
    /// 50,000 and 500 per user; 15.
    Professional,
    /// 50,000 and 1,000 per user; 20.
    Enterprise,
    /// 50,000 and 2,000 per user; 25.
    Ultimate,
}

impl Edition {
    /// Its name, as `paid_type` tells it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Standard => "standard",
            Self::Professional => "professional",
            Self::Enterprise => "enterprise",
            Self::Ultimate => "ultimate",
        }
    }

    fn credits(self) -> u64 {
        match self {
            Self::Free => 5_000,
            Self::Standard => 50_000 + 250 * USERS,
            Self::Professional => 50_000 + 500 * USERS,
            Self::Enterprise => 50_000 + 1_000 * USERS,
            Self::Ultimate => 50_000 + 2_000 * USERS,
        }
    }

    fn concurrency(self) -> usize {
        match self {
            Self::Free => 5,
            Self::Standard => 10,
            Self::Professional => 15,
            Self::Enterprise => 20,
            Self::Ultimate => 25,
        }
    }
}

/// What was spent.
#[derive(Debug, Clone, Default)]
pub(super) struct Quota {
    /// When, and how many.
    spent: VecDeque<(i64, u64)>,
    total: u64,
    downloads: VecDeque<i64>,
}

impl Crm {
    /// Refuses what comes beside too many others.
    pub(super) fn check_concurrency(&self, request: &Request) -> Result<(), Refusal> {
        let beside: Vec<&str> =
            request.beside.iter().map(String::as_str).filter(|path| path.starts_with("/crm/")).collect();
        let limits = &self.options.limits;
        let most = limits.concurrency.unwrap_or_else(|| self.options.edition.concurrency());
        // Of another request only the path is known, so that any of a heavy path counts.
        let heavy_beside = beside.iter().filter(|path| is_heavy("POST", path)).count();
        let too_heavy = is_heavy(&request.method, &request.path) && heavy_beside >= limits.heavy_concurrency;
        if beside.len() >= most || too_heavy { Err(Refusal::too_many()) } else { Ok(()) }
    }

    fn credits(&self) -> u64 {
        self.options.limits.credits.unwrap_or_else(|| self.options.edition.credits())
    }

    /// Takes credits, or refuses and takes none.
    pub(super) fn spend(&mut self, credits: u64) -> Result<(), Refusal> {
        let (now, most) = (self.clock.now(), self.credits());
        let quota = &mut self.quota;
        while let Some(&(at, credits)) = quota.spent.front()
            && at <= now - DAY
        {
            quota.spent.pop_front();
            quota.total -= credits;
        }
        if quota.total + credits > most {
            return Err(Refusal::too_many());
        }
        quota.total += credits;
        match quota.spent.back_mut() {
            Some((at, spent)) if *at == now => *spent += credits,
            _ => quota.spent.push_back((now, credits)),
        }
        Ok(())
    }

    /// The credits left, told only when half of them are gone.
    pub(super) fn told_credits(&self) -> Option<u64> {
        let (most, spent) = (self.credits(), self.quota.total);
        (spent * 2 >= most).then(|| most - spent)
    }

    /// Refuses the eleventh download of a minute.
    pub(super) fn check_downloads(&mut self) -> Result<(), Refusal> {
        let now = self.clock.now();
        let downloads = &mut self.quota.downloads;
        downloads.retain(|&at| at > now - 60);
        if downloads.len() >= self.options.limits.downloads {
            return Err(Refusal::too_many());
        }
        downloads.push_back(now);
        Ok(())
    }
}

fn is_heavy(method: &str, path: &str) -> bool {
    method == "POST" && (path.ends_with("/coql") || path.ends_with("/upsert") || path == "/crm/bulk/v8/read")
}
