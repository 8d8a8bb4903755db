from pipeline.reporting.markdown import table


def test_all_columns_but_the_first_are_aligned_to_the_right() -> None:
    assert table(["run", "accuracy"], [["deep", "0.5"], ["shallow", "0.25"]]).splitlines() == [
        "| run     |   accuracy |",
        "|:--------|-----------:|",
        "| deep    |        0.5 |",
        "| shallow |       0.25 |",
    ]


def test_what_looks_like_a_number_stays_as_it_is_written() -> None:
    assert table(["name", "value"], [["1e-05", "0.50"]]).splitlines()[-1].split() == ["|", "1e-05", "|", "0.50", "|"]


def test_a_table_without_rows_has_its_header() -> None:
    assert table(["run", "accuracy"], []).splitlines()[0].split() == ["|", "run", "|", "accuracy", "|"]
