//! Prompts to keys, values and first logits. Nodes of one level of the prefix tree go through one
//! pass; all tokens of a wave of prompts share one buffer a layer, and a prompt is a list of places
//! in it.

use tch::{Device, Tensor};

use super::prefixes::{self, Node};
use crate::{
    error::Result,
    forward::{self, Heads, Pass, Rotation, Weights, attention, visible},
};

/// Distinct prompts, computed.
pub(super) struct Wave {
    /// Per layer keys and behind them values, `[tokens, 2 × kv_heads, head_dim]`.
    pub layers: Vec<Tensor>,
    /// The tokens of each prompt.
    pub prompts: Vec<Vec<i64>>,
    /// Logits behind each prompt, `[prompts, vocab]`, float32.
    pub logits: Tensor,
}

/// Computes distinct `prompts`, what they have in common once if `share`. `alive` is asked before
/// every pass and may end the work.
pub(super) fn run(
    weights: Weights<'_>,
    prompts: &[&[i64]],
    share: bool,
    alive: &mut dyn FnMut() -> Result<()>,
) -> Result<Wave> {
    let nodes = if share {
        prefixes::plan(prompts)
    } else {
        prefixes::apart(prompts)
    };
    let passes = passes(&nodes, weights.model.tactics.pass_tokens);
    let mut prefill = Prefill::new(weights, prompts, &nodes, &passes);
    let mut ends = Vec::with_capacity(passes.len());
    for pass in &passes {
        alive()?;
        ends.push(prefill.run(pass));
    }
    Ok(prefill.finish(&passes, &ends))
}

/// Nodes by level, parents before their children, in passes of which each node, padded to the
/// longest of its pass, takes at most `pass_tokens` together, or of one node.
fn passes(nodes: &[Node], pass_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|&index| nodes[index].level);
    let mut passes: Vec<Vec<usize>> = Vec::new();
    let mut longest = 0;
    for index in order {
        let node = &nodes[index];
        let longer = node.tokens().max(longest);
        match passes.last_mut() {
            Some(pass)
                if nodes[pass[0]].level == node.level
                    && (pass.len() + 1) * longer <= pass_tokens =>
            {
                pass.push(index);
                longest = longer;
            }
            _ => {
                passes.push(vec![index]);
                longest = node.tokens();
            }
        }
    }
    passes
}

struct Prefill<'a> {
    weights: Weights<'a>,
    prompts: &'a [&'a [i64]],
    nodes: &'a [Node],
    /// The places of the tokens from the beginning up to each node's end.
    paths: Vec<Vec<i64>>,
    layers: Vec<Tensor>,
}

impl<'a> Prefill<'a> {
    fn new(
        weights: Weights<'a>,
        prompts: &'a [&'a [i64]],
        nodes: &'a [Node],
        passes: &[Vec<usize>],
    ) -> Self {
        let mut paths: Vec<Vec<i64>> = nodes.iter().map(|_| Vec::new()).collect();
        let mut places = 0;
        for &index in passes.iter().flatten() {
            let node = &nodes[index];
            let mut path = match node.parent {
                Some(parent) => paths[parent].clone(),
                None => Vec::new(),
            };
            // Places follow the order of the passes, so that each pass writes one run of them.
            path.extend(places..places + node.tokens() as i64);
            places += node.tokens() as i64;
            paths[index] = path;
        }
        let (config, placement) = (&weights.model.config, weights.model.placement);
        let shape = [places, 2 * config.kv_heads, config.head_dim];
        let mut layers = Vec::new();
        for _ in 0..config.layers {
            // Not cleared: a place is read only by paths through it, after its pass has written it.
            layers.push(Tensor::empty(shape, (placement.kind, placement.device)));
        }
        Self {
            weights,
            prompts,
            nodes,
            paths,
            layers,
        }
    }

    /// Computes the nodes of a pass; gives the hidden states behind those that end a prompt.
    fn run(&mut self, pass: &[usize]) -> Tensor {
        let model = self.weights.model;
        let device = model.placement.device;
        let (mut ids, mut positions) = (Vec::<i64>::new(), Vec::new());
        let mut ends = Vec::new();
        for &index in pass {
            let node = &self.nodes[index];
            ids.extend(&self.prompts[node.prompt][node.start..node.end]);
            positions.extend(node.start as i64..node.end as i64);
            if node.ends {
                ends.push(ids.len() as i64 - 1);
            }
        }
        let reach = Reach::new(self.nodes, &self.paths, pass, device);
        let positions = Tensor::from_slice(&positions).to_device(device);
        let mut attend = |layer: usize, heads: &Heads| reach.attend(&self.layers[layer], heads);
        let pass = Pass {
            model,
            rotation: &Rotation::new(model, &positions),
            linears: &self.weights,
        };
        let ids = Tensor::from_slice(&ids).to_device(device);
        let hidden = pass.hidden_states(&ids, &mut attend);
        hidden.index_select(0, &Tensor::from_slice(&ends).to_device(device))
    }

    /// `ends` holds the last hidden states of the prompts in the order in which `passes` end them.
    fn finish(self, passes: &[Vec<usize>], ends: &[Tensor]) -> Wave {
        let mut row_of_prompt = vec![0; self.prompts.len()];
        let mut prompts: Vec<Vec<i64>> = self.prompts.iter().map(|_| Vec::new()).collect();
        let mut row = 0;
        for &index in passes.iter().flatten() {
            let node = &self.nodes[index];
            if node.ends {
                row_of_prompt[node.prompt] = row;
                prompts[node.prompt] = self.paths[index].clone();
                row += 1;
            }
        }
        let model = self.weights.model;
        // The head is computed once for all prompts, and in their order.
        let order = Tensor::from_slice(&row_of_prompt).to_device(model.placement.device);
        let hidden = Tensor::cat(ends, 0).index_select(0, &order);
        Wave {
            logits: forward::logits(model, &hidden),
            layers: self.layers,
            prompts,
        }
    }
}

