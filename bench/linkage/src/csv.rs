//! Records of a CSV file, in batches.

use std::error::Error;
use std::fs::File;
use std::io::Read;

use csv_core::ReadRecordResult;

pub struct Record {
    text: String,
    ends: Vec<usize>,
}

impl Record {
    /// A column's text; empty where the line is short.
    pub fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or(0) };
        self.ends.get(at).map_or("", |end| &self.text[start..*end])
    }
}

pub struct Reader {
    file: File,
    core: csv_core::Reader,
    buffer: Vec<u8>,
    /// What of the buffer has not been read yet.
    left: std::ops::Range<usize>,
    ended: bool,
}

impl Reader {
    pub fn open(path: &str) -> Result<Reader, Box<dyn Error>> {
        Ok(Reader {
            file: File::open(path)?,
            core: csv_core::Reader::new(),
            buffer: vec![0; 1 << 16],
            left: 0..0,
            ended: false,
        })
    }

    pub fn header(&mut self) -> Result<Vec<String>, Box<dyn Error>> {
        let record = self.record()?.ok_or("the file is empty")?;
        Ok((0..record.ends.len()).map(|at| record.get(at).trim().to_owned()).collect())
    }

    pub fn batch(&mut self, most: usize) -> Result<Vec<Record>, Box<dyn Error>> {
        let mut batch = vec![];
        while batch.len() < most
            && let Some(record) = self.record()?
        {
            batch.push(record);
        }
        Ok(batch)
    }

    fn record(&mut self) -> Result<Option<Record>, Box<dyn Error>> {
        let (mut bytes, mut ends) = (vec![0; 1 << 10], vec![0; 64]);
        let (mut written, mut fields) = (0, 0);
        loop {
            if self.left.is_empty() && !self.ended {
                let read = self.file.read(&mut self.buffer)?;
                self.left = 0..read;
                self.ended = read == 0;
            }
            let (result, used, out, found) =
                self.core.read_record(&self.buffer[self.left.clone()], &mut bytes[written..], &mut ends[fields..]);
            self.left.start += used;
            written += out;
            fields += found;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => bytes.resize(bytes.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => ends.resize(ends.len() * 2, 0),
                ReadRecordResult::Record => {
                    bytes.truncate(written);
                    ends.truncate(fields);
                    return Ok(Some(Record { text: String::from_utf8(bytes)?, ends }));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }
}
