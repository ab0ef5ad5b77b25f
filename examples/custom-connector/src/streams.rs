//! The streams: their columns, keys and cursors.

use tributary_connector::{Columns, Deletes, Stream};

pub fn all(timezone: chrono_tz::Tz) -> Vec<Stream> {
    let columns = || Columns::new(timezone).id("id");
    let customers = columns().text("name").text("phone").text("email").date("birthday");
    let orders = columns().id("customer_id").money("total").label("currency");
    [("customers", customers), ("orders", orders)]
        .map(|(name, columns)| {
            let deletes = Deletes::Column("deleted".into());
            columns.time("updated_at").flag("deleted").stream(name, "id", "updated_at", deletes)
        })
        .to_vec()
}
