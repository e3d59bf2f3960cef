//! Prompts to keys, values and first logits. Nodes of one level of the prefix tree go through one
//! pass; all tokens of a wave of prompts share one buffer a layer, and a prompt is a list of places
//! in it.

use tch::{Device, Tensor};

use super::prefixes::{self, Node};
use crate::{
    device::flash::{self, Sequences},
    error::Result,
    forward::{self, Heads, Pass, Rotation, Weights, attention, visible},
    model::Model,
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

/// Computes distinct `prompts`, what they have in common once if `share`. Where shapes are fixed
/// nothing is shared, which would make a prompt's bits depend on the others, and logits are
/// computed for `logit_rows` at a time. `alive` is asked before every pass and may end the work.
pub(super) fn run(
    weights: Weights<'_>,
    prompts: &[&[i64]],
    share: bool,
    logit_rows: usize,
    alive: &mut dyn FnMut() -> Result<()>,
) -> Result<Wave> {
    let model = weights.model;
    let nodes = if share && !model.tactics.fixed_shapes {
        prefixes::plan(prompts)
    } else {
        prefixes::apart(prompts)
    };
    let passes = passes(&nodes, model.tactics.pass_tokens, !has_flash(model));
    let mut prefill = Prefill::new(weights, prompts, &nodes, &passes);
    let mut ends = Vec::with_capacity(passes.len());
    for pass in &passes {
        alive()?;
        ends.push(prefill.run(pass));
    }
    Ok(prefill.finish(&passes, &ends, logit_rows))
}

fn has_flash(model: &Model) -> bool {
    let placement = model.placement;
    flash::available(placement.device, placement.kind, model.config.head_dim).is_ok()
}

/// Nodes by level, parents before their children, in passes of one node or of several that take at
/// most `pass_tokens` together: each `padded` to the longest of its pass, or as long as it is.
fn passes(nodes: &[Node], pass_tokens: usize, padded: bool) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|&index| nodes[index].level);
    let mut passes: Vec<Vec<usize>> = Vec::new();
    let (mut longest, mut sum) = (0, 0);
    for index in order {
        let node = &nodes[index];
        (longest, sum) = (node.tokens().max(longest), sum + node.tokens());
        let takes = |nodes: usize| if padded { nodes * longest } else { sum };
        match passes.last_mut() {
            Some(pass)
                if nodes[pass[0]].level == node.level && takes(pass.len() + 1) <= pass_tokens =>
            {
                pass.push(index);
            }
            _ => {
                passes.push(vec![index]);
                (longest, sum) = (node.tokens(), node.tokens());
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
        let tokens = ids.len();
        if model.tactics.fixed_shapes {
            // Nobody reads what becomes of these.
            let filled = tokens.max(model.tactics.pass_tokens);
            ids.resize(filled, ids[0]);
            positions.resize(filled, 0);
        }
        let rows = ids.len() as i64;
        let seen = if has_flash(model) {
            Seen::Own(own(self.nodes, pass, rows, device))
        } else {
            let padded = Padded::new(self.nodes, &self.paths, pass, rows, device);
            Seen::Padded(padded)
        };
        let reach = Reach {
            first: self.paths[pass[0]][self.nodes[pass[0]].start],
            tokens: tokens as i64,
            seen,
        };
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
    fn finish(self, passes: &[Vec<usize>], ends: &[Tensor], logit_rows: usize) -> Wave {
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
            logits: logits(model, &hidden, logit_rows as i64),
            layers: self.layers,
            prompts,
        }
    }
}

/// Logits for `hidden [prompts, hidden]`, `rows` at a time where shapes are fixed.
fn logits(model: &Model, hidden: &Tensor, rows: i64) -> Tensor {
    if !model.tactics.fixed_shapes {
        return forward::logits(model, hidden);
    }
    let mut parts = Vec::new();
    for part in hidden.split(rows, 0) {
        let own = part.size()[0];
        let filled = part.constant_pad_nd([0, 0, 0, rows - own]);
        parts.push(forward::logits(model, &filled).narrow(0, 0, own));
    }
    Tensor::cat(&parts, 0)
}

/// Where a pass writes its keys and values, and what its tokens attend to.
struct Reach {
    /// The pass's first place in the buffers.
    first: i64,
    /// Its tokens, without those that fill it up.
    tokens: i64,
    seen: Seen,
}

enum Seen {
    /// Every node sees itself alone.
    Own(Sequences),
    Padded(Padded),
}

impl Reach {
    /// Writes the pass's keys and values into the `buffer` of a layer and attends.
    fn attend(&self, buffer: &Tensor, heads: &Heads) -> Tensor {
        let new = heads.kv().narrow(0, 0, self.tokens);
        buffer.narrow(0, self.first, self.tokens).copy_(&new);
        match &self.seen {
            Seen::Own(sequences) => sequences.attend(&heads.q(), &heads.k(), &heads.v()),
            Seen::Padded(padded) => padded.attend(buffer, heads),
        }
    }
}

/// The nodes of a pass of `rows` tokens, none of which has a parent; those that fill it up see each
/// other.
fn own(nodes: &[Node], pass: &[usize], rows: i64, device: Device) -> Sequences {
    let mut starts = vec![0];
    let mut end = 0;
    for &index in pass {
        end += nodes[index].tokens() as i64;
        starts.push(end);
    }
    if end < rows {
        starts.push(rows);
    }
    let longest = starts.windows(2).map(|pair| pair[1] - pair[0]).max();
    let starts: Vec<i32> = starts.into_iter().map(|start| start as i32).collect();
    let starts = Tensor::from_slice(&starts).to_device(device);
    Sequences {
        key_starts: starts.shallow_clone(),
        query_starts: starts,
        key_counts: None,
        most_queries: longest.unwrap_or(0),
        most_keys: longest.unwrap_or(0),
        causal: true,
    }
}

/// What the nodes of a pass attend to: every node is a row of a batch, padded at its end.
struct Padded {
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

impl Padded {
    /// For a pass of `all` tokens, of which some may only fill it up.
    fn new(nodes: &[Node], paths: &[Vec<i64>], pass: &[usize], all: i64, device: Device) -> Self {
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
        place_of.resize(all as usize, 0);
        let rows = pass.len() as i64;
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let within_prompts = pass.iter().any(|&index| nodes[index].start > 0);
        let last_key = tensor(&last_key).view([rows, longest_own as i64]);
        Self {
            query_at: tensor(&query_at),
            key_at: tensor(&key_at),
            place_of: tensor(&place_of),
            mask: within_prompts.then(|| visible(&last_key, longest_path as i64)),
            rows,
        }
    }

    fn attend(&self, buffer: &Tensor, heads: &Heads) -> Tensor {
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
