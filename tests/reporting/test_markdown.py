from pipeline.reporting.markdown import escaped, table


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


def test_characters_that_mean_something_in_markdown_are_escaped() -> None:
    assert escaped("blue_dark, 猫-1.0") == "blue_dark, 猫-1.0"
    assert escaped("$x$ a|b *c* _d_ `e` [f] <g> \\") == r"\$x\$ a\|b \*c\* \_d\_ \`e\` \[f\] \<g\> \\"
    assert table(["class"], [[escaped("a|b")]]).splitlines()[-1] == r"| a\|b    |"


def test_no_cell_ends_before_its_end() -> None:
    pipe, line, pair, whole = table(["a|b"], [["c|d"], ["e\nf\r\ng"], [r"h\\|i"], [escaped("j|k")]]).splitlines()[2:]
    assert pipe.strip("| ") == r"c\|d"
    assert line.strip("| ") == "e f g"
    assert pair.strip("| ") == r"h\\\|i"
    assert whole.strip("| ") == r"j\|k"
