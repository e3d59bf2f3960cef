//! Which beginnings the prompts share: a tree whose nodes are computed once, parents before
//! children. Pure.

/// A run of tokens that every prompt below it shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub parent: Option<usize>,
    /// Tokens before this node.
    pub start: usize,
    /// A prompt that passes through it; the node covers `start..end` of that prompt.
    pub prompt: usize,
    pub end: usize,
    /// True if `prompt` ends with this node.
    pub ends: bool,
    /// Number of ancestors.
    pub level: usize,
}

impl Node {
    pub(super) fn tokens(&self) -> usize {
        self.end - self.start
    }
}

/// A shared run is computed apart only if that saves this many tokens.
const WORTH: usize = 16;

/// The tree over distinct, non-empty `prompts`; parents stand before their children.
pub(super) fn plan(prompts: &[&[i64]]) -> Vec<Node> {
    let mut order: Vec<usize> = (0..prompts.len()).collect();
    // Sorted, prompts with a common beginning stand side by side.
    order.sort_by_key(|&index| prompts[index]);
    let mut plan = Plan {
        prompts,
        nodes: Vec::new(),
    };
    plan.grow(
        &order,
        Place {
            parent: None,
            start: 0,
            level: 0,
        },
        0,
    );
    plan.nodes
}

/// Every prompt by itself, nothing shared.
pub(super) fn apart(prompts: &[&[i64]]) -> Vec<Node> {
    let whole = |(prompt, ids): (usize, &&[i64])| Node {
        parent: None,
        start: 0,
        prompt,
        end: ids.len(),
        ends: true,
        level: 0,
    };
    prompts.iter().enumerate().map(whole).collect()
}

struct Plan<'a> {
    prompts: &'a [&'a [i64]],
    nodes: Vec<Node>,
}

#[derive(Clone, Copy)]
struct Place {
    parent: Option<usize>,
    start: usize,
    level: usize,
}

impl Plan<'_> {
    /// Adds nodes for `order` (sorted prompts that agree up to `depth` and are covered up to
    /// `place.start`).
    fn grow(&mut self, order: &[usize], place: Place, depth: usize) {
        let prompts = self.prompts;
        for group in order.chunk_by(|&a, &b| prompts[a].get(depth) == prompts[b].get(depth)) {
            let (first, last) = (prompts[group[0]], prompts[group[group.len() - 1]]);
            // Of sorted prompts, what the first and the last share all of them share.
            let end = first.iter().zip(last).take_while(|(a, b)| a == b).count();
            // The shortest stands first; where it ends a node has to end too, for its logits.
            let ends = first.len() == end;
            if group.len() > 1 && !ends && (group.len() - 1) * (end - place.start) < WORTH {
                // Too little to share: what lies below computes these tokens itself.
                self.grow(group, place, end);
                continue;
            }
            let node = Node {
                parent: place.parent,
                start: place.start,
                prompt: group[0],
                end,
                ends,
                level: place.level,
            };
            self.nodes.push(node);
            let below = Place {
                parent: Some(self.nodes.len() - 1),
                start: end,
                level: place.level + 1,
            };
            let rest = if ends { &group[1..] } else { group };
            if !rest.is_empty() {
                self.grow(rest, below, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every prompt is covered exactly, by nodes whose tokens are its own.
    fn check(prompts: &[Vec<i64>]) -> usize {
        let slices: Vec<&[i64]> = prompts.iter().map(Vec::as_slice).collect();
        let nodes = plan(&slices);
        for (index, prompt) in prompts.iter().enumerate() {
            let mut at = nodes
                .iter()
                .position(|node| node.ends && node.prompt == index);
            let mut end = prompt.len();
            while let Some(node) = at.map(|at| &nodes[at]) {
                assert_eq!(node.end, end);
                assert_eq!(prompts[node.prompt][..end], prompt[..end]);
                assert!(node.start < node.end);
                (at, end) = (node.parent, node.start);
            }
            assert_eq!(end, 0, "prompt {index} is covered");
        }
        nodes.iter().map(|node| node.end - node.start).sum()
    }

    #[test]
    fn shared_beginnings_are_computed_once() {
        let with = |tail: &[i64]| [&[7; 40], tail].concat();
        let prompts = [
            with(&[1, 2]),
            with(&[1, 3]),
            with(&[]),
            with(&[4]),
            vec![9, 9],
        ];
        assert_eq!(check(&prompts), 40 + 2 + 2 + 1 + 2);
    }

    #[test]
    fn odd_prompts_are_covered_too() {
        check(&[vec![1]]);
        check(&[vec![1], vec![1, 2], vec![1, 2, 3], vec![2]]);
        check(
            &(0..30)
                .map(|n| (0..n + 1).map(|k| (k * n) % 3).collect())
                .collect::<std::collections::BTreeSet<Vec<i64>>>()
                .into_iter()
                .collect::<Vec<_>>(),
        );
    }
}
