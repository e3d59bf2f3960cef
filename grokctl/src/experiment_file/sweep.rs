//! Several experiments from one file: every combination of swept values, and every seed on the same
//! problems.

use std::str::FromStr;

use groklab_domain::experiment::Experiment;

use super::Inputs;
use crate::failure::Failure;

/// A group is for looking at its members together.
const MAX_MEMBERS: usize = 256;

/// What makes a group of one file's experiment.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "sweep")]
pub struct Sweep {
    /// One experiment for each value, as in train.select=verified,any; given several times, one for
    /// every combination. All get the name of the file as a tag, by which `grokctl group` finds
    /// them.
    #[arg(long = "sweep", value_name = "KEY=V1,V2,…")]
    pub sweeps: Vec<String>,
    /// One experiment for each seed, all on the same problems: 1..5 (both included), or 1,4,9.
    #[arg(long, value_name = "SEEDS")]
    pub seeds: Option<Seeds>,
}

/// Seeds of runs that are to differ by chance alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(Vec<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<u64>();
            number.map_err(|_| format!("`{text}` is no seed; write 1..5 or 1,4,9"))
        };
        let seeds: Vec<u64> = match text.split_once("..") {
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if last < first || last - first >= MAX_MEMBERS as u64 {
                    return Err(format!(
                        "from {first} to {last} there are no seeds, or more than {MAX_MEMBERS}"
                    ));
                }
                (first..=last).collect()
            }
            None => text.split(',').map(number).collect::<Result<_, _>>()?,
        };
        Ok(Self(seeds))
    }
}

impl Sweep {
    /// The inputs of every member of the group of `experiment`, which `inputs` say; `None` where no
    /// group is asked for.
    pub fn members(
        &self,
        inputs: &Inputs,
        experiment: &Experiment,
    ) -> Result<Option<Vec<Inputs>>, Failure> {
        if self.sweeps.is_empty() && self.seeds.is_none() {
            return Ok(None);
        }
        let mut members = vec![(experiment.name.clone(), inputs.clone())];
        for sweep in &self.sweeps {
            let (key, values) = split(sweep).map_err(refused)?;
            members = crossed(&members, &values, |value| {
                (word(value), vec![format!("{key}={value}")])
            });
        }
        if let Some(Seeds(seeds)) = &self.seeds {
            // One set of problems, or seeds would differ by what they are asked too.
            let problems = experiment.problems.seed.unwrap_or(experiment.seed);
            members = crossed(&members, seeds, |seed| {
                let settings = vec![format!("seed={seed}"), format!("problems.seed={problems}")];
                (format!("seed{seed}"), settings)
            });
        }
        if members.len() > MAX_MEMBERS {
            let number = members.len();
            return Err(refused(format!(
                "it makes {number} experiments; use at most {MAX_MEMBERS}"
            )));
        }
        let mut named: Vec<Inputs> = Vec::with_capacity(members.len());
        let mut names: Vec<String> = Vec::with_capacity(members.len());
        for (name, mut inputs) in members {
            if names.contains(&name) {
                let why = format!("two of its experiments would be called `{name}`");
                return Err(refused(why));
            }
            inputs.settings.push(format!("name={name}"));
            names.push(name);
            named.push(inputs);
        }
        Ok(Some(named))
    }

    /// What a shell takes for the same group, with a space before it; empty for none.
    pub fn arguments(&self) -> String {
        let mut text = String::new();
        for sweep in &self.sweeps {
            // No argument of a process holds a zero byte, which alone cannot be quoted.
            let quoted = shlex::try_quote(sweep).unwrap_or_default();
            text.push_str(&format!(" --sweep {quoted}"));
        }
        if let Some(Seeds(seeds)) = &self.seeds {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            text.push_str(&format!(" --seeds {}", seeds.join(",")));
        }
        text
    }
}

/// Every member with every value: the name gets an end, the settings get more.
fn crossed<T>(
    members: &[(String, Inputs)],
    values: &[T],
    part: impl Fn(&T) -> (String, Vec<String>),
) -> Vec<(String, Inputs)> {
    let mut all = Vec::with_capacity(members.len() * values.len());
    for (name, inputs) in members {
        for value in values {
            let (end, settings) = part(value);
            let mut inputs = inputs.clone();
            inputs.settings.extend(settings);
            all.push((format!("{name}-{end}"), inputs));
        }
    }
    all
}