/// What the nodes of a pass attend to: every node is a row of a batch, padded at its end.
struct Reach {
    /// The pass's first place in the buffers, and its tokens.
    own: (i64, i64),
    /// Tokens of the pass, by row and place in the padded row.
    query_at: Tensor,
    /// Places in the buffers, likewise.
    key_at: Tensor,
    /// The padded place of every token.
    place_of: Tensor,
    /// None where nothing lies before any node: plain causality then says it.
    mask: Option<Tensor>,
    rows: i64,
}

impl Reach {
    fn new(nodes: &[Node], paths: &[Vec<i64>], pass: &[usize], device: Device) -> Self {
        let (mut longest_own, mut longest_path) = (0, 0);
        for &index in pass {
            longest_own = longest_own.max(nodes[index].tokens());
            longest_path = longest_path.max(nodes[index].end);
        }
        let (mut query_at, mut key_at, mut place_of) = (Vec::new(), Vec::new(), Vec::new());
        let (mut last_key, mut tokens) = (Vec::new(), 0);
        for (row, &index) in pass.iter().enumerate() {
            let (node, path) = (&nodes[index], &paths[index]);
            let first_place = (row * longest_own) as i64;
            place_of.extend(first_place..first_place + node.tokens() as i64);
            // Padding repeats a row's first token; nobody reads what becomes of it.
            for at in 0..longest_own {
                let inside = at < node.tokens();
                query_at.push(if inside { tokens + at as i64 } else { tokens });
                // Padding sees one key: a softmax over nothing would be NaN.
                last_key.push(if inside { (node.start + at) as i64 } else { 0 });
            }
            key_at.extend(path);
            key_at.extend(std::iter::repeat_n(path[0], longest_path - path.len()));
            tokens += node.tokens() as i64;
        }
        let rows = pass.len() as i64;
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let within_prompts = pass.iter().any(|&index| nodes[index].start > 0);
        let last_key = tensor(&last_key).view([rows, longest_own as i64]);
        Self {
            own: (paths[pass[0]][nodes[pass[0]].start], tokens),
            query_at: tensor(&query_at),
            key_at: tensor(&key_at),
            place_of: tensor(&place_of),
            mask: within_prompts.then(|| visible(&last_key, longest_path as i64)),
            rows,
        }
    }

    /// Writes the pass's keys and values into the `buffer` of a layer and attends.
    fn attend(&self, buffer: &Tensor, heads: &Heads) -> Tensor {
        let (first, tokens) = self.own;
        buffer.narrow(0, first, tokens).copy_(&heads.kv());
        let padded = |tensor: &Tensor, index: &Tensor| {
            let (_, count, width) = tensor.size3().expect("heads have three dimensions");
            let rows = tensor.index_select(0, index);
            rows.view([self.rows, -1, count, width]).transpose(1, 2)
        };
        let both = padded(buffer, &self.key_at).chunk(2, 1);
        let q = padded(&heads.q(), &self.query_at);
        let out = attention(&q, &both[0], &both[1], self.mask.as_ref());
        out.index_select(0, &self.place_of)
    }
}

/// Places of `prompts` of a wave, each padded to the longest with its first token, and the longest.
pub(super) fn padded_places(wave: &Wave, prompts: &[usize]) -> (Tensor, i64) {
    let longest = prompts
        .iter()
        .map(|&prompt| wave.prompts[prompt].len())
        .max();
    let longest = longest.unwrap_or(0);
    let mut places = Vec::with_capacity(prompts.len() * longest);
    for &prompt in prompts {
        let path = &wave.prompts[prompt];
        places.extend(path);
        places.extend(std::iter::repeat_n(path[0], longest - path.len()));
    }
    let places = Tensor::from_slice(&places).to_device(wave.logits.device());
    (places, longest as i64)
}
