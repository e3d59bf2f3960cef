//! Runs one candidate as often as it takes to be sure, and has the rules judge what came back.
//! Counts nothing and keeps nothing: the outcome says all there is to say.

use std::sync::atomic::AtomicBool;

use groklab_domain::{Value, Verdict};

use crate::{
    judge::{
        outcome::{Outcome, SecondOpinion, tallies},
        rules::{MAX_UNEXPLAINED_KILLS, Ruling},
        story::{MAX_SHOWN_CHARS, Story},
        submission::{Case, Submission},
    },
    sandbox::{InfrastructureError, RawRun, Request, Sandbox},
    wire::shorten::shorten,
};

/// Runs and judges one candidate. Failures of the sandbox come out as
/// [`Verdict::InfrastructureError`], with the reason.
pub fn verify(sandbox: &dyn Sandbox, submission: &Submission, cancelled: &AtomicBool) -> Outcome {
    let cases = &submission.cases;
    if submission.lacks_code() {
        let Ruling { verdict, reason } = Ruling::no_code_in_text();
        return Outcome::unanswered(verdict, reason, cases);
    }
    let code = submission.code();
    // The request has no room for expected values, so none can get into the sandbox.
    let arguments: Vec<&[Value]> = cases.iter().map(|case| case.args.as_slice()).collect();
    let request = Request {
        code: &code,
        entry: &submission.entry,
        cases: &arguments,
        limits: submission.limits,
        cancelled,
    };
    let outcome = run(sandbox, &request, cases, submission.is_bare_text());
    // Only a pass can be forged, so only a pass is doubted.
    match sandbox.second_opinion(&code) {
        Some(second) if outcome.verdict == Verdict::Passed => {
            confirm(second, &request, cases, outcome)
        }
        _ => outcome,
    }
}

/// Runs the candidate, again for as long as something from outside ends it.
fn run(
    sandbox: &dyn Sandbox,
    request: &Request<'_>,
    cases: &[Case],
    is_bare_text: bool,
) -> Outcome {
    let (mut runs, mut kills) = (0, 0);
    loop {
        let error = match sandbox.run(request) {
            Ok(raw) => return judge(&raw, cases, is_bare_text),
            Err(error) => error,
        };
        runs += 1;
        // A kill before the candidate's first step can't be the candidate's doing.
        if matches!(error, InfrastructureError::CandidateKilled(_)) {
            kills += 1;
        }
        if kills == MAX_UNEXPLAINED_KILLS {
            let Ruling { verdict, reason } = Ruling::killed_in_every_run();
            return Outcome::unanswered(verdict, reason, cases);
        }
        if runs == MAX_UNEXPLAINED_KILLS || !error.is_a_kill() {
            return Outcome::infrastructure(&error, cases);
        }
        tracing::warn!(%error, "a candidate runs again");
    }
}

/// Runs a winner once more elsewhere. Only what passes both times has passed: anything else is the
/// verdict, and an alarm unless it says nothing about the candidate.
fn confirm(
    second: &dyn Sandbox,
    request: &Request<'_>,
    cases: &[Case],
    mut first: Outcome,
) -> Outcome {
    // Code that passed has compiled, so it no longer matters whether it was bare text.
    let mut outcome = run(second, request, cases, false);
    match outcome.verdict {
        Verdict::Passed => {
            first.second_opinion = Some(SecondOpinion::Agrees);
            first
        }
        Verdict::InfrastructureError => {
            outcome.second_opinion = Some(SecondOpinion::Missing);
            outcome
        }
        verdict => {
            outcome.second_opinion = Some(SecondOpinion::Differs);
            tracing::error!(
                %verdict,
                error = outcome.error.as_deref().unwrap_or_default(),
                code_blake3 = blake3::hash(request.code).to_hex().as_str(),
                "a candidate that passed warm does not pass cold"
            );
            outcome
        }
    }
}

fn judge(raw: &RawRun, cases: &[Case], is_bare_text: bool) -> Outcome {
    let story = Story::read(raw, cases);
    let Ruling { verdict, reason } = Ruling::on_run(raw, &story, cases.len(), is_bare_text);
    let [visible, hidden] = tallies(cases, &story.passed);
    // After a pass or a failure of ours, the cases say nothing against the candidate.
    let says_it_failed = !matches!(verdict, Verdict::Passed | Verdict::InfrastructureError);
    let first_failure = if says_it_failed {
        story.first_failure(cases)
    } else {
        None
    };
    Outcome {
        verdict,
        visible,
        hidden,
        first_failure,
        error: reason.map(|text| shorten(&text, MAX_SHOWN_CHARS)),
        cpu: raw.cpu,
        wall: raw.wall,
        peak_memory_bytes: raw.peak_memory_bytes,
        second_opinion: None,
    }
}
