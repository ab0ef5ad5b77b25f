//! The stage where little has changed: only changed records and what they touch are looked at.
//!
//! The result is that of a full run under the same model. Edges of a changed record, and of whoever shares an identifier or a block
//! with one, are found again. Clusters are made again where edges have come or gone: a cluster depends on nothing beyond what edges
//! tie together, whether they were heeded or not. Ids are handed out again among the customers of these records, which is a closed set.
//!
//! `None` means that everything has to be looked at: much has changed, or the index does not say what was there.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashSet};
use tributary_engine::{Result, Session};
use tributary_lake::{Lake, StageRecord, TableChange, TableName, key_of};
use tributary_linkage::forest::Forest;
use tributary_linkage::increment::{RecordBlocks, near, score_changed};
use tributary_linkage::refine::refine_into;
use tributary_linkage::{Edge, Model};

use crate::cluster::{self, Joiner};
use crate::decision::Decisions;
use crate::events::{self, History};
use crate::evidence::{self, Kind, NONE, Row};
use crate::id::{CustomerId, RecordKey};
use crate::identifiers::{self, Certain, Holder, Holders, seed};
use crate::identity::{self, Founding, Previous};
use crate::index::{self, Index};
use crate::likely::{self, Comparing, Kept};
use crate::matching::{OfParties, deduplicated};
use crate::membership::{self, Member};
use crate::news::News;
use crate::people::{CLEAN, Counts, Done, MODEL, NAMED};
use crate::profile::Profile;
use crate::records::Record;
use crate::rules::Rules;
use crate::tables;
use crate::world::World;

/// With more than one record in so many touched, everything is looked at.
const SHARE: usize = 5;
/// With more than one row of the index in so many that no longer counts, too, so that it is made anew.
const OVERLAID: usize = 4;
/// A customer of more records than so many is named.
const LARGE: u64 = 100;

/// The stage's commit that is being made.
#[derive(Clone, Copy)]
pub(crate) struct Commit<'a> {
    pub number: i64,
    pub run: &'a str,
    /// The newest commit of the stage `clean`.
    pub clean: i64,
}

/// Brings `identity.*` up to date. The tables that the stage reads must be registered.
pub(crate) async fn run(
    lake: &Lake,
    session: &Session,
    rules: &Rules,
    last: &StageRecord,
    commit: Commit<'_>,
) -> Result<Option<Done>> {
    let Some(from) = last.inputs.get(CLEAN).copied() else { return Ok(None) };
    let kept = match rules.likely {
        None => None,
        Some(_) => match likely::newest(session).await? {
            Some(kept) if last.inputs.get(MODEL) == Some(&kept.number) => Some(kept),
            _ => return Ok(None),
        },
    };
    let Ok(counts) = serde_json::from_value::<Counts>(last.notes.clone()) else { return Ok(None) };
    let Some(news) = News::read(session, rules, from, commit.clean).await? else { return Ok(None) };
    let index = Index::load(session).await?;
    let too_much = news.len().saturating_mul(SHARE) > index.entries.len();
    if too_much || index.overlaid.saturating_mul(OVERLAID) > index.entries.len() {
        return Ok(None);
    }
    let mut sources = crate::records::Sources::default();
    let members = membership::read(session, &mut sources).await?;
    let Some(world) = World::new(index, members, sources, news, commit.number)? else { return Ok(None) };
    if !adds_up(lake, session, rules, &world).await? {
        return Ok(None);
    }
    let decided = last.inputs.get(&tables::decision().name.to_string()).copied().unwrap_or_default();
    let model = kept.map(|Kept { number, mut model }| {
        model.threshold = rules.likely.map_or(1.0, |likely| likely.threshold);
        (number, model)
    });
    let mut increment = Increment { lake, session, rules, model, holders: Holders::new(lake), world };
    let Some(clustered) = increment.cluster(decided).await? else { return Ok(None) };
    increment.commit(commit, counts, clustered).await
}

