//! Tasks in a row, one at a time, with a pause between two of one kind: how long it is, for which
//! kinds, and what is asked of the schedule.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::Text,
};

pub(super) const FAMILY: Family = Family {
    name: "cooldown",
    description: "schedule tasks with a pause between two of one kind",
    version: 1,
    unit: Unit::Rule,
    ordered: Some("PAUSE"),
    size: (PAUSES.len() * DURATIONS.len() * VOWELS.len() * 2 * ASKED.len()) as u32,
    rule,
};

const PAUSES: [usize; 5] = [1, 2, 3, 4, 5];
/// How long a task takes.
const DURATIONS: [usize; 3] = [1, 2, 3];
/// How many times the pause there is after a vowel, and the words for it.
const VOWELS: [(usize, &str); 3] = [
    (1, ""),
    (0, " The tasks a and e need no pause."),
    (2, " For the tasks a and e this time is {double}."),
];
/// What is asked: an id, the type, and the words for it.
const ASKED: [(&str, &str, &str); 4] = [
    ("end", "int", "Return the time at which the last task ends."),
    (
        "starts",
        "list[int]",
        "Return the list of the times at which tasks start, in order.",
    ),
    (
        "line",
        "str",
        "Return a string with a character for each unit of time until the last task ends: the \
         letter of the task, or a dot while waiting.",
    ),
    (
        "waiting",
        "int",
        "Return how many units of time are spent waiting.",
    ),
];

#[derive(Clone, Copy)]
struct Plan {
    pause: usize,
    duration: usize,
    vowels: usize,
    drop: bool,
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, kind, question) = *index.pick(&ASKED);
    let (pause, duration) = (*index.pick(&PAUSES), *index.pick(&DURATIONS));
    let (vowels, about_vowels) = *index.pick(&VOWELS);
    let drop = index.take(2) == 1;
    // Nobody waits where tasks are left out, and longer tasks or pauses are often alike.
    if drop && (duration > 1 || pause > 4 || asked == "waiting") {
        return None;
    }
    // The longer a task, the fewer pauses make any difference.
    if asked == "waiting" && duration > 1 {
        return None;
    }
    let plan = Plan {
        pause,
        duration,
        vowels,
        drop,
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("pause", &pause, ""),
            ("duration", &duration, "1"),
            ("vowels", &vowels, "1"),
            ("early", &if drop { "left-out" } else { "waits" }, "waits"),
            ("asked", &asked, "end"),
        ]),
        signature: format!("def schedule(tasks: str) -> {kind}"),
        task: format!(
            "{}{} {}",
            task(plan),
            about_vowels.replace("{double}", &(2 * pause).to_string()),
            match drop {
                true => question.replace(", or a dot while waiting", ""),
                false => question.to_owned(),
            }
        ),
        parameters: vec![
            ("PAUSE", Value::int(pause)),
            ("DURATION", Value::int(duration)),
            ("VOWELS", Value::int(vowels)),
            ("LEFT_OUT", Value::Bool(drop)),
            ("ASKED", Value::str(asked)),
        ],
        lowest_difficulty: 1,
    };
    let rule = Rule::new(text, Text::of("abcdef"), move |args| {
        answer(args::text(args, 0)?, plan, asked)
    });
    let longer = Plan {
        pause: pause + 1,
        ..plan
    };
    Some(rule.mistaken_for(move |args| answer(args::text(args, 0)?, longer, asked)))
}

fn task(plan: Plan) -> String {
    let Plan {
        pause, duration, ..
    } = plan;
    let units = |count: usize| match count {
        1 => "1 unit".to_owned(),
        _ => format!("{count} units"),
    };
    let early = match plan.drop {
        true => "a task that comes too early is left out, and takes no time",
        false => "until then the task and all after it wait",
    };
    format!(
        "Each letter of the string is a task that takes {} of time. Tasks are done one at a time \
         in their order, each as early as possible, the first at time 0. From the end of a task to \
         the start of the next task with the same letter there must be at least {} of time; \
         {early}.",
        units(duration),
        units(pause),
    )
}

fn answer(tasks: &str, plan: Plan, asked: &str) -> Option<Value> {
    // By letter: when a task may start.
    let mut ready = [0; 6];
    let (mut time, mut starts, mut line) = (0, Vec::new(), String::new());
    for task in tasks.chars() {
        let kind = "abcdef".find(task)?;
        let start = time.max(ready[kind]);
        if plan.drop && start > time {
            continue;
        }
        line += &".".repeat(start - time);
        line.extend(std::iter::repeat_n(task, plan.duration));
        starts.push(Value::int(start));
        time = start + plan.duration;
        let times = if "ae".contains(task) { plan.vowels } else { 1 };
        ready[kind] = time + times * plan.pause;
    }
    Some(match asked {
        "end" => Value::int(time),
        "starts" => Value::List(starts),
        "line" => Value::Str(line),
        _ => Value::int(line.matches('.').count()),
    })
}
