//! The prompts of a call, shared by its lanes: who computes which part of the prefix tree, and
//! which rows still wait.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    super::{
        Row,
        prefixes::{self, Node},
    },
    kernel::WIDEST,
    pass::{Net, Token, Workspace},
    segment::Segment,
};
use crate::error::{Error, Result};

/// A row that may begin: its prompt's keys and values, and the logits behind it.
pub(super) struct Admitted {
    pub row: usize,
    pub prompt: Arc<Segment>,
    pub logits: Arc<Vec<f32>>,
}

/// The tree over the distinct prompts and what is computed of it.
pub(super) struct Prompts<'a> {
    distinct: Vec<&'a [i64]>,
    /// The distinct prompt of each row.
    of_row: Vec<usize>,
    nodes: Vec<Node>,
    /// The node that each distinct prompt ends with.
    leaf: Vec<usize>,
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

struct State {
    next_row: usize,
    computed: Vec<Computed>,
    /// Rows that are still to be admitted and pass through each node.
    waiting: Vec<usize>,
}

/// Keys and values of a node and, where a prompt ends with it, the logits behind.
type Ready = (Arc<Segment>, Option<Arc<Vec<f32>>>);

enum Computed {
    Missing,
    ByALane,
    Ready(Ready),
    /// No row waits for it any more.
    Dropped,
}

