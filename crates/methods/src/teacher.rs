//! The momentum teacher: a second network that follows the trained one by an exponential moving average.

use crate::{Error, Step};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;
use tch::{Tensor, nn};
use visrep_torch::foreach_lerp_;

/// How much of a teacher stays at each step: a constant, or half a cosine from `start` to `end` over the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Momentum {
    /// At the first step, 0..=1.
    pub start: f64,
    /// What it tends to as the run ends, 0..=1; the same as `start` for a constant.
    pub end: f64,
}

impl Momentum {
    /// The same at every step.
    pub const fn constant(momentum: f64) -> Self {
        Self { start: momentum, end: momentum }
    }

    /// At step `t` of `n`, counted from 0: `end - (end - start) * (1 + cos(pi * t / n)) / 2` (BYOL, MoCo v3, DINO).
    pub fn at(&self, step: &Step) -> f64 {
        let progress = (step.index as f64 / step.total.max(1) as f64).min(1.0);
        self.end - (self.end - self.start) * 0.5 * (1.0 + (PI * progress).cos())
    }

    /// Errs on values outside 0..=1.
    pub fn check(&self) -> Result<(), Error> {
        for (parameter, found) in [("momentum.start", self.start), ("momentum.end", self.end)] {
            if !(0.0..=1.0).contains(&found) {
                return Err(Error::Parameter { parameter, expected: "within 0 and 1", found });
            }
        }
        Ok(())
    }
}

/// The tie between networks and their teachers.
///
/// Only parameters are averaged. Buffers are the teacher's own: it runs in training mode, so that batch
/// normalisation uses the statistics of its own batches and tracks them in its own running ones. That is what the
/// authors of MoCo, BYOL, DINO and iBOT publish.
///
/// The method owns both networks, runs the teacher under [`tch::no_grad`], and lists its variables in
/// [`Method::state`](crate::Method::state); they ask for no gradient, so that
/// [`Method::parameters`](crate::Method::parameters) leaves them out.
#[derive(Debug)]
pub struct Teacher {
    momentum: Momentum,
    teacher: Vec<Tensor>,
    student: Vec<Tensor>,
}

impl Teacher {
    /// Ties each `(student, teacher)` pair of `networks`: copies all values, buffers included, from the student to
    /// the teacher, and stops the teacher's gradients.
    ///
    /// # Errors
    /// Pairs that do not have the same variables, and a momentum outside 0..=1.
    pub fn new(networks: &[(&nn::VarStore, &nn::VarStore)], momentum: Momentum) -> Result<Self, Error> {
        momentum.check()?;
        let _guard = tch::no_grad_guard();
        let (mut students, mut teachers) = (Vec::new(), Vec::new());
        for (student, teacher) in networks {
            let (student, mut teacher) = (student.variables(), teacher.variables());
            let mut names: Vec<&String> = student.keys().collect();
            names.sort();
            for name in names {
                let ours = &student[name];
                let unlike = |reason: String| Error::Teacher { name: name.clone(), reason };
                let Some(mut theirs) = teacher.remove(name) else {
                    return Err(unlike("the teacher lacks it".to_owned()));
                };
                if theirs.size() != ours.size() {
                    let reason =
                        format!("{:?} in the student, {:?} in the teacher", ours.size(), theirs.size());
                    return Err(unlike(reason));
                }
                theirs.f_copy_(ours)?;
                if theirs.requires_grad() {
                    teachers.push(theirs.f_set_requires_grad(false)?);
                    students.push(ours.f_detach()?);
                }
            }
            if let Some(name) = teacher.into_keys().min() {
                return Err(Error::Teacher { name, reason: "the student lacks it".to_owned() });
            }
        }
        Ok(Self { momentum, teacher: teachers, student: students })
    }

