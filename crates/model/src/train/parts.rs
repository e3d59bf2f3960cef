//! The parts of a step: taken by lanes as they come free, summed in their order whoever finishes
//! first.

use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    Example,
    dropout::Dropout,
    loss::{Net, Part},
};
use crate::{
    error::{Error, Result},
    lanes::{self, Shared},
};

/// A step's work.
pub(super) struct Work<'a> {
    pub net: Net<'a>,
    pub examples: &'a [Example],
    /// Indices into `examples`.
    pub parts: Vec<Vec<usize>>,
    /// What every summed loss is multiplied with.
    pub scale: f64,
    pub step: u64,
    pub seed: u64,
    /// The share of the adapter's inputs that is dropped.
    pub dropout: f64,
}

/// The sums over all parts. `alive` is asked by the calling thread before each part that it takes.
pub(super) fn run(work: &Work<'_>, alive: &mut dyn FnMut() -> ControlFlow<()>) -> Result<Part> {
    let on_cpu = work.net.model.placement.is_cpu();
    // On a GPU several lanes would share its memory and, for dropout, libtorch's one generator.
    let lanes = if on_cpu {
        lanes::threads().min(work.parts.len())
    } else {
        1
    };
    let (next, stopped, sum) = (
        AtomicUsize::new(0),
        AtomicBool::new(false),
        Mutex::new(Sum::default()),
    );
    let shared = Shared(work);
    let lane = |alive: &mut dyn FnMut() -> ControlFlow<()>| {
        while !stopped.load(Ordering::Relaxed) {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= shared.get().parts.len() {
                return;
            }
            let outcome = if alive().is_break() {
                Err(Error::Cancelled)
            } else {
                compute(shared.get(), part)
            };
            if outcome.is_err() {
                // Parts are taken in order, so lower ones are under way and still report: the same
                // failure is named every time.
                stopped.store(true, Ordering::Relaxed);
            }
            sum.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .put(part, outcome);
        }
    };
    lanes::run(
        lanes,
        || lane(alive),
        || lane(&mut || ControlFlow::Continue(())),
    );
    sum.into_inner()
        .unwrap_or_else(PoisonError::into_inner)
        .finish()
}

fn compute(work: &Work<'_>, part: usize) -> Result<Part> {
    let indices = &work.parts[part];
    let members: Vec<&Example> = indices.iter().map(|&index| &work.examples[index]).collect();
    let dropout = Dropout {
        share: work.dropout,
        seed: work.seed,
        step: work.step,
        part: part as u64,
    };
    let computed = work.net.gradients(&members, work.scale, &dropout);
    check_finite("the loss", computed.loss, work.step, indices)?;
    Ok(computed)
}

pub(super) fn check_finite(
    what: &'static str,
    value: f64,
    step: u64,
    indices: &[usize],
) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    Err(Error::NotFinite {
        what,
        value,
        step,
        examples: indices.to_vec(),
    })
}

/// Adds parts in their order; one that comes early waits.
#[derive(Default)]
struct Sum {
    next: usize,
    waiting: BTreeMap<usize, Part>,
    total: Option<Part>,
    /// The failure of the lowest part that failed.
    failed: Option<(usize, Error)>,
}

// SAFETY: the tensors within are moved between lanes under a mutex, never shared.
unsafe impl Send for Sum {}

impl Sum {
    fn put(&mut self, part: usize, outcome: Result<Part>) {
        match outcome {
            Ok(computed) => _ = self.waiting.insert(part, computed),
            Err(error)
                if self
                    .failed
                    .as_ref()
                    .is_none_or(|(before, _)| part < *before) =>
            {
                self.failed = Some((part, error))
            }
            Err(_) => {}
        }
        while let Some(computed) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.total = Some(match self.total.take() {
                None => computed,
                Some(total) => add(total, &computed),
            });
        }
    }

    fn finish(self) -> Result<Part> {
        match self.failed {
            Some((_, error)) => Err(error),
            None => Ok(self.total.expect("a step has at least one part")),
        }
    }
}

fn add(mut total: Part, part: &Part) -> Part {
    let _no_grad = tch::no_grad_guard();
    total.loss += part.loss;
    let _ = total.gradient.g_add_(&part.gradient);
    total
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;

    fn part(loss: f64) -> Result<Part> {
        Ok(Part {
            loss,
            gradient: Tensor::from_slice(&[loss as f32]),
        })
    }

    #[test]
    fn parts_are_added_in_their_order() {
        // In float32 these three sum to 0 or 1, depending on the order.
        let values = [1e8, 1.0, -1e8];
        let sum_of = |order: [usize; 3]| {
            let mut sum = Sum::default();
            order
                .into_iter()
                .for_each(|at| sum.put(at, part(values[at])));
            sum.finish().unwrap().gradient.double_value(&[0])
        };
        assert_eq!(sum_of([0, 1, 2]), sum_of([2, 1, 0]));
        assert_eq!(sum_of([0, 1, 2]), sum_of([1, 2, 0]));
    }

    #[test]
    fn the_first_part_that_fails_is_the_one_reported() {
        let mut sum = Sum::default();
        sum.put(2, Err(Error::Cancelled));
        sum.put(
            1,
            check_finite("the loss", f64::NAN, 7, &[3]).and(part(0.0)),
        );
        sum.put(0, part(1.0));
        assert!(
            sum.finish()
                .err()
                .unwrap()
                .to_string()
                .contains("step 7 (examples [3])")
        );
    }
}
