"""Rows keep their names: from the file or frame to every result, and back from disk."""

import io

import numpy as np
import pandas as pd
import pytest

import bayesgmm
from bayesgmm import Dataset, MixtureSpec
from bayesgmm.cli import main
from bayesgmm.errors import DataError
from bayesgmm.report import overview
from bayesgmm.report.document import Facts
from bayesgmm.report.separation import _ambiguous_table
from bayesgmm.report.subject import subject_of

N = 24
LABELS = [f"plot {i}" for i in range(N)]
FRAME = pd.DataFrame(
    {
        "size": np.r_[np.linspace(-2, 2, 12) ** 3, 9 + np.linspace(-2, 2, 12) ** 3],
        "mass": np.sin(np.arange(N)),
    },
    index=LABELS,
)
NEW = FRAME.iloc[[5, 17, 2]].rename(index=lambda name: f"new {name}")


@pytest.fixture(scope="module")
def posterior():
    return bayesgmm.sample(FRAME, 2, seed=1, draws=60, tune=60, chains=2)


@pytest.fixture(scope="module")
def stored(posterior, tmp_path_factory):
    path = bayesgmm.save(posterior, tmp_path_factory.mktemp("labels") / "p.nc")
    return bayesgmm.load(path), path


def test_the_tree_carries_the_labels(posterior, stored):
    for tree in (posterior, stored[0]):
        for group in ("observed_data", "log_likelihood"):
            assert tree[group]["obs"].values.tolist() == LABELS
        assert tree["observed_data"]["x"].sel(obs="plot 3", feature="mass") == FRAME.mass.iloc[3]


def test_predictions_carry_the_labels(stored):
    tree, _ = stored
    soft = bayesgmm.membership(tree)
    assert soft["obs"].values.tolist() == LABELS
    assert set(bayesgmm.most_ambiguous(soft, 5).index) < set(LABELS)
    together = bayesgmm.coclustering(tree)
    assert together["obs"].values.tolist() == together["obs_bis"].values.tolist() == LABELS
    assert bayesgmm.density(tree, FRAME)["obs"].values.tolist() == LABELS
    assert bayesgmm.hard_comparison(FRAME, tree, seed=1).rows.index.tolist() == LABELS
    assert bayesgmm.loo(tree).elpd_i["obs"].values.tolist() == LABELS


@pytest.mark.parametrize("form", [NEW, Dataset.from_frame(NEW)], ids=["frame", "data set"])
def test_new_rows_carry_theirs(stored, form):
    names = [f"new plot {i}" for i in (5, 17, 2)]
    for found in (
        bayesgmm.membership(stored[0], form),
        bayesgmm.density(stored[0], form),
        bayesgmm.coclustering(stored[0], form),
        bayesgmm.membership(bayesgmm.fit_em(FRAME, 2, seed=1), form),
    ):
        assert found["obs"].values.tolist() == names
    bare = bayesgmm.membership(stored[0], NEW.to_numpy())
    assert bare["obs"].values.tolist() == [0, 1, 2]


def test_labels_change_no_number(posterior):
    bare = bayesgmm.sample(FRAME.reset_index(drop=True), 2, seed=1, draws=60, tune=60, chains=2)
    np.testing.assert_array_equal(bare["posterior"]["means"], posterior["posterior"]["means"])
    assert bare["observed_data"]["obs"].values.tolist() == list(range(N))


def test_the_model_and_the_report_name_the_rows(posterior):
    model = bayesgmm.build_model(FRAME, MixtureSpec(2))
    assert list(model.coords["obs"]) == LABELS
    subject = subject_of(posterior, "loo", None)
    table = _ambiguous_table(subject, bayesgmm.membership(posterior))
    assert "named by their labels" in table.caption
    for row in table.rows:
        assert row[0] in LABELS
        assert float(row[1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(
            FRAME["size"][row[0]], rel=1e-2, abs=1e-2
        )


def test_the_report_repeats_what_was_read(tmp_path):
    rows = [f"{name},{size:.3f},${mass:.2f}" for name, size, mass in FRAME.itertuples()]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["id,size,price", *rows, "x,,$1", ""]))
    with pytest.warns(bayesgmm.DataWarning, match="currency=True reads it"):
        data = Dataset.from_csv(path, row_labels="id", missing="drop")
    tree = bayesgmm.sample(data, 1, seed=1, draws=20, tune=20, chains=2)
    facts = [b for b in overview.data(subject_of(tree, "loo", None)).blocks if isinstance(b, Facts)]
    told = {name: text for block in facts for name, text in block.items}
    assert told["Read from"] == str(path) and told["Row names"].startswith("plot 0, plot 1")
    assert told["Read with"] == "row_labels='id', missing='drop'"
    assert "'price' holds no number: '$0.00' in line 2" in told["Left out"]
    assert "1 row with a missing value: row 25" in told["Left out"]


def test_commands_name_the_rows(stored, tmp_path, capsys):
    NEW.to_csv(tmp_path / "new.csv")
    assert main(["predict", str(stored[1]), str(tmp_path / "new.csv"), "--row-labels", "1"]) in (
        0,
        3,
    )
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="row")
    assert table.index.tolist() == NEW.index.tolist()
    assert main(["predict", str(stored[1])]) in (0, 3)
    table = pd.read_csv(io.StringIO(capsys.readouterr().out), index_col="row")
    assert table.index.tolist() == LABELS


def test_labels_that_name_no_row_once(tmp_path):
    twice = FRAME.set_axis(["a", "b"] * 12)
    assert Dataset.from_frame(twice).row_labels is None
    with pytest.raises(DataError, match="name 12 rows 'a': they must differ"):
        Dataset.from_frame(twice.reset_index(names="id"), row_labels="id")
    path = tmp_path / "t.csv"
    twice.to_csv(path)
    with pytest.raises(DataError, match="name 12 rows 'a'"):
        Dataset.from_csv(path, row_labels=1)
    FRAME.to_parquet(tmp_path / "t.parquet")
    assert Dataset.from_parquet(tmp_path / "t.parquet").row_labels == tuple(LABELS)
    FRAME.rename_axis("id").to_parquet(tmp_path / "n.parquet")
    data = Dataset.from_parquet(tmp_path / "n.parquet")
    assert (data.row_labels, data.features) == (tuple(LABELS), ("size", "mass"))