    /// Moves the teacher: `teacher = m * teacher + (1 - m) * student` with the momentum of `step`. BYOL and DINO do it
    /// after the optimiser's step, MoCo before it encodes keys.
    pub fn update(&mut self, step: &Step) -> Result<(), Error> {
        Ok(foreach_lerp_(&mut self.teacher, &self.student, 1.0 - self.momentum.at(step))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, nn::Init};

    fn step(index: u64, total: u64) -> Step {
        Step { index, total, epoch: 0, log: false }
    }

    fn network(value: f64) -> nn::VarStore {
        let vars = nn::VarStore::new(Device::Cpu);
        let root = vars.root();
        let _ = root.f_var("weight", &[2, 3], Init::Const(value)).unwrap();
        let _ = root.f_zeros_no_train("running_mean", &[3]).unwrap().fill_(value);
        vars
    }

    fn value(vars: &nn::VarStore, name: &str) -> f64 {
        vars.variables()[name].double_value(&[0, 0][..if name == "weight" { 2 } else { 1 }])
    }

    #[test]
    fn the_teacher_starts_as_the_student_and_moves_by_the_average_alone() {
        let (student, teacher) = (network(1.0), network(7.0));
        let mut tie = Teacher::new(&[(&student, &teacher)], Momentum::constant(0.75)).unwrap();
        assert_eq!((value(&teacher, "weight"), value(&teacher, "running_mean")), (1.0, 1.0));
        assert!(teacher.variables().values().all(|tensor| !tensor.requires_grad()));
        assert!(student.variables()["weight"].requires_grad(), "the student still learns");

        let set = |to: f64| tch::no_grad(|| student.variables().values_mut().for_each(|t| drop(t.fill_(to))));
        set(5.0);
        assert_eq!(value(&teacher, "weight"), 1.0, "values were copied, not shared");
        tie.update(&step(0, 10)).unwrap();
        assert_eq!(value(&teacher, "weight"), 0.75 + 0.25 * 5.0);
        assert_eq!(value(&teacher, "running_mean"), 1.0, "buffers are the teacher's own");
        tie.update(&step(9, 10)).unwrap();
        assert_eq!(value(&teacher, "weight"), 0.75 * 2.0 + 0.25 * 5.0);
    }

    #[test]
    fn momentum_follows_half_a_cosine() {
        let momentum = Momentum { start: 0.9, end: 1.0 };
        let at = |index| momentum.at(&step(index, 100));
        assert_eq!(at(0), 0.9);
        assert!((at(50) - 0.95).abs() < 1e-12);
        assert!((at(25) - (1.0 - 0.1 * ((PI * 0.25).cos() + 1.0) / 2.0)).abs() < 1e-12);
        assert_eq!(at(100), 1.0);
        assert_eq!(at(200), 1.0);
        assert_eq!(Momentum::constant(0.5).at(&step(0, 0)), 0.5);
        for (start, end) in [(-0.1, 1.0), (0.5, 1.1), (f64::NAN, 1.0)] {
            assert!(matches!(Momentum { start, end }.check(), Err(Error::Parameter { .. })));
        }
    }

    #[test]
    fn networks_that_differ_are_refused_by_the_variable_at_fault() {
        let (student, teacher) = (network(0.0), network(0.0));
        let _ = teacher.root().f_var("extra", &[1], Init::Const(0.0)).unwrap();
        for (a, b) in [(&student, &teacher), (&teacher, &student)] {
            let error = Teacher::new(&[(a, b)], Momentum::constant(1.0)).unwrap_err();
            assert!(matches!(&error, Error::Teacher { name, .. } if name == "extra"), "{error}");
        }
        let other = nn::VarStore::new(Device::Cpu);
        let _ = other.root().f_var("weight", &[3, 3], Init::Const(0.0)).unwrap();
        let _ = other.root().f_zeros_no_train("running_mean", &[3]).unwrap();
        let error = Teacher::new(&[(&student, &other)], Momentum::constant(1.0)).unwrap_err();
        assert!(error.to_string().contains("weight") && error.to_string().contains("[3, 3]"), "{error}");
    }
}
