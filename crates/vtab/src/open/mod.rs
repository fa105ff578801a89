//! From a folder to a task's training, validation and test images.
//!
//! Under the folder a task is looked for in `vtab/NAME`, `vtab-1k/NAME` and `NAME`, where `NAME` is the task's, its dataset's or
//! one of [`TaskInfo::folders`](crate::TaskInfo::folders). What is found there is, in this order:
//!
//! 1. the file lists of VTAB-1k: `train800val200.txt` and `test.txt`, or `train800.txt`, `val200.txt` and `test.txt`, of lines
//!    `path label`. They say which 1000 images are the official ones;
//! 2. the dataset as it is published, unpacked;
//! 3. a mirror whose labels are the task's: `train` and `test` (and `val`) of whatever [`visrep_data::open`] takes.

mod native;
mod splits;

use crate::{Error, Task};
pub(crate) use splits::parts as splits_of;
pub use splits::{Origin, Whole};
use splits::{limited, pick, relabelled, thousand};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use visrep_data::{Dataset, ListFile};

/// How tasks are opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// Draws the 1000 examples where there are no official lists.
    pub seed: u64,
    /// At most so many test images, evenly spread: for a trial.
    pub limit: Option<usize>,
}

/// A task's images: the 1000 of VTAB-1k and the test set. Labels are below the task's number of classes.
pub struct TaskData {
    /// The task.
    pub task: Task,
    /// The 800 for training while hyper-parameters are chosen.
    pub train800: Arc<dyn Dataset>,
    /// The 200 to choose them on.
    pub val200: Arc<dyn Dataset>,
    /// The 1000 together, for the final training.
    pub train1000: Arc<dyn Dataset>,
    /// The first 1000 of the training and validation images, on which VTAB's official script trains: where a validation set was
    /// published these are other images than the 800 and 200. `None` where file lists say which images to take, since they name
    /// only those.
    pub trainval1000: Option<Arc<dyn Dataset>>,
    /// The test set.
    pub test: Arc<dyn Dataset>,
    /// Whether the 1000 examples are the official ones, as lists say.
    pub official_train: bool,
    /// Whether the test set is the official one, whole.
    pub official_test: bool,
    /// A stand-in for the task, whose score is not the task's: procedural sprites or toys.
    pub stand_in: bool,
    /// Where the splits come from, for reports.
    pub description: String,
    /// Where the data are.
    pub place: PathBuf,
}

impl std::fmt::Debug for TaskData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}", self.task, self.place.display(), self.description)
    }
}

impl TaskData {
    /// The splits of a whole dataset; `place` is where it is.
    ///
    /// # Errors
    /// A split without images, or with a label beyond the task's classes.
    pub fn from_whole(
        task: Task,
        whole: Whole,
        place: PathBuf,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        thousand(task, whole, place, options)
    }

    /// The name in scores: the task's, marked where it is a stand-in.
    #[must_use]
    pub fn name(&self) -> String {
        if self.stand_in { format!("{} (drawn)", self.task) } else { self.task.name().to_owned() }
    }

    /// The number of images of each class among the 1000.
    ///
    /// # Errors
    /// Labels that cannot be read.
    pub fn training_counts(&self) -> Result<Vec<usize>, Error> {
        let mut counts = vec![0; self.task.info().classes];
        for label in self.train1000.labels()?.into_iter().flatten() {
            if let Some(count) = counts.get_mut(label as usize) {
                *count += 1;
            }
        }
        Ok(counts)
    }
}

/// Within which folders of the root a task's folder may be.
const UNDER: [&str; 3] = ["vtab/", "vtab-1k/", ""];

/// The names that the folder of a task's data may have.
fn names(task: Task) -> Vec<&'static str> {
    let info = task.info();
    let mut names = vec![info.name];
    for name in info.folders.iter().chain([&info.dataset]) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    names
}

/// The folders below `root` in which [`open_task`] looks for a task's data, in this order.
pub fn task_folders(root: &Path, task: Task) -> Vec<PathBuf> {
    let names = names(task);
    UNDER.iter().flat_map(|under| names.iter().map(move |name| root.join(format!("{under}{name}")))).collect()
}