fn refused(why: String) -> Failure {
    Failure::usage("make a group of experiments")
        .because(why)
        .next("write --sweep KEY=V1,V2, as in --sweep train.select=verified,any")
}

/// The key, and the values between the commas that stand in no brackets and no quotes.
fn split(sweep: &str) -> Result<(&str, Vec<String>), String> {
    let (key, text) = sweep
        .split_once('=')
        .ok_or_else(|| format!("`{sweep}` has no `=`"))?;
    let (mut values, mut value) = (Vec::new(), String::new());
    let (mut depth, mut quote) = (0_u32, None);
    for character in text.chars() {
        match (character, quote) {
            ('"' | '\'', None) => quote = Some(character),
            (closing, Some(open)) if closing == open => quote = None,
            ('[' | '{', None) => depth += 1,
            (']' | '}', None) => depth = depth.saturating_sub(1),
            (',', None) if depth == 0 => {
                values.push(std::mem::take(&mut value));
                continue;
            }
            _ => {}
        }
        value.push(character);
    }
    values.push(value);
    if values.iter().any(|value| value.trim().is_empty()) {
        return Err(format!("`{sweep}` has an empty value"));
    }
    Ok((key.trim(), values))
}

/// A value as a part of a name.
fn word(value: &String) -> String {
    let mut word = String::new();
    for character in value.trim().chars() {
        if character.is_ascii_alphanumeric() || "_.".contains(character) {
            word.push(character);
        } else if !word.ends_with('-') && !word.is_empty() {
            word.push('-');
        }
    }
    word.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use groklab_domain::experiment::parse;

    use super::*;

    fn members(sweeps: &[&str], seeds: Option<&str>) -> Result<Vec<Vec<String>>, Failure> {
        let experiment = parse("name = \"e\"\nseed = 7\n[model]\nsource = \"m\"").unwrap();
        let sweep = Sweep {
            sweeps: sweeps.iter().map(ToString::to_string).collect(),
            seeds: seeds.map(|seeds| seeds.parse().unwrap()),
        };
        let members = sweep.members(&Inputs::default(), &experiment)?;
        let members = members.unwrap_or_default();
        Ok(members.into_iter().map(|inputs| inputs.settings).collect())
    }

    #[test]
    fn every_combination_is_a_member_with_a_name_of_its_own() {
        assert_eq!(members(&[], None).unwrap(), Vec::<Vec<String>>::new());
        assert_eq!(
            members(&["train.select=verified,any"], Some("1..2")).unwrap(),
            [
                [
                    "train.select=verified",
                    "seed=1",
                    "problems.seed=7",
                    "name=e-verified-seed1"
                ],
                [
                    "train.select=verified",
                    "seed=2",
                    "problems.seed=7",
                    "name=e-verified-seed2"
                ],
                [
                    "train.select=any",
                    "seed=1",
                    "problems.seed=7",
                    "name=e-any-seed1"
                ],
                [
                    "train.select=any",
                    "seed=2",
                    "problems.seed=7",
                    "name=e-any-seed2"
                ],
            ]
        );
        assert_eq!(
            members(&["problems.difficulty=[1, 2],[1, 3]"], None).unwrap(),
            [
                ["problems.difficulty=[1, 2]", "name=e-1-2"],
                ["problems.difficulty=[1, 3]", "name=e-1-3"],
            ]
        );
    }

    #[test]
    fn what_makes_no_group_is_refused() {
        for (sweep, why) in [
            ("train.rank", "has no `=`"),
            ("train.rank=8,", "has an empty value"),
            ("train.rank=8,8", "would be called `e-8`"),
        ] {
            let failure = members(&[sweep], None).unwrap_err();
            assert!(failure.to_string().contains(why), "{sweep}");
        }
        let failure = members(&["train.rank=1,2"], Some("1..200")).unwrap_err();
        assert!(failure.to_string().contains("400 experiments"));
        for seeds in ["5..1", "x", "1..900", "1,,2", "-1"] {
            assert!(seeds.parse::<Seeds>().is_err(), "{seeds}");
        }
        assert_eq!("1, 4,9".parse(), Ok(Seeds(vec![1, 4, 9])));
    }
}