impl<'a> Prompts<'a> {
    pub(super) fn new(rows: &'a [Row], share_prefixes: bool) -> Self {
        let mut index: HashMap<&[i64], usize> = HashMap::new();
        let mut distinct: Vec<&[i64]> = Vec::new();
        let mut of_row = Vec::with_capacity(rows.len());
        for row in rows {
            of_row.push(*index.entry(&row.prompt_ids).or_insert_with(|| {
                distinct.push(&row.prompt_ids);
                distinct.len() - 1
            }));
        }
        let nodes = if share_prefixes {
            prefixes::plan(&distinct)
        } else {
            prefixes::apart(&distinct)
        };
        let mut leaf = vec![0; distinct.len()];
        nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.ends)
            .for_each(|(at, node)| leaf[node.prompt] = at);
        let mut waiting = vec![0; nodes.len()];
        of_row
            .iter()
            .flat_map(|&prompt| path(&nodes, leaf[prompt]))
            .for_each(|node| waiting[node] += 1);
        let computed = nodes.iter().map(|_| Computed::Missing).collect();
        let state = Mutex::new(State {
            next_row: 0,
            computed,
            waiting,
        });
        Self {
            distinct,
            of_row,
            nodes,
            leaf,
            state,
            changed: Condvar::new(),
            stopped: AtomicBool::new(false),
        }
    }

    /// Ends the waiting of all lanes.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether all rows were taken.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().next_row == self.of_row.len()
    }

    /// The next rows, at most `most`; computes what is missing of their prompts, or waits for the
    /// lane that does.
    pub(super) fn take(
        &self,
        net: &Net<'_>,
        work: &mut Workspace,
        most: usize,
    ) -> Result<Vec<Admitted>> {
        let (rows, mine) = self.claim(most);
        let deepest = mine
            .iter()
            .map(|&node| self.nodes[node].level)
            .max()
            .unwrap_or(0);
        for level in 0..=deepest {
            let members: Vec<usize> = mine
                .iter()
                .copied()
                .filter(|&node| self.nodes[node].level == level)
                .collect();
            // A lane waits only for nodes of lower levels, which their lanes compute before they
            // wait themselves: no circle.
            let parents = members.iter().map(|&node| {
                self.nodes[node]
                    .parent
                    .map(|parent| self.ready(parent))
                    .transpose()
            });
            let parents = parents.collect::<Result<Vec<_>>>()?;
            let computed = self.compute(
                net,
                work,
                &members,
                parents
                    .into_iter()
                    .map(|ready| ready.map(|(segment, _)| segment))
                    .collect(),
            );
            let mut state = self.lock();
            for (&node, (segment, logits)) in members.iter().zip(computed) {
                state.computed[node] = Computed::Ready((Arc::new(segment), logits.map(Arc::new)));
            }
            self.changed.notify_all();
        }
        rows.map(|row| self.admit(row)).collect()
    }

    /// Takes rows off the queue and marks the nodes that this lane is to compute for them.
    fn claim(&self, most: usize) -> (std::ops::Range<usize>, BTreeSet<usize>) {
        // Under one lock, so that no two lanes compute the same node.
        let mut state = self.lock();
        let rows = state.next_row..self.of_row.len().min(state.next_row + most);
        state.next_row = rows.end;
        let needed: BTreeSet<usize> = rows
            .clone()
            .flat_map(|row| path(&self.nodes, self.leaf[self.of_row[row]]))
            .collect();
        let mine: BTreeSet<usize> = needed
            .into_iter()
            .filter(|&node| matches!(state.computed[node], Computed::Missing))
            .collect();
        mine.iter()
            .for_each(|&node| state.computed[node] = Computed::ByALane);
        (rows, mine)
    }

    /// Keys, values and, where a prompt ends, logits of nodes whose parents are given.
    fn compute(
        &self,
        net: &Net<'_>,
        work: &mut Workspace,
        members: &[usize],
        parents: Vec<Option<Arc<Segment>>>,
    ) -> Vec<(Segment, Option<Vec<f32>>)> {
        let length = |node: usize| self.nodes[node].end - self.nodes[node].start;
        let segments = members
            .iter()
            .zip(parents)
            .map(|(&node, parent)| Segment::new(net.config, parent, length(node)));
        let mut done: Vec<(Segment, Option<Vec<f32>>)> =
            segments.map(|segment| (segment, None)).collect();
        // The tokens of all members behind each other, cut into passes; the last of each member
        // that ends a prompt wants logits.
        let places: Vec<(usize, usize)> = members
            .iter()
            .enumerate()
            .flat_map(|(at, &node)| {
                (self.nodes[node].start..self.nodes[node].end).map(move |place| (at, place))
            })
            .collect();
        let mut logits = Vec::new();
        for pass in places.chunks(WIDEST) {
            let of = |&(at, place): &(usize, usize)| Token {
                id: self.distinct[self.nodes[members[at]].prompt][place],
                sequence: at,
            };
            let tokens: Vec<Token> = pass.iter().map(of).collect();
            let last = |&(at, place): &(usize, usize)| {
                self.nodes[members[at]].ends && place + 1 == self.nodes[members[at]].end
            };
            let wanted: Vec<usize> = (0..pass.len())
                .filter(|&column| last(&pass[column]))
                .collect();
            let mut sequences: Vec<&mut Segment> =
                done.iter_mut().map(|(segment, _)| segment).collect();
            net.run(work, &tokens, &mut sequences, &wanted, &mut logits);
            for (row, &column) in logits
                .chunks_exact(net.config.vocab_size as usize)
                .zip(&wanted)
            {
                done[pass[column].0].1 = Some(row.to_vec());
            }
        }
        done
    }

    /// Waits until `node` is computed.
    fn ready(&self, node: usize) -> Result<Ready> {
        let mut state = self.lock();
        loop {
            if self.is_stopped() {
                return Err(Error::Cancelled);
            }
            if let Computed::Ready(ready) = &state.computed[node] {
                return Ok(ready.clone());
            }
            // For a limited time: `stop` takes no lock, so a lane that is about to wait may miss
            // its word.
            let waited = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn admit(&self, row: usize) -> Result<Admitted> {
        let leaf = self.leaf[self.of_row[row]];
        let (prompt, logits) = self.ready(leaf)?;
        let mut state = self.lock();
        for node in path(&self.nodes, leaf) {
            state.waiting[node] -= 1;
            if state.waiting[node] == 0 {
                // Segments below it still hold it as their parent; only this reference goes.
                state.computed[node] = Computed::Dropped;
            }
        }
        Ok(Admitted {
            row,
            prompt,
            logits: logits.expect("a prompt's last node has its logits"),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A node and those above it.
fn path(nodes: &[Node], from: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(from), |&node| nodes[node].parent)
}
