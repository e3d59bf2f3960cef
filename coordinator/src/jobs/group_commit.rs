//! Group commit: calls that arrive while a transaction is at the database wait for its end, and all
//! of them share the next one. Nobody waits for company: a call that finds no transaction under way
//! is served at once, and alone.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::{Error, Result, chain};

/// Calls in one transaction.
const MAX_CALLS: usize = 128;
/// Bytes of messages in one transaction, after which no further call joins it.
const MAX_MESSAGE_BYTES: usize = 32 << 20;
/// Calls that may wait; more wait for a place.
const MAX_WAITING_CALLS: usize = 4096;

/// How long a transaction may take: less than workers wait for an answer.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(25);

/// What serves calls together.
pub trait Commit: Send + Sync {
    type Call: Send + Sync;
    type Answer: Send;

    /// Serves all calls in one transaction; the answers are in the calls' order. An error means
    /// that nothing was stored for any of them, or that nobody knows: calls are safe to repeat.
    fn commit(
        &self,
        calls: &[Self::Call],
    ) -> impl Future<Output = Result<Vec<Result<Self::Answer>>>> + Send;
}

#[derive(Debug)]
struct Waiting<C, A> {
    call: C,
    bytes: usize,
    answer: oneshot::Sender<Result<A>>,
}

/// Where calls are handed in; cheap to clone.
#[derive(Debug)]
pub struct Queue<C, A>(mpsc::Sender<Waiting<C, A>>);

/// The queue's other end, which several lanes may share.
type Calls<C, A> = Mutex<mpsc::Receiver<Waiting<C, A>>>;
/// A queue and what serves it.
type Lanes<T> = (
    Queue<<T as Commit>::Call, <T as Commit>::Answer>,
    Vec<Lane<T>>,
);

/// One transaction at a time of those that serve a queue.
#[derive(Debug)]
pub struct Lane<T: Commit> {
    calls: Arc<Calls<T::Call, T::Answer>>,
    commit: Arc<T>,
}

/// A queue, and `lanes` lanes that serve it.
pub fn lanes<T: Commit>(commit: T, lanes: usize) -> Lanes<T> {
    let (queue, calls) = mpsc::channel(MAX_WAITING_CALLS);
    let (calls, commit) = (Arc::new(Mutex::new(calls)), Arc::new(commit));
    (
        Queue(queue),
        (0..lanes)
            .map(|_| Lane {
                calls: calls.clone(),
                commit: commit.clone(),
            })
            .collect(),
    )
}

