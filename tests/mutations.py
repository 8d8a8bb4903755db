"""Deliberate mistakes in the science of the project: is each noticed by a fast test? Not part of `make test`.

python -m tests.mutations [WORD...] makes each mistake (those whose description holds a word) in a copy of the project,
runs the tests named beside it, and says which mistakes they did not notice.
"""

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, environment


@dataclass(frozen=True)
class Mutation:
    """In ``file``, the text ``old`` (which stands there once) becomes ``new``; ``tests`` should notice."""

    what: str
    file: str
    old: str
    new: str
    tests: str


def mutations() -> list[Mutation]:
    """All mistakes, by the file that they are made in."""
    found = []
    for file, tests, mistakes in MISTAKES:
        found += [Mutation(what, file, old, new, tests) for what, old, new in mistakes]
    return found


PYTEST = "import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
# pytest's exit codes where a test fails, or cannot even be collected.
FAILURES = (1, 2)
EPOCH = "tests/training/test_epoch.py tests/training/test_recipe.py tests/training/test_program.py"
MISTAKES: list[tuple[str, str, list[tuple[str, str, str]]]] = [
    (
        "pipeline/networks/training_form.py",
        "tests/networks/test_training_form.py tests/networks/test_frequencies.py",
        [
            ("dropout at another rate", "round(rate * 2**32)", "round(rate * 2**31)"),
            ("dropout with another scale", "1 / (1 - rate)", "1 / rate"),
            ("dropout keeps what it should drop", ">= thresholds[self._index]", "< thresholds[self._index]"),
            ("dropout does not scale", "inputs * tf.cast(scales[self._index], inputs.dtype)", "inputs"),
            ("every layer drops alike", "Use.DROPOUT + self._index", "Use.DROPOUT"),
            ("every layer takes the first rate", "thresholds[self._index]", "thresholds[0]"),
            ("dropout in validation", "        if not training:\n            return inputs\n", ""),
            ("bfloat16 rounds the scale of images", "isinstance(layer, keras.layers.Rescaling) or ", ""),
            ("bfloat16 rounds the logits", '(("frequencies", "logits"))', '("frequencies")'),
            ("bfloat16 rounds frequencies", '(("frequencies", "logits"))', '("logits")'),
            ("bfloat16 is not used", '"float32" if exact else policy', '"float32"'),
            (
                "penalties are of other weights",
                "found[places[id(layer.kernel)]]",
                "found[places[id(layer.kernel)] + 1]",
            ),
        ],
    ),
    (
        "pipeline/networks/training_form.py",
        "tests/training/test_program.py",
        [("normalisation as Keras computes it", "len(layer.output.shape) in (2, 4)", "len(layer.output.shape) == 4")],
    ),
    (
        "pipeline/networks/fast_layers.py",
        "tests/networks/test_fast_layers.py",
        [
            ("the kernel is not turned", "tf.reverse(kernel, [0, 1])", "tf.identity(kernel)"),
            (
                "a border of another size",
                "[down // 2, down // 2], [right // 2, right // 2]",
                "[right // 2, right // 2], [down // 2, down // 2]",
            ),
            ("products of the same place", "left : left + width]", "0 : width]"),
            ("the estimate is taken for the variance", "seen_variance *= (count - 1) / count", ""),
            (
                "another momentum",
                "mean * self.momentum + seen_mean * (1 -",
                "mean * (1 - self.momentum) + seen_mean * (0 +",
            ),
            (
                "normalised by the batch in validation",
                "        if not (training and self.trainable):\n            return tf",
                "        if False:\n            return tf",
            ),
            (
                "no scale",
                "tf.convert_to_tensor(self.gamma) if self.scale else tf.ones_like(mean)",
                "tf.ones_like(mean)",
            ),
            (
                "no offset",
                "tf.convert_to_tensor(self.beta) if self.center else tf.zeros_like(mean)",
                "tf.zeros_like(mean)",
            ),
        ],
    ),
    (
        "pipeline/networks/draws.py",
        "tests/networks/test_draws.py",
        [
            ("one key for all steps", "hashed(keys[0] + step), hashed(keys[1] ^ hashed(step))", "keys[0], keys[1]"),
            ("one key of 32 bits", "hashed(hashed(places + inner) ^ outer)", "hashed(places + inner)"),
            ("each device draws the same", " + self._first * tf.constant(each, tf.uint32)", ""),
            ("uses share their words", "number = tf.constant(use, tf.uint32)", "number = tf.constant(0, tf.uint32)"),
            ("the last number is never drawn", "tf.constant(limit, tf.uint64)", "tf.constant(limit - 1, tf.uint64)"),
        ],
    ),
    (
        "pipeline/networks/initial_weights.py",
        "tests/networks/test_initial_weights.py",
        [
            ("weights twice as wide", "np.sqrt(6 /", "np.sqrt(24 /"),
            ("He instead of Glorot", "(inputs + outputs)", "inputs"),
            ("the window does not count", "math.prod(window) * (inputs + outputs)", "(inputs + outputs)"),
            ("nothing is handed on", "if id(variable) in convolutions and", "if False and"),
            ("all kernels hand on", "if id(variable) in convolutions and", "if window and"),
            ("handed on to a neighbour", "(side // 2 for side in window)", "(0 for side in window)"),
            ("every layer begins alike", "Purpose.WEIGHTS, index)", "Purpose.WEIGHTS, 0)"),
            ("every seed begins alike", "generator(seed, Purpose.WEIGHTS", "generator(100, Purpose.WEIGHTS"),
            ("the variance begins at zero", '"moving_variance": 1.0', '"moving_variance": 0.0'),
            ("the scale begins at zero", '"gamma": 1.0', '"gamma": 0.0'),
            ("the bias begins at one", '"bias": 0.0', '"bias": 1.0'),
        ],
    ),
    (
        "pipeline/networks/dense.py",
        "tests/networks/test_dense.py",
        [
            ("images are not scaled", "Rescaling(1 / 255", "Rescaling(1 / 1"),
            ("no activation", 'kinds.Dense(width, "relu", ', "kinds.Dense(width, "),
            ("the penalty of another layer", "keras.regularizers.L2(penalty)", "keras.regularizers.L2(l2[0])"),
            ("the rate of another layer", "kinds.Dropout(rate,", "kinds.Dropout(dropout[-1],"),
            (
                "normalised after the activation",
                "kinds.Dense(width, use_bias=False,",
                'kinds.Dense(width, "relu", use_bias=False,',
            ),
            ("another momentum of normalisation", "momentum=0.9, epsilon=1e-3", "momentum=0.99, epsilon=1e-3"),
        ],
    ),
    (
        "pipeline/networks/frequencies.py",
        "tests/networks/test_frequencies.py",
        [
            ("the average is twice too large", "rows[0] /= np.sqrt(2)", "rows[0] /= 1"),
            ("places begin at zero", "np.arange(size) + 0.5", "np.arange(size)"),
            ("colours are not transformed", "colours = cosines(channels, channels)", "colours = np.eye(channels)"),
            ("frequencies are trained", "use_bias=False, trainable=False", "use_bias=False"),
            ("every frequency varies alike", "EPSILON = 0.1", "EPSILON = 1e-3"),
            ("frequencies are not normalised", "center=False, scale=False, momentum=0.9", "trainable=False"),
        ],
    ),
    (
        "pipeline/networks/convolutional.py",
        "tests/networks/test_convolutional.py",
        [
            ("whitening forgets the mean", "-mean @ kernel", "0 * mean @ kernel"),
            ("whitening is not scaled", "directions / np.sqrt(variances + EPSILON)", "directions"),
            ("no opposite channels", "np.hstack([whitened, -whitened])", "np.hstack([whitened, whitened])"),
            ("whitening is trained", "trainable=not whitening", "trainable=True"),
            ("small variances are whitened less", "EPSILON = 5e-4", "EPSILON = 1e-3"),
            ("small variances are whitened more", "EPSILON = 5e-4", "EPSILON = 0"),
            ("another padding", 'padding="same"', 'padding="valid"'),
            ("the mean of each four", "layers.MaxPooling2D(", "layers.AveragePooling2D("),
            ("the mean of all places", "layers.GlobalMaxPooling2D(", "layers.GlobalAveragePooling2D("),
            ("logits begin large", "LOGITS_SCALE = 1 / 9", "LOGITS_SCALE = 1"),
            ("the normalisation forgets slowly", "momentum=0.6", "momentum=0.9"),
            (
                "another activation",
                'layers.Activation("relu", name=f"{name}_activation")',
                'layers.Activation("gelu", name=f"{name}_activation")',
            ),
        ],
    ),
    (
        "pipeline/networks/cost.py",
        "tests/networks/test_cost.py",
        [
            ("the places of a convolution do not count", ", *layer.output.shape[1:-1]", ""),
            ("fixed kernels have a gradient", "(1 + layer.trainable + trained_before)", "(2 + trained_before)"),
            (
                "the first layer has a gradient of its input",
                "total, trained_before = 0, False",
                "total, trained_before = 0, True",
            ),
        ],
    ),
    (
        "pipeline/networks/saving.py",
        "tests/networks/test_saving.py",
        [("class names in another order", "list(class_names)}", "sorted(class_names, reverse=True)}")],
    ),
    (
        "pipeline/training/optimisers.py",
        "tests/training/test_optimisers.py",
        [
            ("another epsilon", "0.9, 0.999, 1e-7", "0.9, 0.999, 1e-3"),
            ("another beta", "0.9, 0.999, 1e-7", "0.9, 0.99, 1e-7"),
            ("biases decay too", "if is_kernel and recipe.weight_decay", "if recipe.weight_decay"),
            (
                "decay without the rate",
                "weight * (learning_rate * recipe.weight_decay)",
                "weight * recipe.weight_decay",
            ),
            (
                "the factor on kernels",
                "if not is_kernel and recipe.bias_rate_factor",
                "if is_kernel and recipe.bias_rate_factor",
            ),
            ("momentum without Nesterov", "use_nesterov=True", "use_nesterov=False"),
            ("the second moment is corrected as the first", "tf.pow(BETA_2, step)", "tf.pow(BETA_1, step)"),
        ],
    ),
    (
        "pipeline/training/schedules.py",
        "tests/training/test_schedules.py",
        [
            (
                "a linear cosine",
                'left = 1 - done if recipe.schedule == "linear" else (1 + np.cos(np.pi * done)) / 2',
                "left = 1 - done",
            ),
            ("falls to zero", "recipe.final_rate + (1 - recipe.final_rate) * left", "left"),
            (
                "the rate of an epoch, not a step",
                "len(val_losses) * batches + np.arange(batches)",
                "len(val_losses) * batches + np.zeros(batches)",
            ),
            ("a third instead of a half", "learning_rate / 2, 0", "learning_rate / 3, 0"),
            ("flat epochs are never forgotten", "(loss, 0) if loss < best", "(loss, flat) if loss < best"),
        ],
    ),
    (
        "pipeline/training/augmentation.py",
        "tests/training/test_augmentation.py",
        [
            ("flips never alternate", "chance + tf.cast(epoch, tf.uint32)", "chance"),
            (
                "every seed mirrors the same",
                "tf.cast(rows, tf.uint32) + keys[0]) ^ keys[1]",
                "tf.cast(rows, tf.uint32))",
            ),
            ("half of the seed mirrors", "tf.uint32) + keys[0]) ^ keys[1]", "tf.uint32) + keys[0])"),
            (
                "upside down",
                "right = tf.where(_mirrored(recipe, rows, draws, keys, epoch)[:, None], width - 1 - right, right)",
                "down = tf.where(_mirrored(recipe, rows, draws, keys, epoch)[:, None], height - 1 - down, down)",
            ),
            ("shifts to one side", "- recipe.shift\n", "\n"),
            ("a border that is repeated, not reflected", "2 * (size - 1) - places", "size - 1 + 0 * places"),
            ("both shifts alike", "right + shifts[:, 1:]", "right + shifts[:, :1]"),
            ("a larger square", "place < first + size", "place <= first + size"),
            ("squares on the diagonal", "Use.CUTOUT + axis", "Use.CUTOUT"),
            ("shares below a half", "np.maximum(drawn, np.subtract(1, drawn))", "np.asarray(drawn)"),
            ("mixed with itself", "tf.cast(tf.reverse(batch, [0]), tf.float32)", "tf.cast(batch, tf.float32)"),
        ],
    ),
    (
        "pipeline/training/models.py",
        "tests/training/test_models.py",
        [
            ("whitened by other images", "whiten(model, train.images)", "whiten(model, train.images[::2])"),
            ("nothing whitens", "convolutional.whiten(model, train.images)", "pass"),
            ("no frequencies", "frequencies.fix(model)", "pass"),
        ],
    ),
    (
        "pipeline/training/program.py",
        EPOCH,
        [
            ("the filling counts", "place + tf.range(share) < labels.shape[0]", "place + tf.range(share) < 10**9"),
            ("no penalty on the weights", "gradient += 2 * l2[self._penalised.index(index)] * weight", "pass"),
            ("half the penalty's gradient", "2 * l2[self._penalised", "1 * l2[self._penalised"),
            ("the penalty is no part of the loss", "parts.append(l2[index] *", "parts.append(0 * l2[index] *"),
            (
                "dropout in validation",
                "self._judged(images[start : start + VALIDATION_BATCH], training=False)",
                "self._model(images[start : start + VALIDATION_BATCH], training=True)",
            ),
            (
                "normalisation as in validation",
                "self._model(pixels, training=True)",
                "self._model(pixels, training=False)",
            ),
            ("steps are counted from zero", "tf.cast(step + 1, tf.float32), rates", "tf.cast(step, tf.float32), rates"),
            (
                "slots are carried to the next seed",
                "np.zeros(slot.shape, np.float32) for slots in self._slots for slot in slots",
                "slot.numpy() for slots in self._slots for slot in slots",
            ),
            (
                "averages of trained weights alone",
                "zip(self._averages, self._weights, strict=True):\n            average",
                "zip(self._averages, self._trained, strict=False):\n            average",
            ),
            ("an average that moves at every step", "tf.where(steps % every == 0, decay, 1.0)", "decay"),
            ("an average with another beginning", "moves / (9 + moves)", "moves / (99 + moves)"),
            (
                "labels smoothed twice",
                "(1 - smoothing) * losses - smoothing *",
                "(1 - smoothing) * losses - 2 * smoothing *",
            ),
            (
                "mixup without the partner's label",
                "share * own + (1 - share) * tf.reverse(own, [0])",
                "own",
            ),
            (
                "mixup without smoothed labels",
                "(1 - smoothing) * mixed + smoothing / classes",
                "mixed",
            ),
            (
                "all trials have the first one's penalty",
                "self._validate_compiled(data, l2)",
                "self._validate_compiled(data, 0 * l2)",
            ),
            ("validated in float32", "logits_model(model, recipe.precision) if", "logits_model(model) if"),
            (
                "the averages are not validated",
                "self._judge(self._averages)",
                "self._judge(self._weights)",
            ),
            (
                "the averages are not kept",
                "for variable in self._averages or self._weights]",
                "for variable in self._weights]",
            ),
        ],
    ),
    (
        "pipeline/training/epoch.py",
        EPOCH + " tests/training/test_trainer.py",
        [
            ("one order for all epochs", "Purpose.ORDER, epoch)", "Purpose.ORDER, 0)"),
            ("one order for all seeds", "generator(seed, Purpose.ORDER", "generator(100, Purpose.ORDER"),
            ("dropout is the same for all seeds", "generator(seed, Purpose.STEP", "generator(100, Purpose.STEP"),
            (
                "the last batch weighs as much as the others",
                "sizes.append(self._train.count - sum(sizes))",
                "sizes.append(self._batch_size)",
            ),
            (
                "validated on the training images",
                "self._program.validate(self._val",
                "self._program.validate(self._train",
            ),
        ],
    ),
    (
        "pipeline/training/trainer.py",
        "tests/training/test_trainer.py",
        [
            (
                "the worst epoch is kept",
                "return min(self.epochs, key=lambda epoch: epoch.val.loss)",
                "return max(self.epochs, key=lambda epoch: epoch.val.loss)",
            ),
            ("chosen by the training loss", "key=lambda epoch: epoch.val.loss", "key=lambda epoch: epoch.train.loss"),
            (
                "one epoch more of patience",
                "self._history.best_epoch >= patience",
                "self._history.best_epoch > patience",
            ),
            (
                "the last weights are kept",
                "self._best_weights if self._keeps_best else self._epoch.weights",
                "self._epoch.weights",
            ),
            ("what is restored forgets its batches", 'tuple(metadata["progress"]["losses"])', "()"),
        ],
    ),
    (
        "pipeline/training/epoch.py",
        "tests/training/test_run.py",
        [("scores of the other split", "score(weights, self._train.", "score(weights, self._val.")],
    ),
    (
        "pipeline/training/run.py",
        "tests/training/test_run.py",
        [
            (
                "validation and training exchanged",
                "DeviceDataset(train), DeviceDataset(val)",
                "DeviceDataset(val), DeviceDataset(train)",
            ),
            (
                "the last weights are scored, not those that are kept",
                "epoch.score_on_train(trainer.kept_weights)",
                "epoch.score_on_train(epoch.weights)",
            ),
            ("every seed is the first", "Trainer(epoch, recipe, seed,", "Trainer(epoch, recipe, 100,"),
            ("another model is saved", "model.set_weights(trainer.kept_weights)", "pass"),
            (
                "the saved model is not compared",
                "_check_agreement(run.model(seed), val_scores",
                "(lambda *_: None)(run.model(seed), val_scores",
            ),
            ("the cost of one epoch", " * len(history.epochs),", ","),
        ],
    ),
    (
        "pipeline/evaluation/classification.py",
        "tests/evaluation",
        [("averages of classes are not weighted", '"weighted avg"', '"macro avg"')],
    ),
    (
        "pipeline/evaluation/calibration.py",
        "tests/evaluation",
        [("errors of bins are not weighted", "sum(entry.count * abs", "sum(abs")],
    ),
    (
        "pipeline/evaluation/statistics.py",
        "tests/evaluation",
        [("the deviation of a population", "ddof=1", "ddof=0")],
    ),
    (
        "pipeline/evaluation/comparison.py",
        "tests/evaluation/test_comparison.py tests/reporting/test_comparisons.py",
        [
            ("one run's spread counts for both", "second.std / math.sqrt(second.n)", "first.std / math.sqrt(first.n)"),
            ("equal spreads are assumed", "_freedom((errors[0] / error) ** 2, *n))", "sum(n) - 2)"),
            ("the test has one side", "abs(difference) / error, freedom)", "abs(difference) / error, freedom) / 2"),
            (
                "pairs are two groups",
                "differences.std / math.sqrt(differences.n), differences.n - 1",
                "differences.std / math.sqrt(differences.n), 4",
            ),
            ("Bonferroni instead of Holm", "(comparisons - place) * p[name]", "comparisons * p[name]"),
            ("a corrected p may fall", "least = max(least, min(", "least = max(0.0, min("),
            ("the smallest difference assumes equal measured spreads", "_freedom(share, n, n)", "_freedom(0.5, n, n)"),
        ],
    ),
    (
        "pipeline/reporting/comparisons.py",
        "tests/reporting/test_comparisons.py",
        [
            (
                "comparisons that were not made do not count",
                "holm(computed, declared)",
                "holm(computed, len(computed))",
            ),
            ("verdicts without a correction", "if self.holm_p >= SIGNIFICANCE", "if self.comparison.p >= SIGNIFICANCE"),
        ],
    ),
    (
        "pipeline/images/splitting.py",
        "tests/images/test_splitting.py",
        [
            ("the split is not stratified", ", stratify=split.labels", ""),
            (
                "the two parts are exchanged",
                "return split.rows(first), split.rows(second)",
                "return split.rows(second), split.rows(first)",
            ),
            (
                "every seed splits alike",
                "test_size=fraction, random_state=seed",
                "test_size=fraction, random_state=100",
            ),
            ("folds are not stratified", "import StratifiedKFold,", "import KFold as StratifiedKFold,"),
            ("folds in the order of the images", "shuffle=True, random_state=seed", "shuffle=False"),
            ("every seed has the same folds", "shuffle=True, random_state=seed", "shuffle=True, random_state=100"),
            ("every fold is the first", "list(folds)[number - 1]", "list(folds)[0]"),
            ("a fold is trained on what it is validated on", "train, val = list(folds)", "val, train = list(folds)"),
        ],
    ),
    (
        "pipeline/evaluation/group.py",
        "tests/evaluation/test_group.py",
        [
            (
                "the test scores are those of validation",
                '"test": over_seeds([seed.test for seed in seeds])',
                '"test": over_seeds([seed.metrics["val"] for seed in seeds])',
            ),
            (
                "the ensemble is the first seed",
                "decided([seed.probabilities for seed in seeds])",
                "decided([seeds[0].probabilities])",
            ),
            (
                "train and val change places in the curves",
                '"train": over_seeds([seed.metrics["train"]',
                '"train": over_seeds([seed.metrics["val"]',
            ),
            (
                "the members of an ensemble are chosen by the test images",
                "members = chosen(val_labels, on_val)",
                "members = chosen(test_labels, on_test)",
            ),
            (
                "every candidate is a member",
                "members = chosen(val_labels, on_val)",
                "members = list(on_val)",
            ),
            (
                "a run is its first seed in an ensemble",
                "[own[of] for own in seeds]",
                "[own[of] for own in seeds[:1]]",
            ),
            (
                "at one look the scores are those of all looks",
                "scores(labels, at_one_look.argmax(axis=1))",
                "scores(labels, predicted)",
            ),
        ],
    ),
    (
        "pipeline/networks/looks.py",
        "tests/networks/test_looks.py",
        [("all looks count alike", '_shifted(image), "average_shifted")', '[image], "average_shifted")')],
    ),
    (
        "pipeline/evaluate.py",
        "tests/evaluation/test_joining.py",
        [("rows without a part join the ensemble", "if run not in runs.compared(params)]", "]")],
    ),
    (
        "pipeline/search/trials.py",
        "tests/search",
        [
            (
                "the last score of a trial, not the best",
                "max((epoch.val.accuracy for epoch in epochs), default=0.0)",
                "epochs[-1].val.accuracy if epochs else 0.0",
            ),
            (
                "the winner of any rung",
                "highest = max(trial.max_epoch for trial in trained)",
                "highest = min(trial.max_epoch for trial in trained)",
            ),
            (
                "the worst wins",
                "return max((trial for trial in trained if",
                "return min((trial for trial in trained if",
            ),
        ],
    ),
    (
        "pipeline/reporting/results.py",
        "tests/reporting",
        [
            (
                "selected by the test images",
                'self.runs[run].val["accuracy"].mean',
                'self.runs[run].test["accuracy"].mean',
            ),
            ("the worst is selected", "return max(candidates, key=lambda run", "return min(candidates, key=lambda run"),
            ("what shows the worth of a part is selected", "if run not in self.compared]", "]"),
            ("the worst seed is selected", "return max(self.val_accuracies", "return min(self.val_accuracies"),
        ],
    ),
    (
        "pipeline/evaluation/ensemble.py",
        "tests/evaluation/test_ensemble.py",
        [
            (
                "the surest member decides",
                "np.mean(members, axis=0, dtype=np.float64)",
                "np.max(members, axis=0)",
            ),
            ("a member that changes nothing joins", "<= reached", "< reached"),
            ("the worst joins", "best = max(others", "best = min(others"),
            (
                "the best by itself joins",
                "key=lambda name: accuracy([*members, name])",
                "key=lambda name: accuracy([name])",
            ),
        ],
    ),
    (
        "pipeline/reporting/parts.py",
        "tests/reporting/test_parts.py",
        [
            ("the base run less the row", "of_runs(results, row, base)", "of_runs(results, base, row)"),
            ("rows that were not run do not count", "compared, len(rows)", "compared, len(compared)"),
            ("the rows of all base runs count", "compared, len(rows)", "compared, len(results.compared)"),
            ("at one look the models are those of all looks", '"one-look").astype', '"test").astype'),
            ("at one look is no comparison more", " + (ONE_LOOK in compared)", ""),
        ],
    ),
    (
        "pipeline/reporting/cost.py",
        "tests/reporting/test_cost.py",
        [("the study trained as long as this project", "cost(run) * section.images_trained", "cost(run) * 200")],
    ),
    (
        "pipeline/reporting/published.py",
        "tests/reporting/test_cost.py",
        [("an operation is a multiply-add", 'entry["operations"] / 2', 'entry["operations"]')],
    ),
    (
        "pipeline/files/dataset.py",
        "tests/files/test_dataset.py",
        [("training and validation exchanged", 'load("train"), load("val")', 'load("val"), load("train")')],
    ),
    (
        "pipeline/params/folds.py",
        "tests/params/test_folds.py",
        [
            ("a fold may be missing", "range(1, folds[name].of + 1)", "range(1, folds[name].of)"),
            ("folds of different numbers", 'for key in ("group", "of")', 'for key in ("group",)'),
        ],
    ),
    (
        "pipeline/params/runs.py",
        "tests/params/test_runs.py",
        [
            (
                "scale takes the rate of the baseline",
                "_recipe(train, params.scale.learning_rate)",
                "_recipe(train, 1e-3)",
            ),
            (
                "dropout after every layer",
                "dropout=tuple(dropout if layer in dropped else 0.0 for layer in layers)",
                "dropout=tuple(dropout for layer in layers)",
            ),
            (
                "regularise takes the ablation's values",
                'params.reg if run.group == "regularise"',
                'params.ablation if run.group == "regularise"',
            ),
            (
                "one penalty for all layers of a winner",
                'l2=tuple(of(layer, "l2") for layer in layers)',
                'l2=tuple(of(1, "l2") for layer in layers)',
            ),
        ],
    ),
]