/// Whether what the index will have is what `clean` has.
async fn adds_up(lake: &Lake, session: &Session, rules: &Rules, world: &World) -> Result<bool> {
    let live = (0..).take(world.len()).filter(|number| world.is_live(*number));
    let (stubs, parties): (Vec<u32>, Vec<u32>) = live.partition(|number| world.members[*number as usize].stub);
    let of_clean = match lake.table(&TableName::new("clean", "party")).await? {
        Some(table) => table.rows()?,
        None => 0,
    };
    let renamed: HashMap<u32, i64> = world.renamed.iter().copied().collect();
    let named = |number: &u32| {
        renamed.get(number).copied().or_else(|| world.entry(*number).and_then(|entry| entry.named)).unwrap_or_default()
    };
    let sql =
        format!("SELECT count(*) FROM clean.event_identifier WHERE NOT masked AND type IN ({})", rules.kinds_sql());
    let events = session.count("count the identifiers that orders name", &sql).await?;
    Ok(parties.len() as u64 == of_clean && stubs.iter().map(named).sum::<i64>() == i64::try_from(events).unwrap_or(-1))
}

struct Increment<'a> {
    lake: &'a Lake,
    session: &'a Session,
    rules: &'a Rules,
    model: Option<(i64, Model)>,
    holders: Holders,
    world: World,
}

/// A certain edge, or what kept records apart, as it is compared.
type Plain = (u32, u32, Kind, u32);

/// What equal identifiers say anew.
struct CertainChange {
    /// Rows that go, each with how many there are of it, and rows that come.
    gone: HashMap<Plain, usize>,
    new: Vec<Row>,
    /// Stubs whose values were looked at, and those of them that nobody is to have.
    stubs: Vec<u32>,
    shared: HashSet<u32>,
    /// Values refused before and now, by type and cap.
    refused: [BTreeMap<String, u64>; 2],
}

/// What likeness says anew.
#[derive(Default)]
struct LikelyChange {
    /// Records whose likely edges are all found again.
    again: Vec<u32>,
    /// By numbers of records.
    edges: Vec<Edge>,
    compared: u64,
    /// The blocks of touched parties, by their place among the touched.
    blocks: Vec<Vec<u64>>,
}

/// What has become of clusters.
struct Clustered {
    /// The records whose clusters were made again.
    records: Vec<u32>,
    /// By their place among these.
    clusters: cluster::Clusters,
    certain: CertainChange,
    likely: LikelyChange,
    decisions: Decisions,
    /// All rows of `identity.edge`.
    edges: Vec<Row>,
}

