//! Collects what the columns cannot hold: unknown fields and values that did not fit, one JSON object per row.

use std::collections::HashMap;

use arrow::array::StringArray;
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer};
use arrow::error::ArrowError;

/// What goes to `_extra`, collected in any order of rows.
#[derive(Default)]
pub(super) struct Extra {
    entries: Vec<Entry>,
    /// The entries' values, as JSON, one after another.
    values: Vec<u8>,
    /// The keys, as JSON strings.
    keys: Vec<String>,
    known_keys: HashMap<String, u32>,
    misfits: Vec<(String, u64)>,
}

struct Entry {
    row: u32,
    key: u32,
    start: usize,
    end: usize,
}

impl Extra {
    /// The number of `name` among the keys.
    pub(super) fn key(&mut self, name: &str) -> u32 {
        if let Some(&key) = self.known_keys.get(name) {
            return key;
        }
        let key = self.keys.len() as u32;
        let mut json = Vec::with_capacity(name.len() + 2);
        write_text(&mut json, name);
        self.keys.push(String::from_utf8_lossy(&json).into_owned());
        self.known_keys.insert(name.to_owned(), key);
        key
    }

    /// Keeps a text.
    pub(super) fn text(&mut self, row: usize, key: u32, text: &str) {
        self.with(row, key, |values| write_text(values, text));
    }

    /// Keeps a value that is JSON already.
    pub(super) fn json(&mut self, row: usize, key: u32, json: &[u8]) {
        self.with(row, key, |values| values.extend_from_slice(json));
    }

    /// Keeps a value that `write` appends as JSON.
    pub(super) fn with(&mut self, row: usize, key: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.values.len();
        write(&mut self.values);
        self.entries.push(Entry { row: row as u32, key, start, end: self.values.len() });
    }

    /// Counts a value that did not fit `column`.
    pub(super) fn misfit(&mut self, column: &str) {
        match self.misfits.iter_mut().find(|(name, _)| name == column) {
            Some((_, count)) => *count += 1,
            None => self.misfits.push((column.to_owned(), 1)),
        }
    }

    /// One object per row, null where there is nothing; and the misfits by column.
    pub(super) fn finish(mut self, rows: usize) -> Result<(StringArray, Vec<(String, u64)>), ArrowError> {
        if self.entries.is_empty() {
            return Ok((StringArray::new_null(rows), self.misfits));
        }
        self.entries.sort_by_key(|entry| entry.row);
        let mut text = Vec::with_capacity(self.values.len() + self.entries.len() * 16);
        let mut ends = Vec::with_capacity(rows + 1);
        ends.push(0);
        let mut entries = self.entries.iter().peekable();
        for row in 0..rows {
            let mut opener = b'{';
            while let Some(entry) = entries.next_if(|entry| entry.row as usize == row) {
                text.push(opener);
                opener = b',';
                text.extend_from_slice(self.keys[entry.key as usize].as_bytes());
                text.push(b':');
                text.extend_from_slice(&self.values[entry.start..entry.end]);
            }
            if opener == b',' {
                text.push(b'}');
            }
            ends.push(i32::try_from(text.len()).map_err(|_| ArrowError::OffsetOverflowError(text.len()))?);
        }
        let nulls = NullBuffer::from_iter(ends.windows(2).map(|pair| pair[0] < pair[1]));
        let array = StringArray::try_new(OffsetBuffer::new(ends.into()), Buffer::from(text), Some(nulls))?;
        Ok((array, self.misfits))
    }
}

/// Appends `text` as a JSON string.
fn write_text(out: &mut Vec<u8>, text: &str) {
    // Writing to memory does not fail; a text always has a form in JSON.
    let _ = serde_json::to_writer(out, text);
}

#[cfg(test)]
mod tests {
    use arrow::array::Array;

    use super::*;

    #[test]
    fn rows_get_their_own_entries_in_the_order_kept() {
        let mut extra = Extra::default();
        let (a, b) = (extra.key("备注"), extra.key("say \"x\""));
        extra.text(2, a, "第\n二");
        extra.json(0, b, b"1.10");
        extra.text(2, b, "");
        extra.misfit("qty");
        extra.misfit("qty");
        let (array, misfits) = extra.finish(3).unwrap();
        assert_eq!(array.value(0), r#"{"say \"x\"":1.10}"#);
        assert!(array.is_null(1));
        assert_eq!(array.value(2), r#"{"备注":"第\n二","say \"x\"":""}"#);
        assert_eq!(misfits, [("qty".to_owned(), 2)]);
    }
}
