//! Bowling with scores of its own: how many pins, what a strike and a spare bring, and what a roll
//! without a pin costs.

use groklab_domain::Value;
use num_bigint::BigUint;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{Class, Inputs},
};

pub(super) const FAMILY: Family = Family {
    name: "bowling",
    description: "score games of bowling",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("STRIKE"),
    size: (PINS.len() * STRIKES.len() * SPARES.len() * MISSES.len() * ASKED.len()) as u32,
    rule,
};

const PINS: [i64; 2] = [10, 9];
/// How many rolls after it a strike counts as well, and a spare.
const STRIKES: [usize; 4] = [0, 1, 2, 3];
const SPARES: [usize; 3] = [0, 1, 2];
/// What each roll without a pin costs.
const MISSES: [i64; 3] = [0, 1, 2];
/// What is asked: an id, the type, and the words for it.
const ASKED: [(&str, &str, &str); 3] = [
    (
        "total",
        "int",
        "Return the sum of the scores of all frames.",
    ),
    (
        "frames",
        "list[int]",
        "Return the list of the scores of the frames.",
    ),
    (
        "running",
        "list[int]",
        "Return a list with a number for each frame: the sum of the scores of all frames up to it.",
    ),
];

#[derive(Clone, Copy)]
struct Score {
    pins: i64,
    strike: usize,
    spare: usize,
    miss: i64,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, kind, question) = *index.pick(&ASKED);
    let (pins, miss) = (*index.pick(&PINS), *index.pick(&MISSES));
    let (strike, spare) = (*index.pick(&STRIKES), *index.pick(&SPARES));
    let score = Score {
        pins,
        strike,
        spare,
        miss,
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("pins", &pins, "10"),
            ("strike", &strike, ""),
            ("spare", &spare, ""),
            ("miss", &miss, "0"),
            ("asked", &asked, "total"),
        ]),
        signature: format!("def score(frames: list[list[int]]) -> {kind}"),
        task: format!("{} {question}", task(score)),
        parameters: vec![
            ("PINS", Value::int(pins)),
            ("STRIKE", Value::int(strike)),
            ("SPARE", Value::int(spare)),
            ("MISS", Value::int(miss)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let mut rule = Rule::new(text, Frames(pins), move |args| answer(args, score, asked));
    let exchanged = Score {
        strike: spare,
        spare: strike,
        ..score
    };
    if strike != spare {
        rule = rule.mistaken_for(move |args| answer(args, exchanged, asked));
    }
    let free = Score { miss: 0, ..score };
    if miss > 0 {
        rule = rule.mistaken_for(move |args| answer(args, free, asked));
    }
    Some(rule)
}

fn task(score: Score) -> String {
    let Score {
        pins,
        strike,
        spare,
        ..
    } = score;
    let bonus = |count: usize| match count {
        0 => String::new(),
        1 => " plus those of the next roll after it".to_owned(),
        _ => format!(" plus those of the next {count} rolls after it"),
    };
    let frames = format!(
        "Each frame is the list of the pins that its rolls knock down: [{pins}] is a strike, two \
         rolls that together knock down {pins} pins are a spare."
    );
    let mut task = match (strike, spare) {
        (0, 0) => "Each frame is the list of the pins that its rolls knock down. The score of a \
                   frame is the number of its pins."
            .to_owned(),
        _ => format!(
            "{frames} The score of a frame is the number of its pins; of a strike it is \
             {pins}{}, of a spare it is {pins}{}. Those rolls may be in several frames; rolls that \
             do not exist count 0.",
            bonus(strike),
            bonus(spare),
        ),
    };
    if score.miss > 0 {
        task += &format!(
            " For each roll of the frame itself that knocks down 0 pins, its score is {} less.",
            score.miss
        );
    }
    task
}

fn answer(args: &[Value], score: Score, asked: &str) -> Option<Value> {
    let frames = args::items(args, 0)?.iter();
    let frames: Vec<Vec<i64>> = frames
        .map(|frame| args::ints(std::slice::from_ref(frame), 0))
        .collect::<Option<_>>()?;
    let rolls: Vec<i64> = frames.concat();
    let (mut place, mut scores) = (0, Vec::new());
    for frame in &frames {
        let pins: i64 = frame.iter().sum();
        let is_down = pins == score.pins;
        let is_legal = match frame.len() {
            1 => is_down,
            2 => pins <= score.pins && frame[0] < score.pins,
            _ => false,
        };
        if !is_legal || frame.iter().any(|roll| *roll < 0) {
            return None;
        }
        place += frame.len();
        let bonus = match frame.len() {
            1 => score.strike,
            _ if is_down => score.spare,
            _ => 0,
        };
        let missed = frame.iter().filter(|roll| **roll == 0).count();
        let after: i64 = rolls.iter().skip(place).take(bonus).sum();
        scores.push(pins + after - score.miss * i64::try_from(missed).ok()?);
    }
    if asked == "running" {
        let mut sum = 0;
        for score in &mut scores {
            sum += *score;
            *score = sum;
        }
    }
    Some(match asked {
        "total" => Value::int(scores.iter().sum::<i64>()),
        _ => Value::List(scores.into_iter().map(Value::int).collect()),
    })
}

/// Games of `d + 4` frames with so many pins. Frames come from a short list, or strikes and spares
/// would be rare.
struct Frames(i64);

/// Rolls of frames; -1 stands for all the pins that are left.
const FRAMES: [&[i64]; 9] = [
    &[-1],
    &[7, -1],
    &[0, -1],
    &[5, -1],
    &[3, 4],
    &[0, 6],
    &[8, 0],
    &[2, 5],
    &[1, 3],
];

impl Inputs for Frames {
    fn size(&self, difficulty: u8, _: Class) -> BigUint {
        BigUint::from(FRAMES.len()).pow(u32::from(difficulty) + 4)
    }

    fn draw(&self, difficulty: u8, _: Class, index: &mut Index) -> Option<Vec<Value>> {
        let frames = (0..difficulty + 4).map(|_| {
            let mut left = self.0;
            let rolls = index.pick(&FRAMES).iter().map(|pins| {
                let down = if *pins < 0 { left } else { *pins };
                left -= down;
                Value::int(down)
            });
            Value::List(rolls.collect())
        });
        Some(vec![Value::List(frames.collect())])
    }
}
