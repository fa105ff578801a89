//! The table of suites that `visrep bench SUITE` knows, put together from those of the crates.

use super::{perceptual, remote_sensing, sprites, transfer, vtab};
use crate::downloads::command_for;
use anyhow::{Result, bail};
use std::fmt::Write;
use visrep_probe::{Suite, SuiteInfo};

/// Every suite, in the order in which `--list` shows them. A crate's own table is one more line.
pub fn all() -> Vec<&'static dyn Suite> {
    let tables: [&[&'static dyn Suite]; 7] = [
        &transfer::SUITES,
        &visrep_transfer::SUITES,
        &vtab::SUITES,
        &remote_sensing::SUITES,
        &visrep_robustness::SUITES,
        &sprites::SUITES,
        &perceptual::SUITES,
    ];
    tables.concat()
}

/// What is asked for: a suite, or one task of it.
#[derive(Clone)]
pub struct Unit {
    /// The suite.
    pub suite: &'static dyn Suite,
    /// The task, where only one is asked for.
    pub task: Option<String>,
}

impl Unit {
    /// What people type for it.
    pub fn name(&self) -> String {
        let suite = self.suite.info().name;
        self.task.as_ref().map_or_else(|| suite.to_owned(), |task| format!("{suite}/{task}"))
    }

    /// The units of these names, each once: a suite's, `SUITE/TASK`, or `all`, which leaves out what is run by name only.
    pub fn parse(names: &[String]) -> Result<Vec<Self>> {
        let known = all();
        let mut units: Vec<Self> = Vec::new();
        let mut add = |unit: Self| {
            if units.iter().all(|found| found.name() != unit.name()) {
                units.push(unit);
            }
        };
        for name in names {
            if name == "all" {
                let all = known.iter().filter(|suite| !suite.by_name_only());
                all.for_each(|&suite| add(Self { suite, task: None }));
                continue;
            }
            let (suite_name, task) = match name.split_once('/') {
                Some((suite, task)) => (suite, Some(task.to_owned())),
                None => (name.as_str(), None),
            };
            let Some(&suite) = known.iter().find(|suite| suite.info().name == suite_name) else {
                bail!("there is no suite '{suite_name}': {}", nearest(suite_name, &known));
            };
            if let Some(task) = &task {
                let tasks = suite.tasks();
                if !tasks.contains(task) {
                    let there = match tasks.as_slice() {
                        [] => "it has no parts: leave the task out".to_owned(),
                        tasks => format!("it has {}", tasks.join(", ")),
                    };
                    bail!("{suite_name} has no task '{task}': {there}");
                }
            }
            add(Self { suite, task });
        }
        Ok(units)
    }
}

/// Suites whose names have something of `name`, or all.
fn nearest(name: &str, known: &[&'static dyn Suite]) -> String {
    let names: Vec<_> = known.iter().map(|suite| suite.info().name).collect();
    let folded = name.to_ascii_lowercase().replace(['_', ' '], "-");
    let alike = |other: &&&str| folded.len() > 2 && (other.contains(&folded) || folded.contains(**other));
    let near: Vec<_> = names.iter().filter(alike).copied().collect();
    if near.is_empty() {
        format!("there are {} (`visrep bench --list`)", names.join(", "))
    } else {
        format!("did you mean {}? `visrep bench --list` shows all", near.join(", "))
    }
}

/// Where a suite's data are published, and the command that brings them where there is one.
pub fn published(info: &SuiteInfo) -> String {
    match command_for(info.name) {
        Some(command) if !info.published.contains("visrep data get") => {
            format!("{}: `{command}`", info.published)
        }
        _ => info.published.to_owned(),
    }
}

/// Every suite with what it is about, where its data are published, what is expected under ROOT, and its tasks.
pub fn list() -> String {
    let mut text = String::new();
    for suite in all() {
        let info = suite.info();
        let _ = writeln!(text, "{}\n    {}", info.name, info.about);
        for place in info.expects {
            let _ = writeln!(text, "    ROOT/{place}");
        }
        if info.expects.is_empty() {
            let _ = writeln!(text, "    needs no data: any ROOT will do");
        }
        let _ = writeln!(text, "    source: {}", published(&info));
        if suite.by_name_only() {
            let _ = writeln!(text, "    takes long: not part of `all`");
        }
        let (told, plain): (Vec<_>, Vec<_>) =
            suite.tasks().into_iter().partition(|task| suite.about_task(task).is_some());
        if !plain.is_empty() {
            let _ = writeln!(text, "    tasks: {}", plain.join(", "));
        }
        for task in told {
            let about = suite.about_task(&task).unwrap_or_default();
            let _ = writeln!(text, "    {}/{task}: {about}", info.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Result<Vec<String>> {
        let asked: Vec<_> = asked.iter().map(|&name| name.to_owned()).collect();
        Ok(Unit::parse(&asked)?.iter().map(Unit::name).collect())
    }

    #[test]
    fn suites_and_tasks_are_found_once() {
        let found = names(&["imagenet-a", "imagenet-v2/top-images", "imagenet-a", "knn"]).unwrap();
        assert_eq!(found, ["imagenet-a", "imagenet-v2/top-images", "knn"]);
        let long = all().iter().filter(|suite| suite.by_name_only()).count();
        assert_eq!(names(&["all", "imagenet-r"]).unwrap().len(), all().len() - long);
        assert_eq!(names(&["vtab-adapter/dtd"]).unwrap(), ["vtab-adapter/dtd"]);
        let fail = |name| names(&[name]).err().unwrap().to_string();
        assert!(fail("imagenet_v2x").contains("did you mean imagenet-v2?"));
        assert!(fail("cars").contains("imagenet-val, imagenet-v2"));
        assert!(fail("imagenet-v2/best").contains("matched-frequency, threshold-0.7, top-images"));
        assert!(fail("imagenet-a/x").contains("it has no parts"));
    }

    #[test]
    fn names_are_unique_and_every_suite_says_where_its_data_are() {
        let mut names: Vec<_> = all().iter().map(|suite| suite.info().name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
        for suite in all() {
            let info = suite.info();
            assert!(!info.published.is_empty() && !info.name.contains('/'));
            let drawn = ["sprites-invariance", "vtab-sprites"].contains(&info.name);
            assert_eq!(info.expects.is_empty(), drawn, "{}", info.name);
        }
    }
}