/// Opens a task's data under `root`.
///
/// # Errors
/// [`Error::Missing`] when there are none; a folder that is there and holds nothing that is known, or something damaged.
pub fn open_task(root: impl AsRef<Path>, task: Task, options: &OpenOptions) -> Result<TaskData, Error> {
    let root = root.as_ref();
    if task.info().multi_label {
        let problem = "its images have several classes each: it is BigEarthNetBenchmark's to open".into();
        return Err(Error::Split { task: task.name(), problem });
    }
    let found: Vec<PathBuf> = task_folders(root, task).into_iter().filter(|folder| folder.is_dir()).collect();
    for folder in &found {
        if let Some(data) = listed(folder, task, options)? {
            return Ok(data);
        }
    }
    for folder in &found {
        if let Some(whole) = native::open(folder, task)? {
            return TaskData::from_whole(task, whole, folder.clone(), options);
        }
    }
    let mut failure = None;
    for folder in &found {
        match mirror(folder, task) {
            Ok(whole) => return TaskData::from_whole(task, whole, folder.clone(), options),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.unwrap_or_else(|| {
        let names = names(task).join(" | ");
        let looked = UNDER.map(|under| format!("{under}{{{names}}}")).join(", ");
        Error::missing(task, root, looked)
    }))
}

/// The splits that VTAB-1k's file lists give.
fn listed(folder: &Path, task: Task, options: &OpenOptions) -> Result<Option<TaskData>, Error> {
    let list = |name: &str| folder.join(name);
    let (both, test) = (list("train800val200.txt"), list("test.txt"));
    let (train, val) = (list("train800.txt"), list("val200.txt"));
    if !test.is_file() || !(both.is_file() || train.is_file() && val.is_file()) {
        return Ok(None);
    }
    let open = |path: &Path| -> Result<Arc<dyn Dataset>, Error> {
        relabelled(task, Arc::new(ListFile::open(path)?), path)
    };
    let split = |problem: String| Error::Split { task: task.name(), problem };
    let (train800, val200, train1000) = if both.is_file() {
        let all = open(&both)?;
        if all.len() != 1000 {
            return Err(split(format!("{} names {} images, not 1000", both.display(), all.len())));
        }
        (pick(&all, 0..800), pick(&all, 800..1000), all)
    } else {
        let (train, val) = (open(&train)?, open(&val)?);
        if (train.len(), val.len()) != (800, 200) {
            return Err(split(format!(
                "the lists name {} and {} images, not 800 and 200",
                train.len(),
                val.len()
            )));
        }
        let joined = splits::joined(train.clone(), val.clone());
        (train, val, joined)
    };
    let test = open(&test)?;
    same_classes(task, &train1000, &test)?;
    let (test, whole) = limited(test, options.limit);
    let official = task.info().sizes.is_none_or(|sizes| sizes.test == test.len()) && whole;
    let description = format!(
        "the 1000 examples (first 800, last 200) and {} test images of the file lists in {}{}",
        test.len(),
        folder.display(),
        if official { "" } else { "; the test set is not VTAB's, whole" }
    );
    Ok(Some(TaskData {
        task,
        train800,
        val200,
        train1000,
        trainval1000: None,
        test,
        official_train: true,
        official_test: official,
        stand_in: false,
        description,
        place: folder.into(),
    }))
}

/// Errs unless two splits mean the same by their labels.
fn same_classes(task: Task, one: &Arc<dyn Dataset>, other: &Arc<dyn Dataset>) -> Result<(), Error> {
    let different = one.classes().iter().zip(other.classes()).find(|(one, other)| one != other);
    different.map_or(Ok(()), |(one, other)| {
        let problem = format!("a class is called `{one}` in the training data and `{other}` in others");
        Err(Error::Split { task: task.name(), problem })
    })
}

/// The splits of a mirror, whose labels are the task's.
fn mirror(folder: &Path, task: Task) -> Result<Whole, Error> {
    let open = |names: &[&str]| -> Result<Option<Arc<dyn Dataset>>, Error> {
        for name in names {
            let path = folder.join(name);
            match visrep_data::open(&path) {
                Ok(data) => return relabelled(task, data, &path).map(Some),
                Err(visrep_data::Error::Io { path: at, .. }) if at == path => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    };
    let unknown = |what: &str| Error::Split {
        task: task.name(),
        problem: format!(
            "{} is there and is not known: it has neither VTAB-1k's lists, nor the dataset as it is published, nor a {what} \
             split (a folder of images, Parquet or tar files)",
            folder.display()
        ),
    };
    let train = open(&["train", "training"])?.ok_or_else(|| unknown("train"))?;
    let val = open(&["val", "validation", "valid"])?;
    let test = match open(&["test"])? {
        Some(test) => test,
        // Where nothing else is there to test on.
        None => val.clone().ok_or_else(|| unknown("test"))?,
    };
    let val = val.filter(|val| !Arc::ptr_eq(val, &test));
    for other in val.iter().chain([&test]) {
        same_classes(task, &train, other)?;
    }
    Ok(Whole {
        train,
        val,
        test,
        origin: Origin::Mirror,
        note: format!("the splits of {}", folder.display()),
    })
}
