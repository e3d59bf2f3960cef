//! The prompts of a request, computed once for all lanes. Which prompts are computed together is fixed by the request: waves of distinct
//! prompts in the order of the rows, each cut into parts. Which lane computes a part depends on timing, what comes out does not.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Request, Tuning, prefill::Prefilled};
use crate::error::Result;

/// How long a lane waits for another's part before it looks whether it shall stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// Shared by the lanes of a call.
pub(super) struct Prompts<'a> {
    distinct: Vec<&'a [i64]>,
    /// The distinct prompt of each row.
    of_row: Vec<usize>,
    /// The part of each distinct prompt.
    part_of: Vec<usize>,
    parts: Vec<Part>,
    state: Mutex<State>,
    changed: Condvar,
}

struct Part {
    wave: usize,
    /// Distinct prompts.
    members: Vec<usize>,
}

struct State {
    /// Rows that still wait for each prompt.
    waiting: Vec<usize>,
    /// Whether a lane has begun a part.
    begun: Vec<bool>,
    ready: HashMap<usize, Prefilled>,
}

enum Next {
    Ready(Prefilled),
    Compute(usize),
    Wait,
}

/// Computes prompts, each a list of ids.
type Compute<'a> = dyn FnMut(&[&[i64]]) -> Result<Vec<Prefilled>> + 'a;

impl<'a> Prompts<'a> {
    /// Waves of `wave` prompts in `lanes` parts each.
    pub(super) fn new(request: &Request<'a>, tuning: Tuning, wave: usize, lanes: usize) -> Self {
        let mut index: HashMap<&[i64], usize> = HashMap::new();
        let (mut distinct, mut of_row, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for row in request.rows {
            let known = index.get(row.prompt_ids.as_slice()).copied().filter(|_| tuning.share_prefixes);
            let prompt = known.unwrap_or_else(|| {
                index.insert(&row.prompt_ids, distinct.len());
                distinct.push(row.prompt_ids.as_slice());
                waiting.push(0);
                distinct.len() - 1
            });
            of_row.push(prompt);
            waiting[prompt] += 1;
        }
        let parts = cut(&distinct, wave, lanes);
        let mut part_of = vec![0; distinct.len()];
        for (part, members) in parts.iter().enumerate() {
            members.members.iter().for_each(|&prompt| part_of[prompt] = part);
        }
        let state = State { waiting, begun: vec![false; parts.len()], ready: HashMap::new() };
        Self { distinct, of_row, part_of, parts, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The computed prompt of `row`, to be asked for once. `compute` is called for parts that nobody has begun; `alive` may end the wait.
    pub(super) fn take(&self, row: usize, compute: &mut Compute<'_>, alive: &dyn Fn() -> Result<()>) -> Result<Prefilled> {
        let mut state = self.lock();
        loop {
            match self.next(&mut state, self.of_row[row]) {
                Next::Ready(prefilled) => return Ok(prefilled),
                Next::Compute(part) => {
                    drop(state);
                    let members = &self.parts[part].members;
                    let texts: Vec<&[i64]> = members.iter().map(|&prompt| self.distinct[prompt]).collect();
                    let computed = compute(&texts)?;
                    state = self.lock();
                    state.ready.extend(members.iter().copied().zip(computed));
                    self.changed.notify_all();
                }
                Next::Wait => {
                    state = self.changed.wait_timeout(state, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
                    alive()?;
                }
            }
        }
    }

    fn next(&self, state: &mut State, prompt: usize) -> Next {
        if let Some(prefilled) = state.ready.get(&prompt).map(Prefilled::shallow_clone) {
            state.waiting[prompt] -= 1;
            if state.waiting[prompt] == 0 {
                state.ready.remove(&prompt);
            }
            return Next::Ready(prefilled);
        }
        let own = self.part_of[prompt];
        let wave = self.parts[own].wave;
        let free = |part: usize| !state.begun[part] && self.parts[part].wave == wave;
        let part = Some(own).filter(|&part| free(part)).or_else(|| (0..self.parts.len()).find(|&part| free(part)));
        match part {
            Some(part) => {
                state.begun[part] = true;
                Next::Compute(part)
            }
            None => Next::Wait,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waves of prompts in their order, each sorted and cut, so that a part's prompts have long beginnings in common.
fn cut(distinct: &[&[i64]], wave: usize, lanes: usize) -> Vec<Part> {
    let all: Vec<usize> = (0..distinct.len()).collect();
    let waves = all.chunks(wave.max(1)).enumerate();
    let parts = waves.flat_map(|(wave, prompts)| {
        let mut sorted = prompts.to_vec();
        sorted.sort_by_key(|&prompt| (distinct[prompt], prompt));
        let size = sorted.len().div_ceil(lanes);
        sorted.chunks(size).map(|members| Part { wave, members: members.to_vec() }).collect::<Vec<_>>()
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_in_order_and_parts_are_neighbours() {
        let prompts: [&[i64]; 5] = [&[2, 1], &[1, 1], &[2, 2], &[1, 2], &[9]];
        let parts = cut(&prompts, 4, 2);
        let members: Vec<(usize, Vec<usize>)> = parts.into_iter().map(|part| (part.wave, part.members)).collect();
        assert_eq!(members, [(0, vec![1, 3]), (0, vec![0, 2]), (1, vec![4])]);
    }
}
