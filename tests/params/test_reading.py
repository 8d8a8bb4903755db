import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import dumps_yaml, modify_yaml, parse_yaml_for_update

from pipeline.files.errors import UserError
from pipeline.params import reading
from tests.conftest import ROOT


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    return path


def load(file: Path) -> reading.Params:
    return reading.load(*reading.SECTIONS, path=file)


def change(file: Path, name: str, value: object) -> None:
    content = yaml.safe_load(file.read_text())
    section, leaf = name.split(".")
    content[section][leaf] = value
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("spelled", "value"),
    [("1e-4", 1e-4), ("1e-05", 1e-5), ("3e-07", 3e-7), ("1", 1.0), ("0.0001", 1e-4), ("1.0e-4", 1e-4), ("010", 10.0)],
)
def test_a_number_is_read_however_it_is_spelled(file: Path, spelled: str, value: float) -> None:
    file.write_text(file.read_text().replace("learning_rate: 1.0e-3", f"learning_rate: {spelled}"))
    assert load(file).baseline.learning_rate == value
    assert isinstance(load(file).baseline.learning_rate, float)


@pytest.mark.parametrize("value", [1e-4, 1e-5, 3e-7, 1, 0.0001])
def test_a_number_is_read_as_dvc_writes_it(file: Path, value: float) -> None:
    with modify_yaml(str(file)) as content:
        content["baseline"]["learning_rate"] = value
    assert load(file).baseline.learning_rate == float(value)


