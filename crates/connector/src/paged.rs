//! A reader made of one function: fetch the next page.
//!
//! The author says what a page holds and where a later run may go on after it; numbering, guards against pages that repeat and
//! the order of events are settled here.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::http::Walk;
use crate::{Data, Error, Event, JsonPage, JsonShape, Op, Page, Position, Reader};

/// Fetches a stream page by page.
#[async_trait]
pub trait Fetch: Send {
    /// The next page; `None` when the stream is read to its end.
    ///
    /// # Errors
    /// If the stream cannot go on. Pages whose position was handed out stay.
    async fn fetch(&mut self) -> Result<Option<Fetched>, Error>;
}

/// A page as it was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub data: Data,
    /// How many records there are in `data`.
    pub records: u64,
    pub op: Op,
    /// What positions are kept by, if the stream has parts: a shop, a window. Default: the stream as a whole, `""`.
    pub partition: Arc<str>,
    /// Where a later run may go on so that nothing is lost: all that comes before is handed out, this page included. `None`
    /// where it would not be safe; the page is then committed with the next one that has a position.
    pub position: Option<Position>,
    /// Whether the source says that there is more after this page.
    pub more: bool,
    /// Whether a walk through pages begins with this one: what was shown in the walk before may be shown again.
    pub begins: bool,
}

impl Fetched {
    /// A page of JSON records, as [`crate::http::locate()`] finds them; `None`: a page without any.
    pub fn json(page: Option<JsonPage>, records: u64) -> Self {
        let empty = JsonPage { bytes: Bytes::from_static(b"[]"), shape: JsonShape::Array, first_line: 1 };
        Self::new(Data::Json(page.unwrap_or(empty)), records)
    }

    pub fn new(data: Data, records: u64) -> Self {
        Self { data, records, op: Op::Upsert, partition: "".into(), position: None, more: false, begins: false }
    }

    /// The records are gone at the source.
    pub fn deleted(self) -> Self {
        Self { op: Op::Delete, ..self }
    }

    pub fn position(self, position: Position) -> Self {
        Self { position: Some(position), ..self }
    }

    pub fn partition(self, partition: impl Into<Arc<str>>) -> Self {
        Self { partition: partition.into(), ..self }
    }

    pub fn more(self, more: bool) -> Self {
        Self { more, ..self }
    }

    pub fn begins(self, begins: bool) -> Self {
        Self { begins, ..self }
    }
}

/// A [`Reader`] of what `fetch` fetches.
pub fn paged(fetch: impl Fetch + 'static) -> Box<dyn Reader> {
    Box::new(Paged { fetch, walk: Walk::new(), records: 0, then: None })
}

struct Paged<F> {
    fetch: F,
    walk: Walk,
    /// Handed out so far.
    records: u64,
    then: Option<Event>,
}

#[async_trait]
impl<F: Fetch> Reader for Paged<F> {
    async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if let Some(event) = self.then.take() {
                return Ok(Some(event));
            }
            let Some(fetched) = self.fetch.fetch().await? else { return Ok(None) };
            if fetched.begins {
                self.walk = Walk::new();
            }
            if let Data::Json(page) = &fetched.data {
                self.walk.page(&page.bytes, fetched.records, fetched.more)?;
            }
            let Fetched { data, records, op, partition, position, .. } = fetched;
            let checkpoint = position.map(|position| Event::Checkpoint(vec![(Arc::clone(&partition), Some(position))]));
            if records == 0 {
                self.then = checkpoint;
                continue;
            }
            let page = Page {
                scope: Arc::clone(&partition),
                partition,
                version: None,
                first_record: self.records,
                records,
                op,
                data,
            };
            self.records += records;
            self.then = checkpoint;
            return Ok(Some(Event::Page(page)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pages(Vec<Fetched>);

    #[async_trait]
    impl Fetch for Pages {
        async fn fetch(&mut self) -> Result<Option<Fetched>, Error> {
            Ok((!self.0.is_empty()).then(|| self.0.remove(0)))
        }
    }

    fn page(bytes: &'static [u8], records: u64) -> Fetched {
        let page = JsonPage { bytes: Bytes::from_static(bytes), shape: JsonShape::Array, first_line: 1 };
        Fetched::json(Some(page), records)
    }

    fn at(place: u64) -> Position {
        Position::new(&place).unwrap()
    }

    async fn events(pages: Vec<Fetched>) -> Result<Vec<String>, Error> {
        let mut reader = paged(Pages(pages));
        let mut seen = Vec::new();
        while let Some(event) = reader.next().await? {
            seen.push(match event {
                Event::Page(page) => format!("{} {}+{}", page.op.as_str(), page.first_record, page.records),
                Event::Checkpoint(at) => format!("at {}", at[0].1.as_ref().unwrap().0),
                other => format!("{other:?}"),
            });
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn a_position_follows_its_page_and_an_empty_page_is_only_its_position() {
        let pages = vec![
            page(b"[1,2]", 2).position(at(2)).more(true),
            page(b"[3]", 1).deleted(),
            Fetched::json(None, 0).position(at(9)),
        ];
        assert_eq!(events(pages).await.unwrap(), ["upsert 0+2", "at 2", "delete 2+1", "at 9"]);
    }

    #[tokio::test]
    async fn a_page_that_repeats_ends_the_walk_unless_another_walk_began() {
        let twice = || vec![page(b"[1]", 1).more(true), page(b"[1]", 1)];
        assert!(events(twice()).await.is_err());
        let again = twice().into_iter().map(|page| page.begins(true)).collect();
        assert_eq!(events(again).await.unwrap().len(), 2);
    }
}
