"""Tables that spreadsheets open: text is never a formula, and numbers stay what they are."""

import csv
import io

import pandas as pd

from bayesgmm.posterior.whole_files import csv_text

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", '=HYPERLINK("a","b")']


def test_no_text_of_a_table_is_a_formula() -> None:
    table = pd.DataFrame(
        {"=name": [-1.5] * 7, "text": FORMULAS, "kind": pd.Categorical(FORMULAS)}, index=FORMULAS
    )
    read = list(csv.reader(io.StringIO(csv_text(table.rename_axis("@row")), newline="")))
    assert read[0] == ["'@row", "'=name", "text", "kind"]
    for line, formula in zip(read[1:], FORMULAS, strict=True):
        assert line == [f"'{formula}", "-1.5", f"'{formula}", f"'{formula}"]


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    table = pd.DataFrame({"x": [-1.0, 2.5], "n": [-3, 4], "t": ["-5", None]}, index=["+1e3", "a=b"])
    assert csv_text(table) == table.to_csv(lineterminator="\n")
    several = pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("=a", 1)]))
    assert csv_text(several).splitlines()[1] == "'=a,1,1"