def leaves(content: Mapping[str, Any], *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no mapping, with the names that lead to it."""
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from leaves(value, *names, name)
        else:
            yield (*names, name), value


def others(value: Any) -> list[Any]:
    """What may stand instead of ``value``: of its kind, and for layers of the other, as fewer and more lines."""
    if isinstance(value, list):
        return [[7], [7.5e-05] * (len(value) + 2), *(["all"] if 2 in value else [])]
    if value == "all":
        return ["all of them", [1, 2]]
    return ["other text" if isinstance(value, str) else 1.2345e-05]


def sections(text: str) -> Iterator[str]:
    """The text of each section up to the name of the next, because comments between them belong to the former."""
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if line[0].isalpha()]
    for start, following in pairwise([*starts, len(lines)]):
        yield "".join(lines[start : following + 1])


def test_a_change_by_dvc_touches_only_the_lines_of_its_value() -> None:
    """Of every value of params.yaml; reading and writing are the two halves of modify_yaml, reading once for all."""
    wrong, changed = [], 0
    for text in sections((ROOT / "params.yaml").read_text(encoding="utf-8")):
        content = parse_yaml_for_update(text, "params.yaml")
        before = text.splitlines()
        for names, old in leaves(yaml.safe_load(text)):
            *parents, leaf = names
            section = content
            for name in parents:
                section = section[name]
            # Its lines are from first up to last, which is the first that is not.
            first = section.lc.key(leaf)[0]
            last = first + 1 + (len(old) if isinstance(old, list) else 0)
            kept = section[leaf]
            for new in others(old) if parents else []:
                section[leaf] = new
                after = dumps_yaml(content).splitlines()
                end = len(after) - (len(before) - last)
                beside = yaml.safe_load(before[first]).popitem()[1]
                expected = beside | {leaf: new} if isinstance(beside, dict) else new
                own = yaml.safe_load("\n".join(after[first:end])).popitem()[1]
                if (after[:first], own, after[end:]) != (before[:first], expected, before[last:]):
                    wrong.append(f"{'.'.join(names)} as {new}")
                changed += 1
            section[leaf] = kept
        assert dumps_yaml(content) == text
    assert wrong == []
    assert changed > 200


@pytest.mark.parametrize(
    ("edit", "line"),
    [
        ("train.epochs=5", "  epochs: 5"),
        ("reg.l2=3e-05", "  l2: 3e-05"),
        ("ablation.runs.dropout70.dropout=0.75", "    dropout70: {dropout: 0.75}"),
    ],
)
def test_what_exp_run_is_told_changes_one_line(file: Path, edit: str, line: str) -> None:
    """DVC writes every value anew when it is told one."""
    before = file.read_text().splitlines()
    apply_overrides(str(file), [edit])
    after = file.read_text().splitlines()
    assert [new for old, new in zip(before, after, strict=True) if old != new] == [line]


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        ("+scale.architectures.wide=[2048]", ["    wide:", "    - 2048"]),
        ("+ablation.runs.wide={units: [2048]}", ["    wide:", "      units:", "      - 2048"]),
        ("+tune.searches.small={factor: 3}", ["    small:", "      factor: 3"]),
        ("+beyond.runs.wide={units: [2048]}", ["    wide:", "      units:", "      - 2048"]),
        ("+folds.one={fold: 1}", ["  one:", "    fold: 1"]),
    ],
)
def test_what_exp_run_adds_stands_with_its_like_and_parts_no_section_from_its_comment(
    file: Path, edit: str, lines: list[str]
) -> None:
    before = file.read_text().splitlines()
    apply_overrides(str(file), [edit])
    after = file.read_text().splitlines()
    first = after.index(lines[0])
    assert after[first : first + len(lines)] == lines
    assert after[:first] + after[first + len(lines) :] == before
    above = next(line for line in reversed(after[:first]) if line)
    assert not above.lstrip().startswith("#")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("train.epochs", -1, "greater than or equal to 1"),
        ("train.epochs", 2.5, "a valid integer"),
        ("train.epochs", "many", "a number"),
        ("train.epochs", True, "a number"),
        ("train.epochs", "1:30", "a number"),
        ("train.epochs", "2024-13-01", "a number"),
        ("reg.dropout_after", [2, 4], "layers from 1 to 3"),
        ("reg.dropout_after", "some", "all, or a list of hidden layers"),
        ("reg.units", [], "a list of at least one number"),
        ("reg.dropout", 1, "less than or equal to 0.99"),
        ("reg.dropout", 0.9999999999, "less than or equal to 0.99"),
        ("reg.dropout", "0.5", "a number"),
        ("reg.dropout", -1e-3, "greater than or equal to 0"),
        ("reg.l2", 1e39, "0, or a number from 1.2e-38 to 3.4e+38, because networks compute in float32"),
        ("reg.l2", 1e-50, "0, or a number from 1.2e-38 to 3.4e+38"),
        ("reg.l2", 1e-39, "0, or a number from 1.2e-38 to 3.4e+38"),
        ("reg.l2", math.inf, "a finite number"),
        ("reg.l2", "a\nb", "a number"),
        ("baseline.learning_rate", 10**39, "0, or a number from 1.2e-38 to 3.4e+38"),
        ("train.epochs", 1e30, "less than 4294967296"),
        ("train.batch_size", 2**32, "less than 4294967296"),
        ("reg.units", [8] * 65, "at most 64 items"),
        ("beyond.widths", [8] * 5, "at most 4 items"),
        ("beyond.frequencies", True, "a number"),
        ("fetch.path", "/photos", "allowed where fetch.dataset is cifar10-jpeg: empty"),
        ("beyond.frequencies", 33, "less than or equal to 32"),
        ("beyond.average_every", 2**31, "less than 2147483648"),
        ("scale.architectures", {}, "at least 1 item"),
        ("train.seeds", [], "a list of at least one number"),
        ("train.seeds", 100, "a list of at least one number"),
        ("train.seeds", [1, 1], "seeds that differ"),
        ("train.seeds", [-1], "greater than or equal to 0"),
        ("train.seeds", [2**32], "less than"),
        ("train.threads", 1025, "less than or equal to 1024"),
        ("train.seeds", [100.0], "a valid integer"),
        ("train.seeds", [True], "a number"),
        ("train.seeds", {}, "a list of at least one number"),
        ("baseline.learning_rate", 0, "greater than 0"),
        ("baseline.learning_rate", "nan", "a number"),
        ("baseline.learning_rate", math.nan, "a finite number"),
        ("split.validation_fraction", 1, "less than 1"),
        ("fetch.dataset", "mnist", "'cifar10', 'cifar10-jpeg', 'digits' or 'folder'"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(file: Path, name: str, value: object, allowed: str) -> None:
    change(file, name, value)
    with pytest.raises(UserError) as caught:
        load(file)
    message = str(caught.value)
    assert name in message
    assert allowed in message
    shown = str(value).strip("[]").lower().encode("unicode_escape").decode()
    assert shown in message.lower() or len(shown) > 80
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("train.epochs", "a number"),
        ("train.seeds", "a list of at least one number"),
        ("reg.dropout_after", "all, or a list of hidden layers"),
    ],
)
def test_a_mapping_in_the_place_of_a_value_is_refused_as_a_value(file: Path, name: str, allowed: str) -> None:
    change(file, name, {"a": 1})
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: {name} is {{a: 1}}; allowed: {allowed}"


def test_a_folder_of_images_needs_its_path(file: Path) -> None:
    change(file, "fetch.dataset", "folder")
    with pytest.raises(UserError, match=r"fetch\.path is empty; allowed where fetch\.dataset is folder"):
        load(file)


def test_an_unknown_parameter_is_refused(file: Path) -> None:
    change(file, "train.epcohs", 5)
    with pytest.raises(UserError, match=r"unknown parameter train\.epcohs; allowed here: seeds, epochs, batch_size"):
        load(file)


def test_an_unknown_parameter_of_a_run_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace("dropout30: {dropout: 0.3}", "dropout30: {Dropout: 0.3}"))
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file}: unknown parameter ablation.runs.dropout30.Dropout; "
        "allowed here: units, l2, dropout, dropout_after, learning_rate, patience, reduce_lr_patience"
    )


def test_a_run_takes_from_the_section_what_it_does_not_name(file: Path) -> None:
    change(file, "ablation.l2", 0.125)
    change(file, "ablation.runs", {"inherits": {}, "overrides": {"l2": 0.5, "units": [8]}})
    found = load(file).ablation
    shared = found.model_dump(exclude={"runs"})
    assert shared["l2"] == 0.125
    assert found.runs["inherits"].model_dump() == shared
    assert found.runs["overrides"].model_dump() == shared | {"l2": 0.5, "units": (8,)}


def test_a_run_is_checked_with_what_it_takes_from_the_section(file: Path) -> None:
    change(file, "ablation.runs", {"narrow": {"units": [8, 8], "dropout_after": [3]}, "wide": {"dropout_after": [3]}})
    with pytest.raises(UserError) as caught:
        load(file)
    assert (
        str(caught.value) == f"{file}: ablation.runs.narrow.dropout_after is [3]; allowed: all, or layers from 1 to 2"
    )


@pytest.mark.parametrize("entry", [None, 5, [1]])
def test_a_run_that_is_no_mapping_is_refused(file: Path, entry: object) -> None:
    change(file, "ablation.runs", {"bare": entry})
    with pytest.raises(UserError, match=r"ablation\.runs\.bare is .*; allowed: a valid dictionary"):
        load(file)


def test_a_run_may_not_have_a_dot_in_its_name(file: Path) -> None:
    change(file, "scale.architectures", {"wide.er": [64]})
    with pytest.raises(UserError, match=r"scale\.architectures has the name 'wide\.er'; allowed: letters"):
        load(file)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a/b", "has the name 'a/b'; allowed: letters, digits, - and _"),
        ("..", "has the name '..'; allowed: letters"),
        ("-a", "has the name '-a'; allowed: letters"),
        ("a\n", r"has the name 'a\n'; allowed: letters"),
        ("é", "has the name 'é'; allowed: letters"),
        ("a" * 101, "aaa'; allowed: letters, digits, - and _, at most 100"),
        (100, "has the name 100, which is no text; allowed: a name in quotes"),
        (True, "has the name true, which is no text; allowed: a name in quotes"),
    ],
)
def test_a_name_that_is_not_fit_for_a_path_is_refused(file: Path, name: object, said: str) -> None:
    change(file, "scale.architectures", {name: [64]})
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: scale.architectures has the name")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("declaration", ["scale.architectures", "ablation.runs", "tune.searches", "beyond.runs"])
def test_names_that_some_systems_take_for_one_folder_are_refused(file: Path, declaration: str) -> None:
    section, leaf = declaration.split(".")
    entry = next(iter(yaml.safe_load(file.read_text())[section][leaf].values()))
    change(file, declaration, {"Deep": entry, "deep": entry})
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value) == (
        f"{file}: {declaration}.deep differs from Deep in capitals alone; allowed: a name that differs in more"
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  l2: 1.0e-5\n", "  l2: 1.0e-5\n  l2: 1.0e-4\n", 'line {second}: found duplicate key "l2"'),
        ("split:\n", "train:\n  epochs: 1\nsplit:\n", 'found duplicate key "train"'),
        ("{dropout: 0.3}", "{dropout: 0.3, dropout: 0.4}", 'found duplicate key "dropout"'),
        ("{dropout: 0.3}", "{<<: 5}", "expected a mapping or list of mappings for merging"),
        ("{dropout: 0.3}", "*elsewhere", "found undefined alias 'elsewhere'"),
        ("{dropout: 0.3}", "[" * 5000, "nested too deeply"),
        ("{dropout: 0.3}", "!!bool foo", "foo"),
        ("{dropout: 0.3}", '!!int ""', ""),
        ("split:\n", "---\nsplit:\n", "found another document"),
    ],
)
def test_what_ruamel_cannot_read_is_one_line_for_the_user(file: Path, old: str, new: str, said: str) -> None:
    before = file.read_text().partition(old)[0]
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file} is not YAML")
    assert said.replace("{second}", str(before.count("\n") + 2)) in str(caught.value)
    assert "https" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_merge_keys_and_aliases_are_followed(file: Path) -> None:
    text = file.read_text().replace("dropout30: {dropout: 0.3}", "dropout30: &thirty {dropout: 0.3}")
    file.write_text(text.replace("dropout50: {dropout: 0.5}", "dropout50: {<<: *thirty, l2: 0.125}"))
    merged = load(file).ablation.runs["dropout50"]
    assert (merged.dropout, merged.l2) == (0.3, 0.125)


def test_aliases_of_aliases_do_not_make_a_message_endless(file: Path) -> None:
    names = "abcdefghijklmnop"
    bomb = "".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(names))
    file.write_text(f"a: &a [1]\n{bomb}" + file.read_text().replace("  l2: 1.0e-5\n", "  l2: *p\n"))
    with pytest.raises(UserError, match=r"reg\.l2 is \[\[\[.*unknown parameter p;") as caught:
        load(file)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("spoiled", ["\ufeff", "# ä\n"])
def test_a_byte_order_mark_and_comments_in_any_language_do_no_harm(file: Path, spoiled: str) -> None:
    file.write_text(spoiled + file.read_text(), encoding="utf-8")
    assert load(file).baseline.learning_rate == 1e-3


def test_a_file_that_is_not_utf8_is_refused(file: Path) -> None:
    file.write_bytes(b"fetch: \xff")
    with pytest.raises(UserError, match="is not YAML"):
        load(file)


def test_a_missing_parameter_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace("  epochs: 50\n", "", 1))
    with pytest.raises(UserError, match=r"train\.epochs is missing"):
        load(file)


@pytest.mark.parametrize("content", ["", "- 1", "a: [", "\t"])
def test_a_file_without_sections_is_refused_in_one_line(file: Path, content: str) -> None:
    file.write_text(content)
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")


def test_a_wrong_value_in_a_section_that_is_not_read_hinders_nothing(file: Path) -> None:
    change(file, "train.epochs", "many")
    change(file, "tune.searches", {})
    params = reading.load("baseline", "reg", path=file)
    assert params.baseline.learning_rate == 1e-3
    assert params.reg.units == (256, 128, 64)
    with pytest.raises(UserError, match=r"train\.epochs is many") as caught:
        reading.load("baseline", "train", path=file)
    assert "tune" not in str(caught.value)


def test_an_unknown_parameter_in_a_section_that_is_not_read_is_refused(file: Path) -> None:
    change(file, "train.epcohs", 5)
    with pytest.raises(UserError, match=r"unknown parameter train\.epcohs"):
        reading.load("baseline", path=file)


def test_an_unknown_axis_in_a_section_that_is_not_read_is_refused(file: Path) -> None:
    file.write_text(file.read_text().replace("        units_3: ", "        unist_3: ", 1))
    with pytest.raises(UserError, match=r"unknown parameter tune\.searches\.broad\.space\.unist_3"):
        reading.load("baseline", path=file)


def test_an_unknown_section_is_refused(file: Path) -> None:
    file.write_text(file.read_text() + "trian:\n  epochs: 5\n")
    with pytest.raises(UserError, match=r"unknown parameter trian; allowed here: fetch, split, train"):
        reading.load("baseline", path=file)


@pytest.mark.parametrize("slip", [False, True])
def test_a_section_that_was_not_asked_for_is_not_there(file: Path, slip: bool) -> None:
    if slip:
        change(file, "tune.searches", {})
    params = reading.load("baseline", "train", path=file)
    assert params.train.epochs == 50
    for section in reading.SECTIONS:
        assert hasattr(params, section) == (section in ("baseline", "train"))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            {"network": "convolutional", "l2": 1e-4},
            "l2 is 0.0001; allowed where network is convolutional: absent, because it would change nothing",
        ),
        (
            {"network": "convolutional", "normalisation": True},
            "normalisation is true; allowed where network is convolutional: absent, because it would change nothing",
        ),
        ({"widths": [8]}, "widths is [8]; allowed where network is dense: absent, because it would change nothing"),
        (
            {"optimiser": "adam", "momentum": 0.9},
            "momentum is 0.9; allowed where optimiser is adam: absent, because it would change nothing",
        ),
        (
            {"average_decay": 0.9},
            "average_decay is 0.9; allowed where average_every is 0: absent, because it would change nothing",
        ),
    ],
)
def test_a_run_names_nothing_that_it_does_not_use(file: Path, run: dict[str, Any], message: str) -> None:
    change(file, "beyond.runs", {"own": run})
    with pytest.raises(UserError) as caught:
        reading.load("beyond", path=file)
    assert str(caught.value) == f"{file}: beyond.runs.own.{message}"


def test_a_run_may_name_what_another_value_makes_it_use(file: Path) -> None:
    used = {"optimiser": "sgd", "momentum": 0.5, "average_every": 2, "average_decay": 0.9}
    change(file, "beyond.runs", {"own": used})
    assert reading.load("beyond", path=file).beyond.runs["own"].momentum == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": "constant"}, "warm_up is 0.1; allowed where schedule is constant: 0"),
        ({"reduce_lr_patience": 3}, "reduce_lr_patience is 3; allowed where schedule is cosine: 0"),
        ({"weight_decay": 2000}, "weight_decay is 2000; allowed where learning_rate is 0.001: below 1000"),
        ({"optimiser": "rmsprop"}, "optimiser is rmsprop; allowed: 'adam' or 'sgd'"),
        ({"momentum": 1}, "momentum is 1; allowed: less than or equal to 0.999999"),
        ({"average_decay": 0.99999999}, "average_decay is 0.99999999; allowed: less than or equal to 0.999999"),
        ({"shift": 32}, "shift is 32; allowed: less than or equal to 31"),
        ({"cutout": -1}, "cutout is -1; allowed: greater than or equal to 0"),
        ({"label_smoothing": 1}, "label_smoothing is 1; allowed: less than or equal to 0.999999"),
        ({"flip": "vertical"}, "flip is vertical; allowed: 'none', 'random' or 'alternating'"),
        ({"mixup": "strong"}, "mixup is strong; allowed: a number"),
        ({"average_decay": 1}, "average_decay is 1; allowed: less than or equal to 0.999999"),
        ({"patience": 0}, "patience is 0; allowed: greater than or equal to 1"),
        ({"widths": []}, "widths is []; allowed: a list of at least one number"),
        ({"dropout_after": [4]}, "dropout_after is [4]; allowed: all, or layers from 1 to 3"),
    ],
)
def test_a_part_of_a_recipe_that_makes_no_sense_is_refused(file: Path, changes: dict[str, Any], message: str) -> None:
    change(file, "beyond.runs", {"odd": changes})
    with pytest.raises(UserError) as caught:
        load(file)
    assert str(caught.value) == f"{file}: beyond.runs.odd.{message}"
