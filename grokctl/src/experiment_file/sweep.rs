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
    /// every combination. All get the file's name as a tag, by which `grokctl group` finds them.
    /// What is there already is not submitted again.
    #[arg(long = "sweep", value_name = "KEY=V1,V2,…")]
    pub sweeps: Vec<String>,
    /// One experiment for each seed, all on the same problems: 1..5 (both included), or 1,4,9; 6..6
    /// for one more.
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
            // Five seeds, or the seed 5: nobody could tell.
            None if !text.contains(',') => {
                let one = number(text)?;
                return Err(format!(
                    "write 1..{one} for {one} seeds, or {one}..{one} for this one"
                ));
            }
            None => text.split(',').map(number).collect::<Result<_, _>>()?,
        };
        let mut sorted = seeds.clone();
        sorted.sort_unstable();
        match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(twice) => Err(format!("the seed {} stands there twice", twice[0])),
            None => Ok(Self(seeds)),
        }
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
        let mut keys = Vec::with_capacity(self.sweeps.len());
        for sweep in &self.sweeps {
            let (key, values) = split(sweep)?;
            if keys.contains(&key) {
                return Err(refused(
                    format!("`{key}` is swept twice"),
                    &format!("name all its values at once: --sweep {key}=V1,V2"),
                ));
            }
            keys.push(key);
            members = crossed(&members, &values, |value| {
                (word(value), vec![format!("{key}={value}")])
            })?;
        }
        if let Some(Seeds(seeds)) = &self.seeds {
            // One set of problems, or seeds would differ by what they are asked too.
            let problems = experiment.problems_seed();
            members = crossed(&members, seeds, |seed| {
                let settings = vec![format!("seed={seed}"), format!("problems.seed={problems}")];
                (format!("seed{seed}"), settings)
            })?;
        }
        let mut named: Vec<Inputs> = Vec::with_capacity(members.len());
        let mut names: Vec<String> = Vec::with_capacity(members.len());
        for (name, mut inputs) in members {
            if names.contains(&name) {
                return Err(refused(
                    format!("two of its experiments would be called `{name}`"),
                    "use values that differ in letters and digits",
                ));
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
            let seeds = match seeds.as_slice() {
                [one] => format!("{one}..{one}"),
                seeds => seeds
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            };
            text.push_str(&format!(" --seeds {seeds}"));
        }
        text
    }
}

/// Every member with every value: the name gets an end, the settings get more.
fn crossed<T>(
    members: &[(String, Inputs)],
    values: &[T],
    part: impl Fn(&T) -> (String, Vec<String>),
) -> Result<Vec<(String, Inputs)>, Failure> {
    let number = members.len() * values.len();
    if number > MAX_MEMBERS {
        return Err(refused(
            format!("it makes {number} experiments or more"),
            &format!("use at most {MAX_MEMBERS}"),
        ));
    }
    let mut all = Vec::with_capacity(number);
    for (name, inputs) in members {
        for value in values {
            let (end, settings) = part(value);
            let mut inputs = inputs.clone();
            inputs.settings.extend(settings);
            all.push((format!("{name}-{end}"), inputs));
        }
    }
    Ok(all)
}

fn refused(why: String, next: &str) -> Failure {
    Failure::usage("make a group of experiments")
        .because(why)
        .next(next)
}

/// The key, and the values between the commas that stand in no brackets and no quotes.
fn split(sweep: &str) -> Result<(&str, Vec<String>), Failure> {
    const FORM: &str = "write --sweep KEY=V1,V2, as in --sweep train.select=verified,any";
    let (key, text) = sweep
        .split_once('=')
        .ok_or_else(|| refused(format!("`{sweep}` has no `=`"), FORM))?;
    let key = key.trim();
    if matches!(key, "name" | "seed") || key.starts_with("problems") {
        return Err(refused(
            format!(
                "a group asks one set of problems under names of its own, and sweeps no `{key}`"
            ),
            "use --seeds for seeds, and a file for each set of problems",
        ));
    }
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
        return Err(refused(format!("`{sweep}` has an empty value"), FORM));
    }
    Ok((key, values))
}

/// A value as a part of a name.
fn word(value: &str) -> String {
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
            members(
                &["train.targets=[\"q_proj\", \"k_proj\"],[\"v_proj\"]"],
                None
            )
            .unwrap(),
            [
                [
                    "train.targets=[\"q_proj\", \"k_proj\"]",
                    "name=e-q_proj-k_proj"
                ],
                ["train.targets=[\"v_proj\"]", "name=e-v_proj"],
            ]
        );
    }

    #[test]
    fn what_makes_no_group_is_refused() {
        for (sweep, why) in [
            (&["train.rank"][..], "has no `=`"),
            (&["train.rank=8,"], "has an empty value"),
            (&["train.rank=8,8"], "would be called `e-8`"),
            (
                &["train.rank=8", "train.rank=16"],
                "`train.rank` is swept twice",
            ),
            (&["seed=1,2"], "sweeps no `seed`"),
            (&["name=a,b"], "sweeps no `name`"),
            (&["problems.seed=1,2"], "sweeps no `problems.seed`"),
        ] {
            let failure = members(sweep, None).unwrap_err();
            assert!(failure.to_string().contains(why), "{sweep:?}: {failure}");
        }
        let failure = members(&["train.rank=1,2"], Some("1..200")).unwrap_err();
        assert!(failure.to_string().contains("400 experiments"));
        for seeds in ["5..1", "x", "1..900", "1,,2", "-1", "5", "1,2,1"] {
            assert!(seeds.parse::<Seeds>().is_err(), "{seeds}");
        }
        assert_eq!("1, 4,9".parse(), Ok(Seeds(vec![1, 4, 9])));
        assert_eq!("6..6".parse(), Ok(Seeds(vec![6])));
    }
}