impl<C, A> Queue<C, A> {
    /// The call's answer. `bytes` is about what the call takes in memory. If the caller goes before
    /// the call's turn, the call is not served. Later it is, and its answer is lost, as when a
    /// connection breaks.
    pub async fn ask(&self, call: C, bytes: usize) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        let gone = || Error::Busy {
            what: "the coordinator stops".to_owned(),
            source: None,
        };
        self.0
            .send(Waiting {
                call,
                bytes,
                answer,
            })
            .await
            .map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl<T: Commit> Lane<T> {
    /// Serves calls until nobody can make one any more.
    pub async fn run(self) -> anyhow::Result<()> {
        while let Some((calls, answers)) = self.gather().await {
            if calls.is_empty() {
                continue;
            }
            for (answer, outcome) in answers.into_iter().zip(self.serve(&calls).await) {
                // A caller that has gone asks again, or another worker has its job by then.
                let _ = answer.send(outcome);
            }
        }
        Ok(())
    }

    /// The calls that wait, without those whose caller has gone.
    async fn gather(&self) -> Option<(Vec<T::Call>, Vec<oneshot::Sender<Result<T::Answer>>>)> {
        // The lane that waits for a call holds the lock, so calls that come together go to one
        // lane.
        let mut waiting = self.calls.lock().await;
        let (mut calls, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        // Only the first call is waited for; the others join if they are there already.
        let mut next = Some(waiting.recv().await?);
        while let Some(one) = next {
            // Nobody would hear the answer: a job leased now would lie until its worker asks again.
            if !one.answer.is_closed() {
                bytes += one.bytes;
                calls.push(one.call);
                answers.push(one.answer);
            }
            let room = calls.len() < MAX_CALLS && bytes < MAX_MESSAGE_BYTES;
            next = if room { waiting.try_recv().ok() } else { None };
        }
        Some((calls, answers))
    }

    /// Together; where that fails, each alone, so that only those fail whose fault it is. Once the
    /// database is away for one, it is for all.
    async fn serve(&self, calls: &[T::Call]) -> Vec<Result<T::Answer>> {
        let error = match self.commit(calls).await {
            Ok(answers) => return answers,
            // Repeating a single call would tell nothing more.
            Err(error) if calls.len() == 1 => return vec![Err(error)],
            Err(error) => error,
        };
        tracing::warn!(
            error = chain(&error),
            calls = calls.len(),
            "calls could not be served together, trying each alone"
        );
        let mut answers = Vec::with_capacity(calls.len());
        // Each call may wait for the whole time limit: without this a full group would take most of
        // an hour to learn that the database is away.
        let mut away = None;
        for call in calls {
            if let Some(what) = &away {
                answers.push(Err(Error::Busy {
                    what: String::clone(what),
                    source: None,
                }));
                continue;
            }
            match self.commit(std::slice::from_ref(call)).await {
                Ok(answer) => answers.extend(answer),
                Err(error) => {
                    if let Error::Busy { what, .. } = &error {
                        away = Some(what.clone());
                    }
                    answers.push(Err(error));
                }
            }
        }
        answers
    }

    /// A transaction that takes too long or panics fails like one that the database refuses: others
    /// wait behind it.
    async fn commit(&self, calls: &[T::Call]) -> Result<Vec<Result<T::Answer>>> {
        // Only the turns of `Claims` may be left half changed, and they only order equals. The
        // transaction is rolled back as it is dropped.
        let commit = AssertUnwindSafe(self.commit.commit(calls)).catch_unwind();
        match tokio::time::timeout(TRANSACTION_LIMIT, commit).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(_)) => Err(Error::broken(
                "a transaction panicked; the log has the place",
            )),
            Err(_) => Err(Error::Busy {
                what: format!(
                    "the database took longer than {} s",
                    TRANSACTION_LIMIT.as_secs()
                ),
                source: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use tokio::task::JoinSet;

    use super::*;

    /// Doubles numbers, notes what came together; breaks on 13, panics on 7, is away on 8.
    #[derive(Debug, Default)]
    struct Doubling(StdMutex<Vec<Vec<u32>>>);

    impl Commit for Arc<Doubling> {
        type Call = u32;
        type Answer = u32;

        async fn commit(&self, calls: &[u32]) -> Result<Vec<Result<u32>>> {
            self.0.lock().unwrap().push(calls.to_vec());
            match calls {
                _ if calls.contains(&13) => return Err(Error::broken("thirteen")),
                _ if calls.contains(&7) => panic!("seven"),
                _ if calls.contains(&8) => {
                    return Err(Error::Busy {
                        what: "eight".to_owned(),
                        source: None,
                    });
                }
                _ => {}
            }
            Ok(calls.iter().map(|n| Ok(2 * n)).collect())
        }
    }

    async fn asked(numbers: &[u32]) -> (Vec<Option<u32>>, Vec<Vec<u32>>) {
        let doubling = Arc::new(Doubling::default());
        let (queue, mut lanes) = lanes(doubling.clone(), 1);
        let queue = Arc::new(queue);
        let mut calls = JoinSet::new();
        for (place, &number) in numbers.iter().enumerate() {
            let queue = queue.clone();
            calls.spawn(async move { (place, queue.ask(number, 1).await.ok()) });
        }
        // All of them wait before anybody serves.
        while queue.0.capacity() > MAX_WAITING_CALLS - numbers.len() {
            tokio::task::yield_now().await;
        }
        drop(queue);
        lanes.remove(0).run().await.unwrap();
        let mut answers = calls.join_all().await;
        answers.sort_unstable();
        let together = std::mem::take(&mut *doubling.0.lock().unwrap());
        (
            answers.into_iter().map(|(_, answer)| answer).collect(),
            together,
        )
    }

    #[tokio::test]
    async fn who_waits_is_served_together() {
        let numbers: Vec<u32> = (100..100 + MAX_CALLS as u32 + 5).collect();
        let (answers, together) = asked(&numbers).await;
        assert_eq!(
            answers,
            numbers.iter().map(|n| Some(2 * n)).collect::<Vec<_>>()
        );
        assert_eq!(
            together.iter().map(Vec::len).collect::<Vec<_>>(),
            [MAX_CALLS, 5]
        );
    }

    #[tokio::test]
    async fn who_breaks_a_transaction_fails_alone() {
        let (answers, together) = asked(&[1, 13, 3]).await;
        assert_eq!(answers, [Some(2), None, Some(6)]);
        assert_eq!(together.len(), 4, "once together, then each alone");
    }

    #[tokio::test]
    async fn a_panic_fails_its_call_alone() {
        let (answers, together) = asked(&[1, 7, 3]).await;
        assert_eq!(answers, [Some(2), None, Some(6)]);
        assert_eq!(together.len(), 4);
    }

    #[tokio::test]
    async fn once_the_database_is_away_nobody_waits_for_it_again() {
        let (answers, together) = asked(&[1, 8, 3, 4]).await;
        assert_eq!(answers, [Some(2), None, None, None]);
        assert_eq!(together, [vec![1, 8, 3, 4], vec![1], vec![8]]);
    }

    #[tokio::test]
    async fn who_has_gone_is_not_served() {
        let doubling = Arc::new(Doubling::default());
        let (queue, mut lanes) = lanes(doubling.clone(), 1);
        assert!(futures::poll!(std::pin::pin!(queue.ask(1, 1))).is_pending());
        let other = tokio::spawn(async move { queue.ask(2, 1).await.unwrap() });
        lanes.remove(0).run().await.unwrap();
        assert_eq!(
            (other.await.unwrap(), doubling.0.lock().unwrap().concat()),
            (4, vec![2])
        );
    }
}
