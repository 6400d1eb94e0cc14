"""What takes room, and what can go."""

from core import disk, places
from core.data import competition
from core.images import store
from core.images.decode import Framing
from core.reports import space


def test_stores_of_unfinished_runs_stay_and_others_can_go(data_dir, home, monkeypatch, capsys):
    monkeypatch.setenv("CACHE", str(home / "cache"))
    table = competition.load(data_dir)
    store.open_store(table, Framing((360, 200), 0.1))
    store.open_store(table, Framing((360, 200), 0.15, whole=True))
    folder = places.runs() / "v5_multitask/begun"
    disk.write_json(folder / "start.json", {})
    disk.write_json(folder / "where.json", {"data": str(data_dir)})
    space.main(["--remove"])
    said = capsys.readouterr().out
    assert f"store of {data_dir}, 54x30 in whole frames" in said
    assert said.count("needed by v5_multitask/begun, which is unfinished") == 2
    assert "v5_multitask/begun" in said
    assert len(list((home / "cache").rglob("pixels-*.npy"))) == 2
    disk.write_json(folder / "run.json", {})
    space.main([])
    assert capsys.readouterr().out.count("can go; is made again when it is needed") == 2
    assert len(list((home / "cache").rglob("pixels-*.npy"))) == 2
    space.main(["--remove"])
    assert not [path for path in (home / "cache").rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert store.open_store(table, Framing((360, 200), 0.1)).array.shape[1:] == (36, 20, 3)


def test_a_store_of_before_or_with_a_damaged_note_is_listed(home, monkeypatch, capsys):
    monkeypatch.setenv("CACHE", str(home / "cache"))
    for name, text in (("pixels-aa-bb.npy", "pixels"), ("pixels-cc-dd.npy", "pixels"), ("about-cc.json", "{")):
        disk.write_text(home / "cache/data-1/" / name, text)
    space.main([])
    assert capsys.readouterr().out.count("store data-1") == 2
