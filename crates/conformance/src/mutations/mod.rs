//! Proof that the suite can fail: defects are planted at run time between it and a connector, and a named check has to see each.
//!
//! A defect is laid around the connector (its events are altered on their way), around its HTTP (another wire alters requests and
//! answers), or into what it is told of its surroundings (the clock, the shared folder). Nothing is built anew, and no code
//! of connector or kit knows of it.

mod events;
mod json;
mod plant;
mod wires;

use std::fmt;
use std::sync::Arc;

use tributary_connector::AnyFactory;
use tributary_connector::http::Settings;

use crate::checks::{self, CHECKS, memory};
use crate::wire::Between;
use crate::{Declared, Failure, Passed, Size, Subject, World, parallel};
use events::Alter;

/// A defect, and who has to see it.
#[derive(Clone, Copy)]
pub struct Mutation {
    pub name: &'static str,
    /// The check that must fail.
    pub check: &'static str,
    plant: Plant,
    /// It is none: all is taken apart and put together again as with the others, and nothing is changed. The check must pass.
    pub control: bool,
}

/// Where a defect is planted.
#[derive(Clone, Copy)]
enum Plant {
    /// Into a reader's events; one per factory, so that it can remember from one reading to the next.
    Events(fn(&Declared) -> Arc<dyn Alter>),
    /// Into the connection.
    Wire(fn(&Declared) -> Arc<dyn Between>),
    /// Into what the connector is told.
    Settings(fn(&mut Settings)),
    /// Positions are thrown away.
    Forgetting,
    /// Windows are not told.
    Unbounded,
    /// Secrets are put into errors.
    Talking,
}

/// All defects.
pub const MUTATIONS: &[Mutation] = &[
    Mutation::control("nothing, page by page", checks::RESUME, Plant::Events(events::pages_unchanged)),
    Mutation::control("nothing, page and checkpoint", checks::RESUME, Plant::Events(events::checkpoints_unchanged)),
    Mutation::control("nothing, by another wire", checks::FULL_READ, Plant::Wire(wires::unchanged)),
    Mutation::events("boundary exclusive", checks::CURSOR_TIES, events::boundary_exclusive),
    Mutation::events("tie split", checks::CURSOR_TIES, events::tie_split),
    Mutation::events("page skipped", checks::FULL_READ, events::page_skipped),
    Mutation::events("last page dropped", checks::FULL_READ, events::last_page_dropped),
    Mutation::events("page cap ignored", checks::FULL_READ, events::page_cap_ignored),
    Mutation::events("id through a float", checks::FULL_READ, events::id_through_a_float),
    Mutation::events("money through a float", checks::FULL_READ, events::money_through_a_float),
    Mutation::events("offset of times dropped", checks::FULL_READ, events::offset_dropped),
    Mutation::events("delete missed", checks::DELETES, events::delete_missed),
    Mutation::events("restored record missed", checks::DELETES, events::restored_missed),
    Mutation::events("unknown field dropped", checks::UNKNOWN_FIELDS, events::unknown_field_dropped),
    Mutation::events("rejected record dropped", checks::BAD_RECORDS, events::rejected_dropped),
    Mutation::events("change while paging lost", checks::CHANGE_WHILE_READING, events::change_while_paging_lost),
    Mutation::events("checkpoint ahead of its page", checks::RESUME, events::checkpoint_ahead),
    Mutation::events("late update passed over", checks::LATE_UPDATES, events::late_passed_over),
    Mutation::events("null cursor dropped", checks::NULL_CURSORS, events::null_cursor_dropped),
    Mutation::events("error taken for the end", checks::FAULTS, events::error_taken_for_the_end),
    Mutation::events("pages piled up", checks::MEMORY, events::pages_piled_up),
    Mutation::events("window's first tick left out", checks::WINDOWS, events::first_tick_left_out),
    Mutation::new("window ignored", checks::WINDOWS, Plant::Unbounded),
    Mutation::new("positions ignored", checks::INCREMENTAL, Plant::Forgetting),
    Mutation::new("web page taken for no records", checks::FAULTS, Plant::Wire(wires::web_page_is_none)),
    Mutation::new("token sent to another origin", checks::REDIRECTS, Plant::Wire(wires::follows_redirects)),
    Mutation::new("Retry-After cut short", checks::RETRY_AFTER, Plant::Wire(wires::impatient)),
    Mutation::new("budget overspent", checks::BUDGET, Plant::Settings(plant::hurried_clock)),
    Mutation::new("refresh raced", checks::SHARED_CREDENTIAL, Plant::Settings(plant::no_folder)),
    Mutation::new("secret in an error", checks::SECRETS, Plant::Talking),
];

impl Mutation {
    const fn events(name: &'static str, check: &'static str, alter: fn(&Declared) -> Arc<dyn Alter>) -> Self {
        Self::new(name, check, Plant::Events(alter))
    }

    const fn new(name: &'static str, check: &'static str, plant: Plant) -> Self {
        Self { name, check, plant, control: false }
    }

    const fn control(name: &'static str, check: &'static str, plant: Plant) -> Self {
        Self { name, check, plant, control: true }
    }
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mutation(`{}`)", self.name)
    }
}

/// A subject with a defect.
struct Mutant<'a> {
    subject: &'a dyn Subject,
    mutation: &'a Mutation,
}

