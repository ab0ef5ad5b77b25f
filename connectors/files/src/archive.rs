//! Looks into a workbook's archive before it is parsed: what it would unpack to is counted, not believed.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use tributary_connector::{Error, Kind};
use zip::ZipArchive;

const MAX_ENTRIES: usize = 10_000;
const MAX_BYTES: u64 = 1 << 30;
/// Sheets shrink to a tenth or a thirtieth; bombs to a thousandth.
const MAX_RATIO: u64 = 200;
/// Below this the ratio does not matter.
const SMALL: u64 = 64 << 20;
/// The least a shared string takes, `<si/>`.
const SHARED_STRING: u64 = 5;

/// Checks the archive in `file`, and leaves the file at its start.
///
/// # Errors
/// [`Kind::Data`] if it is none, is encrypted, or would unpack to more than a workbook should.
pub fn check(file: &mut File, name: &str) -> Result<(), Error> {
    check_beyond(SMALL, file, name)
}

/// The same where the ratio matters beyond `small` bytes.
fn check_beyond(small: u64, file: &mut File, name: &str) -> Result<(), Error> {
    let bad = |why: &str| Error::new(Kind::Data, format!("`{name}` {why}"));
    let failed = |e: std::io::Error| bad("could not be read").source(e);
    let mut magic = [0; 8];
    let length = file.read(&mut magic).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    if magic[..length].starts_with(b"\xd0\xcf\x11\xe0") {
        return Err(bad("is encrypted or in the old Excel format").hint("save it as .xlsx without a password"));
    }
    if !magic[..length].starts_with(b"PK") {
        return Err(bad("is not an XLSX file").hint("set `format` if its extension is wrong"));
    }
    let packed = file.metadata().map_err(failed)?.len();
    let mut archive = ZipArchive::new(BufReader::new(&mut *file)).map_err(|e| bad("is damaged").source(e))?;
    if archive.len() > MAX_ENTRIES {
        return Err(bad("holds over 10,000 parts"));
    }
    let mut total = 0;
    let mut chunk = vec![0; 64 * 1024];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|e| bad("is damaged").source(e))?;
        let (mut carried, mut entry_bytes, mut claimed) = (0, 0, 0);
        loop {
            // The end of the last chunk stays in front, so that nothing is missed between two.
            let read = entry.read(&mut chunk[carried..]).map_err(|e| bad("is damaged").source(e))?;
            if read == 0 {
                break;
            }
            if entry_bytes == 0
                && chunk[..read.min(4)].contains(&0)
                && entry.name().is_ok_and(|name| name.ends_with(".xml"))
            {
                return Err(bad("has a part in an encoding that workbooks do not use"));
            }
            entry_bytes += read as u64;
            total += read as u64;
            if total > MAX_BYTES || (total > small && total > packed.saturating_mul(MAX_RATIO)) {
                return Err(
                    bad("would unpack to far more than a workbook should").hint("save it again, or export it as CSV")
                );
            }
            let seen = carried + read;
            claimed = claimed.max(claimed_strings(&chunk[..seen]));
            carried = seen.min(64);
            chunk.copy_within(seen - carried..seen, 0);
        }
        if claimed > entry_bytes / SHARED_STRING + 1 {
            return Err(bad("claims more texts than it can hold"));
        }
    }
    drop(archive);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(())
}

/// The largest number that a `uniqueCount` in `xml` claims; memory is set aside for as many.
fn claimed_strings(xml: &[u8]) -> u64 {
    const NAME: &[u8] = b"uniqueCount";
    let mut largest = 0;
    for at in memchr::memmem::find_iter(xml, NAME) {
        let digits = xml[at + NAME.len()..]
            .iter()
            .skip_while(|b| b.is_ascii_whitespace() || matches!(b, b'=' | b'"' | b'\''))
            .take_while(|b| b.is_ascii_digit());
        largest =
            largest.max(digits.fold(0u64, |number, b| number.saturating_mul(10).saturating_add(u64::from(b - b'0'))));
    }
    largest
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(name: &str, write: impl Fn(&mut dyn Write)) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let mut zip = ZipWriter::new(&mut file);
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        write(&mut zip);
        zip.finish().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file
    }

    #[test]
    fn bombs_are_refused_before_they_are_parsed() {
        let mut bomb = archive("xl/worksheets/sheet1.xml", |out| out.write_all(&vec![b' '; 4 << 20]).unwrap());
        assert!(bomb.metadata().unwrap().len() < 10_000);
        assert!(check_beyond(1 << 20, &mut bomb, "b").unwrap_err().message.contains("would unpack"));
        bomb.seek(SeekFrom::Start(0)).unwrap();
        check(&mut bomb, "b").unwrap();
        let mut claim = archive("xl/sharedStrings.xml", |out| {
            out.write_all(b"<sst uniqueCount = '99999999999'><si/></sst>").unwrap();
        });
        assert_eq!(check(&mut claim, "b").unwrap_err().message, "`b` claims more texts than it can hold");
        let mut good =
            archive("xl/sharedStrings.xml", |out| out.write_all(b"<sst uniqueCount=\"1\"><si/></sst>").unwrap());
        check(&mut good, "b").unwrap();
    }

    #[test]
    fn what_is_no_archive_says_so() {
        let file = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            file.seek(SeekFrom::Start(0)).unwrap();
            file
        };
        assert_eq!(check(&mut file(b"id,name\n"), "b").unwrap_err().message, "`b` is not an XLSX file");
        assert_eq!(
            check(&mut file(b"\xd0\xcf\x11\xe0\xa1"), "b").unwrap_err().message,
            "`b` is encrypted or in the old Excel format"
        );
        assert_eq!(check(&mut file(b"PK\x03\x04half"), "b").unwrap_err().message, "`b` is damaged");
        assert!(check(&mut file(b""), "b").is_err());
    }
}
