from hypothesis import given
from hypothesis import strategies as st

from models.keys import content_key, dimension_key, positive

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    st.lists,
    max_leaves=5,
)


def test_a_key_is_the_same_in_every_process_and_for_ever() -> None:
    # written down once: another hash would give every stored row a key that nothing points to
    assert dimension_key("dim_culprit", 42, "shop.price in share") == -7061107715659011521
    assert content_key(b"hook", b"42", b"not_json", b"{") == 186914102864860753


@given(values)
def test_a_key_fits_a_bigint(description: object) -> None:
    assert -(2**63) <= dimension_key("dim_x", 1, description) < 2**63


def test_kind_project_and_each_part_of_the_description_make_another_key() -> None:
    told = [
        ("dim_release", 1, "a", None),
        ("dim_release", 1, "a", ""),
        ("dim_release", 1, None, "a"),
        ("dim_release", 1, "a"),
        ("dim_release", 2, "a", None),
        ("dim_other", 1, "a", None),
        ("dim_release", 1, "a", "b"),
        ("dim_release", 1, "ab", None),
    ]
    assert len({dimension_key(*each) for each in told}) == len(told)


@given(st.lists(st.binary(max_size=3), max_size=4), st.lists(st.binary(max_size=3), max_size=4))
def test_parts_of_content_are_set_off_from_each_other(one: list[bytes], other: list[bytes]) -> None:
    assert (content_key(*one) == content_key(*other)) == (one == other)


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_key_for_people_is_never_negative_and_keeps_its_lower_63_bits(key: int) -> None:
    assert 0 <= positive(key) < 2**63
    assert positive(key) % 2**63 == key % 2**63
