//! Union-find over record numbers, with path halving and union by size.

/// Trees of records; those of one tree are one cluster.
#[derive(Debug, Clone)]
pub struct Forest {
    parent: Vec<u32>,
    /// Of roots: how many records they stand for.
    size: Vec<u32>,
}

impl Forest {
    /// Each of so many records by itself.
    pub fn new(records: u32) -> Forest {
        Forest { parent: (0..records).collect(), size: vec![1; records as usize] }
    }

    /// The root of a record's tree.
    pub fn find(&mut self, mut record: u32) -> u32 {
        while self.parent[record as usize] != record {
            let above = self.parent[self.parent[record as usize] as usize];
            self.parent[record as usize] = above;
            record = above;
        }
        record
    }

    /// How many records a root stands for.
    pub fn size(&self, root: u32) -> u32 {
        self.size[root as usize]
    }

    /// Joins two roots, and says which is one still and which is not.
    pub fn union(&mut self, a: u32, b: u32) -> (u32, u32) {
        let (kept, gone) = if self.size(a) >= self.size(b) { (a, b) } else { (b, a) };
        self.parent[gone as usize] = kept;
        self.size[kept as usize] += self.size[gone as usize];
        (kept, gone)
    }

    /// For each record the lowest of its cluster.
    pub fn labels(mut self) -> Vec<u32> {
        let records = self.parent.len() as u32;
        // From the lowest up: the first record of a cluster that comes by is its lowest.
        let mut lowest = vec![u32::MAX; records as usize];
        let label = (0..records).map(|record| {
            let root = self.find(record) as usize;
            lowest[root] = lowest[root].min(record);
            lowest[root]
        });
        label.collect()
    }
}
