"""`make test` in several processes: what is dear is made once, and a file's tests stay together."""

from helpers.processes import group_of, made_once


def test_files_that_name_a_dear_fixture_are_one_group_and_others_each_its_own(tmp_path):
    def group(name, text):
        (tmp_path / name).write_text(text)
        return group_of(tmp_path / name)

    assert group("a.py", "def test_a(built_site, visit): ...") == "book"
    assert group("b.py", "def test_b(tiny_run): ...") == "book"
    assert group("c.py", "def test_c(pythia_run): ...") == "hub"
    assert group("d.py", "def test_d(tmp_path): ...") != group("e.py", "")


class Factory:
    """Temporary folders of one process."""

    def __init__(self, base):
        self.base = base

    def getbasetemp(self):
        return self.base

    def mktemp(self, name):
        (self.base / name).mkdir(parents=True)
        return self.base / name


def test_a_folder_is_made_by_the_first_process_and_copied_by_the_others(tmp_path, monkeypatch):
    made = []

    def make(folder):
        made.append(folder)
        (folder / "file").write_text("text")

    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    one, other = (made_once(Factory(tmp_path / each), "home", make) for each in ("gw0", "gw1"))
    assert len(made) == 1
    (one / "file").write_text("changed")
    assert (other / "file").read_text() == "text"
    monkeypatch.delenv("PYTEST_XDIST_WORKER")
    alone = made_once(Factory(tmp_path / "alone"), "home", make)
    assert made[1:] == [alone]
