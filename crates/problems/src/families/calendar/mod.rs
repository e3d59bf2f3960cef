//! Calendars with months and leap years of their own, and what is asked of a date.

use groklab_domain::Value;

use crate::{
    args,
    family::{Family, Rule, RuleText, Unit},
    index::Index,
    inputs::{ANY, Between, Class, Classed, Joined, Numbers},
};

pub(super) const FAMILY: Family = Family {
    name: "calendar",
    description: "reckon with the dates of other calendars",
    version: 1,
    unit: Unit::Rule,
    ordered: None,
    size: (MONTHS.len() * LEAPS.len() * 2 * ASKED.len()) as u32,
    rule,
};

/// How many months a year has, and how many days each odd and each even one of them.
const MONTHS: [(i64, i64, i64); 8] = [
    (10, 36, 37),
    (12, 31, 30),
    (13, 28, 28),
    (8, 45, 46),
    (6, 60, 61),
    (9, 40, 41),
    (7, 52, 51),
    (11, 33, 33),
];
/// Leap years are those that are divisible by the first number and not by the second; 0: all that
/// are divisible by the first.
const LEAPS: [(i64, i64); 6] = [(3, 0), (4, 0), (5, 0), (3, 15), (4, 20), (5, 25)];
/// What is asked, and the type. Weeks have as many days as follow `weekday-`, and the date is
/// looked for that comes so many days later as follow `later-`.
const ASKED: [(&str, i64, &str); 6] = [
    ("before", 0, "int"),
    ("left", 0, "int"),
    ("weekday", 5, "int"),
    ("weekday", 8, "int"),
    ("later", 250, "list[int]"),
    ("later", 500, "list[int]"),
];

const YEARS: Numbers = Numbers::growing(1, 120, 2);
/// A leap year's day matters; an exception from leap years does; neither. Where few years matter,
/// these are too rare to be met by chance.
const LEAP: Class = "leap";
const EXCEPTION: Class = "exception";
const PLAIN: Class = "plain";

#[derive(Clone, Copy)]
struct Calendar {
    months: i64,
    odd: i64,
    even: i64,
    leap: (i64, i64),
    /// The month that is a day longer in leap years.
    longer: i64,
}

impl Calendar {
    fn is_leap(self, year: i64) -> bool {
        let (every, unless) = self.leap;
        every > 0 && year % every == 0 && (unless == 0 || year % unless != 0)
    }

    fn month(self, year: i64, month: i64) -> i64 {
        let usual = if month % 2 == 1 { self.odd } else { self.even };
        usual + i64::from(month == self.longer && self.is_leap(year))
    }

    fn year(self, year: i64) -> i64 {
        (1..=self.months).map(|month| self.month(year, month)).sum()
    }

    /// Days from the first day of year 1 to this one.
    fn before(self, year: i64, month: i64, day: i64) -> i64 {
        let (every, unless) = self.leap;
        let past = year - 1;
        let leaps = past.checked_div(every).unwrap_or(0) - past.checked_div(unless).unwrap_or(0);
        let usual = self.odd * ((self.months + 1) / 2) + self.even * (self.months / 2);
        let months: i64 = (1..month).map(|month| self.month(year, month)).sum();
        past * usual + leaps + months + day - 1
    }

    fn later(self, [mut year, mut month, mut day]: [i64; 3], days: i64) -> [i64; 3] {
        day += days;
        while day > self.month(year, month) {
            day -= self.month(year, month);
            month += 1;
            if month > self.months {
                (year, month) = (year + 1, 1);
            }
        }
        [year, month, day]
    }
}

