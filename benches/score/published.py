"""Published figures computed again from published predictions, by `visrep score`.

    python benches/score/published.py --visrep target/debug/visrep --data DIR [--testbed DIR] [--robustbench DIR]

DIR holds real/ (real.json of google-research/reassessed-imagenet; val-top1.csv with the columns val_index, alexnet, resnet50, the
predictions that ImageNetV2 publishes for the original validation images), bapps/ (the results of abhijay9/ShiftTolerant-LPIPS) and
effective-robustness/robustness_top1s.csv of modestyachts/imagenet-testbed. --testbed and --robustbench are clones of
modestyachts/imagenet-testbed and RobustBench/robustbench; without one, its rows are left out. Needs Python alone. Prints a table, and
fails when a figure is not the published one to the digits that were published.
"""

import argparse
import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--visrep", type=Path, required=True)
parser.add_argument("--data", type=Path, required=True)
parser.add_argument("--testbed", type=Path)
parser.add_argument("--robustbench", type=Path)
options = parser.parse_args()
folder = tempfile.TemporaryDirectory()
rows = []


def write(name, header, lines):
    path = Path(folder.name, name)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *lines])
    return str(path)


def score(suite, *arguments):
    command = [options.visrep, "score", suite, *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def check(figure, ours, published):
    """`published` is a text: its digits say how far the figure is known."""
    digits = len(published.partition(".")[2])
    rows.append((figure, f"{ours:.{digits + 2}f}", published, abs(ours - float(published)) <= 0.5001 * 10**-digits))


real = list(csv.DictReader((options.data / "real/val-top1.csv").open()))
for model, published in [("alexnet", "63.061"), ("resnet50", "82.958")]:
    predictions = write("p.csv", ["val_index", "prediction"], [(row["val_index"], row[model]) for row in real])
    found = score("imagenet-real", "--predictions", predictions, "--labels", options.data / "real/real.json")
    check(f"ReaL, {model}", 100 * found["accuracy"], published)
    check(f"ReaL, {model}, images", found["n"], "46837")

for part, human, oracle in [("traditional", "80.84", "85.78"), ("frameinterp", "68.61", "75.97")]:
    lines = csv.reader((options.data / f"bapps/alex_shift_tolerant-{part}.csv").open())
    found = score("bapps-2afc", "--distances", write("d.csv", ["path", "d0", "d1", "score", "judge"], lines))
    check(f"BAPPS {part}, human", 100 * found["human"], human)
    check(f"BAPPS {part}, oracle", 100 * found["oracle"], oracle)

VTAB = """caltech101 cifar100 dtd flowers102 pets svhn sun397 patch_camelyon eurosat resisc45 diabetic_retinopathy clevr_count
clevr_distance dmlab kitti_distance dsprites_location dsprites_orientation smallnorb_azimuth smallnorb_elevation""".split()
PUBLISHED = {  # docs/data/results.csv of google-research/task_adaptation, 1000 examples
    "Sup-100%": ("90.95 57.03 66.01 88.61 89.87 87.32 34.41 80.61 95.31 80.84 73.20 40.96 56.11 36.29 70.57 85.73 45.96 45.74 35.44", "66.37"),
    "From-Scratch": ("38.24 13.17 20.58 40.22 12.06 66.07 5.02 75.62 84.95 42.63 72.57 38.85 55.19 26.56 42.71 78.43 39.15 30.08 37.61", "43.14"),
    "Rotation": ("77.63 27.32 51.44 68.75 48.31 89.39 12.85 80.39 93.50 69.44 70.93 45.55 60.93 40.42 75.95 89.62 49.53 52.19 44.34", "60.45"),
}
for name, (accuracies, published) in PUBLISHED.items():
    found = score("vtab", "--results", write("r.csv", ["task", "accuracy"], zip(VTAB, accuracies.split(), strict=True)))
    check(f"VTAB, {name}, mean of 19", 100 * found["mean_19"], published)

if options.testbed:
    types = (options.testbed / "plotting/model_types.py").read_text()
    standard = set(re.findall(r"'([^']+)': ModelTypes.STANDARD", types))
    table = options.data / "effective-robustness/robustness_top1s.csv"
    # The fit is of standard models of at least 55 % on all data; `val` of the rest is not looked at.
    chosen = [
        row["model"] for row in csv.DictReader(table.open())
        if row["model"] in standard and not re.search("subsample|aws|batch64", row["model"]) and float(row["val"] or 0) >= 55
    ]
    baseline = "^(" + "|".join(map(re.escape, chosen)) + ")$"
    y = "imagenetv2-matched-frequency-format-val"
    found = score("effective-robustness", "--table", table, "--x", "val", "--y", y, "--baseline", baseline)
    for name, published in [("slope", ".92323"), ("intercept", "-.49769"), ("r2", ".99605"), ("n", "85")]:
        check(f"ImageNetV2, {name}", found[name], published)
    for model, published in [("resnet50", "-.738"), ("resnet152", ".295"), ("vit_b_32_clip_zeroshot", "5.629")]:
        check(f"ImageNetV2, rho of {model}", found["rho"][model], published)

if options.robustbench:
    results = options.robustbench / "model_info/imagenet/corruptions"
    names, severities, *models = csv.reader((results / "unaggregated_results.csv").open())
    errors = {
        model: write(f"{model}.csv", ["corruption", "severity", "error"], [(c, s, f"{1 - float(a):.6f}") for c, s, a in zip(names[1:], severities[1:], accuracies)])
        for model, *accuracies in models
    }
    for model in ["AlexNet", "Standard_R50"]:
        published = json.loads((results / f"{model}.json").read_text())["corruptions_mce"]
        found = score("imagenet-c", "--errors", errors[model], "--baseline", errors["AlexNet"])
        check(f"RobustBench, {model}, mCE by its own AlexNet", found["mce"], published)

print("| figure | visrep score | published | |\n|---|---|---|---|")
for figure, ours, published, equal in rows:
    print(f"| {figure} | {ours} | {published} | {'' if equal else 'DIFFERS'} |")
sys.exit(any(not equal for *_, equal in rows))
