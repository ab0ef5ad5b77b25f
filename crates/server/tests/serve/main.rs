//! What a user of `tributary serve` can see, with the time, the disk and the runs made up, and once with real ones.

mod oracle;
mod support;

mod calendar;
mod crashes;
mod midnight;
mod policies;
mod year;
