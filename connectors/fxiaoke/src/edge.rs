//! The records around a window's end, which the next window shows once more: what came in just these bytes before is not handed
//! out again.

use std::collections::HashSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Remembered at most; of more, the rest is handed out again, which does no harm.
const MOST: usize = 16_384;

/// Hashes of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge(HashSet<u64>);

impl Edge {
    /// As it is kept; one that cannot be read knows nothing.
    pub fn read(text: &str) -> Self {
        let bytes = STANDARD_NO_PAD.decode(text).unwrap_or_default();
        Self(bytes.as_chunks::<8>().0.iter().map(|chunk| u64::from_le_bytes(*chunk)).collect())
    }

    /// The same for the same records.
    pub fn write(&self) -> String {
        let mut hashes: Vec<u64> = self.0.iter().copied().collect();
        hashes.sort_unstable();
        STANDARD_NO_PAD.encode(hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect::<Vec<u8>>())
    }

    pub fn add(&mut self, record: &[u8]) {
        if self.0.len() < MOST {
            self.0.insert(hash(record));
        }
    }

    pub fn has(&self, record: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains(&hash(record))
    }
}

fn hash(record: &[u8]) -> u64 {
    let hash = blake3::hash(record);
    hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_is_known_again_after_a_run() {
        let mut edge = Edge::default();
        edge.add(b"{\"_id\":1}");
        edge.add(b"{\"_id\":2}");
        let again = Edge::read(&edge.write());
        assert!(again == edge && again.has(b"{\"_id\":1}") && !again.has(b"{\"_id\":3}"));
        assert_eq!(Edge::read("not hashes"), Edge::default());
        (0..20_000u32).for_each(|n| edge.add(&n.to_le_bytes()));
        assert_eq!(edge.0.len(), MOST);
    }
}