impl Increment<'_> {
    fn unpacked(&self, number: u32) -> Result<Profile<'_>> {
        Profile::unpack(self.world.now(number).unwrap_or_default())
    }

    /// Likely edges that touch a change.
    fn likely(&self) -> Result<LikelyChange> {
        let Some((_, model)) = &self.model else { return Ok(LikelyChange::default()) };
        let world = &self.world;
        let mut before = vec![];
        for entry in world.touched.iter().filter(|touched| !touched.stub).filter_map(|of| world.entry(of.number)) {
            let mut blocks = vec![];
            world.index.blocks(entry, &mut blocks);
            before.push(blocks);
        }
        let now = world.touched.iter().filter(|touched| !touched.stub && touched.now.is_some());
        let mut part: Vec<u32> = now.map(|touched| touched.number).collect();
        let features = self.compared(&part)?.features;
        let of = RecordBlocks::new(model, &features, 1);
        let mut blocks: Vec<Vec<u64>> = vec![vec![]; part.len()];
        blocks.iter_mut().zip(0..).for_each(|(blocks, record)| of.of(record, blocks));
        let around = near(model, &before, &blocks, |see| {
            let mut of = vec![];
            for (number, entry) in world.others().filter(|(_, entry)| entry.named.is_none()) {
                world.index.blocks(entry, &mut of);
                see(number, &of);
            }
        });
        let mut changed: Vec<u32> = part.iter().chain(&around.again).copied().collect();
        changed.sort_unstable();
        part = changed.iter().chain(&around.near).copied().collect();
        part.sort_unstable();
        let features = self.compared(&part)?.features;
        let place = |number: &u32| part.binary_search(number).ok().and_then(|at| u32::try_from(at).ok());
        let places: Vec<u32> = changed.iter().filter_map(place).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let scored = score_changed(model, &features, &places, &around.refused, threads);
        let compared = scored.comparisons();
        let number = |place: u32| part.get(place as usize).copied().unwrap_or(NONE);
        let edges =
            scored.edges.into_iter().map(|edge| Edge { a: number(edge.a), b: number(edge.b), ..edge }).collect();
        Ok(LikelyChange { again: around.again, edges, compared, blocks })
    }

    /// Parties as they are compared.
    fn compared(&self, parties: &[u32]) -> Result<likely::Parties> {
        let codes = self.model.as_ref().map(|(_, model)| likely::codes_of(model)).unwrap_or_default();
        let mut comparing = Comparing::new(self.lake, codes);
        for number in parties {
            let profile = self.unpacked(*number)?;
            let key = self.world.key(*number).unwrap_or_default();
            let source = self.world.sources.known(profile.source);
            comparing.take(*number, key, source, &profile);
        }
        Ok(comparing.finish())
    }

    /// What the values say that a change touches, before and after.
    fn certain(&mut self) -> Result<CertainChange> {
        let (world, rules) = (&self.world, self.rules);
        let mut values: HashSet<u128> = HashSet::new();
        for touched in &world.touched {
            if let Some(entry) = world.entry(touched.number) {
                values.extend(world.index.held(entry));
            }
            if let Some(now) = &touched.now {
                values.extend(Profile::unpack(now)?.held(rules, seed(self.lake)));
            }
        }
        let holds = |entry: &index::Entry| world.index.held(entry).any(|value| values.contains(&value));
        let others = world.others().filter(|(_, entry)| holds(entry)).map(|(number, _)| number);
        let holders: Vec<u32> = others.chain(world.touched.iter().map(|touched| touched.number)).collect();
        let mut found = [Certain::default(), Certain::default()];
        for (found, after) in found.iter_mut().zip([false, true]) {
            let mut records: HashMap<u32, Record> = HashMap::new();
            for number in &holders {
                let before = || world.entry(*number).map(|entry| world.index.packed(entry));
                let Some(packed) = (if after { world.now(*number) } else { before() }) else { continue };
                let profile = Profile::unpack(packed)?;
                self.holders.take(rules, *number, &profile);
                let member = &world.members[*number as usize];
                let record = Record {
                    key: member.key,
                    source: world.sources.known(profile.source),
                    name: profile.name.map(Box::from),
                    masked: profile.masked,
                    stub: member.stub,
                };
                records.insert(*number, record);
            }
            let mut all: Vec<Holder> = std::mem::take(&mut self.holders.all);
            all.retain(|holder| values.contains(&holder.hash));
            *found = Certain::of(rules, &self.holders.kinds, all, |number| records.get(&number));
        }
        let [before, after] = found;
        let plain = |row: Row| (row.a, row.b, row.kind, row.identifier);
        let mut gone: HashMap<Plain, usize> = HashMap::new();
        for row in before.rows() {
            *gone.entry(plain(row)).or_default() += 1;
        }
        let mut new = vec![];
        for row in after.rows() {
            match gone.get_mut(&plain(row)).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                None => new.push(row),
            }
        }
        gone.retain(|_, count| *count > 0);
        let stubs = holders.into_iter().filter(|number| world.members[*number as usize].stub).collect();
        let shared = after.shared.into_iter().collect();
        Ok(CertainChange { gone, new, stubs, shared, refused: [before.refused, after.refused] })
    }

    /// Finds what edges have come and gone, and makes the clusters again that they touch. `decided` is the newest decision of last
    /// time.
    async fn cluster(&mut self, decided: i64) -> Result<Option<Clustered>> {
        let likely = self.likely()?;
        let mut certain = self.certain()?;
        let world = &self.world;
        let live = |key: RecordKey| world.number(key).filter(|number| world.is_live(*number));
        let decisions = Decisions::read(self.session, live).await?;
        let before = evidence::read(self.session, |keys| world.numbers(keys), &mut self.holders.kinds).await?;

        let mut again = vec![false; world.len()];
        for number in world.touched.iter().map(|touched| touched.number).chain(likely.again.iter().copied()) {
            again[number as usize] = true;
        }
        let is_again = |number: u32| again.get(number as usize).copied().unwrap_or_default();
        let mut seeds: Vec<u32> = (0..).zip(&again).filter(|(_, again)| **again).map(|(number, _)| number).collect();
        let mut edges = Vec::with_capacity(before.len());
        for row in before {
            let gone = match row.kind {
                Kind::Decided => true,
                kind if kind.of_clusters() => is_again(row.a) || is_again(row.b),
                kind => match certain.gone.get_mut(&(row.a, row.b, kind, row.identifier)).filter(|count| **count > 0) {
                    Some(count) => {
                        *count -= 1;
                        true
                    }
                    None => false,
                },
            };
            if !gone {
                edges.push(row);
            } else if row.kind != Kind::Decided {
                seeds.extend([row.a, row.b]);
            }
        }
        if certain.gone.values().any(|count| *count > 0) {
            // The edges are not those of the records that the index has.
            return Ok(None);
        }
        let row = |a: u32, b: u32, kind, bits| Row { a: a.min(b), b: a.max(b), kind, identifier: NONE, bits };
        seeds.extend(certain.new.iter().flat_map(|row| [row.a, row.b]));
        edges.append(&mut certain.new);
        edges.extend(likely.edges.iter().map(|edge| row(edge.a, edge.b, Kind::Likely, Some(edge.bits))));
        edges.extend(decisions.same.iter().map(|(a, b)| row(*a, *b, Kind::Decided, None)));
        let records = self.tied(&edges, seeds, &decisions, decided);
        let clusters = self.joined(&records, &mut edges, &decisions)?;
        Ok(Some(Clustered { records, clusters, certain, likely, decisions, edges }))
    }

    /// The records that are there and that edges tie to one of `seeds`, or to what came of decisions.
    fn tied(&self, edges: &[Row], mut seeds: Vec<u32>, decisions: &Decisions, decided: i64) -> Vec<u32> {
        let world = &self.world;
        for (line, a, b) in &decisions.lines {
            let pair = [world.number(*a), world.number(*b)];
            let touched = pair.iter().flatten().any(|number| world.is_touched(*number));
            if *line > decided || touched {
                seeds.extend(pair.into_iter().flatten());
            }
        }
        // A record that comes back is counted for the id it had, and with it those who have it.
        let back = world.touched.iter().map(|touched| touched.number as usize).filter(|number| !world.fresh[*number]);
        let ids: HashSet<CustomerId> = back.map(|number| world.members[number].customer_id).collect();
        let of_ids = world.members.iter().zip(0u32..).filter(|(member, number)| {
            !member.retired && !world.fresh[*number as usize] && ids.contains(&member.customer_id)
        });
        seeds.extend(of_ids.map(|(_, number)| number));
        let mut forest = Forest::new(u32::try_from(world.len()).unwrap_or(u32::MAX));
        for row in edges.iter().filter(|row| row.kind.ties() && row.b != NONE) {
            let (a, b) = (forest.find(row.a), forest.find(row.b));
            if a != b {
                forest.union(a, b);
            }
        }
        let mut marked = vec![false; world.len()];
        for seed in seeds.into_iter().filter(|seed| (*seed as usize) < world.len()) {
            let root = forest.find(seed);
            marked[root as usize] = true;
        }
        (0..)
            .take(world.len())
            .filter(|number| marked[forest.find(*number) as usize] && world.is_live(*number))
            .collect()
    }

    /// Makes the clusters of some records, which no edge ties to others. What edges say of clusters is put in place of what they said.
    fn joined(&mut self, records: &[u32], edges: &mut Vec<Row>, decisions: &Decisions) -> Result<cluster::Clusters> {
        let rules = self.rules;
        let mut local = vec![NONE; self.world.len()];
        records.iter().zip(0..).for_each(|(number, at)| local[*number as usize] = at);
        let at = |number: u32| local.get(number as usize).copied().filter(|at| *at != NONE);
        let pair = |(a, b): &(u32, u32)| Some((at(*a)?, at(*b)?));

        let mut unique = vec![];
        if rules.identifiers.iter().any(|rule| rule.unique) {
            for (number, at) in records.iter().zip(0..) {
                let profile = Profile::unpack(self.world.now(*number).unwrap_or_default())?;
                self.holders.take(rules, at, &profile);
            }
            let all = std::mem::take(&mut self.holders.all);
            unique = identifiers::unique(rules, &self.holders.kinds, &all);
        }
        let of: Vec<Record> = records
            .iter()
            .map(|number| {
                let Member { key, source, stub, .. } = self.world.members[*number as usize];
                Record { key, source, name: None, masked: false, stub }
            })
            .collect();
        unique.extend(deduplicated(rules, &self.world.sources, of.iter().zip(0..)));
        let apart: Vec<(u32, u32)> = decisions.apart.iter().filter_map(pair).collect();
        let mut joiner = Joiner::new(u32::try_from(records.len()).unwrap_or(u32::MAX), &unique, &apart);
        for (a, b) in decisions.same.iter().filter_map(pair) {
            joiner.force(a, b);
        }
        let kinds = &self.holders.kinds;
        let certain = edges.iter().filter(|row| row.kind == Kind::Certain).filter_map(|row| {
            let (kind, _) = kinds.names.get(row.identifier as usize)?;
            let place = rules.identifiers.iter().position(|rule| rule.kind == *kind)?;
            Some(cluster::Edge { a: at(row.a)?, b: at(row.b)?, strength: identifiers::strength(place) })
        });
        joiner.join_all(&certain.collect::<Vec<_>>());

        let mut likely: Vec<(u32, u32, f32)> = vec![];
        edges.retain(|row| {
            if !row.kind.of_clusters() || at(row.a).is_none() {
                return true;
            }
            if let (Some(a), Some(b), Some(bits)) = (at(row.a), at(row.b), row.bits) {
                likely.push((a.min(b), a.max(b), bits));
            }
            false
        });
        // What is kept stays in the order in which it was read; what comes is sorted by itself.
        let kept = edges.len();
        likely.sort_unstable_by_key(|(a, b, _)| (*a, *b));
        let row = |a: u32, b: u32, kind, bits| Row {
            a: records[a as usize],
            b: records[b as usize],
            kind,
            identifier: NONE,
            bits,
        };
        if let Some((_, model)) = &self.model {
            let parties: Vec<u32> =
                records.iter().zip(&of).filter(|(_, of)| !of.stub).map(|(number, _)| *number).collect();
            let mut compared = self.compared(&parties)?;
            // Numbered among the records at hand.
            compared.numbers = parties.iter().filter_map(|number| at(*number)).collect();
            let mut party = vec![NONE; records.len()];
            compared.numbers.iter().zip(0..).for_each(|(at, place)| party[*at as usize] = place);
            let of_parties =
                likely.iter().map(|(a, b, bits)| Edge { a: party[*a as usize], b: party[*b as usize], bits: *bits });
            let of_parties: Vec<Edge> = of_parties.collect();
            let mut clusters = OfParties { joiner: &mut joiner, numbers: &compared.numbers };
            let mut cut = refine_into(model, &compared.features, &of_parties, &mut clusters).into_iter().peekable();
            for ((a, b, bits), place) in likely.into_iter().zip(0u32..) {
                let kind = if cut.next_if_eq(&place).is_some() { Kind::Cut } else { Kind::Likely };
                edges.push(row(a, b, kind, Some(bits)));
            }
        }
        let clusters = joiner.finish();
        edges.extend(clusters.refused.iter().map(|(a, b, why)| row(*a, *b, Kind::Vetoed((*why).into()), None)));
        evidence::sort(&mut edges[kept..]);
        Ok(clusters)
    }

    /// Hands out ids, and writes the tables.
    async fn commit(mut self, commit: Commit<'_>, mut counts: Counts, done: Clustered) -> Result<Option<Done>> {
        let world = &mut self.world;
        let mut clusters: Vec<Vec<identity::Record<RecordKey>>> = vec![];
        let mut place: Vec<u32> = Vec::with_capacity(done.records.len());
        for (number, label) in done.records.iter().zip(&done.clusters.label) {
            let at = place.get(*label as usize).copied().unwrap_or_else(|| {
                clusters.push(vec![]);
                clusters.len() as u32 - 1
            });
            place.push(at);
            let Member { key, since, .. } = world.members[*number as usize];
            clusters[at as usize].push(identity::Record { key, first_seen: since });
        }

        let mut here = vec![false; world.len()];
        done.records.iter().for_each(|number| here[*number as usize] = true);
        let touched = world.touched.iter().map(|touched| touched.number).chain(done.records.iter().copied());
        let ids: HashSet<CustomerId> = touched
            .filter(|number| !world.fresh[*number as usize])
            .map(|number| world.members[number as usize].customer_id)
            .collect();
        let mut before: Vec<identity::Member<RecordKey, CustomerId>> = vec![];
        // Customers with a party, and all, as they were.
        let (mut with_party, mut all) = (HashSet::new(), HashSet::new());
        for (number, member) in world.members.iter().enumerate() {
            if world.fresh[number] || !ids.contains(&member.customer_id) {
                continue;
            }
            let Member { key, customer_id, retired, stub, .. } = *member;
            if !retired {
                all.insert(customer_id);
                if !stub {
                    with_party.insert(customer_id);
                }
                if !here[number] && world.is_live(number as u32) {
                    // A customer of whom some are at hand and others are not: the edges are not those of the members.
                    return Ok(None);
                }
            }
            before.push(identity::Member { record: key, customer_id, retired });
        }

        let History { redirects, next_ordinal, .. } = History::of_redirects(self.session).await?;
        let secret = self.lake.key("customer id");
        let id = |record: &RecordKey, generation: u32| {
            CustomerId::of(&key_of(&secret, [record.text().as_ref(), &generation.to_string()]))
        };
        let founders = done.records.iter().map(|number| world.members[*number as usize].key).collect();
        let foundings = foundings(&world.members, &redirects, founders, id);
        let previous = Previous { members: &before, foundings: &foundings, redirects: &redirects };
        let assigned = identity::assign(&previous, &clusters, id)
            .map_err(|e| tributary_engine::Error::Ledger { stage: crate::people::STAGE.into(), why: e.to_string() })?;

        for member in &assigned.members {
            let Some(number) = world.number(member.record) else { continue };
            let source = world.now(number).map(Profile::unpack).transpose()?.map(|now| world.sources.known(now.source));
            let row = &mut world.members[number as usize];
            (row.customer_id, row.retired) = (member.customer_id, member.retired);
            row.source = source.unwrap_or(row.source);
            row.shared &= !row.retired;
        }
        for stub in &done.certain.stubs {
            let row = &mut world.members[*stub as usize];
            row.shared = !row.retired && done.certain.shared.contains(stub);
        }
        let live =
            (0..).zip(&world.members).filter(|(number, member)| world.is_live(*number) == member.retired).count();
        if live > 0 {
            let why = format!("{live} records that are there belong to no customer, or others do");
            return Err(tributary_engine::Error::Ledger { stage: crate::people::STAGE.into(), why });
        }

        let news = events::News {
            events: &assigned.events,
            founded: &assigned.founded,
            first: next_ordinal,
            number: commit.number,
            run: commit.run,
        };
        counts.events = news.counts();
        let party = |number: &u32| !world.members[*number as usize].stub;
        let mut of_parties: Vec<u32> = done
            .records
            .iter()
            .zip(&done.clusters.label)
            .filter(|(number, _)| party(number))
            .map(|(_, label)| *label)
            .collect();
        of_parties.sort_unstable();
        of_parties.dedup();
        let customers = (counts.customers + of_parties.len() as u64).saturating_sub(with_party.len() as u64);
        let every = counts.customers + counts.stub_customers + clusters.len() as u64 - all.len() as u64;
        (counts.customers, counts.stub_customers) = (customers, every.saturating_sub(customers));
        self.count(&mut counts, &done);

        let Self { lake, world, holders, rules, .. } = self;
        let mut changes = BTreeMap::new();
        let rows = world.members.iter().copied();
        changes.insert(tables::member().name, membership::write(lake, &world.sources, rows).await?);
        let key = |number| world.key(number);
        changes.insert(tables::edge().name, evidence::write(lake, key, &holders.kinds, done.edges).await?);
        changes.insert(tables::event().name, news.write(lake).await?);
        changes.extend(indexed(lake, rules, commit.number, &world, &done.likely.blocks).await?);
        let model = self.model.map_or(0, |(number, _)| number);
        Ok(Some(Done { counts, changes, model: Some(model) }))
    }

    /// Brings counts up to date.
    fn count(&self, counts: &mut Counts, done: &Clustered) {
        let members = self.world.members.iter().filter(|member| !member.retired);
        (counts.parties, counts.stubs, counts.shared) = (0, 0, 0);
        let mut sizes = Sizes::new(self.world.len());
        for member in members.clone() {
            *if member.stub { &mut counts.stubs } else { &mut counts.parties } += 1;
            counts.shared += u64::from(member.shared);
            sizes.add(member.customer_id);
        }
        counts.large = sizes.large(members.map(|member| member.customer_id));
        counts.edges = BTreeMap::new();
        counts.vetoed = 0;
        let (mut likely, mut cut) = (0, 0);
        for row in &done.edges {
            match row.kind {
                Kind::Certain => {
                    if let Some((kind, _)) = self.holders.kinds.names.get(row.identifier as usize) {
                        match counts.edges.get_mut(kind) {
                            Some(count) => *count += 1,
                            None => _ = counts.edges.insert(kind.clone(), 1),
                        }
                    }
                }
                Kind::Likely => likely += 1,
                Kind::Cut => (likely, cut) = (likely + 1, cut + 1),
                Kind::Vetoed(_) => counts.vetoed += 1,
                Kind::Decided | Kind::Refused(_) => {}
            }
        }
        let [before, after] = &done.certain.refused;
        for (what, count) in after {
            *counts.refused.entry(what.clone()).or_default() += count;
        }
        for (what, count) in before {
            if let Some(sum) = counts.refused.get_mut(what) {
                *sum = sum.saturating_sub(*count);
            }
        }
        counts.refused.retain(|_, count| *count > 0);
        counts.decided = (done.decisions.same.len() as u64, done.decisions.apart.len() as u64);
        counts.decided_of_absent = done.decisions.absent;
        if let Some(of) = &mut counts.likely {
            (of.edges, of.cut, of.compared) = (likely, cut, done.likely.compared);
        }
        counts.touched = Some(self.world.touched.len() as u64);
    }
}