def exit_code(tests: str, mutation: Mutation | None = None) -> int:
    """That of pytest on ``tests`` in a copy of the project, with or without a mistake.

    Raises ValueError where the text that the mistake replaces is not in its file once.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        ignored = shutil.ignore_patterns(".git", ".venv", ".dvc", "data", "models", "logs", "*_cache", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        if mutation is not None:
            path = copy / mutation.file
            text = path.read_text(encoding="utf-8")
            if text.count(mutation.old) != 1:
                raise ValueError(
                    f"{mutation.what}: {mutation.file} has {mutation.old!r} {text.count(mutation.old)} times"
                )
            path.write_text(text.replace(mutation.old, mutation.new), encoding="utf-8")
        words = ["-x", "-q", "-p", "no:cacheprovider", "-n", "0", *tests.split()]
        started = subprocess.run(
            ["python", "-c", PYTEST, *words], cwd=copy, env=environment(), capture_output=True, check=False
        )
        return started.returncode


def main() -> None:
    """Print each mistake and whether it was noticed; the exit code is 1 where one was not."""
    words = sys.argv[1:]
    chosen = [one for one in mutations() if not words or any(word in f"{one.file} {one.what}" for word in words)]
    # Tests that fail by themselves would notice everything.
    for tests in sorted({mutation.tests for mutation in chosen}):
        if exit_code(tests) != 0:
            sys.exit(f"{tests}: fails without any mistake")
    missed = 0
    for number, mutation in enumerate(chosen, start=1):
        found = exit_code(mutation.tests, mutation) in FAILURES
        missed += not found
        print(
            f"{number}/{len(chosen)} {'noticed' if found else 'MISSED '} {mutation.file}: {mutation.what}", flush=True
        )
    print(f"{len(chosen) - missed} of {len(chosen)} mistakes were noticed")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
