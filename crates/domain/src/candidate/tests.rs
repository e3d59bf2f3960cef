use std::ops::ControlFlow;

use proptest::prelude::*;

use super::*;

/// The code taken out of `text` for the function `add`, and why.
fn taken(text: &str) -> (String, Reason) {
    let candidate = Candidate::of(text.as_bytes(), "add");
    (
        String::from_utf8(candidate.code(text.as_bytes()).into_owned()).unwrap(),
        candidate.reason,
    )
}

const CODE: &str = "def add(a, b):\n    return a + b\n";

#[track_caller]
fn takes(text: &str, code: &str, reason: Reason) {
    let (got, why) = taken(text);
    assert_eq!((got.trim_end(), why), (code.trim_end(), reason), "{text}");
}

#[track_caller]
fn takes_the_code(text: &str) {
    takes(text, CODE, Reason::DefinesEntry);
}

#[test]
fn the_first_block_that_defines_the_entry() {
    takes_the_code(&format!(
        "Use it so:\n```python\nadd(1, 2)\n```\nwith\n```python\n{CODE}```\n"
    ));
    takes_the_code(&format!("```python\n```\n\n```python\n{CODE}```\n"));
    takes_the_code(&format!("```bash\npip install add\n```\n```\n{CODE}```\n"));
    takes_the_code(&format!(
        "```\n{CODE}```\n```python\ndef add(a, b):\n    return b\n```\n"
    ));
    takes_the_code(&format!(
        "```ruby\ndef add(a, b)\n  a + b\nend\n```\n```python\n{CODE}```\n"
    ));
    takes_the_code(&format!(
        "```python\ndef add_one(a):\n    return add(a, 1)\n```\n```python\n{CODE}```"
    ));
    takes_the_code(&format!(
        "```python\ntext = \"\"\"\n{CODE}\"\"\"\n```\n```python\n{CODE}```"
    ));
    takes_the_code(&format!(
        "```python
class Solution:
    def add(self, a, b):
        return a + b
```
```python
{CODE}```"
    ));
}

#[test]
fn what_defines_a_function() {
    for code in [
        "add = lambda a, b: a + b",
        "add: Callable = sum",
        "async def add(a, b): return a",
        "def add[T](a: T, b: T) -> T:\n    return a",
        "def add(\n    a,\n    b,\n):\n    return a + b",
        "def add(a, close=')', open=\"(\"):\n    return a",
        "def add(a, # first )\n        b):\n    return a + b",
        "add = math.fsum  # of two",
        "add = functools.partial(sum, start=0)",
    ] {
        takes(
            &format!("```python\nx()\n```\n```python\n{code}\n```"),
            code,
            Reason::DefinesEntry,
        );
    }
    for other in [
        "add == 1",
        "adder = max",
        "def add(a, b) is asked for",
        "from solution import add",
        "x = add",
        "add = add(1, 2)",
        "add = True",
    ] {
        takes(
            &format!("```python\n{other}\n```\n"),
            other,
            Reason::PythonBlock,
        );
    }
}

#[test]
fn without_such_a_block_the_first_marked_one_then_the_first() {
    takes(
        "```\na\n```\ntext\n```Python3 title\nb\n```\n```py\nc\n```",
        "b",
        Reason::PythonBlock,
    );
    takes("```json\na\n```\n~~~\nb\n~~~", "b", Reason::FirstBlock);
    takes("```json\na\n```\n```yaml\nb\n```", "a", Reason::FirstBlock);
    takes(
        &format!("```python\nadd(1, 2)\n```\nwith\n\n{CODE}\nThat is all."),
        CODE,
        Reason::BesideBlocks,
    );
    takes(
        &format!("{CODE}\nRun it:\n```bash\npython add.py\n```\n"),
        CODE,
        Reason::BesideBlocks,
    );
}

#[test]
fn a_closing_fence_that_nothing_opened() {
    takes(&format!("{CODE}```"), CODE, Reason::BeforeFence);
    takes(
        &format!("{CODE}```\n\nThis adds two numbers.\n```\nmore\n```\n"),
        CODE,
        Reason::BeforeFence,
    );
    takes(
        "def add(a, b): return a + b```",
        "def add(a, b): return a + b",
        Reason::BeforeFence,
    );
    takes(
        &format!("Here is the function:\n\n{CODE}\n```\n"),
        CODE,
        Reason::BeforeFence,
    );
    takes(
        &format!("M = 7\n\n{CODE}```\n"),
        &format!("M = 7\n\n{CODE}"),
        Reason::BeforeFence,
    );
    takes_the_code(&format!("def add(a, b) adds:\n```\n{CODE}```\n"));
}

#[test]
fn code_without_fences_and_a_block_behind_prose() {
    for prose in ["Example usage:", "The output is:", "This is it."] {
        takes(
            &format!("{CODE}\n{prose}\n```\nprint(add(1, 2))\n```\n"),
            CODE,
            Reason::BesideBlocks,
        );
    }
    let main = format!("{CODE}\nif __name__ == '__main__':\n    print(add(1, 2))\n");
    takes(
        &format!("{main}\nOutput:\n```\n3\n```\n"),
        &main,
        Reason::BesideBlocks,
    );
    takes_the_code(&format!(
        "The signature is\n\ndef add(a, b):\n\nSo:\n```\n{CODE}```\n"
    ));
    let called = format!("{CODE}\nadd(1, 2)\nresult = add(3, 4)\nresult\n");
    takes(&format!("{called}```\n"), &called, Reason::BeforeFence);
}

#[test]
fn a_fence_that_shares_its_line() {
    takes_the_code(&format!(
        "Sure! Here is the function: ```python\n{CODE}```\nIt adds."
    ));
    takes_the_code(&format!("**Solution** ```\n{CODE}```\n"));
    takes_the_code("```python\ndef add(a, b):\n    return a + b```\n\nThis adds two numbers.");
    takes_the_code("```python\ndef add(a, b):\n    return a + b``` adds two numbers.");
    takes_the_code(&format!(
        "```python\n{CODE}``` This adds two numbers.\n```\nmore\n```"
    ));
    takes_the_code(&format!("```python {CODE}```"));
    takes_the_code(&format!("```{CODE}```"));
    takes_the_code(&format!(
        "```python\n{CODE}\nUse it:\n\n```python\nadd(1, 2)\n```"
    ));
    takes_the_code(&format!("````python\n{CODE}```\n\nThis adds."));
    takes_the_code(&format!("```python\n{CODE}``"));
    takes(
        "So ```add = lambda a, b: a + b``` does it",
        "add = lambda a, b: a + b",
        Reason::DefinesEntry,
    );
    takes(
        "```python def add(a, b): return a + b```",
        "def add(a, b): return a + b",
        Reason::DefinesEntry,
    );
    takes_the_code(&format!("```python\nadd(1, 2)\n```python\n{CODE}```"));
}

#[test]
fn indentation_that_is_the_lists() {
    takes_the_code(
        "- Solution:\n    ```python\n    def add(a, b):\n        return a + b\n    ```\n",
    );
    takes_the_code("1. ```python\n   def add(a, b):\n       return a + b\n   ```\n");
    takes_the_code("- ```python\n  def add(a, b):\n      return a + b\n```\n");
    let commented = "# adds\n    def add(a, b):\n        return a + b\n";
    let (code, why) = taken(&format!(
        "- So:\n    ```python\n    x = 0\n{commented}    ```\n"
    ));
    assert!(
        why == Reason::DefinesEntry && code.contains("\ndef add(a, b):\n    return"),
        "{code}"
    );
    takes_the_code(&format!("1. So:\n\n   ```python\n{CODE}   ```\n"));
    takes_the_code("So:\n\n    def add(a, b):\n        return a + b\n\nThat is all.");
    takes(
        "class A:\n    def add(a, b):\n        return a + b",
        "class A:\n    def add(a, b):\n        return a + b",
        Reason::WholeText,
    );
    takes_the_code("\t```python\n\tdef add(a, b):\n\t    return a + b\n\t```\n");
}

#[test]
fn wrappers_and_marks() {
    takes_the_code(&format!(
        "````markdown\nHere:\n```python\n{CODE}```\n````\n"
    ));
    takes_the_code(&format!("````\n```python\n{CODE}```\n````\n"));
    takes(&format!("```md\n{CODE}```\n"), CODE, Reason::BeforeFence);
    takes_the_code(&format!("\u{feff}```python\n{CODE}```\n"));
    takes_the_code(&format!("```python\n\u{feff}{CODE}```\n"));
    takes(&format!("\u{feff}{CODE}"), CODE, Reason::WholeText);
    takes_the_code(&format!("~~~~python\n{CODE}~~~~"));
    let windows = CODE.replace('\n', "\r\n");
    takes(
        &format!("```python\r\n{windows}```\r\n"),
        &windows,
        Reason::DefinesEntry,
    );
}

#[test]
fn fences_within_the_code() {
    let docstring =
        "def add(a, b):\n  \"\"\"\n  ```\n  add(1, 2)\n  ```\n  \"\"\"\n  return a + b\n";
    takes(
        &format!("```py3\n{docstring}```\n"),
        docstring,
        Reason::DefinesEntry,
    );
    let marked = docstring.replacen("```", "```python", 1);
    takes(
        &format!("```\n{marked}```\n"),
        &marked,
        Reason::DefinesEntry,
    );
    let beside = "def add(a, b):
    \"\"\"Add.

    Example: ```python
    add(1, 2)
    ```
    \"\"\"
    return a + b
";
    takes(
        &format!("```python\n{beside}```\n"),
        beside,
        Reason::DefinesEntry,
    );
    let deep = docstring.replace("  ", "    ");
    takes(&format!("```py3\n{deep}```\n"), &deep, Reason::DefinesEntry);
    let text = "def add(a, b):\n    # ends with ```\n    return '```' + \"x```\"\n";
    takes(
        &format!("```python\n{text}```\n"),
        text,
        Reason::DefinesEntry,
    );
    takes(
        "````py\ndef add(a, b):\n    '''\n```\n'''\n````\n",
        "def add(a, b):\n    '''\n```\n'''\n",
        Reason::DefinesEntry,
    );
}

#[test]
fn a_thought_holds_no_candidate() {
    let draft = "Maybe:\n```python\ndef add(a, b):\n    return a - b\n```\nNo.\n";
    takes_the_code(&format!(
        "<think>\n{draft}</think>\nThe answer:\n```python\n{CODE}```\n"
    ));
    takes_the_code(&format!("{draft}</think>\n```python\n{CODE}```\n"));
    takes_the_code(&format!(
        "{draft}ok.</think>The answer:\n```python\n{CODE}```\n"
    ));
    takes_the_code(&format!(
        "<think>a</think><think>\n{draft}</think>\n```python\n{CODE}```\n"
    ));
    takes_the_code(&format!("<think></think>```python\n{CODE}```\n"));
    takes(&format!("<think>\n{draft}"), "", Reason::Nothing);
    takes(
        &format!("<think>{draft}</think>{CODE}"),
        CODE,
        Reason::WholeText,
    );
    let tags = "def add(a, b):\n    return '<think></think>'\n";
    takes(
        &format!("```python\n{tags}```\n"),
        tags,
        Reason::DefinesEntry,
    );
}

#[test]
fn a_prompt_may_have_opened_the_thought() {
    let text = format!("```python\ndef add(a, b): 0\n```\n</think>\n```python\n{CODE}```\n");
    let reader = Reader::new("add", true);
    assert_eq!(
        reader.finish(text.as_bytes()).code(text.as_bytes()),
        CODE.as_bytes()
    );
    let unfinished = b"```python\ndef add(a, b): 0\n```\n";
    assert_eq!(
        Reader::new("add", true).finish(unfinished).reason,
        Reason::Nothing
    );
    assert_eq!(stops_at(&text, true), Some(text.len() - 1));
}

#[test]
fn all_of_a_text_without_blocks() {
    takes(CODE, CODE, Reason::WholeText);
    takes(
        "use ```add``` here",
        "use ```add``` here",
        Reason::WholeText,
    );
    takes(" \n\t", "", Reason::Nothing);
    takes("", "", Reason::Nothing);
}

#[test]
fn an_open_block_runs_to_the_end() {
    takes(
        "sure:\n```python\ndef add(a, b):\n  pass",
        "def add(a, b):\n  pass",
        Reason::DefinesEntry,
    );
    takes("```python", "```python", Reason::WholeText);
}

/// Where a completion of `text` would be stopped.
fn stops_at(text: &str, in_thought: bool) -> Option<usize> {
    let mut reader = Reader::new("add", in_thought);
    let stop = (1..=text.len()).try_for_each(|end| match reader.advance(&text.as_bytes()[..end]) {
        true => ControlFlow::Break(end),
        false => ControlFlow::Continue(()),
    });
    stop.break_value()
}

#[track_caller]
fn stops_at_the_end_of(text: &str) {
    assert_eq!(
        stops_at(&format!("{text}\nmore\n```\n"), false),
        Some(text.len()),
        "{text}"
    );
}

#[test]
fn generation_stops_with_the_last_mark() {
    stops_at_the_end_of(&format!("Here:\n```python\n{CODE}```"));
    stops_at_the_end_of(&format!("````py\n{CODE}````"));
    stops_at_the_end_of(&format!("```python\nadd(1, 2)\n```\n```python\n{CODE}```"));
    stops_at_the_end_of(&format!("{CODE}```\n"));
    stops_at_the_end_of("```python\ndef add(a, b):\n    return a + b```\n");
    stops_at_the_end_of(&format!(
        "<think>\n```python\n{CODE}```\n</think>\n```python\n{CODE}```"
    ));
}

#[test]
fn generation_goes_on_where_the_answer_may_still_come() {
    for text in [
        "```python\nadd(1, 2)\n```\n",
        "```bash\npip\n```\n",
        "```python\ndef add(a, b):\n",
        "use ``` here\n",
        CODE,
    ] {
        assert_eq!(stops_at(text, false), None, "{text}");
    }
}

/// Small models write one character without end.
#[test]
fn a_long_run_of_one_character_takes_no_longer_than_other_text() {
    for run in ["a", " ", "`", "'", "\"", "\n", "0"] {
        let long = run.repeat(1 << 20);
        for text in [
            format!("```python\nx = '{long}\n{CODE}```\n"),
            format!("{CODE}{long}\n```\n"),
            format!("<think>{long}"),
        ] {
            let mut reader = Reader::new("add", false);
            for end in (0..text.len()).step_by(64) {
                reader.advance(&text.as_bytes()[..end]);
            }
            assert!(reader.finish(text.as_bytes()).checked(text.len()).is_ok());
        }
    }
}

const PIECES: [&str; 26] = [
    "```",
    "````",
    "~~~",
    "python",
    "py",
    "bash",
    "markdown",
    "\n",
    "\n",
    "\r\n",
    " ",
    "    ",
    "\t",
    "`",
    "- ",
    "x = 1",
    "def add(a, b):",
    "    return a + b",
    "\"\"\"",
    "'",
    "\u{feff}",
    "<think>",
    "</think>",
    "```python\n",
    "\n```\n",
    "\ndef add(a): 1\n",
];

proptest! {
    /// What stands when generation stops is what verification would take out of the whole text.
    #[test]
    fn a_stop_changes_nothing(parts in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..30), in_thought: bool) {
        let text = parts.concat();
        let whole = Reader::new("add", in_thought).finish(text.as_bytes());
        prop_assert!(whole.checked(text.len()).is_ok());
        whole.code(text.as_bytes());
        if let Some(end) = stops_at(&text, in_thought) {
            prop_assert_eq!(Reader::new("add", in_thought).finish(&text.as_bytes()[..end]), whole);
        }
    }

    /// How a completion is cut into tokens does not matter.
    #[test]
    fn pieces_of_any_size(parts in prop::collection::vec(prop::sample::select(PIECES.to_vec()), 0..30), sizes in prop::collection::vec(1usize..9, 1..20)) {
        let text = parts.concat();
        let mut reader = Reader::new("add", false);
        let mut end = 0;
        for size in sizes {
            end = (end + size).min(text.len());
            reader.advance(&text.as_bytes()[..end]);
        }
        prop_assert_eq!(reader.finish(text.as_bytes()), Reader::new("add", false).finish(text.as_bytes()));
    }

    #[test]
    fn marked_code_comes_back_whole(before in "[a-z \n]{0,40}", code in "[a-z0-9 \
        =()\n]{0,80}", after in "[a-z \n]{0,40}") {
        let code = format!("def add():\n    pass\n{code}\n");
        let text = format!("{before}\n```python\n{code}```\n{after}");
        prop_assert_eq!(&*Candidate::of(text.as_bytes(), "add").code(text.as_bytes()), code.as_bytes());
    }

    #[test]
    fn any_bytes_are_accepted(text in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'`'), Just(b'\n'), Just(b'~')], 0..300)) {
        prop_assert!(Candidate::of(&text, "add").checked(text.len()).is_ok());
    }
}
