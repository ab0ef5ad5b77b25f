//! The organisation's users: the owners of records. There are few, they are read whole, and handed out if anything changed.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use tributary_connector::http::PageNumber;
use tributary_connector::{Cursor, Deletes, Error, Event, MEMBER, PERSONAL, Personal, Stream, Withdrawal};

use crate::api::{Api, LISTED};
use crate::place::{PARTITION, Place};
use crate::read::Out;
use crate::rows::Rows;
use crate::streams::{ID, MODIFIED};

pub(crate) const STREAM: &str = "Users";

pub(crate) fn stream(wanted: bool) -> Stream {
    let field = |name: &str, data_type: DataType, personal: Personal| {
        let metadata = HashMap::from([(PERSONAL.to_owned(), personal.as_str().to_owned())]);
        Field::new(name, data_type, true).with_metadata(metadata)
    };
    let named = |name: &str, member: &str| {
        let plain = field(name, DataType::Utf8, Personal::None);
        let mut metadata = plain.metadata().clone();
        metadata.insert(MEMBER.to_owned(), member.to_owned());
        plain.with_metadata(metadata)
    };
    let time = |name| field(name, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), Personal::None);
    let columns = if wanted {
        let mut columns = vec![field(ID, DataType::Utf8, Personal::None)];
        columns.extend(
            ["full_name", "first_name", "last_name", "email", "phone", "mobile"]
                .map(|name| field(name, DataType::Utf8, Personal::Identifier)),
        );
        columns.extend(["country", "state", "city"].map(|name| field(name, DataType::Utf8, Personal::Quasi)));
        columns.extend(
            ["zuid", "status", "time_zone", "locale", "language"]
                .map(|name| field(name, DataType::Utf8, Personal::None)),
        );
        columns.push(field("confirm", DataType::Boolean, Personal::None));
        columns.extend([named("role", "name"), named("profile", "name"), named("Reporting_To", "id")]);
        columns.extend([time("created_time"), time(MODIFIED)]);
        columns
    } else {
        Vec::new()
    };
    Stream {
        name: STREAM.to_owned(),
        schema: Arc::new(Schema::new(columns)),
        primary_key: vec![ID.to_owned()],
        cursor: Cursor::None,
        deletes: Deletes::Scope,
        version: Some(MODIFIED.to_owned()),
    }
}

pub(crate) async fn read(api: &Api, mut place: Place, mut out: Out) -> Result<(), Error> {
    let mut pages = PageNumber::new(1, LISTED);
    let (mut all, mut hash) = (Vec::new(), blake3::Hasher::new());
    loop {
        let rows = Rows::read(&api.users(pages.page()).await?, "users")?;
        let (records, more) = (rows.len(), rows.more);
        let page = rows.page();
        hash.update(&page.bytes);
        all.push((page, records));
        if !pages.advance(records, more)? {
            break;
        }
    }
    let shown = hash.finalize().to_hex()[..32].to_owned();
    if place.shown.as_ref() == Some(&shown) {
        return out.event(Event::Unchanged { partition: PARTITION.into() }).await;
    }
    let before = (place.load > 0).then(|| place.scope());
    place.load += 1;
    place.shown = Some(shown);
    out.enter(&place);
    for (page, records) in all {
        out.json(page, records).await?;
    }
    if let Some(scope) = before {
        let replaced_by = Some(place.scope().into());
        out.event(Event::Withdraw(Withdrawal { partition: PARTITION.into(), scope: scope.into(), replaced_by }))
            .await?;
    }
    out.checkpoint(&place).await
}
