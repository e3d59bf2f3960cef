//! The linears that an adapter can touch, and the shape of an adapter.

use std::{collections::BTreeMap, str::FromStr};

use crate::{
    config::Config,
    error::{Error, Result},
    model::Fused,
};

/// One of the seven linears of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    Q,
    K,
    V,
    O,
    Gate,
    Up,
    Down,
}

impl Target {
    /// All seven: the default.
    pub const ALL: [Self; 7] = [
        Self::Q,
        Self::K,
        Self::V,
        Self::O,
        Self::Gate,
        Self::Up,
        Self::Down,
    ];

    /// The name in `target_modules`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Q => "q_proj",
            Self::K => "k_proj",
            Self::V => "v_proj",
            Self::O => "o_proj",
            Self::Gate => "gate_proj",
            Self::Up => "up_proj",
            Self::Down => "down_proj",
        }
    }

    /// The path of the linear within its layer.
    pub(crate) fn module(self) -> String {
        let block = if matches!(self, Self::Q | Self::K | Self::V | Self::O) {
            "self_attn"
        } else {
            "mlp"
        };
        format!("{block}.{}", self.name())
    }

    /// Width of its input and of its output.
    pub(crate) fn sizes(self, config: &Config) -> (i64, i64) {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        match self {
            Self::Q => (hidden, config.q_size()),
            Self::K | Self::V => (hidden, config.kv_size()),
            Self::O => (config.q_size(), hidden),
            Self::Gate | Self::Up => (hidden, inner),
            Self::Down => (inner, hidden),
        }
    }
}

impl Fused {
    /// The linears of this product, in the order of its outputs.
    pub(crate) fn targets(self) -> &'static [Target] {
        match self {
            Self::Qkv => &[Target::Q, Target::K, Target::V],
            Self::Out => &[Target::O],
            Self::GateUp => &[Target::Gate, Target::Up],
            Self::Down => &[Target::Down],
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        // A list may also hold the end of a path, such as `self_attn.q_proj`.
        Self::ALL
            .into_iter()
            .find(|target| target.name() == name || target.module() == name)
            .ok_or_else(|| Error::Unsupported {
                what: "LoRA target",
                value: name.into(),
                supported: "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj",
            })
    }
}

/// The shape of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraSpec {
    pub rank: i64,
    pub alpha: f64,
    /// Whether outputs are multiplied with alpha/√rank (rsLoRA, Kalajdzievski 2023) instead of
    /// alpha/rank.
    pub rslora: bool,
    /// Share of the adapter's inputs that are dropped in training.
    pub dropout: f64,
    /// The linears, sorted, each once.
    pub targets: Vec<Target>,
    /// Rank and alpha of linears, by layer, that have others than the rest.
    pub exceptions: BTreeMap<(usize, Target), (i64, f64)>,
}

impl LoraSpec {
    /// LoRA with one rank and one alpha for all `targets`.
    pub fn plain(rank: i64, alpha: f64, dropout: f64, targets: Vec<Target>) -> Self {
        Self {
            rank,
            alpha,
            rslora: false,
            dropout,
            targets,
            exceptions: BTreeMap::new(),
        }
    }

    /// The rank at a linear.
    pub(crate) fn rank_at(&self, place: (usize, Target)) -> i64 {
        self.exceptions
            .get(&place)
            .map_or(self.rank, |&(rank, _)| rank)
    }

    /// What the adapter's output at a linear is multiplied with.
    pub(crate) fn scale_at(&self, place: (usize, Target)) -> f64 {
        let (rank, alpha) = self
            .exceptions
            .get(&place)
            .copied()
            .unwrap_or((self.rank, self.alpha));
        if self.rslora {
            alpha / (rank as f64).sqrt()
        } else {
            alpha / rank as f64
        }
    }

    /// Refuses ranks, alphas, dropouts and targets that make no sense; sorts the targets.
    pub(crate) fn checked(mut self) -> Result<Self> {
        self.targets.sort_unstable();
        self.targets.dedup();
        let strong = |&(rank, alpha): &(i64, f64)| rank > 0 && alpha.is_finite() && alpha > 0.0;
        let sound = strong(&(self.rank, self.alpha))
            && self.exceptions.values().all(strong)
            && (0.0..1.0).contains(&self.dropout);
        if !sound || self.targets.is_empty() {
            return Err(Error::Adapter(format!(
                "rank, alpha, dropout or targets out of range: {self:?}"
            )));
        }
        Ok(self)
    }
}
