"""Which files a command line means, and what they are called afterwards."""

from pathlib import Path

import pytest

from service.cli import CommandFailed, coco, sources


def test_folders_patterns_and_files_come_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "c.txt", "deep/d.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    named = sources.pictures(
        [str(tmp_path / "c.txt"), str(tmp_path), str(tmp_path / "**/*.webp"), str(tmp_path)]
    )
    assert [path.name for path in named] == ["c.txt", "a.png", "b.JPG", "d.webp"]


def test_a_folder_without_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="no pictures"):
        sources.pictures([str(tmp_path)])


def test_no_two_overlays_have_one_name() -> None:
    paths = [Path("x/a.png"), Path("x/a.jpg"), Path("y/a.png"), Path("y/b.png")]
    stems = sources.stems(paths)
    assert stems[paths[3]] == "b"
    assert len(set(stems.values())) == 4
    assert not any("/" in stem for stem in stems.values())


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["000000000139.jpg", "7.png"], [139, 7]),
        (["000000000139.jpg", "cat.png"], [1, 2]),
        (["7.jpg", "007.jpg"], [1, 2]),
    ],
)
def test_names_that_are_numbers_are_the_ids(names: list[str], ids: list[int]) -> None:
    paths = [Path(name) for name in names]
    assert list(coco.image_ids(paths).values()) == ids