fn rule(number: u32) -> Option<Rule> {
    let mut index = Index::new(number);
    let (asked, count, kind) = *index.pick(&ASKED);
    let (months, odd, even) = *index.pick(&MONTHS);
    let leap = *index.pick(&LEAPS);
    // One year in many would be another.
    if asked == "left" && leap.1 > 0 {
        return None;
    }
    let is_last = index.take(2) == 1;
    let calendar = Calendar {
        months,
        odd,
        even,
        leap,
        longer: if is_last { months } else { 2 },
    };
    let counted = if count == 0 {
        String::new()
    } else {
        format!("-{count}")
    };
    let text = RuleText {
        id: RuleText::id_of(&[
            ("months", &months, ""),
            ("leap", &leap.0, ""),
            ("unless", &leap.1, "0"),
            ("longer", &if is_last { "last" } else { "second" }, "second"),
            ("asked", &format!("{asked}{counted}"), ""),
        ]),
        signature: format!("def reckon(year: int, month: int, day: int) -> {kind}"),
        task: format!("{} {}", about(calendar), question(asked, count)),
        parameters: vec![
            ("MONTHS", Value::int(months)),
            ("ODD", Value::int(odd)),
            ("EVEN", Value::int(even)),
            ("LEAP", Value::int(leap.0)),
            ("UNLESS", Value::int(leap.1)),
            ("LONGER", Value::int(calendar.longer)),
            ("ASKED", Value::str(asked)),
            ("COUNT", Value::int(count)),
        ],
        lowest_difficulty: 1,
    };
    let dates = Joined(Between(1, months), Between(1, odd.min(even)));
    let never = Calendar {
        leap: (0, 0),
        ..calendar
    };
    let always = Calendar {
        leap: (leap.0, 0),
        ..calendar
    };
    let asked = (asked, count);
    let classes: &[Class] = match (asked.0, leap.1) {
        ("before" | "weekday", _) => &[ANY],
        (_, 0) => &[LEAP, PLAIN],
        _ => &[LEAP, EXCEPTION, PLAIN],
    };
    let inputs = Classed::new(Joined(YEARS, dates), classes, move |args| {
        let right = answer(args, calendar, asked)?;
        Some(match classes {
            [ANY] => ANY,
            _ if answer(args, always, asked)? != right => EXCEPTION,
            _ if answer(args, never, asked)? != right => LEAP,
            _ => PLAIN,
        })
    });
    let rule = Rule::new(text, inputs, move |args| answer(args, calendar, asked));
    // Usual mistakes: no leap years at all, and no exceptions from them.
    let rule = rule.mistaken_for(move |args| answer(args, never, asked));
    if leap.1 == 0 {
        return Some(rule);
    }
    Some(rule.mistaken_for(move |args| answer(args, always, asked)))
}

fn about(calendar: Calendar) -> String {
    let Calendar {
        months, odd, even, ..
    } = calendar;
    let lengths = match odd == even {
        true => format!("of {odd} days each"),
        false => format!("the first, third, fifth and so on of {odd} days, the others of {even}"),
    };
    let (every, unless) = calendar.leap;
    let exception = match unless {
        0 => String::new(),
        _ => format!(" and not by {unless}"),
    };
    format!(
        "A year has {months} months, numbered from 1, {lengths}. Leap years are those divisible by \
         {every}{exception}; in them month {} has one more day.",
        calendar.longer
    )
}

fn question(asked: &str, count: i64) -> String {
    match asked {
        "before" => "Return how many days lie between day 1 of month 1 of year 1 and the given \
                     date; for that day itself it is 0, for the next day 1."
            .to_owned(),
        "left" => "Return how many days of its year come after the given date.".to_owned(),
        "weekday" => format!(
            "Weeks have {count} days, numbered from 0. Day 1 of month 1 of year 1 is day 0 of its \
             week. Return the number of the day of the week for the given date."
        ),
        _ => format!("Return the date {count} days after the given one, as [year, month, day]."),
    }
}

fn answer(args: &[Value], calendar: Calendar, (asked, count): (&str, i64)) -> Option<Value> {
    let date = [
        args::int(args, 0)?,
        args::int(args, 1)?,
        args::int(args, 2)?,
    ];
    let [year, month, day] = date;
    let is_known = (1..1_000_000).contains(&year) && (1..=calendar.months).contains(&month);
    if !is_known || !(1..=calendar.month(year, month)).contains(&day) {
        return None;
    }
    let before = calendar.before(year, month, day);
    Some(match asked {
        "before" => Value::int(before),
        "left" => {
            let since = before - calendar.before(year, 1, 1);
            Value::int(calendar.year(year) - since - 1)
        }
        "weekday" => Value::int(before % count),
        _ => Value::List(calendar.later(date, count).map(Value::int).to_vec()),
    })
}