/// Customers of very many records, without a count for each.
struct Sizes(Vec<u32>);

impl Sizes {
    fn new(records: usize) -> Self {
        Self(vec![0; records.next_power_of_two().max(1024)])
    }

    fn place(&self, id: CustomerId) -> usize {
        id.hash() as usize & (self.0.len() - 1)
    }

    fn add(&mut self, id: CustomerId) {
        let at = self.place(id);
        self.0[at] += 1;
    }

    fn large(&self, ids: impl Iterator<Item = CustomerId>) -> Vec<(u64, String)> {
        let mut exact: HashMap<CustomerId, u64> = HashMap::new();
        for id in ids.filter(|id| u64::from(self.0[self.place(*id)]) > LARGE) {
            *exact.entry(id).or_default() += 1;
        }
        let mut large: Vec<(u64, CustomerId)> =
            exact.into_iter().filter(|(_, size)| *size > LARGE).map(|(id, size)| (size, id)).collect();
        large.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        large.into_iter().take(NAMED).map(|(size, id)| (size, id.text().as_ref().to_owned())).collect()
    }
}

/// Which ids records have founded. An id never goes: it is some member's, or it is part of another.
fn foundings(
    members: &[Member],
    redirects: &BTreeMap<CustomerId, CustomerId>,
    mut founders: Vec<RecordKey>,
    id: impl Fn(&RecordKey, u32) -> CustomerId,
) -> Vec<Founding<RecordKey, CustomerId>> {
    let mut found = vec![];
    for generation in 0.. {
        let asked: HashMap<CustomerId, RecordKey> =
            founders.iter().map(|record| (id(record, generation), *record)).collect();
        let there = members.iter().map(|member| member.customer_id).chain(redirects.keys().copied());
        let mut there: Vec<(CustomerId, RecordKey)> =
            there.filter_map(|id| asked.get(&id).map(|record| (id, *record))).collect();
        there.sort_unstable();
        there.dedup();
        if there.is_empty() {
            break;
        }
        founders = there.iter().map(|(_, record)| *record).collect();
        found.extend(there.into_iter().map(|(customer_id, record)| Founding { customer_id, record, generation }));
    }
    found
}

/// Adds to the index what is not as it was.
async fn indexed(
    lake: &Lake,
    rules: &Rules,
    number: i64,
    world: &World,
    blocks: &[Vec<u64>],
) -> Result<BTreeMap<TableName, TableChange>> {
    let mut writer = index::Writer::new(lake, rules, number);
    let named: HashMap<u32, i64> = world.renamed.iter().copied().collect();
    let mut blocks = blocks.iter();
    for touched in world.touched.iter().filter(|touched| !named.contains_key(&touched.number)) {
        let Some(key) = world.key(touched.number) else { continue };
        match &touched.now {
            None => writer.gone(key).await?,
            Some(now) => {
                writer.record(key, None, &Profile::unpack(now)?).await?;
                if let Some(blocks) = blocks.next() {
                    writer.blocks(key, blocks).await?;
                }
            }
        }
    }
    for (stub, named) in &world.renamed {
        if let (Some(key), Some(now)) = (world.key(*stub), world.now(*stub)) {
            writer.record(key, Some(*named), &Profile::unpack(now)?).await?;
        }
    }
    writer.finish(lake, false).await
}