impl Subject for Mutant<'_> {
    fn factory(&self) -> Arc<dyn AnyFactory> {
        Arc::new(plant::Planted::new(self.subject, self.mutation.plant))
    }

    fn declared(&self) -> Declared {
        self.subject.declared()
    }

    fn world(&self, size: Size) -> Result<Box<dyn World>, Box<dyn std::error::Error + Send + Sync>> {
        self.subject.world(size)
    }
}

/// What became of a defect.
#[derive(Debug, Clone)]
pub enum Fate {
    /// The check passes without it and fails with it.
    Seen(Failure),
    /// The check passes with it as well, as it should for a control.
    Survived,
    /// The check is skipped for this subject, so that it cannot say.
    Skipped(String),
    /// The check fails without it.
    Unsound(Failure),
}

/// Plants each defect and runs its check, without it and with it. At the start of a test and only there, as [`crate::all`].
pub fn all(subject: &dyn Subject) -> Report {
    if let Some(name) = memory::asked_for() {
        if name == memory::ITSELF {
            memory::tell(subject);
        }
        if let Some(mutation) = MUTATIONS.iter().find(|mutation| mutation.name == name) {
            memory::tell(&Mutant { subject, mutation });
        }
        return Report::default();
    }
    let concerned: Vec<_> =
        CHECKS.iter().filter(|check| MUTATIONS.iter().any(|mutation| mutation.check == check.name)).collect();
    let sound: Vec<_> = parallel::each(&concerned, |check| (check.name, (check.run)(subject)));
    let fates = parallel::each(MUTATIONS, |mutation| {
        let without = sound.iter().find(|(name, _)| *name == mutation.check).map(|(_, outcome)| outcome);
        let check = CHECKS.iter().find(|check| check.name == mutation.check);
        let (Some(without), Some(check)) = (without, check) else { return Fate::Survived };
        match without {
            Err(failure) => return Fate::Unsound(failure.clone()),
            Ok(Passed::Skipped(reason)) => return Fate::Skipped(reason.clone()),
            Ok(Passed::Yes(_)) => {}
        }
        let mutant = Mutant { subject, mutation };
        let with = match check.name {
            checks::MEMORY => memory::measured_of(&mutant, mutation.name),
            _ => (check.run)(&mutant),
        };
        with.map_or_else(Fate::Seen, |_| Fate::Survived)
    });
    Report { lines: MUTATIONS.iter().copied().zip(fates).collect() }
}

/// Each defect, with what became of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub lines: Vec<(Mutation, Fate)>,
}

impl Report {
    /// Prints the table, and panics unless each defect was seen; but for those in `harmless`, which must not be: ones that change
    /// nothing for this connector (its ids are no numbers), or whose check is skipped.
    #[track_caller]
    #[allow(clippy::panic, reason = "this is how a test fails")]
    pub fn assert(&self, harmless: &[&str]) {
        println!("{self}");
        let wrong = self.wrong(harmless);
        if !wrong.is_empty() {
            panic!("{} of {} defects:\n{}", wrong.len(), self.lines.len(), wrong.join("\n"));
        }
    }

    /// What [`Report::assert`] objects to.
    pub fn wrong(&self, harmless: &[&str]) -> Vec<String> {
        let wrong = |(mutation, fate): &(Mutation, Fate)| {
            let Mutation { name, check, .. } = mutation;
            if mutation.control {
                return match fate {
                    Fate::Survived => None,
                    Fate::Seen(failure) => Some(format!("`{name}` changes nothing, and all the same: {failure}")),
                    Fate::Skipped(reason) => Some(format!("`{name}`: `{check}` is skipped: {reason}")),
                    Fate::Unsound(failure) => Some(format!("`{name}`: its check fails without it: {failure}")),
                };
            }
            match (fate, harmless.contains(name)) {
                (Fate::Seen(_), false) | (Fate::Survived | Fate::Skipped(_), true) => None,
                (Fate::Seen(_), true) => Some(format!("`{name}` was seen, though the test says that it is harmless")),
                (Fate::Survived, false) => Some(format!("`{name}` was not seen by `{check}`")),
                (Fate::Skipped(reason), false) => {
                    Some(format!("`{name}` could not be seen, because `{check}` is skipped: {reason}"))
                }
                (Fate::Unsound(failure), _) => Some(format!("`{name}`: its check fails without it: {failure}")),
            }
        };
        self.lines.iter().filter_map(wrong).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|(mutation, _)| mutation.name.chars().count()).max().unwrap_or(0);
        for (mutation, fate) in &self.lines {
            let (word, note) = match fate {
                Fate::Seen(failure) => ("seen    ", failure.to_string()),
                Fate::Survived if mutation.control => {
                    ("harmless", format!("`{}` passes, as it should", mutation.check))
                }
                Fate::Survived => ("SURVIVED", format!("`{}` passes with it", mutation.check)),
                Fate::Skipped(reason) => ("skipped ", format!("`{}` is skipped: {reason}", mutation.check)),
                Fate::Unsound(failure) => ("UNSOUND ", failure.to_string()),
            };
            writeln!(f, "{:width$}  {word}  {note}", mutation.name)?;
        }
        Ok(())
    }
}
