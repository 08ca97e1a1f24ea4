import torch
from hypothesis import given
from hypothesis import strategies as st

from models.ops.grouping import members, owners

CPU = torch.device("cpu")


@given(st.lists(st.integers(0, 4), max_size=30))
def test_members_are_where_a_group_is_in_their_order(ids: list[int]) -> None:
    found = members(torch.tensor(ids, dtype=torch.int64), 6)
    expected = [[row for row, owner in enumerate(ids) if owner == group] for group in range(6)]
    assert [rows.tolist() for rows in found] == expected


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_owners_name_each_group_as_often_as_it_has_rows(counts: list[int]) -> None:
    ids = owners(counts, CPU)
    assert ids.tolist() == sorted(ids.tolist())
    assert [len(rows) for rows in members(ids, len(counts))] == counts
