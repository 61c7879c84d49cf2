"""Execute notebooks in place, as they are committed: ``python notebooks/execute.py [NAME ...]``.

Outputs hold no time stamps, and each notebook runs in its own folder, so that paths are relative.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def executed(path: Path, folder: Path, timeout: int = 120) -> nbformat.NotebookNode:
    """Return a notebook executed from its first cell in `folder`, without time stamps.

    Parameters
    ----------
    path, folder : Path
    timeout : int
        Longest time of one cell, seconds.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({})
    return notebook


def main(names: list[str]) -> None:
    """Execute the notebooks named, or all, and write them back."""
    for path in [HERE / name for name in names] or sorted(HERE.glob("*.ipynb")):
        nbformat.write(executed(path, HERE), path)


if __name__ == "__main__":
    main(sys.argv[1:])
