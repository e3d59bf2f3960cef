//! Charts of training iterations: verdicts, shortcuts, what was trained on, and the loss.

use groklab_domain::{
    Split, Verdict,
    metrics::{IterationLine, MetricsLine},
};
use plotly::{Bar, common::Marker};

use super::{
    chart::Chart,
    plot::{add_figures, palette, plot_of_amounts, plot_of_shares, split_colour},
};

/// The share of each verdict that occurs, stacked.
pub fn verdicts(iterations: &[IterationLine]) -> Chart {
    let mut plot = plot_of_shares();
    let mut drawn = 0;
    for &verdict in Verdict::ALL {
        let (mut x, mut shares, mut occurs) = (Vec::new(), Vec::new(), false);
        for line in iterations {
            let count = line.rollouts.verdicts.get(&verdict).copied().unwrap_or(0);
            occurs |= count > 0;
            x.push(line.iteration);
            shares.push(share(count, line.rollouts.total));
        }
        // Ten bars of height 0 would fill the legend with verdicts that never came.
        if occurs {
            let marker = Marker::new().color(palette(drawn));
            plot.add_trace(Bar::new(x, shares).name(verdict.as_str()).marker(marker));
            drawn += 1;
        }
    }
    Chart {
        heading: "Verdicts of training rollouts",
        note: "Share of each verdict per iteration.",
        plot,
    }
}

/// How often the visible cases were passed and a hidden one failed.
pub fn shortcuts(evaluations: &[MetricsLine], iterations: &[IterationLine]) -> Chart {
    let mut plot = plot_of_shares();
    let mut training = Vec::new();
    for line in iterations {
        let rate = share(line.rollouts.shortcuts, line.rollouts.total);
        training.push((line.iteration, rate));
    }
    let mut test = Vec::new();
    for evaluation in evaluations {
        if let Some(score) = evaluation.splits.get(&Split::Test) {
            test.push((evaluation.iteration, share(score.shortcuts, score.total)));
        }
    }
    // The colours of the splits that the rollouts come from.
    let colour = split_colour(Split::Train);
    add_figures(&mut plot, "training rollouts", colour, &training);
    let colour = split_colour(Split::Test);
    add_figures(&mut plot, "test, greedy", colour, &test);
    Chart {
        heading: "Shortcuts",
        note: "Completions that pass every visible case and fail a hidden one.",
        plot,
    }
}

/// How many rollouts there were, were correct, and were selected.
pub fn training_data(iterations: &[IterationLine]) -> Chart {
    let (mut rollouts, mut correct, mut selected) = (Vec::new(), Vec::new(), Vec::new());
    for line in iterations {
        let (iteration, counts) = (line.iteration, &line.rollouts);
        rollouts.push((iteration, f64::from(counts.total)));
        correct.push((iteration, f64::from(counts.correct)));
        selected.push((iteration, f64::from(counts.selected)));
    }
    let mut plot = plot_of_amounts();
    add_figures(&mut plot, "rollouts", palette(0), &rollouts);
    add_figures(&mut plot, "correct", palette(1), &correct);
    add_figures(&mut plot, "selected", palette(2), &selected);
    Chart {
        heading: "Training data",
        note: concat!(
            "Training rollouts of each iteration that were correct, ",
            "and those selected to train on."
        ),
        plot,
    }
}

/// The loss at both ends of each iteration's training.
pub fn loss(iterations: &[IterationLine]) -> Chart {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for line in iterations {
        // An iteration with nothing correct to train on has no loss.
        if let Some(loss) = line.training.first_loss {
            first.push((line.iteration, loss));
        }
        if let Some(loss) = line.training.last_loss {
            last.push((line.iteration, loss));
        }
    }
    let mut plot = plot_of_amounts();
    add_figures(&mut plot, "first step", palette(0), &first);
    add_figures(&mut plot, "last step", palette(1), &last);
    Chart {
        heading: "Loss",
        note: concat!(
            "Mean loss per completion token at the first and the last optimiser step ",
            "of each iteration."
        ),
        plot,
    }
}

fn share(count: u32, total: u32) -> f64 {
    // Nothing of nothing is drawn as 0.
    f64::from(count) / f64::from(total.max(1))
}
